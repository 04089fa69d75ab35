// Canonical items -> messages.

#include "dialect/chat_messages.h"

#include <algorithm>
#include <map>

#include "base/ids.h"
#include "dialect/say.h"
#include "dialect/system_words.h"
#include "dialect/text_of.h"
#include "dialect/tool_outputs.h"
#include "dialect/upstream_error.h"
#include "wire/digest.h"

namespace perdure {
namespace {

using json::Writer;

std::string joined(const std::vector<Part>& parts, std::string_view between) {
  std::string out;
  for (const Part& part : parts) {
    if (part.text.empty()) continue;
    if (!out.empty()) out += between;
    out += part.text;
  }
  return out;
}

// The id of a call as the supplier takes it. Its own ids come back to us as they are: only what others wrote into the
// history is replaced, call and output alike.
std::string fitting_call_id(const std::string& id, const ChatVariant& variant) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  const size_t nine = 9;
  if (variant.call_ids_of_nine ? id.size() == nine && std::ranges::all_of(id, is_plain)
                               : id.size() <= variant.call_id_max)
    return id;
  if (!variant.call_ids_of_nine) return to_hex(sha256(id)).substr(0, variant.call_id_max);
  constexpr std::string_view kLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string out;
  for (char c : sha256(id).substr(0, nine)) out += kLetters[static_cast<unsigned char>(c) % kLetters.size()];
  return out;
}

// The detail that a block of reasoning_details was: as it came, but for the text that is shown beside it.
std::string detail_of(const Item& item) {
  if (item.opaque == OpaqueKind::kEncrypted) return item.encrypted;
  auto document = json::Document::parse(item.encrypted);
  if (!document.ok() || !document->root().is_object()) return {};
  Writer out;
  out.begin_object();
  for (const auto& [key, value] : document->root().members()) {
    if (key != "text") out.key(key).raw(value.raw());
  }
  return out.field("text", joined(item.content, "")).end_object().take();
}

// Writes the messages. An assistant's turn (its reasoning, its text, then its calls) is held until it is known to be
// whole; behind it come the outputs of its calls, in the order of the calls, wherever the client put them.
class Messages {
 public:
  Messages(Writer& out, const UpstreamAsk& ask, const ChatVariant& variant, LeftOut& left_out)
      : out_(out), ask_(ask), context_(ask.context), variant_(variant), left_out_(left_out) {}

  Result<size_t> write() {
    TRY_VOID(write_system());
    for (size_t i = 0; i < context_.size(); ++i) TRY_VOID(add(i));
    TRY_VOID(flush());
    TRY_VOID(outputs_.check_all_taken());
    return count_;
  }

 private:
  struct Turn {
    const Item* text = nullptr;
    std::vector<size_t> calls, reasoning;
    std::map<size_t, size_t> signatures;  // of calls: the item that holds it
    size_t answered = 0;                  // outputs seen since for these calls
  };

  std::string param(size_t index) const { return context_param(ask_, index); }

  bool is_readable(const Item& item) const {
    return !item.encrypted.empty() && !item.issuer.empty() && item.issuer == ask_.issuer;
  }
  std::string_view mark(const Part& part) const {
    return variant_.cache_marks ? std::string_view(part.cache) : std::string_view();
  }

  struct SystemMessage {
    Role role;
    std::string name;
    std::vector<Part> parts;
  };

  // Without parts: it says nothing.
  Result<SystemMessage> system_message(size_t index) {
    const Item& item = context_[index];
    SystemMessage one{item.role, item.name, {}};
    for (size_t p = 0; p < item.content.size(); ++p) {
      if (item.content[p].kind != PartKind::kInputText)
        TRY_VOID(left_out_.refuse(say("{}.content[{}]", param(index), p), "images or files in a system message"));
      else if (!item.content[p].text.empty())
        one.parts.push_back(item.content[p]);
    }
    return one;
  }

