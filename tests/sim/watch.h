#pragma once
// Who stands at the two ends of every call to a supplier and tells the judge: WatchedProvider, the moment at which an
// attempt is dispatched (above the real provider, dialect and HTTP client); WatchedSupplier, what has arrived there.

#include <memory>

#include "provider/provider.h"
#include "rules.h"
#include "simulate/supplier.h"

namespace perdure::sim {

class WatchedProvider final : public Provider {
 public:
  // `dead`: of the process; its remains are wound down unwatched. All outlive this.
  WatchedProvider(std::unique_ptr<Provider> real, size_t supplier, Rules& rules, const bool& dead)
      : real_(std::move(real)), supplier_(supplier), rules_(rules), dead_(dead) {}
  const std::string& name() const override { return real_->name(); }
  Result<std::vector<std::string>> dropped(const UpstreamCall& call) const override { return real_->dropped(call); }
  Task<Result<std::unique_ptr<UpstreamAnswer>>> open(UpstreamCall call, Deadline deadline,
                                                     Cancellation& cancel) override;
  bool counts() const override { return real_->counts(); }
  Task<Result<int64_t>> count(UpstreamCall call, Deadline deadline, Cancellation& cancel) override {
    return real_->count(std::move(call), deadline, cancel);
  }
  std::string_view relays() const override { return real_->relays(); }
  Task<Result<std::unique_ptr<HttpAnswer>>> relay(RelayCall call, Deadline deadline, Cancellation& cancel) override;
  std::unique_ptr<AnswerParser> stream_parser() const override { return real_->stream_parser(); }
  Result<std::vector<Piece>> parse_answer(std::string body) const override {
    return real_->parse_answer(std::move(body));
  }
  Error error_of(int status, std::string_view retry_after, std::string_view body) const override {
    return real_->error_of(status, retry_after, body);
  }

 private:
  std::unique_ptr<Provider> real_;
  size_t supplier_;
  Rules& rules_;
  const bool& dead_;
};

// In front of a simulated supplier. A request that is refused as wrong is a violation: what is sent must be right under
// every fault.
class WatchedSupplier final : public HttpHandler {
 public:
  WatchedSupplier(SimLoop& loop, const SupplierSetup& setup, size_t number, Rules& rules, Report& report);
  Task<void> handle(HttpRequest& request, HttpReply& reply) override;
  std::string refuse(const HttpRequest& request, int status, std::string_view message) override {
    return supplier_.refuse(request, status, message);
  }
  void heal();  // no more faults, and seams as they should be

 private:
  void struck(simulate::Fault::Kind kind, int status, HttpReply& reply);
  const SupplierSetup& setup_;
  size_t number_;
  Rules& rules_;
  Report& report_;
  simulate::SimulatedSupplier supplier_;
};

}  // namespace perdure::sim
