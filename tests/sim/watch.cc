#include "watch.h"

namespace perdure::sim {
namespace {

// What the judge of budgets is told when the attempt is over, however it ends. `cancel` outlives it.
class Bill {
 public:
  Bill(Purses& purses, uint64_t attempt, const bool& dead, Cancellation& cancel)
      : purses_(purses), attempt_(attempt), dead_(dead), hook_(&cancel, [this] { cancelled(); }) {}
  Bill(const Bill&) = delete;
  Bill& operator=(const Bill&) = delete;
  ~Bill() {
    Purses::End end{.usage = {}, .dead = dead_};
    end.heard_tokens = std::max(heard_bytes_ / 4 + 1, usage_.output_tokens);
    if (finished_ && usage_.known && !cancelled_) end.usage = usage_;
    purses_.ended(attempt_, end);
  }
  void heard(std::span<const Piece> pieces, bool over) {
    for (const Piece& piece : pieces) {
      heard_bytes_ += static_cast<int64_t>(piece.text.size());
      if (piece.kind == Piece::Kind::kUsage) usage_ = piece.usage;
      if (piece.kind == Piece::Kind::kFinish) finished_ = true;
    }
    finished_ = finished_ || over;
  }

 private:
  void cancelled() {
    cancelled_ = true;
    purses_.cancelled(attempt_);
  }
  Purses& purses_;
  uint64_t attempt_;
  const bool& dead_;
  Usage usage_;
  int64_t heard_bytes_ = 0;
  bool finished_ = false, cancelled_ = false;
  Cancellation::Hook hook_;
};

class WatchedAnswer final : public UpstreamAnswer {
 public:
  WatchedAnswer(std::unique_ptr<UpstreamAnswer> real, size_t supplier, size_t deployment, Rules& rules,
                const bool& dead, std::optional<uint64_t> errand, std::unique_ptr<Bill> bill)
      : real_(std::move(real)),
        supplier_(supplier),
        deployment_(deployment),
        rules_(rules),
        dead_(dead),
        errand_(errand),
        bill_(std::move(bill)) {}
  Task<Result<bool>> next(std::vector<Piece>& out, Deadline deadline) override {
    size_t before = out.size();
    Result<bool> more = co_await real_->next(out, deadline);
    size_t bytes = 0;
    for (size_t i = before; i < out.size(); ++i) bytes += out[i].text.size();
    // A process whose store is gone still tells its clients what is not stored.
    if (out.size() > before) rules_.heard_from(deployment_, errand_, bytes, dead_);
    if (bill_) bill_->heard(std::span(out).subspan(before), more.ok() && !*more);
    // It is over now, though its remains may be kept for a while beside an attempt that goes on.
    if (!more.ok() || !*more) bill_.reset();
    for (size_t i = before; i < out.size(); ++i)
      if (out[i].kind == Piece::Kind::kOpaque) rules_.issued(supplier_, out[i].text);
    co_return more;
  }

 private:
  std::unique_ptr<UpstreamAnswer> real_;
  size_t supplier_, deployment_;
  Rules& rules_;
  const bool& dead_;
  std::optional<uint64_t> errand_;
  std::unique_ptr<Bill> bill_;
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

// A compaction has the words of its answer within what it sums up.
std::optional<uint64_t> errand_summed_up(const UpstreamCall& call) {
  std::optional<uint64_t> number;
  for (const Item& item : call.context)
    for (const Part& part : item.content)
      if (!number) number = Rules::number_in(part.text);
  return number;
}

constexpr int64_t kInputBesides = 1000;  // tools, formats and the words that a dialect puts around

int64_t input_most(const UpstreamCall& call) {
  size_t bytes = call.held.size() + call.ask.size();
  for (const Item& item : call.context) {
    bytes += item.arguments.size() + item.output.size() + 100;
    for (const Part& part : item.content) bytes += part.text.size();
  }
  return kInputBesides + static_cast<int64_t>(bytes);
}

}  // namespace

Task<Result<std::unique_ptr<UpstreamAnswer>>> WatchedProvider::open(UpstreamCall call, Deadline deadline,
                                                                    Cancellation& cancel) {
  std::optional<uint64_t> errand = errand_of(call);
  std::optional<uint64_t> summed_up = errand ? std::nullopt : errand_summed_up(call);
  if (!dead_) rules_.dispatched(errand ? errand : summed_up, supplier_, call.model, !call.held.empty(), !errand);
  size_t deployment = rules_.deployment_of(supplier_, call.model);
  std::unique_ptr<Bill> bill;
  if (!dead_ && rules_.known(deployment)) {
    const Purses::Attempt attempt{.errand = errand,
                                  .deployment = deployment,
                                  .input_most = input_most(call),
                                  .output_limit = call.request.max_output_tokens};
    const uint64_t number = rules_.purses().dispatched(rules_.whose(errand ? errand : summed_up), attempt);
    bill = std::make_unique<Bill>(rules_.purses(), number, dead_, cancel);
  }
  CO_TRY(std::unique_ptr<UpstreamAnswer> answer, co_await real_->open(std::move(call), deadline, cancel));
  co_return std::unique_ptr<UpstreamAnswer>(std::make_unique<WatchedAnswer>(std::move(answer), supplier_, deployment,
                                                                            rules_, dead_, errand, std::move(bill)));
}

Task<Result<std::unique_ptr<HttpAnswer>>> WatchedProvider::relay(RelayCall call, Deadline deadline,
                                                                 Cancellation& cancel) {
  std::optional<uint64_t> errand = Rules::number_in(call.body);
  size_t deployment = rules_.deployment_of(supplier_, call.model);
  if (!dead_) rules_.dispatched(errand, supplier_, call.model, false);
  if (!dead_ && rules_.known(deployment))
    rules_.purses().dispatched(rules_.whose(errand), {.errand = errand,
                                                      .deployment = deployment,
                                                      .input_most = static_cast<int64_t>(call.body.size()),
                                                      .output_limit = {},
                                                      .relayed = true});
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
