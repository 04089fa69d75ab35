#pragma once
// The parts that a Messages request is made of, each in a .cc of its own: the turns, and what the model is told about
// thinking. Used by messages_request.cc.

#include <string>

#include "dialect/left_out.h"
#include "dialect/messages_upstream.h"
#include "wire/json.h"

namespace perdure {

// Which marks of prompt caches are sent: the last four, those of tools and the system prompt before those of messages.
class CacheMarks {
 public:
  explicit CacheMarks(const UpstreamAsk& ask);
  // "cache_control", where `mark` is one and is sent. To be called for each in order.
  void write_first(json::Writer& out, std::string_view mark);    // in tools and system
  void write_message(json::Writer& out, std::string_view mark);  // in messages

 private:
  size_t skip_first_ = 0, skip_messages_ = 0;
};

struct MessagesTurns {
  bool any_call = false;
  bool bare_loop = false;  // the turn whose tools are being answered last does not begin with thinking
  bool begun = false;      // it ends with the assistant's words, with which the answer goes on
};
// `system`, where there is something for it, and `messages`.
Result<MessagesTurns> write_messages_turns(json::Writer& out, const UpstreamAsk& ask, const MessagesVariant& variant,
                                           CacheMarks& marks, LeftOut& left_out);

// Appends the block of an image or a file, and nothing for one that a lenient request loses.
Result<void> write_messages_media(json::Writer& out, const Part& part, const std::string& where, CacheMarks& marks,
                                  LeftOut& left_out);

struct MessagesThinking {
  enum class Kind : uint8_t { kUnsaid, kDisabled, kBudget, kAdaptive };
  Kind kind = Kind::kUnsaid;
  int64_t budget = 0;
  std::string_view display;  // empty: the model's own
  std::string_view effort;   // of output_config; empty: unsaid
  bool on() const { return kind == Kind::kBudget || kind == Kind::kAdaptive; }
};
// `limit`: max_tokens.
Result<MessagesThinking> messages_thinking(const UpstreamAsk& ask, const MessagesVariant& variant, int64_t limit,
                                           const MessagesTurns& turns, LeftOut& left_out);

// One of them must be called.
bool is_forced(const Request& request);
bool is_blank(std::string_view text);

}  // namespace perdure
