// Canonical request -> body of POST /messages.

#include "dialect/messages_request.h"

#include <algorithm>
#include <set>

#include "dialect/messages_schema.h"
#include "dialect/say.h"
#include "dialect/system_words.h"
#include "dialect/upstream_error.h"

namespace perdure {
namespace {

using json::Writer;

constexpr int64_t kLimitElse = 8192;
constexpr size_t kToolNameMax = 128;
constexpr std::string_view kNothing = R"({"type":"object","properties":{}})";

bool is_tool_name(std::string_view name) {
  return !name.empty() && name.size() <= kToolNameMax && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

// The object `raw` with one member more, before the others, unless it has one of that name.
std::string with_member(std::string_view raw, json::Value object, std::string_view name, std::string_view value) {
  if (!object[name].missing()) return std::string(raw);
  Writer member;
  member.begin_object().field(name, value);
  std::string out = member.take();
  if (object.size() != 0) out += ',';
  return out.append(raw.substr(raw.find('{') + 1));
}

class Body {
 public:
  Body(const UpstreamAsk& ask, const MessagesVariant& variant)
      : ask_(ask), request_(ask.request), variant_(variant), left_out_(request_.lenient), marks_(ask) {}

  Result<UpstreamMessage> write(bool counting) {
    const int64_t otherwise = ask_.max_output_tokens_else > 0 ? ask_.max_output_tokens_else : kLimitElse;
    const int64_t limit = ask_.max_output_tokens.value_or(otherwise);
    out_.begin_object().field("model", ask_.model);
    if (!counting) out_.field("max_tokens", limit).field("stream", ask_.stream);
    TRY_VOID(write_tools());
    TRY(turns_, write_messages_turns(out_, ask_, variant_, marks_, left_out_));
    if (request_.tools.empty() && turns_.any_call) write_named_tools();
    TRY(thinking_, messages_thinking(ask_, variant_, limit, turns_, left_out_));
    write_thinking();
    TRY_VOID(write_output_config());
    if (!counting) {
      TRY_VOID(write_sampling());
      TRY_VOID(write_stop());
      if (request_.dialect == ClientDialect::kMessages && !request_.service_tier.empty())
        out_.field("service_tier", request_.service_tier);
    }
    TRY_VOID(refuse_the_rest());
    UpstreamMessage message{.path = counting ? "/messages/count_tokens" : "/messages"};
    message.headers = {{"Content-Type", "application/json"},
                       {"Accept", ask_.stream && !counting ? "text/event-stream" : "application/json"},
                       {"anthropic-version", "2023-06-01"}};
    message.body = out_.end_object().take();
    message.dropped = left_out_.take();
    return message;
  }

 private:
  Result<void> write_tools() {
    Writer tools;
    tools.begin_array();
    size_t count = 0;
    for (size_t i : shown_tools(request_)) {
      if (!is_tool_name(request_.tools[i].name)) {
        TRY_VOID(left_out_.refuse(say("tools[{}].name", i), "a tool of this name"));
        continue;
      }
      TRY_VOID(write_tool(tools, i));
      ++count;
    }
    if (count == 0) return {};
    out_.key("tools").raw(tools.end_array().text());
    write_tool_choice();
    return {};
  }

  Result<void> write_tool(Writer& out, size_t index) {
    const Tool& tool = request_.tools[index];
    out.begin_object().field("name", tool.name);
    if (tool.description) out.field("description", *tool.description);
    out.key("input_schema");
    if (tool.parameters.empty()) {
      out.raw(kNothing);
    } else {
      TRY(json::Document schema, json::Document::parse(tool.parameters));
      if (tool.strict.value_or(false) && variant_.strict_tools) {
        TRY(schema, json::Document::parse(messages_schema(schema.root())));
      }
      const json::Value type = schema.root()["type"];
      if (!type.missing() && type.text() != "object")
        return unsayable(say("tools[{}].parameters", index), "parameters that are not an object");
      out.raw(with_member(schema.root().raw(), schema.root(), "type", "object"));
    }
    if (tool.strict.value_or(false)) {
      if (variant_.strict_tools) {
        out.field("strict", true);
      } else {
        TRY_VOID(left_out_.refuse(say("tools[{}].strict", index), "strict tools"));
      }
    }
    marks_.write_first(out, tool.cache);
    out.end_object();
    return {};
  }

  void write_tool_choice() {
    const ToolChoice& choice = request_.tool_choice;
    const bool one_at_a_time = !request_.parallel_tool_calls.value_or(true);
    std::string_view type = "auto", name;
    switch (choice.mode) {
      case ToolChoice::Mode::kAuto:
        if (!one_at_a_time) return;
        break;
      case ToolChoice::Mode::kNone:
        out_.key("tool_choice").begin_object().field("type", "none").end_object();
        return;
      case ToolChoice::Mode::kRequired:
        type = "any";
        break;
      case ToolChoice::Mode::kFunction:
        type = "tool";
        name = choice.function;
        break;
      case ToolChoice::Mode::kAllowed:
        if (choice.allowed_required) type = allows_one(choice) ? "tool" : "any";
        if (type == "tool") name = choice.allowed[0];
        if (type == "auto" && !one_at_a_time) return;
        break;
    }
    out_.key("tool_choice").begin_object().field("type", type);
    if (!name.empty()) out_.field("name", name);
    if (one_at_a_time) out_.field("disable_parallel_tool_use", true);
    out_.end_object();
  }

  // A history with calls is refused by some servers where no tool is defined. The model is shown those that were
  // called, and may call none.
  void write_named_tools() {
    std::set<std::string_view> named;
    out_.key("tools").begin_array();
    for (const Item& item : ask_.context) {
      if (item.kind != ItemKind::kFunctionCall || !named.insert(item.name).second) continue;
      out_.begin_object().field("name", item.name).key("input_schema").raw(kNothing).end_object();
    }
    out_.end_array().key("tool_choice").begin_object().field("type", "none").end_object();
  }

  void write_thinking() {
    using Kind = MessagesThinking::Kind;
    if (thinking_.kind == Kind::kUnsaid) return;
    out_.key("thinking").begin_object();
    switch (thinking_.kind) {
      case Kind::kUnsaid:
        break;
      case Kind::kDisabled:
        out_.field("type", "disabled");
        break;
      case Kind::kBudget:
        out_.field("type", "enabled").field("budget_tokens", thinking_.budget);
        break;
      case Kind::kAdaptive:
        out_.field("type", "adaptive");
        break;
    }
    if (!thinking_.display.empty()) out_.field("display", thinking_.display);
    out_.end_object();
  }

  Result<void> write_output_config() {
    const TextFormat& format = request_.format;
    std::string schema;
    if (format.kind == TextFormat::Kind::kJsonObject) {
      TRY_VOID(left_out_.refuse("text.format", "a wish for JSON without a schema"));
    } else if (format.kind == TextFormat::Kind::kJsonSchema) {
      if (!variant_.structured_output) {
        TRY_VOID(left_out_.refuse("text.format", "a schema for its answer"));
      } else if (turns_.begun && !ask_.held.empty()) {
        // The service takes no beginning of an answer that is to fit a schema: it can be asked in words.
        return unsayable("text.format", "a schema together with the beginning of its answer");
      } else if (turns_.begun) {
        TRY_VOID(left_out_.refuse("text.format", "a schema together with the beginning of its answer"));
      } else {
        TRY(const json::Document given, json::Document::parse(format.schema.empty() ? "{}" : format.schema));
        schema = messages_schema(given.root());
        if (format.description) {
          TRY(const json::Document document, json::Document::parse(schema));
          schema = with_member(document.root().raw(), document.root(), "description", *format.description);
        }
      }
    }
    if (thinking_.effort.empty() && schema.empty()) return {};
    out_.key("output_config").begin_object();
    if (!thinking_.effort.empty()) out_.field("effort", thinking_.effort);
    if (!schema.empty())
      out_.key("format").begin_object().field("type", "json_schema").key("schema").raw(schema).end_object();
    out_.end_object();
    return {};
  }

  // Where only the usual value is taken, it is not said.
  Result<void> write_sampling() {
    const bool thinks = thinking_.on();
    const std::optional<double>&heat = request_.temperature, &mass = request_.top_p;
    bool cold = false;
    if (heat && *heat != 1) {
      if (*heat > 1) {
        TRY_VOID(left_out_.refuse("temperature", "a temperature above 1"));
      } else if (!variant_.sampling || thinks) {
        TRY_VOID(left_out_.refuse("temperature", thinks ? "a temperature together with reasoning" : "'temperature'"));
      } else {
        out_.key("temperature").number(*heat);
        cold = true;
      }
    }
    if (mass && *mass != 1) {
      if (!variant_.sampling && *mass < 0.99) {
        TRY_VOID(left_out_.refuse("top_p"));
      } else if (thinks && *mass < 0.95) {
        TRY_VOID(left_out_.refuse("top_p", "a 'top_p' below 0.95 together with reasoning"));
      } else if (cold && !variant_.temperature_with_top_p) {
        TRY_VOID(left_out_.refuse("top_p", "'top_p' together with 'temperature'"));
      } else {
        out_.key("top_p").number(*mass);
      }
    }
    if (request_.top_k) {
      if (!variant_.sampling || thinks) {
        TRY_VOID(left_out_.refuse("top_k", thinks ? "'top_k' together with reasoning" : "'top_k'"));
      } else {
        out_.field("top_k", *request_.top_k);
      }
    }
    return {};
  }

  Result<void> write_stop() {
    std::vector<std::string_view> words;
    for (const std::string& word : request_.stop) {
      if (is_blank(word)) {
        TRY_VOID(left_out_.refuse("stop", "a stop sequence of white space"));
      } else {
        words.push_back(word);
      }
    }
    if (words.empty()) return {};
    out_.key("stop_sequences").begin_array();
    for (std::string_view word : words) out_.string(word);
    out_.end_array();
    return {};
  }

  Result<void> refuse_the_rest() {
    TRY_VOID(refuse_logprobs(request_, left_out_));
    TRY_VOID(refuse_names(ask_, left_out_));
    if (request_.presence_penalty.value_or(0) != 0) TRY_VOID(left_out_.refuse("presence_penalty"));
    if (request_.frequency_penalty.value_or(0) != 0) TRY_VOID(left_out_.refuse("frequency_penalty"));
    if (request_.seed) TRY_VOID(left_out_.refuse("seed"));
    if (!request_.verbosity.empty() && request_.verbosity != "medium")
      TRY_VOID(left_out_.refuse("text.verbosity", "how long its answer is to be"));
    return {};
  }

  const UpstreamAsk& ask_;
  const Request& request_;
  const MessagesVariant& variant_;
  LeftOut left_out_;
  CacheMarks marks_;
  Writer out_;
  MessagesTurns turns_;
  MessagesThinking thinking_;
};

}  // namespace

Result<UpstreamMessage> write_messages_request(const UpstreamAsk& ask, const MessagesVariant& variant) {
  const SystemWords words(ask);
  return Body(words.ask(), variant).write(false);
}

Result<UpstreamMessage> write_messages_count(const UpstreamAsk& ask, const MessagesVariant& variant) {
  const SystemWords words(ask);
  return Body(words.ask(), variant).write(true);
}

Result<int64_t> parse_messages_count(std::string body) {
  auto document = json::Document::parse(std::move(body));
  const std::optional<int64_t> tokens =
      document ? document->root()["input_tokens"].integer() : std::optional<int64_t>();
  if (!tokens || *tokens < 0)
    return Error{.code = Code::kCorrupt, .message = "The supplier's answer is no count of tokens."};
  return *tokens;
}

}  // namespace perdure
