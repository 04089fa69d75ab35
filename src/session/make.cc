// Making a response: compaction where the request asks for it, the answer itself, truncation where the context is too
// long and the request allows it.

#include <algorithm>

#include "base/check.h"
#include "session/compactor.h"
#include "session/host.h"
#include "session/window.h"

namespace perdure {
namespace {

constexpr int kTruncationsMax = 16;

// What suppliers say of a context that is too long, in their own words.
bool is_too_long(const ResponseEnded& ended) {
  if (ended.status != ResponseStatus::kFailed) return false;
  static constexpr std::string_view kWords[] = {
      "context_length",    "context length",  "context window",    "context_window",  "prompt is too long",
      "Input is too long", "maximum context", "input token count", "too many tokens", "string_above_max_length"};
  return std::ranges::any_of(kWords, [&](std::string_view word) {
    return ended.error_code.find(word) != std::string::npos || ended.error_message.find(word) != std::string::npos;
  });
}

ResponseEnded without_summary(const Error& why, bool cancelled) {
  ResponseEnded ended{.status = cancelled ? ResponseStatus::kCancelled : ResponseStatus::kFailed};
  if (cancelled) return ended;
  ended.error_code = why.reason;
  ended.error_message = why.message;
  return ended;
}

// Passes everything on and counts the attempts. Items of a stored response get the ids that they are found by.
class CountingSink final : public GenerationSink {
 public:
  CountingSink(GenerationSink& to, int64_t attempts, ResponseId stored)
      : to_(to), attempts_(attempts), stored_(std::move(stored)) {}
  Task<Result<void>> attempt_started(AttemptStarted attempt) override {
    attempts_ = attempt.number;
    return to_.attempt_started(std::move(attempt));
  }
  Task<Result<void>> deltas(std::vector<Delta> deltas) override {
    anything_ = true;
    for (Delta& delta : deltas)
      if (delta.kind == Delta::Kind::kItemBegin) delta.item.id = item_id_in(stored_, std::move(delta.item.id));
    return to_.deltas(std::move(deltas));
  }
  Task<Result<void>> attempt_ended(AttemptEnded attempt) override {
    usage_ += attempt.usage;
    return to_.attempt_ended(std::move(attempt));
  }
  int64_t attempts() const { return attempts_; }
  const Usage& usage() const { return usage_; }
  bool anything() const { return anything_; }

 private:
  GenerationSink& to_;
  int64_t attempts_;
  ResponseId stored_;
  Usage usage_;
  bool anything_ = false;
};

}  // namespace

Result<void> Making::hold(const std::vector<Delta>& deltas) {
  bool in_compaction = false;
  for (const Delta& delta : deltas) {
    if (delta.kind == Delta::Kind::kItemBegin) in_compaction = delta.item.kind == ItemKind::kCompaction;
    if (!in_compaction) TRY_VOID(held.apply(delta));
    if (delta.kind == Delta::Kind::kItemEnd) in_compaction = false;
  }
  return {};
}

// The whole of a response that is a summary and nothing else.
Task<std::optional<ResponseEnded>> ResponsesHost::compact(Run& run, Making making) {
  GenerationStop stop{run.cancel(), run.halt};
  Compactor compactor{.router = router_, .loop = loop_, .limits = limits_.generation, .log = log_};
  CompactionAsk ask{.context = making.whole(run.request()), .traffic = traffic_of(run)};
  ask.input_from = ask.context.size();
  ask.traceparent = std::move(making.traceparent);
  Result<Compacted> compacted = co_await compactor.compact_all(run.request(), std::move(ask), run, stop);
  if (!compacted.ok()) {
    if (run.broken() || (stop.cancel.requested() && stop.halt)) co_return std::nullopt;
    co_return without_summary(compacted.error(), stop.cancel.requested());
  }
  std::vector<Delta> deltas;
  deltas.push_back(Delta::item_begin({.kind = ItemKind::kCompaction, .id = compacted->item.id}));
  deltas.push_back(Delta::opaque_block(OpaqueKind::kEncrypted, compacted->item.encrypted, ""));
  deltas.push_back(Delta::item_end(ItemStatus::kCompleted));
  Result<void> told = co_await run.deltas(std::move(deltas));
  if (!told.ok()) co_return std::nullopt;
  co_return ResponseEnded{.status = ResponseStatus::kCompleted, .usage = compacted->usage};
}

Task<std::optional<ResponseEnded>> ResponsesHost::make(Run& run, Making making) {
  if (making.compact) {
    std::optional<ResponseEnded> ended = co_await compact(run, std::move(making));
    co_return ended;
  }
  const Request& request = run.request();
  Traffic traffic = traffic_of(run);
  GenerationStop stop{run.cancel(), run.halt};
  const bool compacts = request.compact_threshold.has_value();
  if (compacts && !making.compaction && !making.finished && making.held.items().empty()) {
    Compactor compactor{.router = router_, .loop = loop_, .limits = limits_.generation, .log = log_};
    CompactionAsk ask{.context = making.whole(request),
                      .input_from = making.input_from,
                      .previous_tokens = making.previous_tokens,
                      .traffic = traffic,
                      .attempts = making.attempts,
                      .stored = run.stored() ? run.id() : ResponseId(),
                      .traceparent = making.traceparent};
    if (compactor.is_due(request, ask)) {
      Result<Compacted> compacted = co_await compactor.compact_window(request, std::move(ask), run, stop);
      if (!compacted.ok() && (run.broken() || (stop.cancel.requested() && stop.halt))) co_return std::nullopt;
      if (!compacted.ok()) co_return without_summary(compacted.error(), stop.cancel.requested());
      making.attempts = compacted->attempts;
      making.usage += compacted->usage;
      making.compaction = std::move(compacted->item);
    }
  }
  const bool may_truncate = request.truncation == "auto" && making.held.items().empty() && !making.finished;
  std::span<const Item> shown = making.whole(request);
  std::vector<Item> own;  // what is shown, where it is not what there is
  if (making.compaction || may_truncate || holds_compaction(shown)) {
    own = making.context.empty() ? request.input : std::move(making.context);
    if (making.compaction) own.push_back(*making.compaction);
    own = shown_context(std::move(own), compacts);
    shown = own;
    making.needs.reset();
  }

  CountingSink sink(run, making.attempts, run.stored() ? run.id() : ResponseId());
  for (int truncations = 0;; ++truncations) {
    GenerationInput input{.request = &request,
                          .traffic = traffic,
                          .context = shown,
                          .needs = making.needs,
                          .held = making.held,
                          .held_tokens = making.held_tokens,
                          .attempts = sink.attempts(),
                          .usage = making.usage,
                          .author = making.author,
                          .finished = making.finished,
                          .traceparent = making.traceparent};
    input.usage += sink.usage();
    std::optional<ResponseEnded> ended =
        co_await generate(std::move(input), router_, sink, loop_, stop, limits_.generation, log_);
    const bool again = may_truncate && truncations < kTruncationsMax && ended && !sink.anything();
    if (!again || !is_too_long(*ended) || !drop_oldest(own)) co_return ended;
    shown = own;
    log_.info("context.truncated", {{"response", run.id().value}, {"items_left", own.size()}});
  }
}

}  // namespace perdure
