#include "said.h"

#include <algorithm>
#include <map>
#include <utility>

#include "corpus.h"
#include "dialect/gemini_upstream.h"
#include "dialect/left_out.h"
#include "simulate/media.h"
#include "wire/json.h"

namespace perdure::fidelity {
namespace {

class Lines {
 public:
  void text(std::string_view role, std::string_view said) {
    if (said.empty()) return;
    // Where one text of the assistant ends and the next begins is no dialect's business.
    if (role == "assistant" && !lines_.empty() && lines_.back().starts_with("assistant: ")) {
      lines_.back() += said;
    } else {
      lines_.push_back(std::string(role) + ": " + std::string(said));
    }
  }
  void media(std::string_view role, const std::string& what) { lines_.push_back(std::string(role) + " shows " + what); }
  void call(size_t number, std::string_view name, std::string_view arguments) {
    lines_.push_back("call " + std::to_string(number) + ": " + std::string(name) + " " + std::string(arguments));
  }
  void output(size_t number, bool failed, const std::string& text, const std::vector<std::string>& media) {
    std::string line = "output of " + std::to_string(number) + (failed ? " failed: " : ": ") + text;
    for (const std::string& one : media) line += " + " + one;
    lines_.push_back(std::move(line));
  }
  void thought(std::string_view text, std::string_view block) {
    lines_.push_back("thought: " + std::string(text) + " [" + std::string(block) + "]");
  }
  std::vector<std::string> take() { return std::move(lines_); }

 private:
  std::vector<std::string> lines_;
};

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

std::string media_of(const Part& part) {
  const std::string& data = part.file_data.empty() ? part.url : part.file_data;
  if (const auto inside = simulate::parse_data_url(data)) return simulate::describe_bytes(inside->type, inside->bytes);
  return simulate::describe_link(part.kind == PartKind::kInputImage ? "image" : "file", data);
}

// What the supplier is to hear: the rules of each dialect.
class Expected {
 public:
  Expected(const Deployment& at, const Request& request, const std::vector<Item>& context)
      : at_(at), request_(request), context_(context) {}

  std::vector<std::string> lines(std::string_view held, std::string_view ask) {
    number_calls();
    // Instructions come first, then what the system says before anything else.
    system(request_.instructions.value_or(""), Role::kDeveloper);
    if (!in_order())
      for (; lead_ < context_.size() && is_system(context_[lead_]); ++lead_) system_item(context_[lead_]);
    for (size_t i = 0; i < context_.size(); ++i) {
      if (in_order()) {
        write(i);
      } else {
        add(i);
      }
    }
    end_turn();
    if (!held.empty()) {
      std::string_view kept = held;
      if (ask.empty() && at_.dialect != Dialect::kGemini) kept = held.substr(0, held.find_last_not_of(" \n") + 1);
      out_.text("assistant", kept);
    }
    out_.text("user", ask);
    return out_.take();
  }

  std::vector<std::string> take_ids() { return std::move(ids_); }

 private:
  bool is(Dialect dialect) const { return at_.dialect == dialect; }
  bool in_order() const { return is(Dialect::kResponses); }
  static bool is_system(const Item& item) {
    return item.kind == ItemKind::kMessage && (item.role == Role::kSystem || item.role == Role::kDeveloper);
  }
  // Text that a dialect leaves out because the service refuses it.
  bool unsayable(std::string_view text) const {
    return is(Dialect::kMessages) || is(Dialect::kConverse) ? is_blank(text) : text.empty();
  }

  void number_calls() {
    std::map<std::string, std::vector<size_t>> calls;
    std::map<std::string, size_t> answered;
    for (size_t i = 0; i < context_.size(); ++i) {
      if (context_[i].kind == ItemKind::kFunctionCall) calls[context_[i].call_id].push_back(i);
      if (context_[i].kind != ItemKind::kFunctionCallOutput) continue;
      const size_t call = calls.at(context_[i].call_id).at(answered[context_[i].call_id]++);
      output_of_[call] = i;
      call_of_[i] = call;
    }
  }

  void system(std::string_view text, Role role) {
    if (unsayable(text)) return;
    out_.text(is(Dialect::kChat) && role == Role::kDeveloper ? "developer" : "system", text);
  }

