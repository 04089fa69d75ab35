// Canonical request -> body of :generateContent. `user`, `safety_identifier`, `prompt_cache_key` and `metadata` are not
// sent: whose request it is stays here. Neither are hints that another supplier's service reads: `detail` of images,
// `service_tier`, cache marks (Google caches prefixes by itself), `strict` of a format (it always is).

#include "dialect/gemini_request.h"

#include <algorithm>
#include <limits>

#include "dialect/gemini_schema.h"
#include "dialect/say.h"
#include "dialect/system_words.h"
#include "dialect/upstream_error.h"
#include "wire/sigv4.h"

namespace perdure {

using json::Writer;

namespace {

constexpr size_t kStopMax = 5;
constexpr size_t kNameMax = 128;

// Google's own table for its OpenAI-compatible surface.
int64_t budget_of(std::string_view effort) {
  if (effort == "none") return 0;
  if (effort == "minimal" || effort == "low") return 1024;
  return effort == "medium" ? 8192 : 24576;
}

bool fits_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && name.size() <= kNameMax && letter(name[0]) && std::ranges::all_of(name, [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || c == '.' || c == ':' || c == '-';
  });
}

// Raw JSON of an object with one more field in front.
std::string with_description(std::string_view object, const std::string& description) {
  Writer text;
  text.string(description);
  const std::string_view rest = object.substr(object.find('{') + 1);
  const bool empty = rest.find_first_not_of(" \t\r\n") == rest.find('}');
  return say("{\"description\":{}{}{}", text.text(), empty ? "" : ",", rest);
}

class Body {
 public:
  Body(const UpstreamAsk& ask, const GeminiVariant& variant)
      : ask_(ask), request_(ask.request), variant_(variant), left_out_(ask.request.lenient) {}

  Result<UpstreamMessage> write() {
    TRY_VOID(check());
    out_.begin_object();
    TRY_VOID(write_gemini_system(out_, ask_, left_out_));
    TRY_VOID(write_tools());
    TRY_VOID(write_config());
    TRY_VOID(write_gemini_contents(out_, ask_, variant_, left_out_));
    out_.end_object();
    return UpstreamMessage{.path = path(),
                           .headers = {{"Content-Type", "application/json"},
                                       {"Accept", ask_.stream ? "text/event-stream" : "application/json"}},
                           .body = out_.take(),
                           .dropped = left_out_.take()};
  }

 private:
  std::string path() const {
    std::string out;
    if (ask_.model.find('/') == std::string::npos) out = "/models";
    for (std::string_view rest = ask_.model;;) {
      const size_t slash = rest.find('/');
      out += "/" + uri_encode(rest.substr(0, slash));
      if (slash == std::string_view::npos) break;
      rest.remove_prefix(slash + 1);
    }
    return out + (ask_.stream ? ":streamGenerateContent?alt=sse" : ":generateContent");
  }

  // What there is no field for.
  Result<void> check() {
    TRY_VOID(refuse_logprobs(request_, left_out_));
    TRY_VOID(refuse_names(ask_, left_out_));
    if (!request_.verbosity.empty() && request_.verbosity != "medium")
      TRY_VOID(left_out_.refuse("text.verbosity", "a verbosity"));
    return {};
  }

  // --- tools ---

  Result<void> write_tools() {
    if (request_.tools.empty()) return {};
    Writer declarations;
    declarations.begin_array();
    const size_t nothing = declarations.text().size();
    // All stay in sight, for the supplier's prompt cache, unless the mode has no list of those that may be called.
    const ToolChoice& choice = request_.tool_choice;
    const bool hides =
        choice.mode == ToolChoice::Mode::kAllowed && !choice.allowed_required && !variant_.validated_mode;
    for (size_t i = 0; i < request_.tools.size(); ++i) {
      if (hides && std::ranges::find(choice.allowed, request_.tools[i].name) == choice.allowed.end()) continue;
      TRY_VOID(write_tool(declarations, request_.tools[i], say("tools[{}]", i)));
    }
    if (declarations.text().size() == nothing) return {};
    declarations.end_array();
    out_.key("tools").begin_array().begin_object().key("functionDeclarations").raw(declarations.text());
    out_.end_object().end_array();
    write_choice();
    return {};
  }

