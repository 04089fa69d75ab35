#include "generation/generation.h"

#include <algorithm>

#include "async/task_group.h"
#include "generation/answer_builder.h"
#include "generation/continuation_words.h"
#include "generation/heard.h"
#include "generation/opening.h"
#include "generation/tried.h"

namespace perdure {
namespace {

// Deployments that are found to have no words for a request, before that is its answer.
constexpr int kUnsayableMax = 32;

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
        deadline_(deadline_in(loop, limits.total_time)),
        words_(limits.ask),
        number_(input.attempts),
        asked_(input.attempts > 0),
        spoke_(loop),
        openings_(loop) {}

  Task<std::optional<ResponseEnded>> go() {
    std::optional<ResponseEnded> ended = co_await run();
    // Of those that are still on their way nothing more is wanted.
    for (const std::unique_ptr<Opening>& each : live_)
      if (!each->said) each->lease->cancel().request();
    co_await openings_.join();
    co_return ended;
  }

 private:
  Task<std::optional<ResponseEnded>> run() {
    // A server that crashed between the last deltas and the ending had everything already: asking again would add to
    // it.
    if (input_.finished) co_return end_as(finish_of(*input_.finished), input_.finished->stop_sequence);
    if (builder_.closed() && !input_.broke_off) {
      bool cut_short = builder_.answer().items().back().status == ItemStatus::kIncomplete;
      co_return cut_short ? end(ResponseStatus::kIncomplete, "interrupted") : end(ResponseStatus::kCompleted);
    }
    PlacementAsk ask{.model = input_.request->model,
                     .traffic = input_.traffic,
                     .needs = input_.needs ? *input_.needs : needs_of(*input_.request, input_.context),
                     .tried = {},
                     .author = {}};
    const Workload workload = router_.workload_of(ask.traffic, ask.model);
    if (workload.deadline) deadline_ = deadline_.sooner(deadline_in(loop_, *workload.deadline));
    if (!workload.continuation_words.empty()) words_ = workload.continuation_words;
    router_.answer_begun(ask);
    std::optional<Error> failed;
    for (;;) {
      if (stop_.cancel.requested()) co_return co_await stopped();
      if (tokens_left() == 0) co_return co_await finish_early(ResponseStatus::kIncomplete, "max_output_tokens", {});
      if (builder_.anything_visible() && number_ > 0) {
        // What may be done with an answer that broke off is its owner's decision.
        if (workload.continuation != ContinuationRule::kContinue)
          co_return co_await give_up(failed ? *failed : interrupted());
        if (workload.one_author) ask.author = author_;
      } else if (asked_ && workload.continuation == ContinuationRule::kEnd) {
        co_return co_await give_up(failed ? *failed : interrupted());
      }
      ask.tried = tried_;
      ask.goes_on = builder_.anything_visible();
      Result<std::unique_ptr<AttemptLease>> begun = co_await router_.begin(ask, deadline_, stop_.cancel);
      if (!begun.ok() && stop_.cancel.requested()) co_return co_await stopped();
      if (!begun.ok()) co_return co_await give_up(failed ? *failed : nobody_left(begun.error()));
      size_t visible_before = builder_.answer().bytes();
      Opening* first = co_await start(*std::move(begun), 0);
      if (first == nullptr) co_return std::nullopt;
      Opening* speaker = co_await first_word(*first, workload, ask);
      if (speaker == nullptr) co_return std::nullopt;
      AttemptLease& lease = *speaker->lease;
      // Telling the language costs more than all the rest of a request: only where there is a seam to judge by it.
      Language told = builder_.visible_text().empty() ? Language::kUnknown : language();
      builder_.begin_attempt(speaker->prefill, told);
      Result<void> outcome = co_await listen(*speaker);
      speaker->answer.reset();
      Result<std::vector<Delta>> last = std::vector<Delta>();
      if (outcome.ok()) {
        last = builder_.complete();
        if (!last.ok()) outcome = last.error();
      }
      if (sink_failed_) co_return std::nullopt;
      if (author_.empty() && builder_.anything_visible()) author_ = lease.logical_model();
      // An answer that takes too long as a whole is no supplier's fault.
      bool out_of_time = !outcome.ok() && loop_.now() >= deadline_.at;
      AttemptCost cost = lease.settle(use_of(*speaker, outcome, builder_.usage(), builder_.finish() != Finish::kNone));
      Fault fault = lease.ended(out_of_time ? Error{Code::kCancelled, "out of time"} : outcome);
      AttemptEnded ended{.number = speaker->number,
                         .outcome = "completed",
                         .finish_reason = builder_.finish_reason(),
                         .upstream_id = builder_.upstream_id(),
                         .trimmed_bytes = static_cast<int64_t>(builder_.trimmed()),
                         .usage = builder_.usage(),
                         .finish = builder_.finish() == Finish::kNone ? "" : std::string(name_of(builder_.finish())),
                         .stop_sequence = builder_.stop_sequence(),
                         .seam = std::string(builder_.seam()),
                         .cost = std::move(cost)};
      if (!outcome.ok()) blame(ended, lease, outcome.error());
      if (outcome.ok() && !last->empty()) {
        Result<void> handed = co_await sink_.deltas(*std::move(last));
        if (!handed.ok()) co_return std::nullopt;
      }
      if (stop_.cancel.requested() && stop_.halt) co_return std::nullopt;
      bool recorded = co_await account(*speaker, std::move(ended));
      if (!recorded) co_return std::nullopt;
      if (outcome.ok()) co_return end_as(builder_.finish(), builder_.stop_sequence());
      if (stop_.cancel.requested()) co_return co_await stopped();
      Error error = std::move(outcome).error();
      if (builder_.answer().bytes() > visible_before) fruitless_ = 0;
      Failure then = take_failure(*speaker, error, fault);
      forget_ended();
      if (then == Failure::kFinal) co_return co_await give_up(error);
      if (then != Failure::kUnsayable) asked_ = true;
      if (then == Failure::kCounts) failed = std::move(error);
    }
  }