  std::string_view role_of(const SystemMessage& one) const {
    return variant_.developer_role ? name_of(one.role) : std::string_view("system");
  }

  // Instructions first, then what the system says before anything else. What it says later stays in its place, so that
  // the beginning of a conversation stays the same; or it is said here too, for servers whose templates have room for a
  // single system message in front.
  Result<void> write_system() {
    std::vector<SystemMessage> messages;
    if (ask_.request.instructions && !ask_.request.instructions->empty())
      messages.push_back({Role::kDeveloper, "", {{.text = *ask_.request.instructions}}});
    in_front_ = variant_.system_in_place ? leading_system(context_) : context_.size();
    for (size_t i = 0; i < in_front_; ++i) {
      if (!is_system(context_[i])) continue;
      TRY(SystemMessage one, system_message(i));
      if (!one.parts.empty()) messages.push_back(std::move(one));
    }
    if (messages.empty()) return {};
    if (variant_.developer_role) {
      for (const SystemMessage& one : messages) write_texts(name_of(one.role), one.name, one.parts, "\n");
      return {};
    }
    std::vector<Part> whole;
    for (const SystemMessage& one : messages) {
      Part part{.text = joined(one.parts, "\n"), .cache = one.parts.back().cache};
      if (!whole.empty() && mark(whole.back()).empty()) {
        whole.back().text.append("\n\n").append(part.text);
        whole.back().cache = part.cache;
      } else {
        whole.push_back(std::move(part));
      }
    }
    write_texts("system", "", whole, "\n\n");
    return {};
  }

  // One string, unless a mark stands between its parts.
  void write_texts(std::string_view role, const std::string& name, const std::vector<Part>& parts,
                   std::string_view between) {
    begin_message(role, name);
    if (std::ranges::all_of(parts, [&](const Part& part) { return mark(part).empty(); })) {
      out_.string(joined(parts, between)).end_object();
      return;
    }
    out_.begin_array();
    for (const Part& part : parts) write_text_part(out_, part.text, mark(part));
    out_.end_array().end_object();
  }

  static void write_text_part(Writer& out, std::string_view text, std::string_view cache) {
    out.begin_object().field("type", "text").field("text", text);
    write_mark(out, cache);
    out.end_object();
  }

  static void write_mark(Writer& out, std::string_view cache) {
    if (cache.empty()) return;
    out.key("cache_control").begin_object().field("type", "ephemeral");
    if (cache != "5m") out.field("ttl", cache);
    out.end_object();
  }

  void begin_message(std::string_view role, const std::string& name) {
    out_.begin_object().field("role", role);
    if (!name.empty()) out_.field("name", name);
    out_.key("content");
    ++count_;
  }

  Result<void> add(size_t index) {
    const Item& item = context_[index];
    switch (item.kind) {
      case ItemKind::kMessage:
        if (is_system(item)) return index < in_front_ ? Result<void>() : write_system_in_place(index);
        if (item.role == Role::kUser) {
          TRY_VOID(flush());
          turn_ = {};  // reasoning that led to nothing
          signature_ = nullptr;
          return write_user(index);
        }
        // Text behind text, or behind calls, is a turn of its own.
        if (turn_.text != nullptr || !turn_.calls.empty()) TRY_VOID(flush());
        signature_ = nullptr;
        turn_.text = &item;
        return {};
      case ItemKind::kFunctionCall:
        // A call after all earlier ones were answered was made with the answers known: a turn of its own.
        if (!turn_.calls.empty() && turn_.answered >= turn_.calls.size()) TRY_VOID(flush());
        if (signature_ != nullptr) turn_.signatures[index] = static_cast<size_t>(signature_ - context_.data());
        signature_ = nullptr;
        turn_.calls.push_back(index);
        return {};
      case ItemKind::kFunctionCallOutput:
        if (std::ranges::any_of(turn_.calls, [&](size_t call) { return context_[call].call_id == item.call_id; }))
          ++turn_.answered;
        return {};
      case ItemKind::kReasoning:
        if (variant_.google_signatures && item.opaque == OpaqueKind::kSignature && is_readable(item)) {
          signature_ = &item;
        } else if (variant_.reasoning_details || !variant_.reasoning_field.empty()) {
          if (!turn_.calls.empty() && turn_.answered >= turn_.calls.size()) TRY_VOID(flush());
          turn_.reasoning.push_back(index);
        }
        return {};
      case ItemKind::kCompaction:
        return unsayable(param(index), "a compaction item, which only its issuer can read");
    }
    return {};
  }