  void system_item(const Item& item) {
    if (is(Dialect::kChat)) {
      std::string all;
      for (const Part& part : item.content)
        if (!part.text.empty()) all += (all.empty() ? "" : "\n") + part.text;
      return system(all, item.role);
    }
    for (const Part& part : item.content) {
      if (in_order() && !part.text.empty())
        out_.text(item.role == Role::kDeveloper ? "developer" : "system", part.text);
      else
        system(part.text, item.role);
    }
  }

  void add(size_t i) {
    const Item& item = context_[i];
    if (is_system(item)) {
      if (i < lead_) return;
      end_turn();
      return is(Dialect::kChat) ? system_item(item) : system_amid(item);
    }
    if (item.kind == ItemKind::kMessage && item.role == Role::kUser) {
      end_turn();
      return write(i);
    }
    if (item.kind == ItemKind::kFunctionCallOutput) {
      answered_ += std::ranges::count(turn_, call_of_.at(i)) > 0;
      return;
    }
    if (item.kind == ItemKind::kReasoning && !is_readable(item)) {
      if (is(Dialect::kChat) || is(Dialect::kGemini)) return;
    }
    if (calls_ > 0 && answered_ >= calls_) end_turn();
    // Chat has one text in a message, before its calls.
    if (is(Dialect::kChat) && item.kind == ItemKind::kMessage && !turn_.empty()) end_turn();
    turn_.push_back(i);
    calls_ += item.kind == ItemKind::kFunctionCall;
  }

  void end_turn() {
    std::vector<size_t> turn = std::exchange(turn_, {});
    calls_ = answered_ = 0;
    const auto is_call = [&](size_t i) { return context_[i].kind == ItemKind::kFunctionCall; };
    const auto first = std::ranges::find_if(turn, is_call);
    // Claude wants text before calls, wherever it is asked.
    if (is(Dialect::kMessages))
      std::stable_partition(first, turn.end(), [&](size_t i) { return context_[i].kind == ItemKind::kMessage; });
    if (is(Dialect::kConverse)) {
      std::ranges::stable_partition(turn, [&](size_t i) { return context_[i].kind != ItemKind::kFunctionCall; });
      std::ranges::stable_partition(turn, [&](size_t i) { return context_[i].kind == ItemKind::kReasoning; });
    }
    // Gemini has one place for what the model says, in order.
    for (size_t i : turn) write(i);
    for (size_t i : turn)
      if (is_call(i)) write(output_of_.at(i));
    for (size_t i : turn)
      if (is_call(i)) media_behind(i);
  }

  bool is_readable(const Item& item) const { return item.issuer == kOurs && !is(Dialect::kChat); }

  void write(size_t i) {
    const Item& item = context_[i];
    switch (item.kind) {
      case ItemKind::kMessage:
        if (is_system(item)) return system_item(item);
        return item.role == Role::kUser ? write_user(item) : write_assistant(item);
      case ItemKind::kFunctionCall:
        numbers_[i] = ids_.size() + 1;
        ids_.push_back(item.call_id);
        begun_ = true;
        return out_.call(numbers_[i], item.name, arguments_of(item.arguments));
      case ItemKind::kFunctionCallOutput:
        return write_output(i);
      case ItemKind::kReasoning:
        if (is_readable(item) && (begun_ || in_order() || is(Dialect::kMessages)))
          out_.thought(in_order() ? text_of(item.summary) : text_of(item.content), item.encrypted);
        return;
      case ItemKind::kCompaction:
        return;
    }
  }

  std::string arguments_of(const std::string& arguments) const {
    if (is(Dialect::kChat) || is(Dialect::kResponses)) return arguments.empty() ? "{}" : arguments;
    if (arguments.empty()) return "{}";
    auto document = json::Document::parse(arguments);
    if (document.ok() && document->root().is_object()) return arguments;
    return json::Writer().begin_object().field("invalid_arguments", arguments).end_object().take();
  }

  // In the user's turn, where the conversation has no such role.
  void system_amid(const Item& item) {
    for (const Part& part : item.content)
      if (!is_blank(part.text)) out_.text("user", "<system>\n" + part.text + "\n</system>");
    begun_ = true;
  }

  void write_user(const Item& item) {
    for (const Part& part : item.content) {
      if (part.kind != PartKind::kInputText)
        out_.media("user", media_of(part));
      else if (!unsayable(part.text))
        out_.text("user", part.text);
    }
    begun_ = true;
  }

