#pragma once
// What GET /v1/models lists: the configured names, and for deployments of any model ("*") the names that the supplier
// lists, asked for when somebody wants to know and kept for a minute. Lives on one Loop.

#include <string>
#include <vector>

#include "app/config.h"
#include "http/client.h"

namespace perdure {

// The ids of GET <base_url>/models. kUnavailable and the like: it did not answer as such a server does.
Task<Result<std::vector<std::string>>> fetch_models(HttpClient& client, Clock& clock, const ProviderConfig& provider,
                                                    Duration patience);

class ModelList {
 public:
  ModelList(const Config& config, HttpClient& client, Loop& loop) : config_(config), client_(client), loop_(loop) {}
  Task<std::vector<std::string>> names();

 private:
  const Config& config_;
  HttpClient& client_;
  Loop& loop_;
  std::vector<std::string> kept_;
  Instant kept_until_{Instant::min()};
};

}  // namespace perdure
