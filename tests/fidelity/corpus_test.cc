// Goal: what a client said arrives, at whichever supplier, or is refused by name. Method: conversations drawn by a seed
// are written by each dialect and read by its simulated supplier, which shares no parser with it and refuses what the
// service refuses. What was read, put back into canonical form, is what was written: but for the fields that a lenient
// request was told of, and for the rules that a dialect lives by, which are written down here a second time.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "corpus.h"
#include "deployments.h"
#include "dialect/gemini_upstream.h"
#include "dialect/left_out.h"
#include "dialect/tool_ids.h"
#include "simulate/media.h"
#include "wire/json.h"

namespace perdure::fidelity {
namespace {

constexpr uint64_t kTalks = 2000;

// --- what was said, as lines: one for each part, call, result and thought

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

  const std::vector<std::string>& ids() const { return ids_; }  // of the calls, in the order of the lines

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

// What the supplier heard.
std::vector<std::string> heard_lines(const simulate::Prompt& prompt, std::vector<std::string>& ids) {
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
  return out.take();
}

// Takes what was declared to be left out from the request; false: a field that is not known here.
bool take_away(Dialect dialect, const std::string& field, Request& request, std::vector<Item>& context) {
  const auto number = [&](size_t& at) {
    size_t out = 0;
    for (++at; at < field.size() && field[at] != ']'; ++at) out = out * 10 + static_cast<size_t>(field[at] - '0');
    ++at;
    return out;
  };
  if (field.starts_with("input[")) {
    size_t at = 5;
    Item& item = context.at(number(at));
    const std::string_view rest = std::string_view(field).substr(at);
    if (rest == ".name") return item.name.clear(), true;
    if (rest.empty()) return item.content.clear(), true;
    if (!rest.starts_with(".content[") && !rest.starts_with(".output[")) return false;
    at = field.find('[', at);
    Part& part = item.content.at(number(at));
    if (field.ends_with(".detail")) return part.detail.clear(), true;
    part = {};  // an empty text says nothing
    return true;
  }
  if (field.starts_with("tools[")) {
    size_t at = 5;
    Tool& tool = request.tools.at(number(at));
    if (field.ends_with(".strict")) return tool.strict.reset(), true;
    return false;
  }
  const std::map<std::string, std::function<void()>> kFields = {
      {"temperature", [&] { request.temperature.reset(); }},
      {"top_p", [&] { request.top_p.reset(); }},
      {"top_k", [&] { request.top_k.reset(); }},
      {"seed", [&] { request.seed.reset(); }},
      {"stop",
       [&] {
         std::erase_if(request.stop,
                       [&](const std::string& one) { return dialect != Dialect::kMessages || is_blank(one); });
       }},
      {"presence_penalty", [&] { request.presence_penalty.reset(); }},
      {"frequency_penalty", [&] { request.frequency_penalty.reset(); }},
      {"text.verbosity", [&] { request.verbosity.clear(); }},
      {"text.format", [&] { request.format = {}; }},
      {"parallel_tool_calls", [&] { request.parallel_tool_calls.reset(); }},
      {"reasoning.effort", [&] { request.reasoning_effort.clear(); }},
      {"reasoning.summary", [&] { request.reasoning_summary.clear(); }},
      {"reasoning_tokens_max", [&] { request.reasoning_tokens_max.reset(); }},
      {"thinking.budget_tokens", [&] { request.reasoning_tokens_max.reset(); }},
      {"max_output_tokens", [&] { request.max_output_tokens = 16; }},  // the least that there is
  };
  const auto found = kFields.find(field);
  if (found == kFields.end()) return false;
  found->second();
  return true;
}

// --- how the answer is to be: as lines too, those that a dialect has a field for

template <class T>
void line(std::vector<std::string>& out, std::string_view name, const std::optional<T>& value) {
  if (value) out.push_back(std::string(name) + ": " + std::to_string(*value));
}

std::string_view choice_name(ToolChoice::Mode mode) {
  constexpr std::string_view kWords[] = {"?", "auto", "none", "required", "function", "allowed"};
  return kWords[static_cast<size_t>(mode)];
}

bool has_efforts(const Deployment& at, const Request& request) {
  return (at.dialect == Dialect::kChat || at.dialect == Dialect::kResponses) && !request.reasoning_tokens_max;
}

std::vector<std::string> expected_settings(const Deployment& at, const Request& request, bool has_calls) {
  std::vector<std::string> out;
  line(out, "temperature", request.temperature);
  line(out, "top_p", request.top_p);
  line(out, "top_k", request.top_k);
  line(out, "seed", request.seed);
  line(out, "presence", request.presence_penalty);
  line(out, "frequency", request.frequency_penalty);
  for (const std::string& stop : request.stop) out.push_back("stop: " + stop);
  // What is left of a limit when an answer goes on may be less than Responses takes.
  std::optional<int64_t> tokens = request.max_output_tokens;
  if (tokens && at.dialect == Dialect::kResponses) tokens = std::max<int64_t>(*tokens, 16);
  line(out, "tokens", tokens);
  if (!request.verbosity.empty()) out.push_back("verbosity: " + request.verbosity);
  // A limit to reasoning becomes an effort where there is no other word for it (dialect/effort.h).
  if (has_efforts(at, request)) out.push_back("effort: " + request.reasoning_effort);
  using Kind = TextFormat::Kind;
  constexpr std::string_view kFormats[] = {"?", "text", "json", "schema"};
  out.push_back("format: " + std::string(kFormats[static_cast<size_t>(request.format.kind)]));
  const bool named = at.dialect != Dialect::kMessages && at.dialect != Dialect::kGemini;
  if (request.format.kind == Kind::kJsonSchema) {
    if (named) out.push_back("format is " + request.format.name + ", " + request.format.description.value_or(""));
    if (named) out.push_back("schema: " + request.format.schema);
  }
  if (request.tools.empty()) return out;
  // Converse has no word for none: then it is shown no tool. It shows those that are allowed and no others.
  const ToolChoice& choice = request.tool_choice;
  const bool converse = at.dialect == Dialect::kConverse;
  std::string_view mode = choice_name(choice.mode);
  const bool one = choice.mode == ToolChoice::Mode::kAllowed && choice.allowed_required && choice.allowed.size() == 1;
  const bool lists = at.dialect == Dialect::kResponses || at.dialect == Dialect::kGemini;  // has a place for the names
  const bool names_it = one && !lists;
  if (choice.mode == ToolChoice::Mode::kAllowed)
    mode = names_it ? "function" : choice.allowed_required ? "required" : "auto";
  if (at.dialect == Dialect::kGemini && choice.mode == ToolChoice::Mode::kFunction) mode = "required";
  if (converse && choice.mode == ToolChoice::Mode::kNone) {
    if (has_calls) out.push_back("tool: no_tool_is_to_be_called Not to be called.");
    return out;
  }
  const bool validated =
      at.dialect == Dialect::kGemini && (choice.allowed_required || gemini_variant(at.model, false).validated_mode);
  const bool hides =
      choice.mode == ToolChoice::Mode::kAllowed && !names_it && at.dialect != Dialect::kResponses && !validated;
  for (const Tool& tool : request.tools) {
    if (hides && std::ranges::count(choice.allowed, tool.name) == 0) continue;
    const bool strict = tool.strict.value_or(false) && at.dialect != Dialect::kGemini;
    out.push_back("tool: " + tool.name + " " + tool.description.value_or("") + (strict ? " strict" : ""));
    if (!tool.parameters.empty() && at.dialect != Dialect::kGemini) out.push_back("takes: " + tool.parameters);
  }
  out.push_back("choice: " + std::string(mode));
  if (mode == "function") out.push_back("chosen: " + (names_it ? choice.allowed[0] : choice.function));
  std::vector<std::string> allowed;
  if (at.dialect == Dialect::kGemini && choice.mode == ToolChoice::Mode::kFunction) allowed = {choice.function};
  if (choice.mode == ToolChoice::Mode::kAllowed && (at.dialect == Dialect::kResponses || validated))
    allowed = choice.allowed;
  for (const std::string& name : allowed) out.push_back("allowed: " + name);
  // Gemini has no word for it: no more than one call is shown of its answer.
  const bool unsaid = at.dialect == Dialect::kGemini || (at.dialect == Dialect::kMessages && mode == "none");
  if (!request.parallel_tool_calls.value_or(true) && !unsaid) out.push_back("one call at a time");
  return out;
}

std::vector<std::string> heard_settings(const Deployment& at, const Request& request, const simulate::Prompt& prompt) {
  std::vector<std::string> out;
  const simulate::Settings& said = prompt.settings;
  line(out, "temperature", said.temperature);
  line(out, "top_p", said.top_p);
  line(out, "top_k", said.top_k);
  line(out, "seed", said.seed);
  line(out, "presence", said.presence_penalty);
  line(out, "frequency", said.frequency_penalty);
  for (const std::string& stop : prompt.stop) out.push_back("stop: " + stop);
  // Where a limit has to be there, one is.
  if (at.dialect != Dialect::kMessages || request.max_output_tokens) line(out, "tokens", prompt.tokens_max);
  if (!said.verbosity.empty()) out.push_back("verbosity: " + said.verbosity);
  if (has_efforts(at, request)) out.push_back("effort: " + said.effort);
  constexpr std::string_view kFormats[] = {"text", "json", "schema"};
  out.push_back("format: " + std::string(kFormats[static_cast<size_t>(prompt.format)]));
  if (prompt.format == simulate::Format::kJsonSchema && at.dialect != Dialect::kMessages &&
      at.dialect != Dialect::kGemini) {
    out.push_back("format is " + said.format_name + ", " + said.format_description);
    out.push_back("schema: " + prompt.schema);
  }
  if (request.tools.empty()) return out;
  for (const simulate::Tool& tool : prompt.tools) {
    out.push_back("tool: " + tool.name + " " + tool.description + (tool.strict ? " strict" : ""));
    const Tool* given = nullptr;
    for (const Tool& one : request.tools)
      if (one.name == tool.name) given = &one;
    if (given != nullptr && !given->parameters.empty() && at.dialect != Dialect::kGemini)
      out.push_back("takes: " + tool.parameters);
  }
  if (at.dialect == Dialect::kConverse && request.tool_choice.mode == ToolChoice::Mode::kNone) return out;
  constexpr std::string_view kChoices[] = {"auto", "none", "required", "function"};
  out.push_back("choice: " + std::string(kChoices[static_cast<size_t>(prompt.tool_choice)]));
  if (prompt.tool_choice == simulate::ToolChoice::kNamed) out.push_back("chosen: " + prompt.tool_named);
  for (const std::string& name : prompt.tools_allowed) out.push_back("allowed: " + name);
  if (!prompt.parallel_tool_calls) out.push_back("one call at a time");
  return out;
}

struct Written {
  UpstreamMessage message;
  Request request;            // without what was left out
  std::vector<Item> context;  // likewise
};

Result<Written> write(const Deployment& at, const Talk& talk, const Request& request,
                      const std::vector<Item>& context) {
  UpstreamAsk ask{.request = request, .context = context, .model = at.model, .issuer = std::string(kOurs)};
  ask.held = talk.held;
  ask.ask = talk.ask;
  ask.max_output_tokens = request.max_output_tokens;
  TRY(UpstreamMessage message, upstream_of(at.dialect)->write(ask));
  return Written{std::move(message), request, context};
}

// Whether another wish for the end of a conversation can be told from the dialect: an answer's beginning.
bool goes_on(const Deployment& at, const Talk& talk) {
  if (talk.held.empty() || !talk.ask.empty()) return true;
  return at.prefill && at.dialect != Dialect::kChat && at.dialect != Dialect::kResponses;
}

TEST(Corpus, WhatWasSaidArrivesOrIsRefusedByName) {
  const simulate::Signer signer(1, "account");
  size_t cases = 0, refused = 0, lost = 0;
  std::map<std::string, std::map<std::string, size_t>> fields;  // by dialect
  for (uint64_t seed = 1; seed <= kTalks; ++seed) {
    const Talk talk = make_talk(seed);
    for (Dialect dialect : kDialects) {
      const Deployment at = deployment_of(dialect, seed);
      SCOPED_TRACE(std::string(name_of(dialect)) + " " + at.model + " seed " + std::to_string(seed));
      if (!goes_on(at, talk)) continue;
      Request request = talk.request;
      request.input = sealed_for(dialect, talk.request.input, signer);
      ++cases;
      auto written = write(at, talk, request, request.input);
      // What cannot be gone on with as it is will be asked for in words.
      if (!written.ok() && !talk.held.empty() && talk.ask.empty()) continue;
      if (!written.ok()) {
        // Nothing else than a field without a place may be refused, by its name; a lenient request gets through.
        ASSERT_FALSE(request.lenient) << written.error().param << ": " << written.error().message;
        ASSERT_EQ(written.error().reason, "unsupported_parameter") << written.error().message;
        ++refused;
        request.lenient = true;
        auto lenient = write(at, talk, request, request.input);
        ASSERT_TRUE(lenient.ok()) << lenient.error().message;
        const auto& dropped = lenient->message.dropped;
        // Of a forced call and reasoning, which Claude does not do at once, it is the reasoning that gives way.
        const bool gives_way =
            written.error().param == "tool_choice" && std::ranges::any_of(dropped, [](const std::string& field) {
              return field == "reasoning.effort" || field == "thinking.budget_tokens";
            });
        ASSERT_TRUE(gives_way || std::ranges::count(dropped, written.error().param) == 1) << written.error().param;
        written = std::move(lenient);
      } else if (!request.lenient) {
        ASSERT_TRUE(written->message.dropped.empty());
      }
      Request kept = request;
      std::vector<Item> context = request.input;
      for (const std::string& field : written->message.dropped) {
        ASSERT_TRUE(take_away(dialect, field, kept, context)) << field;
        ++fields[std::string(name_of(dialect))][field.substr(0, field.find('['))];
        ++lost;
      }
      auto prompt = read_by_supplier(at, written->message.body, signer);
      ASSERT_TRUE(prompt.ok()) << prompt.error().param << ": " << prompt.error().message << "\n"
                               << written->message.body;
      Expected expected(at, kept, context);
      const auto lines = expected.lines(talk.held, talk.ask);
      std::vector<std::string> ids;
      ASSERT_EQ(heard_lines(*prompt, ids), lines) << written->message.body;
      ASSERT_EQ(heard_settings(at, kept, *prompt), expected_settings(at, kept, !ids.empty())) << written->message.body;
      // Ids that were changed on the way lead back.
      ASSERT_EQ(ids.size(), expected.ids().size());
      const std::set<std::string> known(expected.ids().begin(), expected.ids().end());
      const std::vector<std::string> known_list(known.begin(), known.end());
      for (size_t i = 0; i < ids.size() && (dialect == Dialect::kMessages || dialect == Dialect::kConverse); ++i) {
        const auto back =
            client_tool_id(ids[i], dialect == Dialect::kMessages ? kMessagesToolIds : kConverseToolIds, known_list);
        if (!back) continue;  // of a use of an id that was used before: told by its place
        ASSERT_TRUE(*back == expected.ids()[i] || back->starts_with(expected.ids()[i] + "~")) << ids[i];
      }
    }
  }
  std::printf("corpus: %zu cases, %zu refused by name and then left out, %zu fields left out\n", cases, refused, lost);
  for (const auto& [dialect, names] : fields) {
    std::printf("corpus: %s has no place for:", dialect.c_str());
    for (const auto& [field, count] : names) std::printf(" %s (%zu)", field.c_str(), count);
    std::printf("\n");
  }
  EXPECT_GT(cases, 5000u);
}

// T32: what was sent once is sent the same in every later request, so that the supplier's cache of prompts holds, also
// when the system speaks amid the conversation.
TEST(Corpus, T32_HistoryIsNeverWrittenOtherwise) {
  const simulate::Signer signer(1, "account");
  size_t compared = 0;
  for (uint64_t seed = 1; seed <= kTalks; ++seed) {
    const Talk talk = make_talk(seed);
    for (Dialect dialect : kDialects) {
      const Deployment at = deployment_of(dialect, seed);
      SCOPED_TRACE(std::string(name_of(dialect)) + " " + at.model + " seed " + std::to_string(seed));
      Request request = talk.request;
      request.lenient = true;
      const std::vector<Item> whole = sealed_for(dialect, talk.request.input, signer);
      std::string before;
      for (size_t rest : talk.rests) {
        request.input.assign(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(rest));
        Talk shorter;
        auto written = write(at, shorter, request, request.input);
        ASSERT_TRUE(written.ok()) << written.error().message;
        auto document = json::Document::parse(written->message.body);
        ASSERT_TRUE(document.ok());
        const json::Value root = document->root();
        std::string now;
        for (const char* name : {"messages", "input", "contents"}) now += root[name].raw();
        while (!now.empty() && (now.back() == ']' || now.back() == '}')) now.pop_back();
        // Tools and the system's words stand before the conversation in every cache.
        std::string front(root["system"].raw());
        front.append(root["systemInstruction"].raw()).append(root["instructions"].raw());
        // Where no tool is to be called, or none is given, what stands in their place follows from the history.
        const bool none = request.tools.empty() || request.tool_choice.mode == ToolChoice::Mode::kNone;
        if (!none) front.append(root["tools"].raw()).append(root["toolConfig"]["tools"].raw());
        now = front + now;
        ASSERT_TRUE(now.starts_with(before)) << before << "\n" << now;
        compared += !before.empty();
        before = now;
      }
    }
  }
  std::printf("corpus: %zu requests begin with the bytes of the one before\n", compared);
  EXPECT_GT(compared, 5000u);
}

}  // namespace
}  // namespace perdure::fidelity