  void write_assistant(const Item& item) {
    const bool silent = std::ranges::all_of(item.content, [&](const Part& part) {
      return is(Dialect::kGemini) ? is_blank(part.text) : unsayable(part.text);
    });
    if (silent) return;
    if (!begun_ && is(Dialect::kMessages)) out_.text("user", "(The assistant begins.)");
    begun_ = true;
    for (const Part& part : item.content) {
      if (unsayable(part.text) && !is(Dialect::kGemini)) continue;
      const bool refusal = part.kind == PartKind::kRefusal && (is(Dialect::kChat) || is(Dialect::kResponses));
      out_.text(refusal ? "assistant declines" : "assistant", part.text);
    }
  }

  void write_output(size_t i) {
    const Item& item = context_[i];
    std::string text = item.output_is_text ? item.output : "";
    std::vector<std::string> media;
    bool any = item.output_is_text;
    if (item.output_is_text && is(Dialect::kConverse) && is_blank(text)) text.clear();
    for (const Part& part : item.content) {
      if (part.kind != PartKind::kInputText) {
        if (!is(Dialect::kGemini) || is_inside(part)) media.push_back(media_of(part));
        continue;
      }
      if (unsayable(part.text) && !is(Dialect::kGemini)) continue;
      text += (any ? "\n" : "") + part.text;
      any = true;
    }
    // Two dialects have no field for a failure: it is said.
    bool failed = item.tool_failed;
    if (failed && (is(Dialect::kChat) || is(Dialect::kResponses))) {
      const bool apart = is(Dialect::kResponses) && !item.output_is_text && !text.empty();
      text.insert(0, std::string(kToolFailed) + (apart ? "\n" : ""));
      failed = false;
    }
    out_.output(numbers_.at(call_of_.at(i)), failed, text, media);
  }

  // Whether a tool's output holds it; else Gemini is shown it behind the outputs.
  bool is_inside(const Part& part) const {
    return part.url.starts_with("data:") && gemini_variant(at_.model, false).output_parts;
  }

  void media_behind(size_t call) {
    if (!is(Dialect::kGemini)) return;
    std::vector<std::string> media;
    for (const Part& part : context_[output_of_.at(call)].content)
      if (part.kind != PartKind::kInputText && !is_inside(part)) media.push_back(media_of(part));
    if (media.empty()) return;
    out_.text("user", "From the output of " + context_[call].name + ":");
    for (const std::string& one : media) out_.media("user", one);
  }

  const Deployment& at_;
  const Request& request_;
  const std::vector<Item>& context_;
  Lines out_;
  bool begun_ = false;
  std::vector<size_t> turn_;
  size_t calls_ = 0;
  size_t answered_ = 0;
  size_t lead_ = 0;  // of system messages that lead
  std::map<size_t, size_t> output_of_, call_of_, numbers_;
  std::vector<std::string> ids_;
};

}  // namespace

Said expected_lines(const Deployment& at, const Request& request, const std::vector<Item>& context,
                    std::string_view held, std::string_view ask) {
  Expected expected(at, request, context);
  std::vector<std::string> lines = expected.lines(held, ask);
  return {std::move(lines), expected.take_ids()};
}

Said heard_lines(const simulate::Prompt& prompt) {
  std::vector<std::string> ids;
  Lines out;
  for (const simulate::Message& message : prompt.messages) {
    if (message.role == simulate::Role::kTool) {
      // The last call of this id is the one that is open.
      const auto from = std::ranges::find(ids.rbegin(), ids.rend(), message.call_id);
      out.output(static_cast<size_t>(ids.rend() - from), message.failed, message.text, message.media);
      continue;
    }
    const std::string_view role = simulate::name_of(message.role);
    for (const simulate::Part& part : message.parts) {
      using Kind = simulate::Part::Kind;
      const bool placeholder = part.signature == kGeminiNoSignature;
      if (part.kind != Kind::kThought && part.kind != Kind::kSealed && !part.signature.empty() && !placeholder)
        out.thought("", part.signature);
      switch (part.kind) {
        case Kind::kText:
          out.text(role, part.text);
          break;
        case Kind::kRefusal:
          out.text("assistant declines", part.text);
          break;
        case Kind::kMedia:
          out.media(role, part.text);
          break;
        case Kind::kCall: {
          const auto& call = *std::ranges::find(message.calls, part.text, &simulate::ToolCall::id);
          ids.push_back(call.id);
          out.call(ids.size(), call.name, call.arguments);
          break;
        }
        case Kind::kThought:
        case Kind::kSealed:
          out.thought(part.text, part.signature);
          break;
      }
    }
  }
  return {out.take(), std::move(ids)};
}

}  // namespace perdure::fidelity