  Result<void> write_tool(Writer& out, const Tool& tool, const std::string& where) {
    if (!fits_name(tool.name))
      return left_out_.refuse(where + ".name", "a tool of this name: it begins with a letter or '_'");
    Writer declaration;
    declaration.begin_object().field("name", tool.name);
    if (tool.description && !tool.description->empty()) declaration.field("description", *tool.description);
    TRY_VOID(
        write_schema(declaration, tool.parameters, where + ".parameters", "parameters", "parametersJsonSchema", false));
    out.raw(declaration.end_object().text());
    return {};
  }

  // `schema` where the API's own Schema holds it, else as it is where the model takes that.
  Result<void> write_schema(Writer& out, const std::string& schema, std::string where, std::string_view field,
                            std::string_view json_field, bool answer) {
    auto document = json::Document::parse(schema.empty() ? "{}" : schema);
    if (!document.ok() || !document->root().is_object()) {
      return Error{.code = Code::kInvalid,
                   .message = say("Invalid '{}': it is no JSON Schema.", where),
                   .param = where,
                   .reason = "invalid_value"};
    }
    const json::Value root = document->root();
    if (!answer && root.size() == 0) return {};  // no parameters
    GeminiSchema ours = gemini_schema(root, answer);
    if (ours.lost.empty() && ours.no_fields && !answer) return {};
    if (ours.no_fields && ours.lost.empty()) ours.lost = "an object without properties";
    const bool describe =
        answer && request_.format.description && !request_.format.description->empty() && root["description"].missing();
    const auto put = [&](std::string_view name, std::string_view text) {
      out.key(name).raw(describe ? with_description(text, *request_.format.description) : std::string(text));
    };
    if (!ours.lost.empty()) {
      if (variant_.json_schema) return put(json_field, root.raw()), Result<void>();
      TRY_VOID(left_out_.refuse(std::move(where), say("a schema that says {}", ours.lost)));
    }
    put(field, ours.text);
    return {};
  }

  void write_choice() {
    const ToolChoice& choice = request_.tool_choice;
    const bool strict = std::ranges::any_of(request_.tools, [](const Tool& tool) { return tool.strict == true; });
    std::string_view mode;
    std::vector<std::string> names;
    switch (choice.mode) {
      case ToolChoice::Mode::kAuto:
        if (strict && variant_.validated_mode) mode = "VALIDATED";
        break;
      case ToolChoice::Mode::kNone:
        mode = "NONE";
        break;
      case ToolChoice::Mode::kRequired:
        mode = "ANY";
        break;
      case ToolChoice::Mode::kFunction:
        mode = "ANY";
        names = {choice.function};
        break;
      case ToolChoice::Mode::kAllowed:
        mode = choice.allowed_required ? "ANY" : variant_.validated_mode ? "VALIDATED" : "";
        if (!mode.empty()) names = choice.allowed;
        break;
    }
    if (mode.empty()) return;
    out_.key("toolConfig").begin_object().key("functionCallingConfig").begin_object().field("mode", mode);
    if (!names.empty()) {
      out_.key("allowedFunctionNames").begin_array();
      for (const std::string& name : names) out_.string(name);
      out_.end_array();
    }
    out_.end_object().end_object();
  }

  // --- generationConfig ---

  Result<void> write_config() {
    Writer config;
    config.begin_object();
    const size_t nothing = config.text().size();
    if (request_.temperature) config.key("temperature").number(*request_.temperature);
    if (request_.top_p) config.key("topP").number(*request_.top_p);
    if (request_.top_k) config.field("topK", *request_.top_k);
    if (request_.presence_penalty) config.key("presencePenalty").number(*request_.presence_penalty);
    if (request_.frequency_penalty) config.key("frequencyPenalty").number(*request_.frequency_penalty);
    if (ask_.max_output_tokens) config.field("maxOutputTokens", *ask_.max_output_tokens);
    TRY_VOID(write_seed(config));
    TRY_VOID(write_stop(config));
    TRY_VOID(write_format(config));
    TRY_VOID(write_thinking(config));
    if (config.text().size() > nothing) out_.key("generationConfig").raw(config.end_object().text());
    return {};
  }

  Result<void> write_seed(Writer& config) {
    if (!request_.seed) return {};
    using Limits = std::numeric_limits<int32_t>;
    if (*request_.seed < Limits::min() || *request_.seed > Limits::max())
      return left_out_.refuse("seed", "a seed of more than 32 bits");
    config.field("seed", *request_.seed);
    return {};
  }

