// Canonical request -> body of POST /model/{modelId}/converse-stream. `user`, `safety_identifier`, `prompt_cache_key`
// and `metadata` are not sent: whose request it is stays here. Neither are hints that another supplier's service reads:
// `detail` of images, `service_tier`, `reasoning.summary`.

#include "dialect/converse_request.h"

#include <algorithm>

#include "dialect/say.h"
#include "dialect/system_words.h"
#include "dialect/upstream_error.h"
#include "wire/sigv4.h"

namespace perdure {

using json::Writer;

Result<void> check_tool_name(std::string_view name, std::string param) {
  const bool plain = std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  if (plain && !name.empty() && name.size() <= 64) return {};
  return unsayable(std::move(param), "a tool of this name: 1 to 64 letters, digits, '_' and '-'");
}

void write_cache_point(Writer& out, std::string_view mark) {
  if (mark.empty()) return;
  out.begin_object().key("cachePoint").begin_object().field("type", "default");
  if (mark != "5m") out.field("ttl", mark);  // five minutes is what its absence means, on every model
  out.end_object().end_object();
}

namespace {

// The schema of a tool's input, whose top level must be an object and say so.
std::string input_schema(const Tool& tool) {
  if (tool.parameters.empty()) return R"({"type":"object","properties":{}})";
  auto document = json::Document::parse(tool.parameters);
  if (!document.ok() || !document->root()["type"].missing()) return tool.parameters;
  if (document->root().size() == 0) return R"({"type":"object","properties":{}})";
  std::string_view raw = document->root().raw();
  return R"({"type":"object",)" + std::string(raw.substr(1));
}

class Body {
 public:
  Body(const UpstreamAsk& ask, ConverseFamily family)
      : ask_(ask), request_(ask.request), family_(family), left_out_(ask.request.lenient) {}

  Result<std::string> write() {
    TRY_VOID(check_what_has_no_place());
    out_.begin_object();
    TRY(const ConverseMessages messages, write_converse_messages(out_, ask_, left_out_));
    TRY_VOID(write_tools(messages.tool_blocks));
    tools_.bare_loop = messages.bare_loop;
    TRY(const ConverseModelFields fields, converse_model_fields(ask_, family_, tools_, left_out_));
    TRY_VOID(write_inference(fields.thinks));
    if (!fields.additional.empty()) out_.key("additionalModelRequestFields").raw(fields.additional);
    // Which stop sequence was met is told by the model's maker, where at all.
    if (!request_.stop.empty()) {
      out_.key("additionalModelResponseFieldPaths").begin_array();
      out_.string(ask_.stream ? "/delta/stop_sequence" : "/stop_sequence").end_array();
    }
    TRY_VOID(write_output(fields.effort));
    return out_.end_object().take();
  }
  std::vector<std::string> dropped() { return left_out_.take(); }

 private:
  Result<void> check_what_has_no_place() {
    TRY_VOID(refuse_logprobs(request_, left_out_));
    TRY_VOID(refuse_names(ask_, left_out_));
    if (request_.presence_penalty.value_or(0) != 0) TRY_VOID(left_out_.refuse("presence_penalty"));
    if (request_.frequency_penalty.value_or(0) != 0) TRY_VOID(left_out_.refuse("frequency_penalty"));
    if (request_.seed) TRY_VOID(left_out_.refuse("seed"));
    if (!request_.verbosity.empty() && request_.verbosity != "medium")
      TRY_VOID(left_out_.refuse("text.verbosity", "'verbosity'"));
    return {};
  }

  Result<void> write_inference(bool thinks) {
    Writer in;
    in.begin_object();
    if (ask_.max_output_tokens) in.field("maxTokens", *ask_.max_output_tokens);
    if (request_.temperature.value_or(0) > 1) {
      TRY_VOID(left_out_.refuse("temperature", "a temperature above 1"));
    } else if (thinks && request_.temperature.value_or(1) != 1) {
      TRY_VOID(left_out_.refuse("temperature", "a temperature together with reasoning"));
    } else if (request_.temperature) {
      in.key("temperature").number(*request_.temperature);
    }
    if (thinks && request_.top_p.value_or(1) < 0.95) {
      TRY_VOID(left_out_.refuse("top_p", "a 'top_p' below 0.95 together with reasoning"));
    } else if (request_.top_p) {
      in.key("topP").number(*request_.top_p);
    }
    if (!request_.stop.empty()) {
      in.key("stopSequences").begin_array();
      for (const std::string& text : request_.stop) in.string(text);
      in.end_array();
    }
    in.end_object();
    if (in.text() != "{}") out_.key("inferenceConfig").raw(in.text());
    return {};
  }

