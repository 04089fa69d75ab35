#include "dialect/messages_client_request.h"

#include <algorithm>
#include <iterator>

#include "dialect/messages_client_content.h"
#include "dialect/messages_render.h"
#include "dialect/say.h"

namespace perdure {
namespace {

constexpr size_t kToolNameMax = 128;
constexpr int64_t kBudgetMin = 1024;

class Body {
 public:
  Body(json::Value body, bool lenient, bool counting)
      : in_(body, ""), not_here_(lenient, parsed_.left_out), counting_(counting) {
    request_.dialect = ClientDialect::kMessages;
    request_.store = false;
    request_.lenient = lenient;
  }

  Result<ParsedRequest> read() {
    in_.text("model", request_.model, {.required = true, .length_max = 256, .not_empty = true});
    if (!counting_) {
      limits();
      thread();
    }
    system();
    messages();
    tools();
    tool_choice();
    thinking();
    output_config();
    cache_control();
    refuse_what_is_not_here();
    TRY_VOID(not_here_.finish(in_));
    return std::move(parsed_);
  }

 private:
  template <class T>
  std::optional<T> take(Result<T> result) {
    if (result) return *std::move(result);
    in_.fail(std::move(result).error());
    return std::nullopt;
  }

  void limits() {
    in_.integer("max_tokens", request_.max_output_tokens, 1);
    if (!request_.max_output_tokens)
      in_.fail(invalid("max_tokens", "missing_required_parameter", "Missing required parameter: 'max_tokens'."));
    in_.number("temperature", request_.temperature, 0, 1);
    in_.number("top_p", request_.top_p, 0, 1);
    in_.integer("top_k", request_.top_k, 0);
    const auto words = in_.array("stop_sequences").elements();
    for (size_t i = 0; i < words.size(); ++i) {
      if (words[i].text().empty()) {
        return in_.fail(
            invalid(in_.param("stop_sequences", i), "invalid_value",
                    say("Invalid '{}': expected a string that is not empty.", in_.param("stop_sequences", i))));
      }
      request_.stop.emplace_back(words[i].text());
    }
    in_.text("service_tier", request_.service_tier, {.one_of = {"auto", "standard_only"}});
    in_.boolean("stream", request_.stream);
    if (const json::Value metadata = in_.object("metadata"); !metadata.missing()) {
      RequestReader inner(metadata, "metadata");
      inner.text("user_id", request_.user, {.length_max = 512});
      if (auto read = not_here_.finish(inner); !read) in_.fail(std::move(read).error());
    }
  }

  // {"type":"create"}: what is said is kept; {"type":"continue",...}: it goes on from what was. The system prompt and
  // the tools are then those that the thread was created with.
  void thread() {
    const json::Value value = in_.object("thread");
    if (value.missing() || in_.failed()) return;
    RequestReader in(value, "thread");
    std::string type, previous;
    in.text("type", type, {.required = true, .one_of = {"create", "continue"}});
    if (type == "continue") {
      in.text("previous_message_id", previous, {.required = true, .length_max = 256, .not_empty = true});
      request_.previous_response_id = response_id_of_message(previous).value;
    }
    request_.store = true;
    if (auto read = not_here_.finish(in); !read) in_.fail(std::move(read).error());
  }

  bool continues() const { return !request_.previous_response_id.empty(); }

  void kept_by_the_thread(std::string_view name) {
    in_.fail(
        invalid(std::string(name), "invalid_value", "a thread keeps what it was created with: it is not given again"));
  }

  void system() {
    const json::Value value = in_.any("system");
    if (value.absent() || in_.failed()) return;
    if (continues()) return kept_by_the_thread("system");
    if (value.is_string()) {
      if (longer_than(value.text(), kTextMax)) {
        return in_.fail(invalid("system", "string_above_max_length",
                                say("Invalid 'system': longer than {} characters.", kTextMax)));
      }
      if (!value.text().empty()) request_.instructions = value.text();
    } else if (value.is_array()) {
      if (auto item = take(parse_system_blocks(value, "system", not_here_)); item && !item->content.empty())
        request_.input.push_back(*std::move(item));
    } else {
      in_.fail(invalid(
          "system", "invalid_type",
          say("Invalid type for 'system': expected a string or an array, got {}.", json::name_of(value.type()))));
    }
  }

  void messages() {
    const json::Value value = in_.any("messages");
    if (in_.failed()) return;
    auto items = take(parse_messages_items(value, not_here_, continues()));
    if (!items) return;
    if (request_.input.empty())
      request_.input = *std::move(items);
    else
      std::ranges::move(*items, std::back_inserter(request_.input));
  }

