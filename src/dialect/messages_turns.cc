// The conversation as turns that alternate, and the system prompt.

#include <algorithm>
#include <map>
#include <set>

#include "dialect/call_arguments.h"
#include "dialect/messages_request.h"
#include "dialect/say.h"
#include "dialect/system_words.h"
#include "dialect/tool_ids.h"
#include "dialect/upstream_error.h"

namespace perdure {
namespace {

using json::Writer;

constexpr size_t kMarksMax = 4;
// A conversation begins with the user. Where it does not, this is said in their place.
constexpr std::string_view kOpening = "(The assistant begins.)";

bool says_nothing(const Item& item) {
  return item.kind == ItemKind::kReasoning ||
         (item.kind == ItemKind::kMessage &&
          std::ranges::all_of(item.content, [](const Part& part) { return is_blank(part.text); }));
}

std::string_view without_end(std::string_view text) { return text.substr(0, text.find_last_not_of(" \t\r\n\f\v") + 1); }

// Writes the messages. An assistant's turn is held until it is known to be whole; behind it come the results of its
// calls, in the order of the calls, wherever the client put them.
class Turns {
 public:
  Turns(Writer& out, const UpstreamAsk& ask, CacheMarks& marks, LeftOut& left_out)
      : out_(out), ask_(ask), marks_(marks), left_out_(left_out) {}

  Result<MessagesTurns> write(const MessagesVariant& variant) {
    TRY_VOID(check_tool_pairs(ask_));
    give_ids();
    for (size_t i = 0; i < size(); ++i) {
      if (!is_system(item(i))) last_ = i;
    }
    TRY_VOID(write_system());
    out_.key("messages").begin_array();
    for (size_t i = 0; i < size(); ++i) TRY_VOID(add(i));
    TRY_VOID(flush());
    if (role_ == "assistant" && is_blank(ask_.held) && !variant.prefill)
      return unsayable(param(last_), "a conversation that ends with the assistant's words");
    write_continuation();
    said_.begun = role_ == "assistant";
    close();
    if (!begun_) {
      return Error{.code = Code::kInvalid,
                   .message = "The input holds nothing that a model could be given.",
                   .param = "input",
                   .reason = "invalid_value"};
    }
    out_.end_array();
    return said_;
  }

 private:
  struct Call {
    size_t output = 0;
    std::string id;  // theirs
  };
  size_t size() const { return ask_.context.size(); }
  const Item& item(size_t index) const { return ask_.context[index]; }
  std::string param(size_t index) const { return context_param(ask_, index); }

  // An id that a model uses again becomes another one here, where ids must differ. The n-th use of an id stays the
  // n-th as a conversation grows.
  void give_ids() {
    std::map<std::string_view, std::vector<size_t>> calls, outputs;
    for (size_t i = 0; i < size(); ++i) {
      if (item(i).kind == ItemKind::kFunctionCall) calls[item(i).call_id].push_back(i);
      if (item(i).kind == ItemKind::kFunctionCallOutput) outputs[item(i).call_id].push_back(i);
    }
    std::set<std::string> taken;
    for (size_t i = 0; i < size(); ++i) {
      if (item(i).kind != ItemKind::kFunctionCall) continue;
      const auto& same = calls[item(i).call_id];
      const auto use = static_cast<size_t>(std::ranges::find(same, i) - same.begin());
      Call call{.output = outputs[item(i).call_id][use]};
      call.id = supplier_tool_id(item(i).call_id, kMessagesToolIds);
      for (size_t n = use + 1; !taken.insert(call.id).second; ++n)
        call.id = supplier_tool_id(say("{}~{}", item(i).call_id, n), kMessagesToolIds);
      call_of_[call.output] = i;
      calls_[i] = std::move(call);
    }
  }

  // Instructions first, then the messages of the system that lead the conversation: no others are left (SystemWords).
  Result<void> write_system() {
    Writer blocks;
    blocks.begin_array();
    size_t count = 0;
    const auto say_it = [&](std::string_view text, std::string_view mark) {
      if (is_blank(text)) return;
      blocks.begin_object().field("type", "text").field("text", text);
      marks_.write_first(blocks, mark);
      blocks.end_object();
      ++count;
    };
    if (ask_.request.instructions) say_it(*ask_.request.instructions, "");
    for (size_t i = 0; i < size(); ++i) {
      if (!is_system(item(i))) continue;
      for (size_t p = 0; p < item(i).content.size(); ++p) {
        const Part& part = item(i).content[p];
        if (part.kind == PartKind::kInputText) {
          say_it(part.text, part.cache);
        } else {
          TRY_VOID(left_out_.refuse(say("{}.content[{}]", param(i), p), "images or files in a system message"));
        }
      }
    }
    if (count > 0) out_.key("system").raw(blocks.end_array().text());
    return {};
  }

