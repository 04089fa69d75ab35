#include "gateway/rate_limits.h"

#include <ctime>

namespace perdure {
namespace {

int64_t ms_of(Duration duration) { return std::chrono::ceil<std::chrono::milliseconds>(duration).count(); }

// As OpenAI writes it: "120ms", "8s", "6m0s", "1h2m3s".
std::string span_text(Duration duration) {
  int64_t ms = ms_of(duration);
  if (ms < 1000) return std::to_string(ms) + "ms";
  int64_t seconds = (ms + 999) / 1000;
  std::string out;
  if (seconds >= 3600) out += std::to_string(seconds / 3600) + "h";
  if (seconds >= 60) out += std::to_string(seconds / 60 % 60) + "m";
  return out + std::to_string(seconds % 60) + "s";
}

// RFC 3339, whole seconds, never too early.
std::string moment_text(WallTime moment) {
  std::time_t seconds = std::chrono::ceil<std::chrono::seconds>(moment.time_since_epoch()).count();
  std::tm parts{};
  char text[32];
  if (gmtime_r(&seconds, &parts) == nullptr || std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
    return {};
  return text;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> rate_headers(ClientDialect dialect, const Admission& admission,
                                                              WallTime now) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [what, left] :
       {std::pair("requests", &admission.requests), std::pair("tokens", &admission.tokens)}) {
    if (!left->has_value()) continue;
    const RateLeft& state = **left;
    std::string limit = std::to_string(state.limit), remaining = std::to_string(state.remaining);
    if (dialect == ClientDialect::kMessages) {
      std::string name = "anthropic-ratelimit-" + std::string(what);
      out.emplace_back(name + "-limit", limit);
      out.emplace_back(name + "-remaining", remaining);
      out.emplace_back(name + "-reset", moment_text(now + std::chrono::ceil<WallTime::duration>(state.full_in)));
    } else {
      out.emplace_back("x-ratelimit-limit-" + std::string(what), limit);
      out.emplace_back("x-ratelimit-remaining-" + std::string(what), remaining);
      out.emplace_back("x-ratelimit-reset-" + std::string(what), span_text(state.full_in));
    }
  }
  return out;
}

}  // namespace perdure
