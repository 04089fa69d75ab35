#include "generation/generation.h"

#include <algorithm>

#include "generation/answer_builder.h"
#include "generation/continuation_words.h"
#include "generation/heard.h"
#include "generation/retry.h"

namespace perdure {
namespace {

// One generation's run; lives in generate()'s frame.
class Run {
 public:
  Run(GenerationInput& input, Router& router, GenerationSink& sink, Loop& loop, GenerationStop stop,
      const GenerationLimits& limits, Log log)
      : input_(input),
        router_(router),
        sink_(sink),
        loop_(loop),
        stop_(stop),
        limits_(limits),
        log_(std::move(log)),
        builder_(*input.request, std::move(input.held), input.held_tokens, loop.random()),
        usage_(input.usage),
        author_(input.author),
        deadline_(deadline_in(loop, limits.total_time)) {}

  Task<std::optional<ResponseEnded>> go() {
    // A server that crashed between the last deltas and the ending had everything already: asking again would add to
    // it.
    if (input_.finished) co_return end_as(finish_of(*input_.finished), input_.finished->stop_sequence);
    if (builder_.closed() && !input_.broke_off) {
      bool cut_short = builder_.answer().items().back().status == ItemStatus::kIncomplete;
      co_return cut_short ? end(ResponseStatus::kIncomplete, "interrupted") : end(ResponseStatus::kCompleted);
    }
    int64_t number = input_.attempts;
    int64_t fruitless = 0;
    PlacementAsk ask{.model = input_.request->model,
                     .traffic = input_.traffic,
                     .needs = needs_of(*input_.request, input_.context),
                     .tried = {},
                     .author = {}};
    const Workload& workload = router_.workload_of(ask.traffic, ask.model);
    if (workload.deadline) deadline_ = deadline_.sooner(deadline_in(loop_, *workload.deadline));
    router_.answer_begun(ask);
    std::optional<Error> failed;
    for (;;) {
      if (stop_.cancel.requested()) co_return co_await stopped();
      if (tokens_left() == 0) co_return co_await finish_early(ResponseStatus::kIncomplete, "max_output_tokens", {});
      if (builder_.anything_visible() && number > 0) {
        // What may be done with an answer that broke off is its owner's decision.
        if (workload.continuation != ContinuationRule::kContinue)
          co_return co_await give_up(failed ? *failed : interrupted());
        if (workload.one_author) ask.author = author_;
      } else if (number > 0 && workload.continuation == ContinuationRule::kEnd) {
        co_return co_await give_up(failed ? *failed : interrupted());
      }
      ask.tried = tried_;
      ask.goes_on = builder_.anything_visible();
      Result<std::unique_ptr<AttemptLease>> begun = co_await router_.begin(ask, deadline_, stop_.cancel);
      if (!begun.ok() && stop_.cancel.requested()) co_return co_await stopped();
      if (!begun.ok()) co_return co_await give_up(failed ? *failed : begun.error());
      std::unique_ptr<AttemptLease> lease = *std::move(begun);
      ++number;
      size_t visible_before = builder_.answer().bytes();
      Result<void> started = co_await sink_.attempt_started({.number = number,
                                                             .provider = lease->provider().name(),
                                                             .model = lease->model(),
                                                             .continuation = builder_.anything_visible(),
                                                             .reason = lease->reason(),
                                                             .dropped = dropped_by(*lease),
                                                             .workload = lease->workload(),
                                                             .expected = lease->expected_cost(),
                                                             .stand_in = stand_in_of(*lease)});
      if (!started.ok()) co_return std::nullopt;
      prefill_ = lease->deployment().capabilities[Capability::kPrefill] == Known::kYes &&
                 std::ranges::find(no_prefill_, lease->number()) == no_prefill_.end();
      // Telling the language costs more than all the rest of a request: only where there is a seam to judge by it.
      builder_.begin_attempt(prefill_, builder_.visible_text().empty() ? Language::kUnknown : language());
      Result<void> outcome = co_await attempt(*lease);
      Result<std::vector<Delta>> last = std::vector<Delta>();
      if (outcome.ok()) {
        last = builder_.complete();
        if (!last.ok()) outcome = last.error();
      }
      if (sink_failed_) co_return std::nullopt;
      if (author_.empty() && builder_.anything_visible()) author_ = lease->logical_model();
      // An answer that takes too long as a whole is no supplier's fault.
      bool out_of_time = !outcome.ok() && loop_.now() >= deadline_.at;
      AttemptCost cost = lease->settle(use_of(outcome));
      Fault fault = lease->ended(out_of_time ? Error{Code::kCancelled, "out of time"} : outcome);
      AttemptEnded ended{.number = number,
                         .outcome = "completed",
                         .finish_reason = builder_.finish_reason(),
                         .upstream_id = builder_.upstream_id(),
                         .trimmed_bytes = static_cast<int64_t>(builder_.trimmed()),
                         .usage = builder_.usage(),
                         .finish = builder_.finish() == Finish::kNone ? "" : std::string(name_of(builder_.finish())),
                         .stop_sequence = builder_.stop_sequence(),
                         .seam = std::string(builder_.seam()),
                         .cost = std::move(cost)};
      usage_ += builder_.usage();
      if (!outcome.ok()) {
        const Error& error = outcome.error();
        bool halted = stop_.cancel.requested() && stop_.halt;
        ended.outcome = halted                           ? "abandoned"
                        : stop_.cancel.requested()       ? "cancelled"
                        : lease->withdrawn()             ? "withdrawn"
                        : builder_.upstream_id().empty() ? "failed"
                                                         : "cut";
        ended.error = std::string(to_string(error.code)) + (error.reason.empty() ? "" : " " + error.reason);
        ended.upstream_status = error.upstream_status;
      }
      if (outcome.ok() && !last->empty()) {
        Result<void> handed = co_await sink_.deltas(*std::move(last));
        if (!handed.ok()) co_return std::nullopt;
      }
      if (stop_.cancel.requested() && stop_.halt) co_return std::nullopt;
      Result<void> recorded = co_await sink_.attempt_ended(ended);
      if (!recorded.ok()) co_return std::nullopt;
      if (outcome.ok()) co_return end_as(builder_.finish(), builder_.stop_sequence());
      if (stop_.cancel.requested()) co_return co_await stopped();
      Error error = std::move(outcome).error();
      log_.warn("attempt.failed", {{"provider", lease->provider().name()},
                                   {"deployment", lease->deployment().name},
                                   {"attempt", number},
                                   {"class", to_string(error.code)},
                                   {"status", error.upstream_status},
                                   {"fault", name_of(fault)},
                                   {"withdrawn", lease->withdrawn()},
                                   {"fruitless", fruitless}});
      if (lease->withdrawn()) continue;  // nobody's failure: on with it elsewhere, at once
      // Whoever refuses a beginning is asked in words next.
      if (prefill_ && error.code == Code::kInvalid && builder_.anything_visible()) {
        no_prefill_.push_back(lease->number());
        continue;
      }
      fruitless = builder_.answer().bytes() > visible_before ? 1 : fruitless + 1;
      bool refused = fault == Fault::kCredential || fault == Fault::kDeployment;
      bool again = (refused || worth_another_attempt(error)) && fruitless < limits_.fruitless_attempts_max;
      if (!again) co_return co_await give_up(error);
      note_failure(lease->number(), refused, fruitless);
      failed = std::move(error);
    }
  }

