#pragma once
// What GET /v1/models lists: the configured names, and for deployments of any model ("*") the names that the supplier
// lists, asked for when somebody wants to know and kept for a minute; where a supplier has no such list, those that the
// catalogue knows of it. Lives on one Loop.

#include <string>
#include <vector>

#include "app/config.h"
#include "http/client.h"
#include "provider/credential.h"

namespace perdure {

// The names that GET <base_url>/models has. kUnavailable and the like: it did not answer as such a server does.
Task<Result<std::vector<std::string>>> fetch_models(HttpClient& client, Clock& clock, const ProviderConfig& provider,
                                                    Credential& credential, Duration patience);

class ModelList {
 public:
  // `credentials`: those of config's providers, in order; `keeps` keeps them alive. The others outlive this object.
  ModelList(std::shared_ptr<const Config> config, std::vector<Credential*> credentials,
            std::shared_ptr<const void> keeps, HttpClient& client, Loop& loop)
      : config_(std::move(config)),
        credentials_(std::move(credentials)),
        keeps_(std::move(keeps)),
        client_(client),
        loop_(loop) {}
  Task<std::vector<std::string>> names();

 private:
  Task<Result<std::vector<std::string>>> names_at(size_t provider);
  std::shared_ptr<const Config> config_;
  std::vector<Credential*> credentials_;
  std::shared_ptr<const void> keeps_;
  HttpClient& client_;
  Loop& loop_;
  std::vector<std::string> kept_;
  Instant kept_until_{Instant::min()};
};

}  // namespace perdure
