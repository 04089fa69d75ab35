// The context as Gemini's contents: users and the model take turns, the user begins, all outputs of a step's calls come
// in the one turn of the user behind it, in the order of the calls, before anything else that the user says. What was
// written once is written the same in every later request.

#include <algorithm>
#include <map>
#include <optional>

#include "dialect/gemini_request.h"
#include "dialect/say.h"
#include "dialect/system_words.h"
#include "dialect/text_of.h"
#include "dialect/tool_outputs.h"
#include "dialect/upstream_error.h"

namespace perdure {
namespace {

using json::Writer;

// Holds the model's turn until it is known to be whole.
class Contents {
 public:
  Contents(Writer& out, const UpstreamAsk& ask, const GeminiVariant& variant, LeftOut& left_out)
      : out_(out), ask_(ask), variant_(variant), left_out_(left_out) {}

  Result<void> write() {
    out_.key("contents").begin_array();
    for (size_t i = 0; i < ask_.context.size(); ++i) TRY_VOID(add(i));
    TRY_VOID(end_turn());
    TRY_VOID(outputs_.check_all_taken());
    if (!ask_.held.empty()) {
      speak_as("model");
      write_text(ask_.held);
      spoken_ = "";
    }
    if (!ask_.held.empty() && !ask_.ask.empty()) {
      speak_as("user");
      write_text(ask_.ask);
    }
    if (role_ == "model" && !variant_.prefill) return unsayable(spoken_, "an answer that was begun for it");
    close();
    out_.end_array();
    if (begun_) return {};
    return Error{.code = Code::kInvalid,
                 .message = "The input holds nothing that a model could be given.",
                 .param = "input",
                 .reason = "invalid_value"};
  }

 private:
  const Item& item(size_t index) const { return ask_.context[index]; }
  std::string param(size_t index) const { return context_param(ask_, index); }