 private:
  // What a lenient request loses on this supplier's dialect. What cannot be said at all comes out when it is tried.
  std::vector<std::string> dropped_by(AttemptLease& lease) const {
    if (!input_.request->lenient) return {};
    UpstreamCall call{.request = *input_.request, .context = input_.context, .model = lease.model()};
    call.max_output_tokens = input_.request->max_output_tokens;
    Result<std::vector<std::string>> dropped = lease.provider().dropped(call);
    return dropped.ok() ? *std::move(dropped) : std::vector<std::string>();
  }

  static std::string stand_in_of(const AttemptLease& lease) {
    return lease.stand_in() ? lease.logical_model() : std::string();
  }

  // -1: no limit was asked for.
  int64_t tokens_left() const {
    if (!input_.request->max_output_tokens) return -1;
    return std::max<int64_t>(0, *input_.request->max_output_tokens - builder_.tokens());
  }

  // Of the attempt that has just ended. An answer whose end came is whole, even where it could not be joined with what
  // was held.
  AttemptUse use_of(const Result<void>& outcome) const {
    return {.usage = builder_.usage(),
            .whole = outcome.ok() || builder_.finish() != Finish::kNone,
            .began = began_,
            .in_doubt = !outcome.ok() && given_up_waiting(outcome.error()),
            .heard_bytes = heard_bytes_};
  }

