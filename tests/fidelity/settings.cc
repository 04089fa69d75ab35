#include "settings.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>

#include "dialect/gemini_upstream.h"

namespace perdure::fidelity {
namespace {

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

}  // namespace

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
         std::erase_if(request.stop, [&](const std::string& one) {
           return dialect != Dialect::kMessages || one.find_first_not_of(" \t\r\n") == std::string::npos;
         });
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

}  // namespace perdure::fidelity