  Result<void> add(size_t index) {
    const Item& one = item(index);
    switch (one.kind) {
      case ItemKind::kMessage:
        if (is_system(one)) return {};
        if (one.role != Role::kUser) return add_to_turn(index);
        TRY_VOID(end_turn());
        return write_user(index);
      case ItemKind::kFunctionCall:
        return add_to_turn(index);
      case ItemKind::kReasoning:
        return is_ours(one) ? add_to_turn(index) : Result<void>();
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

  // Reasoning of other issuers, and what nobody vouched for, is left out.
  bool is_ours(const Item& one) const {
    return one.opaque == OpaqueKind::kSignature && !one.encrypted.empty() && !one.issuer.empty() &&
           one.issuer == ask_.issuer;
  }

  // Thoughts as they were shown.
  static std::string thought_of(const Item& one) {
    std::string out;
    for (const Part& part : one.summary) out += part.text;
    for (const Part& part : one.content) out += part.text;
    return out;
  }

  // Blank text of the model beside a call is refused; anywhere else it says nothing either.
  static bool blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }
  static bool silent(const Item& one) {
    return std::ranges::all_of(one.content, [](const Part& part) { return blank(part.text); });
  }

  Result<void> end_turn() {
    const std::vector<size_t> turn = std::exchange(turn_, {});
    calls_ = answered_ = 0;
    place_signatures(turn);
    for (const size_t index : turn) TRY_VOID(write_item(index));
    for (const size_t index : turn) {
      if (item(index).kind == ItemKind::kFunctionCall) TRY_VOID(write_output(index));
    }
    TRY_VOID(write_media_behind());
    return {};
  }

  // Where each signature without a thought belongs: to the call right behind it, else to the message before it, else to
  // a message behind it. What finds no place stays a part of its own.
  void place_signatures(const std::vector<size_t>& turn) {
    signatures_.clear();
    const auto kind = [&](size_t at) { return item(turn[at]).kind; };
    const auto may_sign = [&](size_t at) { return !signatures_.contains(turn[at]) && !silent(item(turn[at])); };
    for (size_t at = 0; at < turn.size(); ++at) {
      if (kind(at) != ItemKind::kReasoning) continue;
      const Item& one = item(turn[at]);
      if (!thought_of(one).empty()) continue;
      std::optional<size_t> owner;
      if (at + 1 < turn.size() && kind(at + 1) == ItemKind::kFunctionCall)
        owner = at + 1;
      else if (at > 0 && kind(at - 1) == ItemKind::kMessage && may_sign(at - 1))
        owner = at - 1;
      else if (at + 1 < turn.size() && kind(at + 1) == ItemKind::kMessage && may_sign(at + 1))
        owner = at + 1;
      if (owner) signatures_[turn[*owner]] = one.encrypted;
      signatures_[turn[at]] = owner ? "" : one.encrypted;
    }
    if (!variant_.strict_signatures) return;
    // Another model's calls. Not only in the latest turn, where it is asked for: history stays as it was written.
    const auto call = std::ranges::find_if(turn, [&](size_t i) { return item(i).kind == ItemKind::kFunctionCall; });
    if (call != turn.end()) signatures_.try_emplace(*call, kGeminiNoSignature);
  }

  std::string_view signature_of(size_t index) const {
    const auto at = signatures_.find(index);
    return at == signatures_.end() ? std::string_view() : std::string_view(at->second);
  }

  Result<void> write_item(size_t index) {
    switch (item(index).kind) {
      case ItemKind::kMessage:
        return write_model(index);
      case ItemKind::kFunctionCall:
        return write_call(index);
      default:
        return write_thought(index);
    }
  }

  Result<void> write_thought(size_t index) {
    const std::string thought = thought_of(item(index));
    const std::string_view alone = signature_of(index);
    if (thought.empty() && alone.empty()) return {};  // written where it belongs
    if (!begun_) return {};
    speak_as("model");
    out_.begin_object().field("text", thought);
    if (!thought.empty()) out_.field("thought", true);
    out_.field("thoughtSignature", item(index).encrypted).end_object();
    return {};
  }

  Result<void> write_model(size_t index) {
    const Item& message = item(index);
    if (silent(message)) return {};
    if (!begun_) return left_out_.refuse(param(index), "a conversation that the assistant begins");
    speak_as("model");
    std::string room;
    out_.begin_object().field("text", text_of(message.content, room));
    if (const std::string_view signature = signature_of(index); !signature.empty())
      out_.field("thoughtSignature", signature);
    out_.end_object();
    spoken_ = param(index);
    return {};
  }

  Result<void> write_call(size_t index) {
    const Item& call = item(index);
    if (!begun_) return unsayable(param(index), "a conversation that begins with a tool call");
    speak_as("model");
    out_.begin_object().key("functionCall").begin_object();
    if (variant_.call_ids && !call.call_id.empty()) out_.field("id", call.call_id);
    out_.field("name", call.name).key("args");
    write_arguments_object(out_, call.arguments);
    out_.end_object();
    if (const std::string_view signature = signature_of(index); !signature.empty())
      out_.field("thoughtSignature", signature);
    out_.end_object();
    spoken_ = param(index);
    return {};
  }

  Result<void> write_output(size_t call) {
    const std::string& call_id = item(call).call_id;
    TRY(const size_t index, outputs_.take(call_id));
    const Item& output = item(index);
    std::string text = output.output_is_text ? output.output : std::string();
    Writer inside, behind;
    inside.begin_array();
    behind.begin_array();
    const size_t nothing = inside.text().size();
    bool any_text = output.output_is_text;
    for (size_t p = 0; !output.output_is_text && p < output.content.size(); ++p) {
      const Part& part = output.content[p];
      if (part.kind == PartKind::kInputText || part.kind == PartKind::kOutputText) {
        if (any_text) text += "\n";
        text += part.text;
        any_text = true;
        continue;
      }
      // An output holds data only; what is fetched from somewhere stands behind it.
      const bool data = !part.file_data.empty() || part.url.starts_with("data:");
      const std::string where = say("{}.output[{}]", param(index), p);
      TRY_VOID(write_media(data && variant_.output_parts ? inside : behind, part, where));
    }
    speak_as("user");
    out_.begin_object().key("functionResponse").begin_object();
    if (variant_.call_ids && !call_id.empty()) out_.field("id", call_id);
    out_.field("name", item(call).name).key("response").begin_object();
    if (any_text || output.tool_failed) out_.field(output.tool_failed ? "error" : "result", text);
    out_.end_object();
    if (inside.text().size() > nothing) out_.key("parts").raw(inside.end_array().text());
    out_.end_object().end_object();
    if (behind.text().size() > nothing) behind_.emplace_back(item(call).name, behind.end_array().take());
    return {};
  }

  // What an output cannot hold follows the outputs, with the name of its tool.
  Result<void> write_media_behind() {
    for (const auto& [name, parts] : std::exchange(behind_, {})) {
      write_text(say("From the output of {}:", name));
      // The array's elements, without its brackets.
      out_.raw(std::string_view(parts).substr(1, parts.size() - 2));
    }
    return {};
  }

  // False: left out, for a lenient request.
  Result<bool> write_media(Writer& out, const Part& part, const std::string& where) {
    Writer fields;
    fields.begin_object();
    Result<void> written = write_gemini_media(fields, part, where, variant_.media_types);
    if (!written.ok()) {
      const Error& error = written.error();
      if (error.reason != "unsupported_parameter" || !ask_.request.lenient) return error;
      TRY_VOID(left_out_.refuse(error.param, "a part"));
      return false;
    }
    out.raw(fields.end_object().text());
    return true;
  }

  Result<void> write_user(size_t index) {
    const Item& message = item(index);
    for (size_t p = 0; p < message.content.size(); ++p) {
      const Part& part = message.content[p];
      if (part.kind == PartKind::kInputText || part.kind == PartKind::kOutputText) {
        if (part.text.empty()) continue;
        speak_as("user");
        write_text(part.text);
        continue;
      }
      Writer media;
      TRY(const bool written, write_media(media, part, say("{}.content[{}]", param(index), p)));
      if (!written) continue;
      speak_as("user");
      out_.raw(media.text());
    }
    return {};
  }

  void write_text(std::string_view text) { out_.begin_object().field("text", text).end_object(); }

  // The next part is `role`'s: of the turn that is open, or of a new one.
  void speak_as(std::string_view role) {
    if (role_ == role) return;
    close();
    out_.begin_object().field("role", role).key("parts").begin_array();
    role_ = role;
    begun_ = true;
  }

  void close() {
    if (!role_.empty()) out_.end_array().end_object();
    role_ = {};
  }

  Writer& out_;
  const UpstreamAsk& ask_;
  const GeminiVariant& variant_;
  LeftOut& left_out_;
  std::string_view role_;                                    // of the open turn
  bool begun_ = false;                                       // there is a turn
  std::string spoken_;                                       // the item that the model said last
  std::vector<size_t> turn_;                                 // the model's open turn
  size_t calls_ = 0, answered_ = 0;                          // in it
  std::map<size_t, std::string> signatures_;                 // by item; of a signature's own: "" when it found a place
  std::vector<std::pair<std::string, std::string>> behind_;  // tool, parts as a JSON array
  ToolOutputs outputs_{ask_};
};

}  // namespace

Result<void> write_gemini_contents(Writer& out, const UpstreamAsk& ask, const GeminiVariant& variant,
                                   LeftOut& left_out) {
  return Contents(out, ask, variant, left_out).write();
}

// Instructions first, then the messages of the system that lead the conversation: no others are left (SystemWords).
Result<void> write_gemini_system(Writer& out, const UpstreamAsk& ask, LeftOut& left_out) {
  Writer parts;
  parts.begin_array();
  bool any = false;
  const auto add = [&](std::string_view text) {
    if (text.empty()) return;
    parts.begin_object().field("text", text).end_object();
    any = true;
  };
  if (ask.request.instructions) add(*ask.request.instructions);
  for (size_t i = 0; i < ask.context.size(); ++i) {
    if (!is_system(ask.context[i])) continue;
    for (size_t p = 0; p < ask.context[i].content.size(); ++p) {
      const Part& part = ask.context[i].content[p];
      if (part.kind == PartKind::kInputText) {
        add(part.text);
      } else {
        TRY_VOID(
            left_out.refuse(say("{}.content[{}]", context_param(ask, i), p), "images or files in a system message"));
      }
    }
  }
  parts.end_array();
  if (any) out.key("systemInstruction").begin_object().key("parts").raw(parts.text()).end_object();
  return {};
}

}  // namespace perdure