  // Elsewhere an attempt may be made at once; here only after a while, or never.
  void note_failure(uint32_t deployment, bool never, int64_t fruitless) {
    auto found = std::ranges::find(tried_, deployment, &Tried::deployment);
    if (found == tried_.end()) found = tried_.insert(found, Tried{.deployment = deployment});
    ++found->failures;
    found->never = never;
    found->not_before =
        loop_.now() + backoff(fruitless, Error{}, limits_.backoff_first, limits_.backoff_max, loop_.random());
  }

  // Of the answer so far, or of what the user said last.
  Language language() const {
    Language language = language_of(builder_.visible_text());
    for (auto item = input_.context.rbegin(); language == Language::kUnknown && item != input_.context.rend(); ++item)
      if (item->kind == ItemKind::kMessage && item->role == Role::kUser)
        for (const Part& part : item->content)
          if (language == Language::kUnknown) language = language_of(part.text);
    return language;
  }

  Task<Result<void>> attempt(AttemptLease& lease) {
    began_ = false;
    heard_bytes_ = 0;
    UpstreamCall call{.request = *input_.request,
                      .context = input_.context,
                      .model = lease.model(),
                      .traceparent = input_.traceparent};
    call.held = builder_.visible_text();
    if (prefill_) {
      // No supplier takes a beginning that ends in white space; the seam knows what comes again.
      while (!call.held.empty() && std::string_view(" \n\t\r").contains(call.held.back())) call.held.pop_back();
    } else if (!call.held.empty()) {
      call.ask = limits_.ask.empty() ? std::string(continuation_words(language())) : limits_.ask;
    }
    if (int64_t left = tokens_left(); left >= 0) call.max_output_tokens = left;
    Deadline open_by = deadline_in(loop_, limits_.open_time).sooner(deadline_);
    CO_TRY_VOID(lease.dispatch());
    CO_TRY(std::unique_ptr<UpstreamAnswer> answer,
           co_await lease.provider().open(std::move(call), open_by, lease.cancel()));
    std::vector<Piece> pieces;
    for (bool first = true;; first = false) {
      pieces.clear();
      Duration patience = first ? limits_.open_time : lease.stall_limit(limits_.stall_time);
      Instant asked = loop_.now();
      Result<bool> more = co_await answer->next(pieces, Deadline{asked + patience}.sooner(deadline_));
      if (!pieces.empty()) lease.came(loop_.now() - asked);
      began_ = began_ || !pieces.empty();
      heard_bytes_ += text_bytes(pieces);
      // What came before a cut counts: it is handed over before the error is looked at.
      Result<std::vector<Delta>> deltas = builder_.add(pieces);
      if (!deltas.ok()) co_return std::move(deltas).error();
      if (!deltas->empty()) {
        Result<void> handed = co_await sink_.deltas(std::move(*deltas));
        if (!handed.ok()) {
          sink_failed_ = true;
          co_return std::move(handed).error();
        }
      }
      if (!more.ok()) co_return std::move(more).error();
      if (!*more) co_return Result<void>();
      if (builder_.answer().bytes() > limits_.answer_bytes_max)
        co_return Error{Code::kInvalid, "the answer is longer than this server allows", "", "answer_too_long"};
    }
  }

