#include "app/config.h"

#include <charconv>

namespace perdure {
namespace {

Error wrong(std::string message) { return {Code::kInvalid, std::move(message)}; }

// A whole number and the unit behind it.
bool split_number(std::string_view text, uint64_t& number, std::string_view& unit) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  unit = text.substr(static_cast<size_t>(end - text.data()));
  return error == std::errc();
}

}  // namespace

std::string ConfigProblem::to_string(std::string_view file) const {
  std::string out(file);
  if (line > 0) out += ":" + std::to_string(line) + ":" + std::to_string(column);
  out += ": ";
  if (!field.empty()) out += field + ": ";
  return out + message;
}

Result<Duration> parse_duration(std::string_view text) {
  constexpr std::pair<std::string_view, int64_t> kUnits[] = {
      {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
  uint64_t number = 0;
  std::string_view unit;
  if (split_number(text, number, unit) && number <= 1'000'000'000) {
    for (auto [name, ms] : kUnits) {
      if (unit != name) continue;
      if (static_cast<int64_t>(number) * ms > int64_t{36'500} * 86'400'000) return wrong("longer than 100 years");
      return Duration(std::chrono::milliseconds(static_cast<int64_t>(number) * ms));
    }
  }
  return wrong("\"" + std::string(text) + "\" is not a duration: write a whole number and ms, s, m, h or d, like 30s");
}

Result<size_t> parse_size(std::string_view text) {
  constexpr std::pair<std::string_view, int> kUnits[] = {{"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
  uint64_t number = 0;
  std::string_view unit;
  if (split_number(text, number, unit) && number <= 1'000'000'000) {
    for (auto [name, shift] : kUnits)
      if (unit == name) return static_cast<size_t>(number) << shift;
  }
  return wrong("\"" + std::string(text) + "\" is not a size: write a whole number and B, KiB, MiB or GiB, like 64MiB");
}

Result<Address> parse_listen(std::string_view text) {
  size_t colon = text.rfind(':');
  Error error =
      wrong("\"" + std::string(text) + "\" is not an address to listen on: write host:port, like 127.0.0.1:8080");
  if (colon == std::string_view::npos || colon == 0) return error;
  std::string_view host = text.substr(0, colon), port = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']'))
    host = host.substr(1, host.size() - 2);
  else if (host.find(':') != std::string_view::npos)
    return error;
  Address out{std::string(host), 0};
  auto [end, failed] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (host.empty() || failed != std::errc() || end != port.data() + port.size() || out.port < 0 || out.port > 65535)
    return error;
  return out;
}

bool is_loopback(const Address& address) {
  return address.host == "localhost" || address.host == "::1" ||
         (address.host.starts_with("127.") && address.host.find_first_not_of("0123456789.") == std::string::npos);
}

ProxyRules proxies_from_environment(const Environment& environment) {
  auto first = [&](std::initializer_list<const char*> names) {
    for (const char* name : names)
      if (auto value = environment(name); value && !value->empty()) return *value;
    return std::string();
  };
  // HTTP_PROXY in capitals is left out: under CGI it is a header of the request.
  ProxyRules rules;
  rules.http = first({"http_proxy", "all_proxy", "ALL_PROXY"});
  rules.https = first({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
  std::string direct = first({"no_proxy", "NO_PROXY"});
  for (size_t from = 0; from < direct.size();) {
    size_t to = std::min(direct.find(',', from), direct.size());
    std::string entry = direct.substr(from, to - from);
    std::erase(entry, ' ');
    if (!entry.empty()) rules.direct.push_back(entry);
    from = to + 1;
  }
  return rules;
}

std::string default_data_folder(const Environment& environment) {
  if (auto set = environment("PERDURE_DATA"); set && !set->empty()) return *set;
  if (auto xdg = environment("XDG_DATA_HOME"); xdg && !xdg->empty()) return *xdg + "/perdure";
  if (auto home = environment("HOME"); home && !home->empty()) return *home + "/.local/share/perdure";
  return "perdure-data";
}

}  // namespace perdure
