#include "simulate/exchange.h"

#include <algorithm>
#include <optional>

#include "simulate/tokens.h"

namespace perdure::simulate {
namespace {

using Kind = Fault::Kind;

constexpr Duration kArrivalTime = std::chrono::milliseconds(20);
constexpr std::string_view kJson = "application/json";

// One body on its way out: the place of what happens to bytes. When put() or finish() says false the exchange is over.
class Body {
 public:
  enum class End { kNone, kGone, kFault };

  Body(ExchangeContext& context, HttpReply& reply, const FaultPlan& plan)
      : context_(context), reply_(reply), cut_(plan.find(Kind::kCutAfterBytes)), trickle_(plan.find(Kind::kTrickle)) {}

  End end = End::kNone;

  Task<bool> begin(std::string_view content_type) {
    const auto begun = co_await reply_.begin(200, content_type);
    if (!begun.ok()) end = End::kGone;
    if (begun.ok() && trickle_ != nullptr) context_.struck(Kind::kTrickle);
    co_return begun.ok();
  }

  // `bytes` must live until the Task ends.
  Task<bool> put(std::string_view bytes) {
    const bool cuts = cut_ != nullptr && sent_ + static_cast<int64_t>(bytes.size()) >= cut_->after;
    if (cuts) bytes = bytes.substr(0, static_cast<size_t>(std::max<int64_t>(0, cut_->after - sent_)));
    sent_ += static_cast<int64_t>(bytes.size());
    const size_t step = trickle_ != nullptr ? 1 : bytes.size();
    for (size_t at = 0; at < bytes.size(); at += step) {
      const auto written = co_await reply_.write(bytes.substr(at, step));
      if (!written.ok()) {
        end = End::kGone;
        co_return false;
      }
      if (trickle_ == nullptr || trickle_->fault.time.count() <= 0) continue;
      const bool stays = co_await wait_until(context_.loop.now() + trickle_->fault.time);
      if (!stays) co_return false;
    }
    if (cuts) co_await cut(Kind::kCutAfterBytes);
    co_return !cuts;
  }

  Task<bool> finish() {
    const auto finished = co_await reply_.finish();
    if (!finished.ok()) end = End::kGone;
    co_return finished.ok();
  }

  // What was written before gets a moment to arrive: a reset overtakes it otherwise, and the cut would not be where it
  // was asked for.
  Task<void> cut(Kind by) {
    context_.struck(by);
    if (reply_.begun()) static_cast<void>(co_await reply_.gone().wait(deadline_in(context_.loop, kArrivalTime)));
    reply_.abort();
    end = End::kFault;
  }

  // False: the client left first.
  Task<bool> wait_until(Instant at) {
    if (at <= context_.loop.now()) co_return true;
    const bool left = co_await reply_.gone().wait(Deadline{at});
    if (left) {
      reply_.abort();
      end = End::kGone;
    }
    co_return !left;
  }

 private:
  ExchangeContext& context_;
  HttpReply& reply_;
  const FaultPlan::Drawn* cut_;
  const FaultPlan::Drawn* trickle_;
  int64_t sent_ = 0;
};

std::vector<Piece> pieces_of(const Answer& answer, bool shows_reasoning) {
  std::vector<Piece> pieces;
  const auto add = [&](Piece piece, std::string_view text) {
    piece.first = true;
    for (; !text.empty(); piece.first = false) {
      piece.text = text.substr(0, token_length(text));
      text.remove_prefix(piece.text.size());
      piece.last = text.empty();
      pieces.push_back(piece);
    }
  };
  if (shows_reasoning)
    add({Piece::Of::kReasoning}, answer.reasoning);
  else if (!answer.reasoning.empty())
    pieces.push_back({Piece::Of::kReasoning, 0, true, true, {}});
  add({Piece::Of::kText}, answer.text);
  for (size_t i = 0; i < answer.calls.size(); ++i) add({Piece::Of::kCall, i}, answer.calls[i].arguments);
  return pieces;
}

// One request for an answer, from what is drawn for it to the end of its reply.
class Exchange {
 public:
  Exchange(ExchangeContext& context, Call& call, const FaultPlan& plan)
      : context_(context), reply_(context.reply), call_(call), plan_(plan), body_(context, context.reply, plan) {}

