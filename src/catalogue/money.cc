#include "catalogue/money.h"

#include <algorithm>

namespace perdure {
namespace {

using Int128 = __int128;

Error wrong(std::string message) { return {Code::kInvalid, std::move(message)}; }
Error too_large() { return {.code = Code::kInvalid, .message = "the amount is too large", .reason = "money_overflow"}; }

bool digit(char c) { return c >= '0' && c <= '9'; }

// The parts of a number in JSON's grammar: digits without the point, and where the point belongs.
struct Parts {
  bool negative = false;
  std::string digits;  // without leading and trailing zeros; empty: zero
  int64_t scale = 0;   // the value is digits * 10^-scale
};

// Beyond this an exponent only says "too large" or "too fine" (or stands behind a zero).
constexpr int64_t kExponentMax = 1'000'000;

bool split(std::string_view text, Parts& out) {
  size_t at = 0;
  auto more = [&] { return at < text.size(); };
  out.negative = more() && text[at] == '-';
  at += out.negative;
  size_t first = at;
  for (; more() && digit(text[at]); ++at) out.digits += text[at];
  size_t whole = at - first;
  if (whole == 0 || (whole > 1 && text[first] == '0')) return false;
  if (more() && text[at] == '.') {
    size_t before = ++at;
    for (; more() && digit(text[at]); ++at) out.digits += text[at];
    if (at == before) return false;
    out.scale = static_cast<int64_t>(at - before);
  }
  if (more() && (text[at] == 'e' || text[at] == 'E')) {
    bool down = ++at < text.size() && text[at] == '-';
    if (more() && (text[at] == '-' || text[at] == '+')) ++at;
    size_t before = at;
    int64_t exponent = 0;
    for (; more() && digit(text[at]); ++at) exponent = std::min(kExponentMax, exponent * 10 + (text[at] - '0'));
    if (at == before) return false;
    out.scale += down ? exponent : -exponent;
  }
  if (more()) return false;
  size_t last = out.digits.find_last_not_of('0');
  size_t kept = last == std::string::npos ? 0 : last + 1;
  out.scale -= static_cast<int64_t>(out.digits.size() - kept);
  out.digits.resize(kept);
  out.digits.erase(0, std::min(out.digits.find_first_not_of('0'), out.digits.size()));
  return true;
}

Int128 power_of_ten(int exponent) {
  Int128 out = 1;
  for (int i = 0; i < exponent; ++i) out *= 10;
  return out;
}

}  // namespace

Result<Currency> Currency::parse(std::string_view text) {
  bool capitals = std::ranges::all_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
  if (text.size() != 3 || !capitals) return wrong("must be a currency in three capital letters, like USD");
  Currency out;
  std::ranges::copy(text, out.code_.begin());
  return out;
}

Result<Money> Money::parse(std::string_view text, Currency currency) {
  constexpr size_t kTextMax = 400;  // a double written out in full has fewer
  Parts parts;
  if (text.size() > kTextMax || !split(text, parts)) return wrong("must be a decimal number, like 2.5 or 2.5e-06");
  if (parts.digits.empty()) return Money(currency);
  if (parts.scale > kDecimals) return wrong("is finer than 10^-18, which cannot be kept exactly");
  int64_t zeros = kDecimals - parts.scale;
  if (zeros + static_cast<int64_t>(parts.digits.size()) > 40) return too_large();
  parts.digits.append(static_cast<size_t>(zeros), '0');
  Int128 attos = 0;
  // Built on the negative side, which reaches one further.
  for (char c : parts.digits)
    if (__builtin_mul_overflow(attos, Int128{10}, &attos) || __builtin_sub_overflow(attos, Int128{c - '0'}, &attos))
      return too_large();
  if (!parts.negative && __builtin_sub_overflow(Int128{0}, attos, &attos)) return too_large();
  return Money(attos, currency);
}

Result<Money> Money::plus(const Money& other) const {
  if (currency_ != other.currency_) return wrong("amounts of two currencies do not add up");
  Int128 sum = 0;
  if (__builtin_add_overflow(attos_, other.attos_, &sum)) return too_large();
  return Money(sum, currency_);
}

Result<Money> Money::minus(const Money& other) const {
  if (currency_ != other.currency_) return wrong("amounts of two currencies do not add up");
  Int128 difference = 0;
  if (__builtin_sub_overflow(attos_, other.attos_, &difference)) return too_large();
  return Money(difference, currency_);
}

Result<Money> Money::times(int64_t factor) const {
  Int128 product = 0;
  if (__builtin_mul_overflow(attos_, Int128{factor}, &product)) return too_large();
  return Money(product, currency_);
}

Result<Money> Money::divided_exactly(int64_t divisor) const {
  if (divisor < 1) return wrong("money is divided by positive numbers only");
  if (attos_ % divisor != 0) return wrong("the quotient is finer than 10^-18, which cannot be kept exactly");
  return Money(attos_ / divisor, currency_);
}

Result<Money> Money::rounded(int decimals) const {
  if (decimals < 0 || decimals > kDecimals) return wrong("money is rounded to 0 to 18 decimals");
  Int128 unit = power_of_ten(kDecimals - decimals);
  Int128 rest = attos_ % unit, kept = attos_ / unit;
  Int128 distance = rest < 0 ? -rest : rest;
  bool away = distance * 2 > unit || (distance * 2 == unit && kept % 2 != 0);
  if (away) kept += attos_ < 0 ? -1 : 1;
  Int128 out = 0;
  if (__builtin_mul_overflow(kept, unit, &out)) return too_large();
  return Money(out, currency_);
}

Result<int> Money::compare(const Money& other) const {
  if (currency_ != other.currency_) return wrong("amounts of two currencies do not compare");
  return attos_ < other.attos_ ? -1 : attos_ > other.attos_ ? 1 : 0;
}

std::string Money::amount() const {
  std::string digits;  // backwards
  for (Int128 rest = attos_; rest != 0; rest /= 10) {
    int low = static_cast<int>(rest % 10);
    digits += static_cast<char>('0' + (low < 0 ? -low : low));
  }
  while (digits.size() <= static_cast<size_t>(kDecimals)) digits += '0';
  std::string out = attos_ < 0 ? "-" : "";
  out.append(digits.rbegin(), digits.rend() - kDecimals);
  std::string fraction(digits.rend() - kDecimals, digits.rend());
  fraction.erase(fraction.find_last_not_of('0') + 1);
  if (!fraction.empty()) out += "." + fraction;
  return out;
}

std::string Money::to_string() const { return amount().append(" ").append(currency_.code()); }

}  // namespace perdure