  void tools() {
    const auto elements = in_.array("tools").elements();
    if (continues() && !elements.empty()) return kept_by_the_thread("tools");
    for (size_t i = 0; i < elements.size() && !in_.failed(); ++i) {
      auto tool = take(parse_tool(elements[i], in_.param("tools", i)));
      if (!tool) return;
      if (has_tool(tool->name))
        return in_.fail(invalid(in_.param("tools", i) + ".name", "invalid_value", "Tool names must be unique."));
      request_.tools.push_back(*std::move(tool));
    }
  }

  bool has_tool(std::string_view name) const {
    return std::ranges::find(request_.tools, name, &Tool::name) != request_.tools.end();
  }

  Result<Tool> parse_tool(json::Value value, const std::string& path) {
    RequestReader in(value, path);
    std::string type = "custom";
    in.text("type", type);
    if (!in.failed() && type != "custom")
      return not_supported(in.param("type"), say("tools of the type {}, which their supplier runs", quoted(type)));
    Tool tool;
    in.text("name", tool.name, {.required = true, .length_max = kToolNameMax, .name = true});
    in.text("description", tool.description);
    in.raw_object("input_schema", tool.parameters);
    if (value["input_schema"]["type"].text() != "object") {
      in.fail(invalid(in.param("input_schema"), "invalid_value",
                      say("Invalid '{}': expected a schema of the type 'object'.", in.param("input_schema"))));
    }
    in.boolean("strict", tool.strict);
    tool.cache = parse_cache_control(in);
    std::optional<bool> eager, deferred;
    in.boolean("eager_input_streaming", eager);  // how arguments are cut into pieces, which clients must not mind
    in.boolean("defer_loading", deferred);
    if (deferred.value_or(false)) not_here_.refuse(in, in.param("defer_loading"), "tools that are loaded later");
    if (in.array("input_examples").size() != 0) not_here_.refuse(in, in.param("input_examples"), "examples of a tool");
    const auto callers = in.array("allowed_callers").elements();
    if (std::ranges::any_of(callers, [](json::Value caller) { return caller.text() != "direct"; }))
      in.fail(not_supported(in.param("allowed_callers"), "tools that other tools call"));
    TRY_VOID(not_here_.finish(in));
    return tool;
  }

  void tool_choice() {
    const json::Value value = in_.object("tool_choice");
    if (value.missing() || in_.failed()) return;
    using Mode = ToolChoice::Mode;
    ToolChoice& choice = request_.tool_choice;
    RequestReader in(value, "tool_choice");
    std::string type;
    std::optional<bool> one_at_a_time;
    in.text("type", type, {.required = true, .one_of = {"auto", "any", "tool", "none"}});
    choice.mode = type == "any"    ? Mode::kRequired
                  : type == "tool" ? Mode::kFunction
                  : type == "none" ? Mode::kNone
                                   : Mode::kAuto;
    if (choice.mode == Mode::kFunction)
      in.text("name", choice.function, {.required = true, .length_max = kToolNameMax});
    if (choice.mode != Mode::kNone) in.boolean("disable_parallel_tool_use", one_at_a_time);
    if (one_at_a_time.value_or(false)) request_.parallel_tool_calls = false;
    // Those of a thread are known to it.
    if (!in.failed() && request_.tools.empty() && !continues())
      in.fail(invalid("tool_choice", "invalid_value", "tool_choice may only be specified while providing tools."));
    if (!in.failed() && choice.mode == Mode::kFunction && !continues() && !has_tool(choice.function)) {
      in.fail(invalid("tool_choice.name", "invalid_value",
                      say("Tool {} not found in provided tools", quoted(choice.function))));
    }
    if (auto read = not_here_.finish(in); !read) in_.fail(std::move(read).error());
  }

  void thinking() {
    const json::Value value = in_.object("thinking");
    if (value.missing() || in_.failed()) return;
    RequestReader in(value, "thinking");
    std::string type, display;
    in.text("type", type, {.required = true, .one_of = {"enabled", "disabled", "adaptive"}});
    if (type == "enabled") {
      in.integer("budget_tokens", request_.reasoning_tokens_max, kBudgetMin);
      const auto& budget = request_.reasoning_tokens_max;
      if (!budget) {
        in.fail(invalid("thinking.budget_tokens", "missing_required_parameter",
                        "Missing required parameter: 'thinking.budget_tokens'."));
      } else if (request_.max_output_tokens && *budget >= *request_.max_output_tokens) {
        in.fail(invalid("thinking.budget_tokens", "invalid_value",
                        "`max_tokens` must be greater than `thinking.budget_tokens`."));
      }
    }
    if (type != "disabled") in.text("display", display, {.one_of = {"summarized", "omitted"}});
    if (!display.empty()) request_.reasoning_summary = display == "omitted" ? "none" : "auto";
    thinking_ = type;
    if (auto read = not_here_.finish(in); !read) in_.fail(std::move(read).error());
  }