  Task<void> run() {
    const bool whole = co_await answer_or_fault();
    if (whole) {
      ++context_.stats.completed;
    } else if (body_.end == Body::End::kGone) {
      ++context_.stats.abandoned;
    }
    context_.log.debug("simulate.answered", {{"id", call_.id()}, {"whole", whole}, {"tokens", answer_.tokens}});
  }

 private:
  Task<bool> answer_or_fault() {
    if (const auto* status = plan_.find(Kind::kStatus)) {
      co_await refuse_by_fault(status->fault);
      co_return false;
    }
    if (const auto* slow = plan_.find(Kind::kSlowHeaders)) {
      context_.struck(Kind::kSlowHeaders);
      const bool stays = co_await body_.wait_until(context_.loop.now() + slow->fault.time);
      if (!stays) co_return false;
    }
    if (plan_.find(Kind::kClose) != nullptr) {
      co_await body_.cut(Kind::kClose);
      co_return false;
    }
    const SupplierOptions& options = context_.account.options;
    answer_ =
        answer(call_.prompt(), options.seed,
               {.continuation = options.continuation, .reasoning = options.reasoning, .prefill = options.prefill});
    measure();
    if (call_.streams()) {
      const bool whole = co_await stream();
      co_return whole;
    }
    const bool whole = co_await send_whole();
    co_return whole;
  }

  void measure() {
    const Prompt& prompt = call_.prompt();
    usage_ = {.prompt = prompt_tokens(prompt), .completion = answer_.tokens, .reasoning = answer_.reasoning_tokens};
    const SupplierOptions& options = context_.account.options;
    const std::vector<PrefixMark> automatic =
        prompt.prefix.empty() && options.automatic_cache ? automatic_marks(prompt) : std::vector<PrefixMark>();
    const CacheUse use = context_.account.cache.use(prompt.prefix.empty() ? automatic : prompt.prefix,
                                                    options.cache_minimum, context_.loop.now());
    usage_.cache_read = use.read;
    usage_.cache_write_5m = use.write_5m;
    usage_.cache_write_1h = use.write_1h;
  }

  Task<void> refuse_by_fault(const Fault& fault) {
    context_.struck(fault.kind, fault.status);
    Failure failure{.status = fault.status, .message = {}, .retry_after_s = fault.retry_after_s};
    if (fault.retry_after_s >= 0) reply_.headers.set("retry-after", std::to_string(fault.retry_after_s));
    failure.message = fault.status == 429
                          ? "Rate limit reached (simulated)."
                          : "The request failed with status " + std::to_string(fault.status) + " (simulated).";
    const std::string error = context_.surface.error(failure, reply_.headers);
    const auto sent = co_await reply_.send(fault.status, kJson, error);
    if (!sent.ok()) body_.end = Body::End::kGone;
  }

  // Faults and pace before token number `index`, which is also how many there were; false: it is over.
  Task<bool> before_token(int64_t index, bool is_end) {
    if (plan_.at(Kind::kCutAfterTokens, index) != nullptr) {
      co_await body_.cut(Kind::kCutAfterTokens);
      co_return false;
    }
    if (const Fault* stall = plan_.at(Kind::kStallAfterTokens, index)) {
      context_.struck(Kind::kStallAfterTokens);
      const Instant until = stall->time.count() < 0 ? Instant::max() : context_.loop.now() + stall->time;
      const bool stays = co_await body_.wait_until(until);
      if (!stays) co_return false;
      if (stall->time.count() > 0) start_ += stall->time;
    }
    if (is_end) co_return true;
    const SupplierOptions& options = context_.account.options;
    Instant due = start_ + options.first_token;
    if (options.tokens_per_second > 0)
      due +=
          Duration(static_cast<int64_t>(std::min(static_cast<double>(index) / options.tokens_per_second, 1e8) * 1e9));
    const bool stays = co_await body_.wait_until(due);
    co_return stays;
  }

  Task<bool> put(Frames frames) {
    for (const std::string& frame : frames) {
      const bool goes_on = co_await body_.put(frame);
      if (!goes_on) co_return false;
    }
    co_return true;
  }

