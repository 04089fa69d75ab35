// The context as Converse's messages: users and the assistant take turns, the user begins, all results of a turn's
// calls come in the one message behind it, before anything else that the user says.

#include <algorithm>
#include <map>

#include "dialect/converse_request.h"
#include "dialect/say.h"
#include "dialect/system_words.h"
#include "dialect/tool_ids.h"
#include "dialect/tool_outputs.h"
#include "dialect/upstream_error.h"

namespace perdure {
namespace {

using json::Writer;

// Converse refuses text that is empty or all white space.
bool blank(std::string_view text) { return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos; }

// Holds an assistant's turn until it is known to be whole.
class Messages {
 public:
  Messages(Writer& out, const UpstreamAsk& ask, LeftOut& left_out) : out_(out), ask_(ask), left_out_(left_out) {}

  Result<ConverseMessages> write() {
    out_.key("messages").begin_array();
    for (size_t i = 0; i < ask_.context.size(); ++i) TRY_VOID(add(i));
    TRY_VOID(end_turn());
    TRY_VOID(outputs_.check_all_taken());
    TRY_VOID(write_continuation());
    TRY_VOID(close());
    out_.end_array();
    if (!begun_) {
      return Error{.code = Code::kInvalid,
                   .message = "The input holds nothing that a model could be given.",
                   .param = "input",
                   .reason = "invalid_value"};
    }
    TRY_VOID(write_system());
    return said_;
  }

 private:
  const Item& item(size_t index) const { return ask_.context[index]; }
  std::string param(size_t index) const { return context_param(ask_, index); }

  Result<void> add(size_t index) {
    const Item& one = item(index);
    switch (one.kind) {
      case ItemKind::kMessage:
        if (is_system(one)) return {};
        if (one.role == Role::kUser) {
          TRY_VOID(end_turn());
          return write_user(index);
        }
        return add_to_turn(index);
      case ItemKind::kFunctionCall:
      case ItemKind::kReasoning:
        return add_to_turn(index);
      case ItemKind::kFunctionCallOutput:
        if (std::ranges::any_of(turn_, [&](size_t i) {
              return item(i).kind == ItemKind::kFunctionCall && item(i).call_id == one.call_id;
            }))
          ++answered_;
        return {};
      case ItemKind::kCompaction:
        return left_out_.refuse(param(index), "a compaction item, which only its issuer can read");
    }
    return {};
  }

  Result<void> add_to_turn(size_t index) {
    // What comes after all calls were answered was said with the answers known: a turn of its own.
    if (calls_ > 0 && answered_ >= calls_) TRY_VOID(end_turn());
    turn_.push_back(index);
    calls_ += item(index).kind == ItemKind::kFunctionCall;
    return {};
  }

  // Reasoning, then text, then calls, as Bedrock wants them: text behind a call would part it from its result.
  Result<void> end_turn() {
    const std::vector<size_t> turn = std::exchange(turn_, {});
    calls_ = answered_ = 0;
    for (ItemKind kind : {ItemKind::kReasoning, ItemKind::kMessage, ItemKind::kFunctionCall}) {
      for (size_t i : turn) {
        if (item(i).kind == kind) TRY_VOID(write_assistant(i));
      }
    }
    for (size_t i : turn) {
      if (item(i).kind == ItemKind::kFunctionCall) TRY_VOID(write_result(i));
    }
    return {};
  }

  Result<void> write_assistant(size_t index) {
    const Item& one = item(index);
    switch (one.kind) {
      case ItemKind::kReasoning:
        return write_reasoning(one);
      case ItemKind::kFunctionCall:
        return write_call(index);
      default:
        break;
    }
    if (!begun_ && std::ranges::any_of(one.content, [](const Part& part) { return !blank(part.text); }))
      return left_out_.refuse(param(index), "a conversation that the assistant begins");
    for (const Part& part : one.content) {
      if (blank(part.text)) continue;
      TRY_VOID(say_as("assistant"));
      spoke_ = true;
      out_.begin_object().field("text", part.text).end_object();
      write_cache_point(out_, part.cache);
    }
    return {};
  }

