#pragma once
// Compactor: has a model write the summary that stands for a part of a conversation (model/compaction.h). One upstream
// answer, made like any other: placed, retried, continued, accounted. It fails rather than give a summary that is empty
// or cut short.

#include <span>

#include "generation/generation.h"
#include "model/request.h"

namespace perdure {

struct CompactionAsk {
  std::span<const Item> context;  // history and input
  size_t input_from = 0;          // where the request's own input begins
  int64_t previous_tokens = 0;    // what a supplier has counted before the input; 0: not known
  Traffic traffic;
  int64_t attempts = 0;  // that the response has seen
  ResponseId stored;     // that the item belongs to; empty: one that is not stored
  std::string traceparent;
};

struct Compacted {
  Item item;
  int64_t attempts = 0;
  Usage usage;
};

struct Compactor {
  Router& router;
  Loop& loop;
  const GenerationLimits& limits;
  Log log;

  // The context is longer than request.compact_threshold, as far as it is known (what a supplier has counted, else an
  // estimate), and holds something that may be compacted.
  bool is_due(const Request& request, const CompactionAsk& ask) const;

  // Everything before the request's own turn, with the model that the request asks for. Attempts are told to `sink`,
  // and then the finished item. Errors: reason compaction_failed, or what generation's sink said.
  Task<Result<Compacted>> compact_window(const Request& request, CompactionAsk ask, GenerationSink& sink,
                                         GenerationStop stop);
  // All of it, what an earlier compaction stands for as its summary; for a client that begins anew with the item, and
  // with what it keeps (is_kept in window.h). The item is not told to the sink.
  Task<Result<Compacted>> compact_all(const Request& request, CompactionAsk ask, GenerationSink& sink,
                                      GenerationStop stop);

 private:
  Task<Result<Compacted>> compact(const Request& request, CompactionAsk ask, std::vector<Item> items, std::string from,
                                  GenerationSink& sink, GenerationStop stop);
};

}  // namespace perdure
