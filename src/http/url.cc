#include <algorithm>
#include <charconv>

#include "http/client.h"

namespace perdure {
namespace {

Error wrong(std::string why) { return {Code::kInvalid, "URL: " + std::move(why)}; }

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 32 && c != 127; });
}

}  // namespace

std::string Url::authority() const {
  std::string out = address.host.find(':') != std::string::npos ? "[" + address.host + "]" : address.host;
  if (address.port != (tls ? 443 : 80)) out += ":" + std::to_string(address.port);
  return out;
}

Result<Url> parse_url(std::string_view text) {
  Url url;
  size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return wrong("it must begin with http:// or https://");
  std::string_view scheme = text.substr(0, scheme_end);
  if (equal_ignoring_case(scheme, "https"))
    url.tls = true;
  else if (!equal_ignoring_case(scheme, "http"))
    return wrong("it must begin with http:// or https://");
  if (!is_visible(text)) return wrong("it holds white space or control characters");
  std::string_view rest = text.substr(scheme_end + 3);
  rest = rest.substr(0, rest.find('#'));
  size_t path_at = rest.find_first_of("/?");
  std::string_view authority = rest.substr(0, path_at);
  if (path_at != std::string_view::npos) url.path = rest.substr(path_at);
  if (!url.path.starts_with('/')) url.path.insert(0, "/");
  if (authority.find('@') != std::string_view::npos) return wrong("credentials inside are not accepted");
  std::string_view host, port;
  bool has_port = false;
  if (authority.starts_with('[')) {
    size_t close = authority.find(']');
    if (close == std::string_view::npos) return wrong("the IPv6 address has no closing bracket");
    host = authority.substr(1, close - 1);
    if (host.find(':') == std::string_view::npos ||
        host.find_first_not_of("0123456789abcdefABCDEF:.%_-ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ") !=
            std::string_view::npos)
      return wrong("not an IPv6 address in brackets");
    std::string_view after = authority.substr(close + 1);
    if (!after.empty()) {
      if (after[0] != ':') return wrong("unexpected text behind the IPv6 address");
      port = after.substr(1);
      has_port = true;
    }
  } else {
    size_t colon = authority.find(':');
    host = authority.substr(0, colon);
    if (colon != std::string_view::npos) {
      port = authority.substr(colon + 1);
      has_port = true;
      if (port.find(':') != std::string_view::npos) return wrong("an IPv6 address must be in brackets");
    }
    if (host.find_first_of("[]<>\"\\^`{|}%") != std::string_view::npos)
      return wrong("a character that no host name has");
  }
  if (host.empty()) return wrong("it names no host");
  url.address.host = host;
  std::transform(url.address.host.begin(), url.address.host.end(), url.address.host.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  url.address.port = url.tls ? 443 : 80;
  if (has_port && !port.empty()) {
    auto [end, problem] = std::from_chars(port.data(), port.data() + port.size(), url.address.port);
    if (problem != std::errc() || end != port.data() + port.size() || url.address.port < 1 || url.address.port > 65535)
      return wrong("the port is not a number from 1 to 65535");
  }
  return url;
}

}  // namespace perdure
