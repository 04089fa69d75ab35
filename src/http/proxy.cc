#include <arpa/inet.h>

#include "http/client.h"

namespace perdure {
namespace {

bool is_loopback(const std::string& host) {
  if (host == "localhost" || host.ends_with(".localhost") || host == "::1") return true;
  in_addr v4{};
  return ::inet_pton(AF_INET, host.c_str(), &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

// "example.com" and ".example.com" both serve the name itself and what is below it; ":port" narrows an entry.
bool entry_matches(std::string_view entry, const Address& address) {
  while (!entry.empty() && entry.front() == ' ') entry.remove_prefix(1);
  while (!entry.empty() && entry.back() == ' ') entry.remove_suffix(1);
  if (entry == "*") return true;
  std::string_view host = entry;
  if (entry.starts_with('[')) {
    size_t close = entry.find(']');
    if (close == std::string_view::npos) return false;
    host = entry.substr(1, close - 1);
    entry = entry.substr(close + 1);
    if (!entry.empty() && entry != ":" + std::to_string(address.port)) return false;
  } else if (size_t colon = entry.find(':');
             colon != std::string_view::npos && entry.find(':', colon + 1) == std::string_view::npos) {
    host = entry.substr(0, colon);
    if (entry.substr(colon + 1) != std::to_string(address.port)) return false;
  }
  if (host.starts_with("*.")) host.remove_prefix(1);
  if (host.starts_with('.')) host.remove_prefix(1);
  if (host.empty() || address.host.size() < host.size()) return false;
  size_t at = address.host.size() - host.size();
  if (!equal_ignoring_case(std::string_view(address.host).substr(at), host)) return false;
  return at == 0 || address.host[at - 1] == '.';
}

}  // namespace

std::optional<Url> ProxyRules::proxy_for(const Url& url) const {
  const std::string& text = url.tls ? https : http;
  if (text.empty() || is_loopback(url.address.host)) return std::nullopt;
  for (const std::string& entry : direct)
    if (entry_matches(entry, url.address)) return std::nullopt;
  auto parsed = parse_url(text.find("://") == std::string::npos ? "http://" + text : text);
  // A proxy that cannot be understood must not be passed by silently: a Url without a host fails the call.
  return parsed.ok() ? std::move(parsed).value() : Url{};
}

}  // namespace perdure