  Result<void> write_stop(Writer& config) {
    if (request_.stop.empty()) return {};
    if (request_.stop.size() > kStopMax) return left_out_.refuse("stop", "more than 5 stop sequences");
    config.key("stopSequences").begin_array();
    for (const std::string& sequence : request_.stop) config.string(sequence);
    config.end_array();
    return {};
  }

  Result<void> write_format(Writer& config) {
    const TextFormat& format = request_.format;
    if (format.kind == TextFormat::Kind::kText) return {};
    const std::string where = "text.format";
    if (!request_.tools.empty() && !variant_.schema_beside_tools)
      return left_out_.refuse(where, "structured output beside tools");
    config.field("responseMimeType", "application/json");
    if (format.kind == TextFormat::Kind::kJsonObject) return {};
    return write_schema(config, format.schema, where + ".schema", "responseSchema", "responseJsonSchema", true);
  }

  Result<void> write_thinking(Writer& config) {
    const std::string_view effort = request_.reasoning_effort;
    const std::optional<int64_t> tokens = request_.reasoning_tokens_max;
    const std::string effort_field = "reasoning.effort";
    if (variant_.thinking == GeminiThinking::kNone) {
      if (!effort.empty() && effort != "none") TRY_VOID(left_out_.refuse(effort_field, "an effort of reasoning"));
      if (tokens.value_or(0) > 0) TRY_VOID(left_out_.refuse("thinking.budget_tokens", "a budget of reasoning"));
      return {};
    }
    Writer thinking;
    thinking.begin_object();
    const size_t nothing = thinking.text().size();
    if (variant_.thinking == GeminiThinking::kLevel && !effort.empty()) {
      TRY_VOID(write_level(thinking, effort, effort_field));
    } else if (tokens) {
      thinking.field("thinkingBudget", *tokens);
    } else if (!effort.empty()) {
      thinking.field("thinkingBudget", budget_of(effort));
    }
    const bool off = effort == "none" || tokens == 0;
    if ((!request_.reasoning_summary.empty() && !off) || tokens.value_or(0) > 0)
      thinking.field("includeThoughts", true);
    if (thinking.text().size() > nothing) config.key("thinkingConfig").raw(thinking.end_object().text());
    return {};
  }

  Result<void> write_level(Writer& thinking, std::string_view effort, const std::string& field) {
    if (effort == "none") return left_out_.refuse(field, "a wish for no reasoning at all");
    const bool least = effort == "minimal" && variant_.minimal_level;
    thinking.field("thinkingLevel", least                                    ? "MINIMAL"
                                    : effort == "minimal" || effort == "low" ? "LOW"
                                    : effort == "medium"                     ? "MEDIUM"
                                                                             : "HIGH");
    return {};
  }

  const UpstreamAsk& ask_;
  const Request& request_;
  const GeminiVariant& variant_;
  LeftOut left_out_;
  Writer out_;
};

}  // namespace

Result<UpstreamMessage> write_gemini_request(const UpstreamAsk& ask, const GeminiVariant& variant) {
  const SystemWords words(ask);
  return Body(words.ask(), variant).write();
}

// "gemini-2.5-flash": what stands behind "gemini-" tells the generation.
GeminiVariant gemini_variant(std::string_view model, bool vertex) {
  GeminiVariant out;
  if (vertex) out.call_ids = false, out.media_types = true;
  model = model.substr(model.rfind('/') + 1);
  if (model.starts_with("gemma")) {
    out.strict_signatures = out.output_parts = out.json_schema = out.schema_beside_tools = out.validated_mode = false;
    out.thinking = GeminiThinking::kNone;
    return out;
  }
  const std::string_view generation = model.starts_with("gemini-") ? model.substr(7) : std::string_view();
  const bool first = generation.starts_with("1.") || generation.starts_with("pro-vision") || generation == "pro";
  const bool second = generation.starts_with("2.0") || generation.starts_with("2-");
  if (first || second || generation.starts_with("2.")) {
    out.strict_signatures = out.output_parts = out.schema_beside_tools = false;
    out.thinking = first || second ? GeminiThinking::kNone : GeminiThinking::kBudget;
    out.json_schema = out.validated_mode = !first && !second;
  }
  out.minimal_level = generation.find("flash") != std::string_view::npos;
  return out;
}

}  // namespace perdure
