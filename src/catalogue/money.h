#pragma once
// Money: an exact decimal amount of one currency. Prices of tokens are as small as 0.00000001 USD and bills are sums of
// many of them, so nothing here is ever a double and nothing is ever rounded unless rounded() is asked for.
//
// An amount is a whole number of attos (10^-18) in 128 bits: up to 1.7 * 10^20 units of the currency. What does not
// fit, or is finer than an atto, is an error and not a nearest value.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace perdure {

// Three capital letters (ISO 4217).
class Currency {
 public:
  Currency() = default;  // USD
  static Result<Currency> parse(std::string_view text);
  std::string_view code() const { return {code_.data(), code_.size()}; }
  bool operator==(const Currency&) const = default;

 private:
  std::array<char, 3> code_{'U', 'S', 'D'};
};

class Money {
 public:
  static constexpr int kDecimals = 18;

  Money() = default;  // 0 USD
  explicit Money(Currency currency) : currency_(currency) {}
  // A decimal as JSON writes numbers, whole or with fraction and exponent: "0.0000025", "2.5e-06", "-3". kInvalid:
  // something else, finer than 10^-18, or too large.
  static Result<Money> parse(std::string_view text, Currency currency = {});

  const Currency& currency() const { return currency_; }
  bool zero() const { return attos_ == 0; }
  bool negative() const { return attos_ < 0; }

  // kInvalid: two currencies, or too large. Sums and products are exact.
  Result<Money> plus(const Money& other) const;
  Result<Money> minus(const Money& other) const;
  Result<Money> times(int64_t factor) const;
  // kInvalid where the quotient has no exact form, or for a divisor below 1.
  Result<Money> divided_exactly(int64_t divisor) const;
  // To so many decimals (0 to 18), half to even, for people's eyes only. kInvalid: too large.
  Result<Money> rounded(int decimals) const;
  // Below, equal or above 0. kInvalid: two currencies.
  Result<int> compare(const Money& other) const;

  // Shortest form that parse() reads back to the same: "0.0000025", "-3", "0". No exponent, no currency.
  std::string amount() const;
  std::string to_string() const;  // "0.0000025 USD"

  bool operator==(const Money&) const = default;

 private:
  using Int128 = __int128;
  Money(Int128 attos, Currency currency) : attos_(attos), currency_(currency) {}
  Int128 attos_ = 0;
  Currency currency_;
};

}  // namespace perdure