  void output_config() {
    json::Value format = in_.object("output_format");  // its name from before output_config
    std::string effort, path = "output_format";
    if (const json::Value config = in_.object("output_config"); !config.missing()) {
      RequestReader in(config, "output_config");
      in.text("effort", effort, {.one_of = {"low", "medium", "high", "xhigh", "max"}});
      if (const json::Value inner = in.object("format"); !inner.missing()) {
        format = inner;
        path = "output_config.format";
      }
      if (!in.any("task_budget").absent()) not_here_.refuse(in, in.param("task_budget"), "a budget for a task");
      if (auto read = not_here_.finish(in); !read) in_.fail(std::move(read).error());
    }
    if (!format.missing() && !in_.failed()) {
      if (auto read = take(parse_format(format, path))) request_.format = *std::move(read);
    }
    // An effort without thinking is about the answer alone.
    if (thinking_ == "adaptive") {
      request_.reasoning_effort = effort.empty() ? "high" : effort;
    } else if (thinking_ == "disabled") {
      request_.reasoning_effort = effort.empty() ? "none" : effort;
      request_.reasoning_tokens_max = 0;
    } else if (!effort.empty()) {
      request_.reasoning_effort = effort;
      if (thinking_.empty()) request_.reasoning_tokens_max = 0;
    }
  }

  Result<TextFormat> parse_format(json::Value value, const std::string& path) {
    RequestReader in(value, path);
    std::string type;
    in.text("type", type, {.required = true, .one_of = {"json_schema"}});
    TextFormat format{.kind = TextFormat::Kind::kJsonSchema, .name = "output", .strict = true};
    in.raw_object("schema", format.schema);
    if (format.schema.empty()) {
      in.fail(invalid(in.param("schema"), "missing_required_parameter",
                      say("Missing required parameter: '{}'.", in.param("schema"))));
    }
    TRY_VOID(not_here_.finish(in));
    return format;
  }

  // On the request itself it is a mark on the last block that can have one.
  void cache_control() {
    const std::string mark = parse_cache_control(in_);
    if (mark.empty() || request_.input.empty()) return;
    Item& last = request_.input.back();
    if (last.kind == ItemKind::kReasoning) return;
    const bool message = last.kind == ItemKind::kMessage && !last.content.empty();
    std::string& place = message ? last.content.back().cache : last.cache;
    if (place.empty() && (message || last.kind != ItemKind::kMessage)) place = mark;
  }

  // That nothing is cleared from the thinking of the history is what happens here in any case.
  static bool clears_nothing(json::Value edits) {
    return std::ranges::all_of(edits.elements(), [](json::Value edit) {
      const json::Value keep = edit["keep"];
      return edit["type"].text() == "clear_thinking_20251015" && (keep.text() == "all" || keep["type"].text() == "all");
    });
  }

  void refuse_what_is_not_here() {
    for (std::string_view name : {"container", "inference_geo", "user_profile_id"}) {
      if (!in_.any(name).absent()) not_here_.refuse(in_, std::string(name), quoted(name));
    }
    if (!counting_) in_.object("diagnostics");  // a report of what is cached: there is none to make
    if (in_.array("mcp_servers").size() != 0) in_.fail(not_supported("mcp_servers", "'mcp_servers'"));
    if (const json::Value managed = in_.object("context_management"); !clears_nothing(managed["edits"]))
      not_here_.refuse(in_, "context_management", "'context_management'");
    if (const json::Value speed = in_.any("speed"); !speed.absent() && speed.text() != "standard")
      not_here_.refuse(in_, "speed", "a speed other than 'standard'");
  }

  ParsedRequest parsed_;
  Request& request_ = parsed_.request;
  RequestReader in_;
  NotHere not_here_;
  bool counting_;
  std::string thinking_;  // its type
};

}  // namespace

Result<ParsedRequest> parse_messages_request(json::Value body, bool lenient) {
  return Body(body, lenient, false).read();
}

Result<ParsedRequest> parse_messages_count_request(json::Value body, bool lenient) {
  return Body(body, lenient, true).read();
}

}  // namespace perdure