  // Only what its issuer vouched for is given back, and to the issuer alone.
  Result<void> write_reasoning(const Item& one) {
    if (one.encrypted.empty() || one.issuer.empty() || one.issuer != ask_.issuer || !begun_) return {};
    if (one.opaque != OpaqueKind::kSignature && one.opaque != OpaqueKind::kRedacted) return {};
    TRY_VOID(say_as("assistant"));
    if (!spoke_) thought_first_ = true;
    spoke_ = true;
    out_.begin_object().key("reasoningContent").begin_object();
    if (one.opaque == OpaqueKind::kRedacted) {
      out_.field("redactedContent", one.encrypted);
    } else {
      std::string text;
      for (const Part& part : one.content) text += part.text;
      out_.key("reasoningText").begin_object().field("text", text).field("signature", one.encrypted).end_object();
    }
    out_.end_object().end_object();
    return {};
  }

  Result<void> write_call(size_t index) {
    const Item& call = item(index);
    if (!begun_) return unsayable(param(index), "a conversation that begins with a tool call");
    TRY_VOID(check_tool_name(call.name, param(index) + ".name"));
    TRY_VOID(say_as("assistant"));
    spoke_ = true;
    out_.begin_object().key("toolUse").begin_object();
    out_.field("toolUseId", give_id(index)).field("name", call.name).key("input");
    write_arguments_object(out_, call.arguments);
    out_.end_object().end_object();
    write_cache_point(out_, call.cache);
    said_.tool_blocks = true;
    return {};
  }

  // An id that a model uses again becomes another one, since Claude wants them to differ. The n-th use of an id stays
  // the n-th as a conversation grows.
  const std::string& give_id(size_t call) {
    const std::string& ours = item(call).call_id;
    std::string theirs = supplier_tool_id(ours, kConverseToolIds);
    for (size_t n = ++given_[ours]; !taken_.insert(theirs).second; ++n)
      theirs = supplier_tool_id(say("{}~{}", ours, n), kConverseToolIds);
    return ids_[call] = std::move(theirs);
  }

  Result<void> write_result(size_t call) {
    const std::string& call_id = item(call).call_id;
    TRY(const size_t index, outputs_.take(call_id));
    const Item& output = item(index);
    TRY_VOID(say_as("user"));
    said_.bare_loop = !thought_first_;
    out_.begin_object().key("toolResult").begin_object();
    out_.field("toolUseId", ids_.at(call)).key("content").begin_array();
    if (output.output_is_text) {
      if (!blank(output.output)) out_.begin_object().field("text", output.output).end_object();
    } else {
      for (size_t p = 0; p < output.content.size(); ++p) {
        TRY(const std::string block, block_of(output.content[p], say("{}.output[{}]", param(index), p)));
        if (!block.empty()) out_.raw(block);
      }
    }
    out_.end_array();
    if (output.tool_failed) out_.field("status", "error");
    out_.end_object().end_object();
    write_cache_point(out_, output.cache);
    return {};
  }

  Result<void> write_user(size_t index) {
    const Item& one = item(index);
    for (size_t p = 0; p < one.content.size(); ++p) {
      const Part& part = one.content[p];
      if (part.kind == PartKind::kInputText) {
        if (blank(part.text)) continue;
        TRY_VOID(say_as("user"));
        out_.begin_object().field("text", part.text).end_object();
        text_here_ = true;
        write_cache_point(out_, part.cache);
        continue;
      }
      const std::string where = say("{}.content[{}]", param(index), p);
      TRY(const std::string block, block_of(part, where));
      if (block.empty()) continue;
      TRY_VOID(say_as("user"));
      out_.raw(block);
      if (part.kind == PartKind::kInputFile && file_here_.empty()) file_here_ = where;
      write_cache_point(out_, part.cache);
    }
    return {};
  }

