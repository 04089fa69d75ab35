#include "watch.h"

namespace perdure::sim {
namespace {

class WatchedAnswer final : public UpstreamAnswer {
 public:
  WatchedAnswer(std::unique_ptr<UpstreamAnswer> real, size_t supplier, size_t deployment, Rules& rules,
                const bool& dead)
      : real_(std::move(real)), supplier_(supplier), deployment_(deployment), rules_(rules), dead_(dead) {}
  Task<Result<bool>> next(std::vector<Piece>& out, Deadline deadline) override {
    size_t before = out.size();
    Result<bool> more = co_await real_->next(out, deadline);
    if (out.size() > before && !dead_) rules_.heard_from(deployment_);
    for (size_t i = before; i < out.size(); ++i)
      if (out[i].kind == Piece::Kind::kOpaque) rules_.issued(supplier_, out[i].text);
    co_return more;
  }

 private:
  std::unique_ptr<UpstreamAnswer> real_;
  size_t supplier_, deployment_;
  Rules& rules_;
  const bool& dead_;
};

// Passes everything on; knows whose reply it is and sees how it is refused.
class WatchedReply final : public HttpReply {
 public:
  WatchedReply(HttpReply& real, std::optional<uint64_t> whose) : errand(whose), real_(real) {}
  std::optional<uint64_t> errand;
  int status = 0;
  std::string error;
  bool by_fault = false;

  Task<Result<void>> send(int code, std::string_view type, std::string_view body) override {
    status = code;
    if (code >= 400) error = body;
    real_.headers = headers;
    return real_.send(code, type, body);
  }
  Task<Result<void>> begin(int code, std::string_view type) override {
    status = code;
    real_.headers = headers;
    return real_.begin(code, type);
  }
  Task<Result<void>> write(std::string_view bytes) override { return real_.write(bytes); }
  Task<Result<void>> finish() override { return real_.finish(); }
  void abort() override { real_.abort(); }
  bool begun() const override { return real_.begun(); }
  Task<Result<std::unique_ptr<WebSocket>>> upgrade(const HttpRequest& request, WebSocketLimits limits) override {
    return real_.upgrade(request, limits);
  }
  Cancellation& gone() override { return real_.gone(); }

 private:
  HttpReply& real_;
};

FaultKind kind_of(simulate::Fault::Kind kind, int status) {
  using Kind = simulate::Fault::Kind;
  switch (kind) {
    case Kind::kStatus:
      return status == 429                    ? FaultKind::kBusy
             : status == 401 || status == 403 ? FaultKind::kAuthFailure
                                              : FaultKind::kServerError;
    case Kind::kCutAfterTokens:
      return FaultKind::kCutInTokens;
    case Kind::kCutAfterBytes:
      return FaultKind::kCutInBytes;
    case Kind::kStallAfterTokens:
      return FaultKind::kStallInTokens;
    case Kind::kMalformedAfterTokens:
      return FaultKind::kMalformed;
    case Kind::kErrorAfterTokens:
      return FaultKind::kErrorAfter200;
    case Kind::kEndAfterTokens:
      return FaultKind::kEndWithoutEnding;
    case Kind::kTrickle:
      return FaultKind::kTrickle;
    case Kind::kSlowHeaders:
      return FaultKind::kSlowHead;
    case Kind::kClose:
      return FaultKind::kClosed;
  }
  return FaultKind::kClosed;
}

// In its instructions, or, where its client speaks Chat Completions, in a message of its context.
std::optional<uint64_t> errand_of(const UpstreamCall& call) {
  std::optional<uint64_t> number = Rules::number_in(call.request.instructions.value_or(""));
  for (const Item& item : call.context)
    if (item.role == Role::kSystem || item.role == Role::kDeveloper)
      for (const Part& part : item.content)
        if (!number) number = Rules::number_in(part.text);
  return number;
}

}  // namespace

Task<Result<std::unique_ptr<UpstreamAnswer>>> WatchedProvider::open(UpstreamCall call, Deadline deadline,
                                                                    Cancellation& cancel) {
  std::optional<uint64_t> errand = errand_of(call);
  if (!dead_) rules_.dispatched(errand, supplier_, call.model, !call.held.empty());
  size_t deployment = rules_.deployment_of(supplier_, call.model);
  CO_TRY(std::unique_ptr<UpstreamAnswer> answer, co_await real_->open(std::move(call), deadline, cancel));
  co_return std::unique_ptr<UpstreamAnswer>(
      std::make_unique<WatchedAnswer>(std::move(answer), supplier_, deployment, rules_, dead_));
}

Task<Result<std::unique_ptr<HttpAnswer>>> WatchedProvider::relay(RelayCall call, Deadline deadline,
                                                                 Cancellation& cancel) {
  if (!dead_) rules_.dispatched(Rules::number_in(call.body), supplier_, call.model, false);
  co_return co_await real_->relay(std::move(call), deadline, cancel);
}

WatchedSupplier::WatchedSupplier(SimLoop& loop, const SupplierSetup& setup, size_t number, Rules& rules, Report& report)
    : setup_(setup), number_(number), rules_(rules), report_(report), supplier_(loop, setup.options, Log()) {
  supplier_.set_witness(
      [this](simulate::Fault::Kind kind, int status, HttpReply& reply) { struck(kind, status, reply); });
}

Task<void> WatchedSupplier::handle(HttpRequest& request, HttpReply& reply) {
  WatchedReply watched(reply, Rules::number_in(request.body));
  rules_.received(number_, request.body);
  co_await supplier_.handle(request, watched);
  // Whether a supplier takes a beginning for this very request is found out by trying.
  const bool beginning = watched.error.find("prefill") != std::string::npos;
  if (watched.status >= 400 && watched.status < 500 && !watched.by_fault && !beginning)
    rules_.violate("I5: " + setup_.name + " refused a request: " + watched.error);
}

void WatchedSupplier::struck(simulate::Fault::Kind kind, int status, HttpReply& reply) {
  auto& watched = static_cast<WatchedReply&>(reply);
  if (status != 0) watched.by_fault = true;
  FaultKind fault = kind_of(kind, status);
  if (fault == FaultKind::kAuthFailure) rules_.auth_failed(number_);
  Errand* errand = watched.errand ? rules_.find(*watched.errand) : nullptr;
  ++report_.counts.faults;
  Coverage& coverage = report_.counts.coverage;
  ++coverage.states[static_cast<size_t>(fault)][static_cast<size_t>(errand != nullptr ? errand->phase : Phase::kIdle)];
  ++coverage.dialects[static_cast<size_t>(fault)][number_of_dialect(setup_.dialect)];
}

void WatchedSupplier::heal() {
  supplier_.set_faults({});
  supplier_.set_continuation(simulate::Continuation::kExact);
}

}  // namespace perdure::sim
