#pragma once
// Server: the whole of `perdure serve`, built from a Config: store, loops, providers, responses, gateways. run() blocks
// until SIGTERM or SIGINT and the drain after it.
//
// Start: the store is opened and its lease taken, listeners are bound, loops run, providers are found, unfinished
// responses go on, then the server says that it is ready. End: listeners close, new responses are refused, running ones
// may end until the drain's deadline; what is unfinished then stays in the journal and goes on with the next start.
// Another signal, half a second later or more, ends at once.
//
// SIGHUP reads the configuration again. With a problem in it nothing changes. Otherwise each loop gets the new one as a
// whole: answers that are being made go on with the deployments they have, what comes afterwards finds the new ones.
// What cannot change while it runs keeps its old value, and the log says so (reload.h).

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/config.h"
#include "app/level_log.h"

namespace perdure {

// The configuration file with the command line and the environment laid over it.
struct EffectiveConfig {
  Config config;  // meaningful only without problems
  std::vector<std::string> problems;
};
using ConfigSource = std::function<EffectiveConfig()>;

class Server {
 public:
  // `again` is asked on SIGHUP, on the thread that called run(). `levels`: what `log` writes to.
  Server(Config config, Environment environment, ConfigSource again, std::shared_ptr<LevelLog> levels);
  ~Server();
  // Starts, serves, drains. The error says why it could not start.
  Result<void> run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace perdure