  // The tools that the model may call: all, or, where Converse cannot say which, those alone that are allowed.
  std::vector<size_t> shown_tools() const {
    if (request_.tool_choice.mode == ToolChoice::Mode::kNone) return {};
    return perdure::shown_tools(request_);
  }

  bool names_one() const { return allows_one(request_.tool_choice); }

  Result<void> write_tools(bool tool_blocks) {
    Writer list;
    list.begin_array();
    for (size_t i : shown_tools()) {
      const Tool& tool = request_.tools[i];
      const std::string where = say("tools[{}]", i);
      if (auto named = check_tool_name(tool.name, where + ".name"); !named.ok()) {
        if (!request_.lenient) return named;
        TRY_VOID(left_out_.refuse(where, ""));
        continue;
      }
      write_tool(list, tool);
      tools_.any = true;
    }
    if (!tools_.any && tool_blocks) {
      write_tool(list, {.name = std::string(kInertTool),
                        .description = "Not to be called.",
                        .parameters = {},
                        .strict = {},
                        .cache = {}});
    } else if (!tools_.any) {
      return {};
    }
    list.end_array();
    out_.key("toolConfig").begin_object().key("tools").raw(list.text());
    if (tools_.any) write_choice();
    out_.end_object();
    return {};
  }

  static void write_tool(Writer& list, const Tool& tool) {
    list.begin_object().key("toolSpec").begin_object().field("name", tool.name);
    if (tool.description && !tool.description->empty()) list.field("description", *tool.description);
    list.key("inputSchema").begin_object().key("json").raw(input_schema(tool)).end_object();
    if (tool.strict.value_or(false)) list.field("strict", true);
    list.end_object().end_object();
    write_cache_point(list, tool.cache);
  }

  void write_choice() {
    const ToolChoice& choice = request_.tool_choice;
    const bool one = choice.mode == ToolChoice::Mode::kFunction || names_one();
    const bool any = choice.mode == ToolChoice::Mode::kRequired ||
                     (choice.mode == ToolChoice::Mode::kAllowed && choice.allowed_required);
    if (!one && !any) return;
    tools_.forced = true;
    out_.key("toolChoice").begin_object();
    if (one) {
      const std::string& name = choice.mode == ToolChoice::Mode::kFunction ? choice.function : choice.allowed.front();
      out_.key("tool").begin_object().field("name", name).end_object();
    } else {
      out_.key("any").begin_object().end_object();
    }
    out_.end_object();
  }

  Result<void> write_output(const std::string& effort) {
    const TextFormat& format = request_.format;
    bool schema = format.kind == TextFormat::Kind::kJsonSchema;
    if (format.kind == TextFormat::Kind::kJsonObject)
      TRY_VOID(left_out_.refuse("text.format", "JSON output without a schema"));
    if (!schema && effort.empty()) return {};
    out_.key("outputConfig").begin_object();
    if (schema) {
      out_.key("textFormat").begin_object().field("type", "json_schema");
      out_.key("structure").begin_object().key("jsonSchema").begin_object();
      out_.field("schema", format.schema.empty() ? std::string_view("{}") : std::string_view(format.schema));
      if (!format.name.empty()) out_.field("name", format.name);
      if (format.description) out_.field("description", *format.description);
      out_.end_object().end_object().end_object();
    }
    if (!effort.empty()) out_.field("effort", effort);
    out_.end_object();
    return {};
  }

  const UpstreamAsk& ask_;
  const Request& request_;
  ConverseFamily family_;
  LeftOut left_out_;
  Writer out_;
  ConverseTools tools_;
};

}  // namespace

Result<UpstreamMessage> write_converse_request(const UpstreamAsk& ask, ConverseFamily family) {
  UpstreamMessage message;
  message.path = "/model/" + uri_encode(ask.model) + (ask.stream ? "/converse-stream" : "/converse");
  message.headers = {{"Content-Type", "application/json"},
                     {"Accept", ask.stream ? "application/vnd.amazon.eventstream" : "application/json"}};
  const SystemWords words(ask);
  Body body(words.ask(), family);
  TRY(message.body, body.write());
  message.dropped = body.dropped();
  return message;
}

}  // namespace perdure