  // An attempt is placed: it is recorded before anything of it happens. Null: the sink failed.
  Task<Opening*> start(std::unique_ptr<AttemptLease> lease, int64_t beside) {
    auto opening = std::make_unique<Opening>();
    opening->number = ++number_;
    opening->prefill = lease->deployment().capabilities[Capability::kPrefill] == Known::kYes &&
                       std::ranges::find(no_prefill_, lease->number()) == no_prefill_.end();
    opening->lease = std::move(lease);
    Opening* out = opening.get();
    live_.push_back(std::move(opening));
    Result<void> started = co_await sink_.attempt_started({.number = out->number,
                                                           .provider = out->lease->provider().name(),
                                                           .model = out->lease->model(),
                                                           .continuation = builder_.anything_visible(),
                                                           .reason = out->lease->reason(),
                                                           .dropped = dropped_by(*out->lease),
                                                           .workload = out->lease->workload(),
                                                           .expected = out->lease->expected_cost(),
                                                           .stand_in = stand_in_of(*out->lease),
                                                           .beside = beside});
    co_return started.ok() ? out : nullptr;
  }

  // Waits until an attempt speaks, or none is left. Where the workload says so, and while nobody has seen anything, a
  // second one is started beside a first that stays silent; who speaks first is gone on with. Null: the sink failed.
  Task<Opening*> first_word(Opening& first, const Workload& workload, const PlacementAsk& ask) {
    std::optional<Duration> patience;
    if (!builder_.anything_visible()) patience = first.lease->hedge_after(workload);
    if (!patience) {
      co_await open(first, call_of(first), opening_limits(), loop_, spoke_);
      co_return &first;
    }
    Instant late = loop_.now() + *patience;
    Opening* second = nullptr;
    bool may_start = true;
    openings_.spawn(race_on(first));
    for (;;) {
      Race::State of_first = Race::state_of(first);
      Race::State of_second = second == nullptr ? Race::State::kAbsent : Race::state_of(*second);
      switch (Race::next(of_first, of_second, loop_.now() >= late, may_start)) {
        case Race::Next::kWait: {
          // One that failed leaves the field to the other.
          bool left = true;
          if (of_first == Race::State::kOver) left = co_await leave(first);
          if (left && of_second == Race::State::kOver) left = co_await leave(*second);
          if (!left) co_return nullptr;
          if (of_first != Race::state_of(first) || (second != nullptr && of_second != Race::state_of(*second))) break;
          bool in_time = second == nullptr && may_start;
          (void)co_await spoke_.wait(in_time ? Deadline{late} : Deadline::never());
          break;
        }
        case Race::Next::kStart: {
          may_start = false;
          PlacementAsk other = ask;
          other.beside = first.lease->number();
          other.author = first.lease->logical_model();
          std::unique_ptr<AttemptLease> lease = router_.begin_beside(other, stop_.cancel);
          if (!lease) break;
          if (limits_.metrics != nullptr) limits_.metrics->hedged();
          second = co_await start(std::move(lease), first.number);
          if (second == nullptr) co_return nullptr;
          openings_.spawn(race_on(*second));
          break;
        }
        case Race::Next::kFirst: {
          bool left = second == nullptr || co_await leave(*second);
          co_return left ? &first : nullptr;
        }
        case Race::Next::kSecond: {
          bool left = co_await leave(first);
          if (left) router_.stays_at(ask, second->lease->number());
          if (limits_.metrics != nullptr) limits_.metrics->hedge_won();
          co_return left ? second : nullptr;
        }
        case Race::Next::kFailed: {
          if (second == nullptr) co_return &first;
          if (!first.accounted && !second->accounted) {
            bool left = co_await leave(*second);
            co_return left ? &first : nullptr;
          }
          if (first.accounted && second->accounted) co_return nullptr;  // the server stops: both are left open
          co_return first.accounted ? second : &first;
        }
      }
    }
  }