  // The outputs of open calls come first: they follow their calls.
  Result<void> write_system_in_place(size_t index) {
    TRY(const SystemMessage one, system_message(index));
    if (one.parts.empty()) return {};
    TRY_VOID(flush());
    write_texts(role_of(one), one.name, one.parts, "\n");
    return {};
  }

  // Reasoning alone makes no turn: it waits for what it leads to.
  Result<void> flush() {
    const bool silent =
        !turn_.text || std::ranges::all_of(turn_.text->content, [](const Part& part) { return part.text.empty(); });
    if (silent && turn_.calls.empty()) {
      turn_.text = nullptr;
      return {};
    }
    const Turn turn = std::exchange(turn_, {});
    begin_message("assistant", turn.text ? turn.text->name : std::string());
    silent ? void(out_.null()) : write_assistant_content(*turn.text);
    write_reasoning(turn);
    if (!turn.calls.empty()) {
      out_.key("tool_calls").begin_array();
      for (size_t index : turn.calls) {
        const Item& call = context_[index];
        out_.begin_object()
            .field("id", fitting_call_id(call.call_id, variant_))
            .field("type", "function")
            .key("function")
            .begin_object();
        out_.field("name", call.name)
            .field("arguments", call.arguments.empty() ? std::string_view("{}") : std::string_view(call.arguments));
        out_.end_object();
        if (const auto signature = turn.signatures.find(index); signature != turn.signatures.end()) {
          out_.key("extra_content").begin_object().key("google").begin_object();
          out_.field("thought_signature", context_[signature->second].encrypted).end_object().end_object();
        }
        out_.end_object();
      }
      out_.end_array();
    }
    if (turn.text == &context_.back() && ask_.held.empty() && is_begun_by_client(ask_) &&
        variant_.prefill == ChatPrefill::kPrefixOfMessage)
      out_.field("prefix", true);
    out_.end_object();
    for (size_t index : turn.calls) TRY_VOID(write_output(index));
    return {};
  }

  void write_reasoning(const Turn& turn) {
    if (variant_.reasoning_details) {
      std::string details;
      for (size_t index : turn.reasoning) {
        const Item& item = context_[index];
        if (!is_readable(item) || item.opaque == OpaqueKind::kRedacted) continue;
        if (std::string detail = detail_of(item); !detail.empty()) details.append(details.empty() ? "" : ",") += detail;
      }
      if (!details.empty()) out_.key("reasoning_details").raw("[" + details + "]");
    }
    if (variant_.reasoning_field.empty()) return;
    std::string visible;
    for (size_t index : turn.reasoning) {
      const std::string text = joined(context_[index].content, "");
      visible.append(visible.empty() || text.empty() ? "" : "\n\n").append(text);
    }
    if (!visible.empty()) out_.field(variant_.reasoning_field, visible);
  }

  void write_assistant_content(const Item& message) {
    if (std::ranges::none_of(message.content, [](const Part& part) { return part.kind == PartKind::kRefusal; })) {
      std::string room;
      out_.string(text_of(message.content, room));
      return;
    }
    out_.begin_array();
    for (const Part& part : message.content) {
      if (part.text.empty()) continue;
      const bool refusal = part.kind == PartKind::kRefusal;
      out_.begin_object()
          .field("type", refusal ? "refusal" : "text")
          .field(refusal ? "refusal" : "text", part.text)
          .end_object();
    }
    out_.end_array();
  }

