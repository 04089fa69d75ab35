#pragma once
// Which part of a context a supplier is shown. Pure.
//
// All of it, unless the request asks for less: with context_management what stands before the last compaction item is
// the user's, system's and developer's messages alone, then the summary; with `truncation: auto`, after a supplier has
// called the context too long, the oldest goes first. Nothing is taken out of the journal by either.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/compaction.h"
#include "model/item.h"

namespace perdure {

// Compaction items become messages that any dialect can say. `compacted`: the request asks for a compacted window;
// otherwise items that a response has put behind its context are left out, since what they stand for is there.
std::vector<Item> shown_context(std::vector<Item> context, bool compacted);
// Whether there is anything for it to do.
bool holds_compaction(std::span<const Item> context);

// Where what must stay whole begins: the request's own input (at `input_from`), and before it the calls that it
// answers, with the turn that they belong to.
size_t tail_of(std::span<const Item> context, size_t input_from);
// Whether the items hold anything that a summary could stand for.
bool worth_compacting(std::span<const Item> items);
// The same items as a text for a model to read, each of bounded length.
std::string transcript_of(std::span<const Item> items);
// The messages that a compaction keeps word for word.
bool is_kept(const Item& item);

// Takes about a quarter off the front: whole turns, calls together with their results, never a system or developer
// message, nothing from the last turn on. False: there is nothing left that may go.
bool drop_oldest(std::vector<Item>& context);

// The first of the items that is a result of no call before it; none: all have theirs.
const Item* orphaned_result(std::span<const Item> context);

}  // namespace perdure
