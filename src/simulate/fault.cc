#include "simulate/fault.h"

#include <array>
#include <charconv>
#include <cmath>

namespace perdure::simulate {
namespace {

using Kind = Fault::Kind;

constexpr std::array<std::pair<Kind, std::string_view>, 10> kNames = {{
    {Kind::kStatus, "status"},
    {Kind::kCutAfterTokens, "cut-after-tokens"},
    {Kind::kCutAfterBytes, "cut-after-bytes"},
    {Kind::kStallAfterTokens, "stall-after-tokens"},
    {Kind::kMalformedAfterTokens, "malformed-after-tokens"},
    {Kind::kErrorAfterTokens, "error-after-tokens"},
    {Kind::kEndAfterTokens, "end-after-tokens"},
    {Kind::kTrickle, "trickle"},
    {Kind::kSlowHeaders, "slow-headers"},
    {Kind::kClose, "close"},
}};

Error wrong(std::string_view text, std::string_view why) {
  return {.code = Code::kInvalid, .message = "fault \"" + std::string(text) + "\": " + std::string(why)};
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Takes what stands before `separator` off `text`; all of it when there is none.
std::string_view take_until(std::string_view& text, char separator) {
  const size_t at = text.find(separator);
  const std::string_view head = trimmed(text.substr(0, at));
  text = at == std::string_view::npos ? std::string_view() : text.substr(at + 1);
  return head;
}

bool read_count(std::string_view text, int64_t& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out >= 0;
}

bool read_range(std::string_view text, int64_t& least, int64_t& most) {
  const size_t dots = text.find("..");
  if (dots == std::string_view::npos) return read_count(text, least) && (most = least, true);
  return read_count(text.substr(0, dots), least) && read_count(text.substr(dots + 2), most) && least <= most;
}

std::string shortest(double value) {
  std::array<char, 32> buffer;
  auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), end};
}

std::string text_of(Duration time) { return shortest(std::chrono::duration<double, std::milli>(time).count()) + "ms"; }

bool counts(Kind kind) { return kind >= Kind::kCutAfterTokens && kind <= Kind::kEndAfterTokens; }

}  // namespace

std::string_view name_of(Kind kind) {
  for (const auto& [k, name] : kNames)
    if (k == kind) return name;
  return "unknown";
}

Result<Duration> parse_time(std::string_view text) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  double scale = 0;
  if (unit == "ms") scale = 1e6;
  if (unit == "s") scale = 1e9;
  if (unit == "m") scale = 60e9;
  if (error != std::errc() || scale == 0 || !std::isfinite(value) || value < 0 || value * scale > 1e18)
    return Error{.code = Code::kInvalid,
                 .message = "\"" + std::string(text) + "\" is not a time such as 250ms, 2s or 1m"};
  return Duration(static_cast<int64_t>(std::llround(value * scale)));
}

Result<Fault> parse_fault(std::string_view text) {
  const std::string_view whole = text = trimmed(text);
  Fault fault;
  for (;;) {
    if (text.starts_with("p=") && text.find(':') != std::string_view::npos) {
      const std::string_view p = take_until(text, ':').substr(2);
      auto [end, error] = std::from_chars(p.data(), p.data() + p.size(), fault.probability);
      if (error != std::errc() || end != p.data() + p.size() || !(fault.probability >= 0 && fault.probability <= 1))
        return wrong(whole, "p is a probability between 0 and 1");
    } else if (text.starts_with("times=") && text.find(':') != std::string_view::npos) {
      if (!read_count(take_until(text, ':').substr(6), fault.times)) return wrong(whole, "times is a whole number");
    } else {
      break;
    }
    text = trimmed(text);
  }

  std::string_view value = take_until(text, ',');
  const bool has_value = value.find('=') != std::string_view::npos;
  const std::string_view name = take_until(value, '=');
  bool known = false;
  for (const auto& [kind, its_name] : kNames) {
    if (name != its_name) continue;
    fault.kind = kind;
    known = true;
  }
  if (!known) {
    std::string all;
    for (const auto& entry : kNames) all.append(all.empty() ? "" : ", ").append(entry.second);
    return wrong(whole, "no fault is called \"" + std::string(name) + "\"; there are " + all);
  }
  switch (fault.kind) {
    case Kind::kStatus: {
      int64_t status = 0;
      if (!read_count(value, status) || status < 400 || status > 599)
        return wrong(whole, "status is between 400 and 599");
      fault.status = static_cast<int>(status);
      break;
    }
    case Kind::kTrickle:
      fault.time = Duration(0);
      if (has_value) {
        TRY(fault.time, parse_time(value));
      }
      break;
    case Kind::kSlowHeaders: {
      TRY(fault.time, parse_time(value));
      break;
    }
    case Kind::kClose:
      if (has_value) return wrong(whole, "close takes no value");
      break;
    default:
      if (!read_range(value, fault.after_min, fault.after_max))
        return wrong(whole, "wants a number, or a range such as 1..40");
  }
  while (!text.empty()) {
    std::string_view detail = take_until(text, ',');
    const std::string_view key = take_until(detail, '=');
    if (key == "retry-after" && fault.kind == Kind::kStatus) {
      if (!read_count(detail, fault.retry_after_s)) return wrong(whole, "retry-after is a whole number of seconds");
    } else if (key == "for" && fault.kind == Kind::kStallAfterTokens) {
      TRY(fault.time, parse_time(detail));
    } else {
      return wrong(whole, "does not take \"" + std::string(key) + "\"");
    }
  }
  return fault;
}

Result<std::vector<Fault>> parse_faults(std::string_view text) {
  std::vector<Fault> faults;
  while (!text.empty()) {
    const std::string_view one = take_until(text, ';');
    if (one.empty()) continue;
    TRY(auto fault, parse_fault(one));
    faults.push_back(fault);
  }
  return faults;
}

std::string to_string(const Fault& fault) {
  std::string out;
  if (fault.probability != 1) out += "p=" + shortest(fault.probability) + ":";
  if (fault.times >= 0) out += "times=" + std::to_string(fault.times) + ":";
  out += name_of(fault.kind);
  if (counts(fault.kind)) {
    out += "=" + std::to_string(fault.after_min);
    if (fault.after_max != fault.after_min) out += ".." + std::to_string(fault.after_max);
  }
  if (fault.kind == Kind::kStatus) out += "=" + std::to_string(fault.status);
  if (fault.retry_after_s >= 0) out += ",retry-after=" + std::to_string(fault.retry_after_s);
  if (fault.kind == Kind::kStallAfterTokens && fault.time.count() >= 0) out += ",for=" + text_of(fault.time);
  if (fault.kind == Kind::kSlowHeaders || (fault.kind == Kind::kTrickle && fault.time.count() > 0))
    out += "=" + text_of(fault.time);
  return out;
}

std::string to_string(const std::vector<Fault>& faults) {
  std::string out;
  for (const Fault& fault : faults) out.append(out.empty() ? "" : ";").append(to_string(fault));
  return out;
}

}  // namespace perdure::simulate