  Task<void> race_on(Opening& opening) {
    co_await open(opening, call_of(opening), opening_limits(), loop_, spoke_);
    if (opening.accounted) forget_ended();
  }

  // Leaves an attempt that is not gone on with: it was outrun, or has failed while another is on its way. False: the
  // sink failed.
  Task<bool> leave(Opening& opening) {
    if (opening.accounted) co_return true;
    AttemptLease& lease = *opening.lease;
    AttemptEnded ended{.number = opening.number, .upstream_id = opening.upstream_id(), .usage = opening.usage()};
    bool outrun = Race::state_of(opening) == Race::State::kSilent || Race::state_of(opening) == Race::State::kSpeaks;
    if (outrun && !stop_.cancel.requested() && !lease.withdrawn()) {
      Result<void> waited = outrun_error();
      ended.cost = lease.settle(use_of(opening, waited, ended.usage, false));
      lease.outrun();
      ended.outcome = "hedged_away";
      co_return co_await account(opening, std::move(ended));
    }
    Error error = opening.said && !opening.said->ok() ? opening.said->error() : Error{Code::kCancelled, "cancelled"};
    ended.cost = lease.settle(use_of(opening, error, ended.usage, false));
    Fault fault = lease.ended(loop_.now() >= deadline_.at ? Error{Code::kCancelled, "out of time"} : error);
    blame(ended, lease, error);
    if (stop_.cancel.requested() && stop_.halt) {
      opening.accounted = true;  // by whoever recovers the session
      co_return true;
    }
    bool recorded = co_await account(opening, std::move(ended));
    if (recorded && !stop_.cancel.requested()) (void)take_failure(opening, error, fault);
    co_return recorded;
  }

  void blame(AttemptEnded& ended, AttemptLease& lease, const Error& error) const {
    bool halted = stop_.cancel.requested() && stop_.halt;
    ended.outcome = halted                      ? "abandoned"
                    : stop_.cancel.requested()  ? "cancelled"
                    : lease.withdrawn()         ? "withdrawn"
                    : ended.upstream_id.empty() ? "failed"
                                                : "cut";
    ended.error = std::string(to_string(error.code)) + (error.reason.empty() ? "" : " " + error.reason);
    ended.upstream_status = error.upstream_status;
  }

  Task<bool> account(Opening& opening, AttemptEnded ended) {
    opening.accounted = true;
    usage_ += ended.usage;
    if (limits_.metrics != nullptr) limits_.metrics->ended(ended);
    Result<void> recorded = co_await sink_.attempt_ended(std::move(ended));
    co_return recorded.ok();
  }

  enum class Failure : uint8_t {
    kNobodys,    // on with it at once
    kUnsayable,  // nobody was asked: on with it where there are words for the request
    kCounts,     // on with it elsewhere, or here after a while
    kFinal,      // another attempt makes no sense
  };
  Failure take_failure(Opening& opening, const Error& error, Fault fault) {
    AttemptLease& lease = *opening.lease;
    log_.warn("attempt.failed", {{"provider", lease.provider().name()},
                                 {"deployment", lease.deployment().name},
                                 {"attempt", opening.number},
                                 {"class", to_string(error.code)},
                                 {"status", error.upstream_status},
                                 {"fault", name_of(fault)},
                                 {"withdrawn", lease.withdrawn()},
                                 {"fruitless", fruitless_}});
    if (lease.withdrawn()) return Failure::kNobodys;
    // Whoever refuses a beginning is asked in words next.
    if (opening.prefill && error.code == Code::kInvalid && builder_.anything_visible()) {
      no_prefill_.push_back(lease.number());
      return Failure::kNobodys;
    }
    // What no supplier was asked, for want of words in its dialect, another one's may say.
    if (error.code == Code::kInvalid && error.upstream_status == 0 && !error.param.empty() && !opening.any_pieces) {
      note_failure(tried_, lease.number(), true, 1, limits_, loop_);
      if (!unsayable_) unsayable_ = error;
      return ++unsayables_ < kUnsayableMax ? Failure::kUnsayable : Failure::kFinal;
    }
    ++fruitless_;
    bool refused = fault == Fault::kCredential || fault == Fault::kDeployment;
    bool again = (refused || worth_another_attempt(error)) && fruitless_ < limits_.fruitless_attempts_max;
    if (!again) return Failure::kFinal;
    note_failure(tried_, lease.number(), refused, fruitless_, limits_, loop_);
    return Failure::kCounts;
  }