  Result<void> add(size_t index) {
    const Item& one = item(index);
    switch (one.kind) {
      case ItemKind::kMessage:
        if (is_system(one)) return {};
        if (one.role == Role::kAssistant) return join(index);
        TRY_VOID(flush());
        return write_parts(index, "content", true);
      case ItemKind::kReasoning:
        return join(index);
      case ItemKind::kFunctionCall:
        TRY_VOID(join(index));
        ++open_calls_;
        return {};
      case ItemKind::kFunctionCallOutput:
        if (std::ranges::find(turn_, call_of_.at(index)) != turn_.end()) ++answered_;
        return {};
      case ItemKind::kCompaction:
        return left_out_.refuse(param(index), "a compaction item, which only its issuer can read");
    }
    return {};
  }

  // What comes after all calls of a turn were answered was said with the answers known: a turn of its own.
  Result<void> join(size_t index) {
    if (open_calls_ > 0 && answered_ >= open_calls_) TRY_VOID(flush());
    turn_.push_back(index);
    return {};
  }

  Result<void> flush() {
    std::vector<size_t> turn = std::exchange(turn_, {});
    open_calls_ = answered_ = 0;
    const auto is_call = [&](size_t i) { return item(i).kind == ItemKind::kFunctionCall; };
    // Calls are followed by their results and by nothing else, so text stands before them.
    for (auto first_call = std::ranges::find_if(turn, is_call), at = first_call; at != turn.end(); ++at) {
      if (item(*at).kind == ItemKind::kMessage) std::rotate(first_call++, at, at + 1);
    }
    // Thinking that led to nothing is no turn.
    while (!turn.empty() && says_nothing(item(turn.back()))) turn.pop_back();

    for (size_t index : turn) {
      const Item& one = item(index);
      if (one.kind == ItemKind::kMessage) {
        TRY_VOID(write_assistant(index));
      } else if (one.kind == ItemKind::kReasoning) {
        write_thinking(one);
      } else {
        TRY_VOID(write_call(index));
      }
    }
    for (size_t index : turn) {
      if (is_call(index)) TRY_VOID(write_result(calls_[index]));
    }
    return {};
  }

  // White space at the very end is refused, where the answer is to go on.
  Result<void> write_assistant(size_t index) {
    const std::vector<Part>& parts = item(index).content;
    for (size_t p = 0; p < parts.size(); ++p) {
      const Part& part = parts[p];
      if (part.kind != PartKind::kOutputText && part.kind != PartKind::kRefusal && part.kind != PartKind::kInputText)
        return unsayable(say("{}.content[{}]", param(index), p), "an image or file of the assistant's");
      if (is_blank(part.text)) continue;
      const bool last = index == last_ && is_blank(ask_.held) &&
                        std::all_of(parts.begin() + static_cast<ptrdiff_t>(p) + 1, parts.end(),
                                    [](const Part& after) { return is_blank(after.text); });
      write_text("assistant", last ? without_end(part.text) : std::string_view(part.text), part.cache);
    }
    return {};
  }

  // By the supplier that is asked, and of a kind that this dialect carries.
  bool is_readable(const Item& one) const {
    return !one.encrypted.empty() && !one.issuer.empty() && one.issuer == ask_.issuer &&
           (one.opaque == OpaqueKind::kSignature || one.opaque == OpaqueKind::kRedacted);
  }

  void write_thinking(const Item& one) {
    if (!is_readable(one)) return;
    begin("assistant");
    if (blocks_ == 0) thought_first_ = true;
    out_.begin_object();
    if (one.opaque == OpaqueKind::kRedacted) {
      out_.field("type", "redacted_thinking").field("data", one.encrypted);
    } else {
      std::string text;
      for (const Part& part : one.content) text += part.text;
      out_.field("type", "thinking").field("thinking", text).field("signature", one.encrypted);
    }
    out_.end_object();
    ++blocks_;
  }

  Result<void> write_call(size_t index) {
    const Item& call = item(index);
    if (call.name.empty()) return unsayable(param(index) + ".name", "a call without a name");
    begin("assistant");
    out_.begin_object().field("type", "tool_use").field("id", calls_[index].id).field("name", call.name);
    out_.key("input").raw(arguments_object(call.arguments));
    marks_.write_message(out_, call.cache);
    out_.end_object();
    ++blocks_;
    said_.any_call = true;
    return {};
  }

