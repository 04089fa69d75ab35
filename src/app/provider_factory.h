#pragma once
// From a provider's configuration to the thing itself: dialect, credential, address. One for each loop.

#include <memory>

#include "app/provider_config.h"
#include "base/log.h"
#include "provider/credential.h"
#include "provider/off_loop_files.h"
#include "provider/provider.h"

namespace perdure {

// What a loop lends to its providers; all of it outlives them.
struct ProviderSurroundings {
  Loop& loop;
  HttpClient& client;
  HttpClient& direct;  // goes through no proxy: for the services of machines and containers
  OffLoopFiles& files;
  Log log;
};

std::unique_ptr<UpstreamDialect> make_dialect(const ProviderConfig& config);
std::unique_ptr<Credential> make_credential(const ProviderConfig& config, const ProviderSurroundings& surroundings);

struct BuiltProvider {
  std::unique_ptr<Credential> credential;
  std::unique_ptr<Provider> provider;  // uses the credential
};
BuiltProvider make_provider(const ProviderConfig& config, const ProviderSurroundings& surroundings);

}  // namespace perdure
