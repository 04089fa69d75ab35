#include "app/reload.h"

#include <utility>

namespace perdure {
namespace {

bool same(const Address& a, const Address& b) { return a.host == b.host && a.port == b.port; }

bool same(const std::optional<ServerTls>& a, const std::optional<ServerTls>& b) {
  if (!a || !b) return !a && !b;
  return a->certificate_file == b->certificate_file && a->key_file == b->key_file;
}

template <class T>
bool same(const T& a, const T& b) {
  return a == b;
}

}  // namespace

std::vector<std::string> keep_what_needs_a_restart(const Config& running, Config& next) {
  std::vector<std::string> out;
  auto keep = [&](const char* key, const auto& old, auto& anew) {
    if (!same(old, anew)) out.emplace_back(key);
    anew = old;
  };
  keep("listen", running.listen, next.listen);
  keep("data", running.data, next.data);
  keep("cores", running.cores, next.cores);
  keep("tls", running.tls, next.tls);
  keep("log.format", running.log_format, next.log_format);
  const HttpServerLimits& had = running.http;
  keep("limits.header_bytes", had.header_bytes_max, next.http.header_bytes_max);
  keep("limits.body_bytes", had.body_bytes_max, next.http.body_bytes_max);
  keep("limits.body_bytes_total", had.body_bytes_total_max, next.http.body_bytes_total_max);
  keep("limits.connections", had.connections_max, next.http.connections_max);
  keep("limits.header_time", had.header_time, next.http.header_time);
  keep("limits.body_time", had.body_time, next.http.body_time);
  keep("limits.idle_time", had.idle_time, next.http.idle_time);
  keep("limits.write_time", had.write_time, next.http.write_time);
  keep("reasoning_events", running.reasoning_events, next.reasoning_events);
  keep("encryption.enabled", running.encryption, next.encryption);
  keep("encryption.key", running.master_key, next.master_key);
  return out;
}

}  // namespace perdure
