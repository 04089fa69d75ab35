#pragma once
// SimulatedSupplier: an OpenAI-compatible chat endpoint with a scripted model (scripted_model.h) behind it, for tests,
// drills and benchmarks. An HttpHandler: an HttpServer brings it to the wire, over sockets or in deterministic
// simulation; it takes time from its Loop only, and its randomness from options.seed and the request, so that answers
// do not depend on the order in which requests arrive. Draws of faults also count how often the same request came, so
// that a retry draws anew.
//
//   POST /v1/chat/completions   JSON or SSE
//   GET  /v1/models
//   POST /__faults              {"faults": "p=0.1:cut-after-tokens=7", "bodies_kept": 8}: replaces what is set
//   GET  /__faults              what is set
//   GET  /__stats[?bodies=1]    what was seen
//
// A request header x-simulate-fault replaces the faults that are set for that one request. Lives on one Loop; whoever
// serves it ends the requests (HttpServer::stop) before it is destroyed.

#include <memory>

#include "async/loop.h"
#include "base/log.h"
#include "http/server.h"
#include "simulate/exchange.h"
#include "simulate/simulate_options.h"

namespace perdure::simulate {

class SimulatedSupplier final : public HttpHandler {
 public:
  SimulatedSupplier(Loop& loop, SupplierOptions options, Log log);
  ~SimulatedSupplier() override;

  Task<void> handle(HttpRequest& request, HttpReply& reply) override;
  std::string refuse(const HttpRequest& request, int status, std::string_view message) override;

  void set_faults(std::vector<Fault> faults);
  void set_continuation(Continuation how);
  void set_witness(FaultWitness witness);

  using Stats = SupplierStats;
  const Stats& stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace perdure::simulate