  static Error interrupted() {
    return {Code::kUnavailable, "the answer broke off, and its workload's rule is not to go on with it"};
  }

  ResponseEnded end(ResponseStatus status, std::string incomplete_reason = {}) {
    return {.status = status, .incomplete_reason = std::move(incomplete_reason), .usage = usage_};
  }

  static Finish finish_of(const AttemptEnded& attempt) {
    if (!attempt.finish.empty()) return finish_named(attempt.finish);
    // Journals from before `finish` was written hold the word of the chat dialect.
    if (attempt.finish_reason == "length") return Finish::kLength;
    if (attempt.finish_reason == "content_filter") return Finish::kContentFilter;
    return Finish::kStop;
  }

  bool declines() const {
    return std::ranges::any_of(builder_.answer().items(), [](const Item& item) {
      return std::ranges::any_of(item.content, [](const Part& part) { return part.kind == PartKind::kRefusal; });
    });
  }

  ResponseEnded end_as(Finish finish, std::string stop_sequence) {
    ResponseEnded ended = end(ResponseStatus::kCompleted);
    if (finish == Finish::kLength || finish == Finish::kContextWindow)
      ended = end(ResponseStatus::kIncomplete, "max_output_tokens");
    // A model that declines says so in a part of its own; where it is the service that does, what it said is no answer.
    if (finish == Finish::kContentFilter || (finish == Finish::kRefusal && !declines()))
      ended = end(ResponseStatus::kIncomplete, "content_filter");
    if (finish != Finish::kNone) ended.finish = name_of(finish);
    ended.stop_sequence = std::move(stop_sequence);
    return ended;
  }

  Task<std::optional<ResponseEnded>> give_up(Error error) {
    if (builder_.anything_visible()) co_return co_await finish_early(ResponseStatus::kIncomplete, "interrupted", {});
    co_return co_await finish_early(ResponseStatus::kFailed, "", std::move(error));
  }

  Task<std::optional<ResponseEnded>> stopped() {
    if (stop_.halt) co_return std::nullopt;
    co_return co_await finish_early(ResponseStatus::kCancelled, "", {});
  }

  Task<std::optional<ResponseEnded>> finish_early(ResponseStatus status, std::string incomplete_reason, Error error) {
    std::vector<Delta> closing = builder_.close(ItemStatus::kIncomplete);
    if (!closing.empty()) {
      Result<void> handed = co_await sink_.deltas(std::move(closing));
      if (!handed.ok()) co_return std::nullopt;
    }
    ResponseEnded ended = end(status, std::move(incomplete_reason));
    if (status == ResponseStatus::kFailed) {
      ended.error_code = !error.reason.empty()             ? error.reason
                         : error.code == Code::kOverloaded ? "rate_limit_exceeded"
                         : error.code == Code::kInvalid    ? "invalid_prompt"
                                                           : "server_error";
      ended.error_message = error.message;
      ended.error_param = error.param;
    }
    co_return ended;
  }

  GenerationInput& input_;
  Router& router_;
  GenerationSink& sink_;
  Loop& loop_;
  GenerationStop stop_;
  const GenerationLimits& limits_;
  Log log_;
  AnswerBuilder builder_;
  Usage usage_;
  std::string author_;  // the logical model whose attempt was the first to show something
  std::vector<Tried> tried_;
  std::vector<uint32_t> no_prefill_;  // deployments that refused one
  Deadline deadline_;
  bool sink_failed_ = false, prefill_ = false;
  bool began_ = false;       // the attempt: something of an answer came
  int64_t heard_bytes_ = 0;  // of its text
};

}  // namespace

Task<std::optional<ResponseEnded>> generate(GenerationInput input, Router& router, GenerationSink& sink, Loop& loop,
                                            GenerationStop stop, const GenerationLimits& limits, Log log) {
  Run run(input, router, sink, loop, stop, limits, std::move(log));
  co_return co_await run.go();
}

}  // namespace perdure
