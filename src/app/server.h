#pragma once
// Server: the whole of `perdure serve`, built from a Config: store, loops, providers, responses, gateways. run() blocks
// until SIGTERM or SIGINT and the drain after it.
//
// Start: the store is opened and its lease taken, listeners are bound, loops run, providers are found, unfinished
// responses go on, then the server says that it is ready. End: listeners close, new responses are refused, running ones
// may end until the drain's deadline; what is unfinished then stays in the journal and goes on with the next start.
// Another signal, half a second later or more, ends at once.

#include <memory>

#include "app/config.h"

namespace perdure {

class Server {
 public:
  Server(Config config, Environment environment, Log log);
  ~Server();
  // Starts, serves, drains. The error says why it could not start.
  Result<void> run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace perdure