  // Text alone; this dialect has no field for a tool's failure either: it is said in words.
  Result<void> write_output(size_t call) {
    const std::string& call_id = context_[call].call_id;
    TRY(const size_t index, outputs_.take(call_id));
    const Item& item = context_[index];
    for (size_t p = 0; p < item.content.size(); ++p) {
      if (item.content[p].kind != PartKind::kInputText)
        TRY_VOID(left_out_.refuse(say("{}.output[{}]", param(index), p), "images or files in the output of a tool"));
    }
    std::string text = item.output_is_text ? item.output : joined(item.content, "\n");
    if (item.tool_failed) text.insert(0, kToolFailed);
    out_.begin_object().field("role", "tool").field("tool_call_id", fitting_call_id(call_id, variant_)).key("content");
    if (variant_.cache_marks && !item.cache.empty()) {
      out_.begin_array();
      write_text_part(out_, text, item.cache);
      out_.end_array();
    } else {
      out_.string(text);
    }
    out_.end_object();
    ++count_;
    return {};
  }

  Result<void> write_user(size_t index) {
    const Item& item = context_[index];
    std::vector<const Part*> parts;
    for (const Part& part : item.content) {
      if (part.kind != PartKind::kInputText || !part.text.empty()) parts.push_back(&part);
    }
    if (parts.size() == 1 && parts[0]->kind == PartKind::kInputText && mark(*parts[0]).empty()) {
      begin_message("user", item.name);
      out_.string(parts[0]->text).end_object();
      return {};
    }
    Writer list;
    for (const Part* part : parts) {
      const std::string where = say("{}.content[{}]", param(index), part - item.content.data());
      TRY(const bool said, check_user_part(*part, where));
      if (said) write_user_part(list, *part);
    }
    if (list.text().empty()) return {};
    begin_message("user", item.name);
    out_.raw("[" + list.text() + "]").end_object();
    return {};
  }

  // Whether the part can be given; false: it is left out.
  Result<bool> check_user_part(const Part& part, const std::string& where) {
    switch (part.kind) {
      case PartKind::kInputText:
        return true;
      case PartKind::kInputImage:
        if (part.url.empty()) TRY_VOID(left_out_.refuse(where + ".file_id", "an image by its id"));
        return !part.url.empty();
      case PartKind::kInputFile:
        if (part.file_data.empty())
          TRY_VOID(left_out_.refuse(where + (part.url.empty() ? ".file_id" : ".file_url"), "a file by its id or URL"));
        return !part.file_data.empty();
      default:
        return unsayable(where, "a part of this type in a message of the user");
    }
  }

  void write_user_part(Writer& list, const Part& part) {
    if (part.kind == PartKind::kInputText) return write_text_part(list, part.text, mark(part));
    list.begin_object();
    if (part.kind == PartKind::kInputImage) {
      list.field("type", "image_url").key("image_url").begin_object().field("url", part.url);
      if (!part.detail.empty()) list.field("detail", part.detail);
      list.end_object();
    } else {
      list.field("type", "file").key("file").begin_object();
      if (!part.filename.empty()) list.field("filename", part.filename);
      list.field("file_data", part.file_data).end_object();
    }
    write_mark(list, mark(part));
    list.end_object();
  }

  Writer& out_;
  const UpstreamAsk& ask_;
  std::span<const Item> context_;
  const ChatVariant& variant_;
  LeftOut& left_out_;
  size_t in_front_ = 0;              // system messages before this index are said in front
  Turn turn_;                        // the open one
  const Item* signature_ = nullptr;  // of the call that comes next
  ToolOutputs outputs_{ask_};
  size_t count_ = 0;
};

}  // namespace

Result<size_t> write_chat_messages(Writer& out, const UpstreamAsk& ask, const ChatVariant& variant, LeftOut& left_out) {
  return Messages(out, ask, variant, left_out).write();
}

}  // namespace perdure