  void forget_ended() {
    std::erase_if(live_, [](const std::unique_ptr<Opening>& each) { return each->accounted && each->said; });
  }

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
  static AttemptUse use_of(const Opening& opening, const Result<void>& outcome, Usage usage, bool finished) {
    return {.usage = std::move(usage),
            .whole = outcome.ok() || finished,
            .began = opening.any_pieces,
            .in_doubt = !outcome.ok() && given_up_waiting(outcome.error()),
            .heard_bytes = opening.heard_bytes};
  }

  // Of the answer so far, or of what the user said last.
  Language language() {
    const size_t shown = builder_.visible_text().size();
    if (told_ && told_->first == shown) return told_->second;
    Language language = language_of(builder_.visible_text());
    for (auto item = input_.context.rbegin(); language == Language::kUnknown && item != input_.context.rend(); ++item)
      if (item->kind == ItemKind::kMessage && item->role == Role::kUser)
        for (const Part& part : item->content)
          if (language == Language::kUnknown) language = language_of(part.text);
    told_.emplace(shown, language);
    return language;
  }

  UpstreamCall call_of(const Opening& opening) {
    UpstreamCall call{.request = *input_.request,
                      .context = input_.context,
                      .model = opening.lease->model(),
                      .traceparent = input_.traceparent};
    call.held = builder_.visible_text();
    if (opening.prefill) {
      // No supplier takes a beginning that ends in white space; the seam knows what comes again.
      call.held.resize(given_of(call.held).size());
    } else if (!call.held.empty()) {
      call.ask = words_.empty() ? std::string(continuation_words(language())) : words_;
    }
    if (int64_t left = tokens_left(); left >= 0) call.max_output_tokens = left;
    return call;
  }

  OpeningLimits opening_limits() const {
    return {.open_time = limits_.open_time, .stall_time = limits_.stall_time, .deadline = deadline_};
  }

  // From its first word to its end: what an attempt says is handed over as it comes.
  Task<Result<void>> listen(Opening& opening) {
    AttemptLease& lease = *opening.lease;
    for (;;) {
      // What came before a cut counts: it is handed over before the error is looked at.
      Result<std::vector<Delta>> deltas = builder_.add(opening.pieces);
      if (!deltas.ok()) co_return std::move(deltas).error();
      if (!deltas->empty()) {
        Result<void> handed = co_await sink_.deltas(std::move(*deltas));
        if (!handed.ok()) {
          sink_failed_ = true;
          co_return std::move(handed).error();
        }
      }
      if (!opening.said->ok()) co_return opening.said->error();
      if (!**opening.said) co_return Result<void>();
      if (builder_.answer().bytes() > limits_.answer_bytes_max)
        co_return Error{Code::kInvalid, "the answer is longer than this server allows", "", "answer_too_long"};
      opening.pieces.clear();
      Deadline patience = deadline_in(loop_, lease.stall_limit(limits_.stall_time)).sooner(deadline_);
      Instant asked = loop_.now();
      Result<bool> more = co_await opening.answer->next(opening.pieces, patience);
      if (!opening.pieces.empty()) lease.came(loop_.now() - asked);
      opening.heard_bytes += text_bytes(opening.pieces);
      opening.said = std::move(more);
    }
  }

  // Where all that is left has no words for the request, it is its caller's to change. Where somebody else may have,
  // and is not to be had now, it is not.
  Error nobody_left(Error begun) const {
    bool elsewhere = begun.reason != "provider_unavailable" || begun.retry_after_ms >= 0;
    return unsayable_ && !elsewhere ? *unsayable_ : begun;
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
  std::optional<std::pair<size_t, Language>> told_;  // of a visible text of so many bytes: it only grows
  std::vector<uint32_t> no_prefill_;                 // deployments that refused one
  Deadline deadline_;
  std::string words_;  // that ask to go on; empty: in the conversation's language
  int64_t number_;     // of the last attempt
  int64_t fruitless_ = 0;
  bool asked_;                      // some supplier, whatever came of it
  std::optional<Error> unsayable_;  // the first that a dialect had no words for
  int unsayables_ = 0;
  bool sink_failed_ = false;
  Notifier spoke_;
  std::vector<std::unique_ptr<Opening>> live_;  // attempts that may still say something; before the group
  TaskGroup openings_;
};

}  // namespace

Task<std::optional<ResponseEnded>> generate(GenerationInput input, Router& router, GenerationSink& sink, Loop& loop,
                                            GenerationStop stop, const GenerationLimits& limits, Log log) {
  Run run(input, router, sink, loop, stop, limits, std::move(log));
  co_return co_await run.go();
}

}  // namespace perdure