  // Empty: nothing is to be written.
  Result<std::string> block_of(const Part& part, const std::string& where) {
    Result<std::string> block = std::string();
    switch (part.kind) {
      case PartKind::kInputText:
      case PartKind::kOutputText:
        if (blank(part.text)) return std::string();
        return Writer().begin_object().field("text", part.text).end_object().take();
      case PartKind::kInputImage:
        block = converse_image(part, where);
        break;
      case PartKind::kInputFile:
        block = converse_document(part, where, names_);
        break;
      default:
        block = unsayable(where, "a part of this type");
        break;
    }
    if (block.ok() || block.error().reason != "unsupported_parameter" || !ask_.request.lenient) return block;
    TRY_VOID(left_out_.refuse(block.error().param, ""));
    return std::string();
  }

  // What an earlier attempt said, and the words that ask to go on. Without such words the answer goes on right behind
  // it, where Claude takes no white space.
  Result<void> write_continuation() {
    std::string_view held = ask_.held;
    if (ask_.ask.empty()) held = held.substr(0, held.find_last_not_of(" \t\r\n") + 1);
    if (!blank(held) && begun_) {
      TRY_VOID(say_as("assistant"));
      out_.begin_object().field("text", held).end_object();
    }
    if (!blank(ask_.ask)) {
      TRY_VOID(say_as("user"));
      out_.begin_object().field("text", ask_.ask).end_object();
      text_here_ = true;
    }
    return {};
  }

  // Instructions first, then the messages of the system that lead the conversation: no others are left (SystemWords).
  Result<void> write_system() {
    Writer blocks;
    blocks.begin_array();
    bool any = false;
    const auto say_it = [&](std::string_view text, std::string_view mark) {
      if (blank(text)) return;
      blocks.begin_object().field("text", text).end_object();
      write_cache_point(blocks, mark);
      any = true;
    };
    if (ask_.request.instructions) say_it(*ask_.request.instructions, "");
    for (size_t i = 0; i < ask_.context.size(); ++i) {
      if (!is_system(item(i))) continue;
      for (size_t p = 0; p < item(i).content.size(); ++p) {
        const Part& part = item(i).content[p];
        if (part.kind != PartKind::kInputText) {
          TRY_VOID(left_out_.refuse(say("{}.content[{}]", param(i), p), "images or files in a system message"));
          continue;
        }
        say_it(part.text, part.cache);
      }
    }
    blocks.end_array();
    if (any) out_.key("system").raw(blocks.text());
    return {};
  }

  // The next block is `role`'s: of the message that is open, or of a new one.
  Result<void> say_as(std::string_view role) {
    if (role_ == role) return {};
    TRY_VOID(close());
    out_.begin_object().field("role", role).key("content").begin_array();
    role_ = role;
    begun_ = true;
    if (role == "assistant") said_.bare_loop = thought_first_ = spoke_ = false;
    return {};
  }

  Result<void> close() {
    if (role_.empty()) return {};
    out_.end_array().end_object();
    role_ = {};
    const std::string file = std::exchange(file_here_, {});
    if (!std::exchange(text_here_, false) && !file.empty()) return unsayable(file, "a file without any text beside it");
    return {};
  }

  Writer& out_;
  const UpstreamAsk& ask_;
  LeftOut& left_out_;
  ConverseMessages said_;
  std::string_view role_;                       // of the open message
  bool begun_ = false;                          // there is a message
  bool spoke_ = false, thought_first_ = false;  // the assistant, in its last message
  std::map<size_t, std::string> ids_;           // of calls, as they are written
  std::map<std::string, size_t> given_;
  std::set<std::string> taken_;
  bool text_here_ = false;
  std::string file_here_;     // the first file of the open message
  std::vector<size_t> turn_;  // the assistant's open turn
  size_t calls_ = 0, answered_ = 0;
  ToolOutputs outputs_{ask_};
  std::set<std::string> names_;  // of documents
};

}  // namespace

Result<ConverseMessages> write_converse_messages(Writer& out, const UpstreamAsk& ask, LeftOut& left_out) {
  return Messages(out, ask, left_out).write();
}

}  // namespace perdure
