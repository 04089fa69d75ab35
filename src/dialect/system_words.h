#pragma once
// SystemWords: where the system speaks in dialects whose conversations have no such role. What leads the conversation
// is the supplier's system prompt. What the system says later stays where it was said, in the user's turn and between
// tags: moved to the front it would change the beginning of every later request, which a prompt cache knows it by, and
// would be heard before what it is about.

#include <span>
#include <string>
#include <vector>

#include "dialect/upstream.h"

namespace perdure {

bool is_system(const Item& item);
// How many items of the context are system messages before anything else.
size_t leading_system(std::span<const Item> context);

// "<system>\n...\n</system>": what the system says in the user's turn.
std::string said_by_system(std::string_view text);

// `ask` with system messages amid the conversation said in the user's turn; those that lead it stay. Every item keeps
// its index. It refers to what `ask` refers to, and to this object where something was changed.
class SystemWords {
 public:
  explicit SystemWords(const UpstreamAsk& ask);
  SystemWords(const SystemWords&) = delete;
  const UpstreamAsk& ask() const { return ask_; }

 private:
  std::vector<Item> context_;
  UpstreamAsk ask_;
};

}  // namespace perdure