  Task<bool> malformed_event() {
    context_.struck(Kind::kMalformedAfterTokens);
    const std::string broken = call_.broken_frame();
    const bool goes_on = co_await body_.put(broken);
    co_return goes_on;
  }

  // The faults that put something else into the stream; false: it is over.
  Task<bool> other_events(int64_t index) {
    if (plan_.at(Kind::kMalformedAfterTokens, index) != nullptr) {
      const bool goes_on = co_await malformed_event();
      if (!goes_on) co_return false;
    }
    const bool error = plan_.at(Kind::kErrorAfterTokens, index) != nullptr;
    const bool end = plan_.at(Kind::kEndAfterTokens, index) != nullptr;
    if (!error && !end) co_return true;
    context_.struck(error ? Kind::kErrorAfterTokens : Kind::kEndAfterTokens);
    if (error) {
      const bool goes_on = co_await put(call_.error_frames());
      if (!goes_on) co_return false;
    }
    const bool finished = co_await body_.finish();
    if (finished) body_.end = Body::End::kFault;
    co_return false;
  }

  Task<bool> piece(const Piece& one) {
    const bool goes_on = co_await put(call_.piece(answer_, one));
    if (goes_on) ++context_.stats.tokens;
    co_return goes_on;
  }

  Task<bool> stream() {
    const std::vector<Piece> pieces = pieces_of(answer_, call_.shows_reasoning());
    reply_.headers.set("cache-control", "no-cache");
    bool goes_on = co_await body_.begin(call_.stream_type());
    if (!goes_on) co_return false;
    start_ = context_.loop.now();
    goes_on = co_await put(call_.opening(answer_, usage_));
    for (size_t i = 0; goes_on && i <= pieces.size(); ++i) {
      const bool is_end = i == pieces.size();
      goes_on = co_await before_token(static_cast<int64_t>(i), is_end);
      if (goes_on) goes_on = co_await other_events(static_cast<int64_t>(i));
      if (goes_on && !is_end) goes_on = co_await piece(pieces[i]);
    }
    if (goes_on) goes_on = co_await put(call_.ending(answer_, usage_));
    if (goes_on) goes_on = co_await body_.finish();
    co_return goes_on;
  }

  Task<bool> send_whole() {
    std::string json = call_.whole(answer_, usage_);
    std::optional<Kind> broken;
    start_ = context_.loop.now();
    for (int64_t i = 0; i <= answer_.tokens; ++i) {
      const bool goes_on = co_await before_token(i, i == answer_.tokens);
      if (!goes_on) co_return false;
      if (plan_.at(Kind::kErrorAfterTokens, i) != nullptr) {
        co_await refuse_by_fault({.kind = Kind::kErrorAfterTokens, .status = 500});
        co_return false;
      }
      for (const Kind kind : {Kind::kEndAfterTokens, Kind::kMalformedAfterTokens})
        if (plan_.at(kind, i) != nullptr) broken = kind;
    }
    if (broken) {
      context_.struck(*broken);
      json.resize(json.size() / 2);
    }
    bool goes_on = false;
    if (plan_.find(Kind::kCutAfterBytes) != nullptr || plan_.find(Kind::kTrickle) != nullptr) {
      goes_on = co_await body_.begin(kJson);
      if (goes_on) goes_on = co_await body_.put(json);
      if (goes_on) goes_on = co_await body_.finish();
    } else {
      const auto sent = co_await reply_.send(200, kJson, json);
      goes_on = sent.ok();
      if (!goes_on) body_.end = Body::End::kGone;
    }
    if (goes_on) context_.stats.tokens += answer_.tokens;
    co_return goes_on && !broken;
  }

  ExchangeContext& context_;
  HttpReply& reply_;
  Call& call_;
  const FaultPlan& plan_;
  Body body_;
  Answer answer_;
  Usage usage_;
  Instant start_{};
};

}  // namespace

Task<void> run_exchange(ExchangeContext context, Call& call, const FaultPlan& plan) {
  Exchange exchange(context, call, plan);
  co_await exchange.run();
}

}  // namespace perdure::simulate