  Result<void> write_result(const Call& call) {
    const Item& output = item(call.output);
    begin("user");
    said_.bare_loop = !thought_first_;
    out_.begin_object().field("type", "tool_result").field("tool_use_id", call.id);
    if (output.output_is_text) {
      if (!output.output.empty()) out_.field("content", output.output);
    } else {
      out_.key("content").begin_array();
      TRY_VOID(write_parts(call.output, "output", false));
      out_.end_array();
    }
    if (output.tool_failed) out_.field("is_error", true);
    marks_.write_message(out_, output.cache);
    out_.end_object();
    return {};
  }

  // Into the user's message, or into a result that is open. `field`: of the item, that holds them.
  Result<void> write_parts(size_t index, std::string_view field, bool message) {
    const std::vector<Part>& parts = item(index).content;
    for (size_t p = 0; p < parts.size(); ++p) {
      const Part& part = parts[p];
      if (part.kind == PartKind::kInputText || part.kind == PartKind::kOutputText) {
        if (is_blank(part.text)) continue;
        if (message) begin("user");
        write_block(part.text, part.cache);
        continue;
      }
      Writer block;
      TRY_VOID(write_messages_media(block, part, say("{}.{}[{}]", param(index), field, p), marks_, left_out_));
      if (block.text().empty()) continue;
      if (message) begin("user");
      out_.raw(block.text());
    }
    return {};
  }

  // What an earlier attempt said, and the words that ask to go on. Without such words the answer goes on right behind
  // it.
  void write_continuation() {
    const std::string_view held = ask_.ask.empty() ? without_end(ask_.held) : std::string_view(ask_.held);
    if (!is_blank(held)) write_text("assistant", held, "");
    if (!is_blank(ask_.ask)) write_text("user", ask_.ask, "");
  }

  void write_text(std::string_view role, std::string_view text, std::string_view mark) {
    begin(role);
    write_block(text, mark);
    ++blocks_;
  }

  void write_block(std::string_view text, std::string_view mark) {
    out_.begin_object().field("type", "text").field("text", text);
    marks_.write_message(out_, mark);
    out_.end_object();
  }

  // The next block is `role`'s: of the message that is open, or of a new one.
  void begin(std::string_view role) {
    if (role_ == role) return;
    if (!begun_ && role == "assistant") {
      begun_ = true;
      write_text("user", kOpening, "");
    }
    close();
    out_.begin_object().field("role", role).key("content").begin_array();
    role_ = role;
    begun_ = true;
    blocks_ = 0;
    if (role == "assistant") said_.bare_loop = thought_first_ = false;
  }

  void close() {
    if (role_.empty()) return;
    out_.end_array().end_object();
    role_ = {};
  }

  Writer& out_;
  const UpstreamAsk& ask_;
  CacheMarks& marks_;
  LeftOut& left_out_;
  MessagesTurns said_;
  std::string_view role_;                 // of the open message
  size_t blocks_ = 0;                     // of the assistant's in it
  bool begun_ = false;                    // there is a message
  bool thought_first_ = false;            // the assistant's last message begins with thinking
  size_t last_ = SIZE_MAX;                // the last item that is no system message
  std::vector<size_t> turn_;              // the assistant's open turn
  size_t open_calls_ = 0, answered_ = 0;  // of that turn
  std::map<size_t, Call> calls_;
  std::map<size_t, size_t> call_of_;  // output -> call
};

}  // namespace

bool is_blank(std::string_view text) { return without_end(text).empty(); }

CacheMarks::CacheMarks(const UpstreamAsk& ask) {
  size_t first = 0, messages = 0;
  for (const Tool& tool : ask.request.tools) first += !tool.cache.empty();
  for (const Item& item : ask.context) {
    size_t& count = is_system(item) ? first : messages;
    count += !item.cache.empty();
    for (const Part& part : item.content) count += !part.cache.empty();
  }
  const size_t most = std::min(first, kMarksMax);
  skip_first_ = first - most;
  skip_messages_ = messages - std::min(messages, kMarksMax - most);
}

namespace {

void write_mark(Writer& out, std::string_view mark, size_t& skip) {
  if (mark.empty()) return;
  if (skip > 0) {
    --skip;
    return;
  }
  out.key("cache_control").begin_object().field("type", "ephemeral");
  if (mark != "5m") out.field("ttl", mark);
  out.end_object();
}

}  // namespace

void CacheMarks::write_first(Writer& out, std::string_view mark) { write_mark(out, mark, skip_first_); }
void CacheMarks::write_message(Writer& out, std::string_view mark) { write_mark(out, mark, skip_messages_); }

Result<MessagesTurns> write_messages_turns(Writer& out, const UpstreamAsk& ask, const MessagesVariant& variant,
                                           CacheMarks& marks, LeftOut& left_out) {
  return Turns(out, ask, marks, left_out).write(variant);
}

}  // namespace perdure
