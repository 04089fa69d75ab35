#include "simulate/converse_request.h"

#include <algorithm>
#include <limits>
#include <unordered_set>

#include "simulate/media.h"
#include "simulate/prefix_cache.h"
#include "simulate/strict_reader.h"
#include "simulate/tokens.h"
#include "wire/json.h"

namespace perdure::simulate {
namespace {

using json::Value;

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
constexpr int64_t kMediaTokens = 85;
constexpr int kCachePointsMax = 4;

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

// One message of the request, for the rules that look across them.
struct Turn {
  bool assistant = false;
  std::vector<std::string> uses, results;  // ids, in order
  bool began_with_reasoning = false, only_results = false;
  bool ends_in_space = false;
  std::string first;  // what its first block is
};

class Parser {
 public:
  Parser(std::string model, const Signer& signer, ConverseRules rules) : signer_(signer), rules_(rules) {
    out_.model = std::move(model);
  }

  Result<Prompt> parse(Value root) {
    if (rules_.counting) {
      in_.only(root, {"input"}, "");
      if (in_.object(root["input"], "input")) in_.only(root["input"], {"converse"}, "input");
      root = root["input"]["converse"];
      in_.only(root, {"messages", "system", "toolConfig", "additionalModelRequestFields"}, "input.converse");
    } else {
      in_.only(root,
               {"messages", "system", "inferenceConfig", "toolConfig", "guardrailConfig",
                "additionalModelRequestFields", "promptVariables", "additionalModelResponseFieldPaths",
                "requestMetadata", "performanceConfig", "serviceTier", "outputConfig"},
               "");
    }
    if (!root.is_object()) in_.fail("The request body is not a JSON object.", "");
    prefix_.start(out_.model);
    tool_config(root["toolConfig"]);
    system(root["system"]);
    messages(root["messages"]);
    inference(root["inferenceConfig"]);
    output_config(root["outputConfig"]);
    model_fields(root["additionalModelRequestFields"]);
    small_fields(root);
    across_turns(!root["toolConfig"].absent());
    if (in_.failed()) return in_.error();
    if (cache_points_ > 0) out_.prefix = prefix_.take();
    return std::move(out_);
  }

 private:
  void wrong(std::string message, std::string param = {}) { in_.fail(std::move(message), std::move(param)); }

  // A union has exactly one member; its name, or nothing.
  std::string_view which(Value value, StrictReader::Words known, const std::string& path) {
    if (!in_.object(value, path)) return {};
    in_.only(value, known, path);
    if (in_.failed()) return {};
    if (value.size() != 1) {
      wrong("1 validation error detected: Value at '" + path +
                "' failed to satisfy constraint: Member must have exactly one of its members set",
            path);
      return {};
    }
    return value.members()[0].key;
  }

  std::string non_empty(Value value, const std::string& path) {
    std::string text = in_.text(value, path);
    if (!in_.failed() && text.empty())
      wrong("1 validation error detected: Value at '" + path +
                "' failed to satisfy constraint: Member must have length greater than or equal to 1",
            path);
    return text;
  }

  void pattern(const std::string& text, std::string_view also, size_t most, const std::string& what,
               const std::string& path) {
    if (in_.failed() || made_of_word_characters(text, also, most)) return;
    if (text.size() > most)
      wrong("1 validation error detected: Value '" + text.substr(0, 80) + "' at '" + path +
                "' failed to satisfy constraint: Member must have length less than or equal to " + std::to_string(most),
            path);
    else
      wrong("1 validation error detected: Value '" + text.substr(0, 80) + "' at '" + path +
                "' failed to satisfy constraint: Member must satisfy regular expression pattern: " + what,
            path);
  }

  std::optional<std::string> blob(Value value, const std::string& path) {
    const std::string text = in_.text(value, path);
    if (in_.failed()) return std::nullopt;
    auto bytes = decode_base64(text);
    if (!bytes || bytes->empty()) {
      wrong("The value at '" + path + "' is not a non-empty blob in base64.", path);
      return std::nullopt;
    }
    return bytes;
  }

  // --- tools

  void tool_config(Value value) {
    if (value.absent() || !in_.object(value, "toolConfig")) return;
    in_.only(value, {"tools", "toolChoice"}, "toolConfig");
    if (!in_.array(value["tools"], "toolConfig.tools")) return;
    const auto tools = value["tools"].elements();
    if (tools.empty())
      return wrong(
          "1 validation error detected: Value at 'toolConfig.tools' failed to satisfy constraint: Member must "
          "have length greater than or equal to 1",
          "toolConfig.tools");
    for (size_t i = 0; i < tools.size() && !in_.failed(); ++i) {
      const std::string path = in_.at("toolConfig.tools", i);
      const std::string_view member = which(tools[i], {"toolSpec", "cachePoint"}, path);
      if (member == "cachePoint") cache_point(tools[i][member], path + ".cachePoint");
      if (member == "toolSpec") tool_spec(tools[i][member], path + ".toolSpec");
    }
    tool_choice(value["toolChoice"]);
  }

  void tool_spec(Value value, const std::string& path) {
    if (!in_.object(value, path)) return;
    in_.only(value, {"name", "description", "inputSchema", "strict"}, path);
    Tool made{in_.text(value["name"], path + ".name"), {}};
    pattern(made.name, "_-", 64, "[a-zA-Z0-9_-]+", path + ".name");
    if (std::ranges::find(out_.tools, made.name, &Tool::name) != out_.tools.end())
      wrong("The tool name " + made.name + " is already defined. Tool names must be unique.", path + ".name");
    const std::string description = made.description =
        value["description"].missing() ? std::string() : non_empty(value["description"], path + ".description");
    made.strict = in_.optional_boolean(value["strict"], false, path + ".strict");
    if (which(value["inputSchema"], {"json"}, path + ".inputSchema").empty()) return;
    const Value schema = value["inputSchema"]["json"];
    if (!in_.object(schema, path + ".inputSchema.json")) return;
    if (schema["type"].text() != "object")
      return wrong("The value at " + path + ".inputSchema.json.type must be one of the following: object.",
                   path + ".inputSchema");
    made.parameters = schema.raw();
    prefix_.block("tool", {made.name, description, made.parameters},
                  count_tokens(made.name) + count_tokens(made.parameters));
    out_.tools.push_back(std::move(made));
  }

  void tool_choice(Value value) {
    if (value.absent()) return;
    const std::string_view member = which(value, {"auto", "any", "tool"}, "toolConfig.toolChoice");
    if (member.empty() || !in_.object(value[member], "toolConfig.toolChoice." + std::string(member))) return;
    if (member == "any") out_.tool_choice = ToolChoice::kRequired;
    if (member != "tool") return in_.only(value[member], {}, "toolConfig.toolChoice." + std::string(member));
    in_.only(value["tool"], {"name"}, "toolConfig.toolChoice.tool");
    out_.tool_choice = ToolChoice::kNamed;
    out_.tool_named = in_.text(value["tool"]["name"], "toolConfig.toolChoice.tool.name");
    if (!in_.failed() && std::ranges::find(out_.tools, out_.tool_named, &Tool::name) == out_.tools.end())
      wrong("The tool name " + out_.tool_named + " in toolChoice is not among the tools.", "toolConfig.toolChoice");
  }

  void cache_point(Value value, const std::string& path) {
    if (!in_.object(value, path)) return;
    in_.only(value, {"type", "ttl"}, path);
    in_.one_of(value["type"], {"default"}, path + ".type");
    const bool hour = in_.optional_one_of(value["ttl"], {"5m", "1h"}, path + ".ttl") == "1h";
    if (++cache_points_ > kCachePointsMax)
      wrong("You have provided too many cache points: at most 4 may be in a request.", path);
    prefix_.ask(hour ? 3600 : 300);
  }

  // --- settings

  void inference(Value value) {
    if (value.absent() || !in_.object(value, "inferenceConfig")) return;
    in_.only(value, {"maxTokens", "temperature", "topP", "stopSequences"}, "inferenceConfig");
    out_.tokens_max = in_.optional_integer(value["maxTokens"], 1, kMost, "inferenceConfig.maxTokens");
    out_.settings.temperature = in_.optional_number(value["temperature"], 0, 1, "inferenceConfig.temperature");
    out_.settings.top_p = in_.optional_number(value["topP"], 0, 1, "inferenceConfig.topP");
    temperature_ = value["temperature"].number();
    const Value stop = value["stopSequences"];
    if (stop.absent() || !in_.array(stop, "inferenceConfig.stopSequences")) return;
    if (stop.size() > 2500) wrong("There are too many stop sequences.", "inferenceConfig.stopSequences");
    const auto elements = stop.elements();
    for (size_t i = 0; i < elements.size() && !in_.failed(); ++i)
      out_.stop.push_back(non_empty(elements[i], in_.at("inferenceConfig.stopSequences", i)));
  }

  void output_config(Value value) {
    if (value.absent() || !in_.object(value, "outputConfig")) return;
    in_.only(value, {"textFormat", "effort"}, "outputConfig");
    out_.settings.effort = in_.optional_text(value["effort"], "outputConfig.effort");
    const Value format = value["textFormat"];
    if (format.absent() || !in_.object(format, "outputConfig.textFormat")) return;
    const std::string path = "outputConfig.textFormat";
    in_.only(format, {"type", "structure"}, path);
    in_.one_of(format["type"], {"json_schema"}, path + ".type");
    if (which(format["structure"], {"jsonSchema"}, path + ".structure").empty()) return;
    const Value definition = format["structure"]["jsonSchema"];
    const std::string inside = path + ".structure.jsonSchema";
    if (!in_.object(definition, inside)) return;
    in_.only(definition, {"schema", "name", "description"}, inside);
    out_.settings.format_name = in_.optional_text(definition["name"], inside + ".name");
    out_.settings.format_description = in_.optional_text(definition["description"], inside + ".description");
    const std::string schema = in_.text(definition["schema"], inside + ".schema");
    const auto parsed = json::Document::parse(schema);
    if (!in_.failed() && (!parsed.ok() || !parsed->root().is_object()))
      return wrong("The value at " + inside + ".schema is not a JSON schema.", inside + ".schema");
    out_.format = Format::kJsonSchema;
    out_.schema = schema;
  }

  // What goes to the model as it is: thinking, and a few of Anthropic's own settings.
  void model_fields(Value value) {
    out_.thinking = Thinking::kOff;
    if (value.absent() || !in_.object(value, "additionalModelRequestFields")) return;
    in_.only(value, {"thinking", "reasoning_config", "top_k", "anthropic_beta", "tool_choice", "output_config"}, "");
    out_.settings.top_k = in_.optional_integer(value["top_k"], 0, kMost, "top_k");
    out_.parallel_tool_calls =
        !in_.optional_boolean(value["tool_choice"]["disable_parallel_tool_use"], false, "tool_choice");
    const Value thinking = value["thinking"].absent() ? value["reasoning_config"] : value["thinking"];
    if (thinking.absent() || !in_.object(thinking, "thinking")) return;
    const std::string type = in_.one_of(thinking["type"], {"enabled", "disabled", "adaptive"}, "thinking.type");
    if (type == "disabled") return;
    in_.only(thinking, {"type", "budget_tokens", "display"}, "thinking");
    out_.thinking = Thinking::kOn;
    if (out_.tool_choice == ToolChoice::kRequired || out_.tool_choice == ToolChoice::kNamed)
      model_error("Thinking may not be enabled when tool_choice forces tool use.");
    if (temperature_ && *temperature_ != 1) model_error("`temperature` may only be set to 1 when thinking is enabled.");
    if (type != "enabled") return;
    thinking_by_hand_ = true;
    if (thinking["budget_tokens"].missing()) return model_error("thinking.enabled.budget_tokens: Field required");
    const auto budget = in_.optional_integer(thinking["budget_tokens"], 1024, kMost, "thinking.budget_tokens");
    out_.settings.thinking_budget = budget;
    if (budget && out_.tokens_max && *budget >= *out_.tokens_max)
      model_error("`max_tokens` must be greater than `thinking.budget_tokens`.");
  }

  void model_error(const std::string& message) { wrong("The model returned the following errors: " + message); }

  void small_fields(Value root) {
    if (!root["guardrailConfig"].absent())
      wrong("The guardrail identifier or version provided in the request does not exist.", "guardrailConfig");
    if (!root["promptVariables"].absent())
      wrong("promptVariables are only for prompts of prompt management, which are not simulated.", "promptVariables");
    const Value paths = root["additionalModelResponseFieldPaths"];
    if (!paths.absent() && in_.array(paths, "additionalModelResponseFieldPaths")) {
      if (paths.size() > 10) wrong("There are too many additionalModelResponseFieldPaths.");
      for (const Value one : paths.elements()) non_empty(one, "additionalModelResponseFieldPaths");
    }
    const Value metadata = root["requestMetadata"];
    if (!metadata.absent() && in_.object(metadata, "requestMetadata")) {
      if (metadata.size() == 0 || metadata.size() > 16)
        wrong("requestMetadata has between 1 and 16 entries.", "requestMetadata");
      for (const auto& [key, one] : metadata.members())
        if (key.size() > 256 || in_.text(one, in_.in("requestMetadata", key)).size() > 256)
          wrong("Keys and values of requestMetadata have at most 256 characters.", "requestMetadata");
    }
    const Value performance = root["performanceConfig"], tier = root["serviceTier"];
    if (!performance.absent() && in_.object(performance, "performanceConfig")) {
      in_.only(performance, {"latency"}, "performanceConfig");
      in_.optional_one_of(performance["latency"], {"standard", "optimized"}, "performanceConfig.latency");
    }
    if (!tier.absent() && in_.object(tier, "serviceTier")) {
      in_.only(tier, {"type"}, "serviceTier");
      in_.one_of(tier["type"], {"priority", "default", "flex", "reserved"}, "serviceTier.type");
    }
  }

  // --- messages

  void system(Value value) {
    if (value.absent() || !in_.array(value, "system")) return;
    Message spoken{Role::kSystem, {}, {}, {}};
    const auto blocks = value.elements();
    for (size_t i = 0; i < blocks.size() && !in_.failed(); ++i) {
      const std::string path = in_.at("system", i);
      const std::string_view member = which(blocks[i], {"text", "cachePoint"}, path);
      if (member == "cachePoint") cache_point(blocks[i][member], path + ".cachePoint");
      if (member != "text") continue;
      const std::string text = non_empty(blocks[i]["text"], path + ".text");
      spoken.add_text(text);
      prefix_.block("system", {text}, count_tokens(text));
    }
    if (!spoken.text.empty()) out_.messages.push_back(std::move(spoken));
  }

  void messages(Value value) {
    if (in_.failed()) return;
    if (value.absent() || value.size() == 0)
      return wrong(
          "A conversation must start with a user message. Try again with a conversation that starts with a user "
          "message.",
          "messages");
    if (!in_.array(value, "messages")) return;
    const auto elements = value.elements();
    for (size_t i = 0; i < elements.size() && !in_.failed(); ++i) {
      const std::string path = "messages." + std::to_string(i);
      if (!in_.object(elements[i], path)) return;
      in_.only(elements[i], {"role", "content"}, path);
      const std::string role = in_.one_of(elements[i]["role"], {"user", "assistant"}, path + ".role");
      if (in_.failed()) return;
      const bool assistant = role == "assistant";
      if (i == 0 && assistant)
        return wrong(
            "A conversation must start with a user message. Try again with a conversation that starts with a "
            "user message.",
            path);
      if (i > 0 && turns_.back().assistant == assistant)
        return wrong(
            "A conversation must alternate between user and assistant roles. Make sure the conversation "
            "alternates between user and assistant roles and try again.",
            path);
      turns_.push_back({.assistant = assistant});
      message(elements[i]["content"], path);
    }
  }

  void message(Value content, const std::string& path) {
    Turn& turn = turns_.back();
    Message spoken{turn.assistant ? Role::kAssistant : Role::kUser, {}, {}, {}};
    if (!in_.array(content, path + ".content")) return;
    if (content.size() == 0)
      return wrong("The content field in the Message object at " + path +
                       " is empty. Add a ContentBlock object to the content field and try again.",
                   path);
    const auto blocks = content.elements();
    bool has_document = false;
    for (size_t i = 0; i < blocks.size() && !in_.failed(); ++i) {
      const std::string at = path + ".content." + std::to_string(i);
      has_document = has_document || !blocks[i]["document"].missing();
      block(blocks[i], spoken, at);
    }
    if (has_document && spoken.text.empty())
      wrong("Add a text block to the message at " + path + ": a document must come with a text.", path);
    turn.only_results = !turn.results.empty() && spoken.text.empty() && spoken.media.empty();
    if (turn.assistant || !spoken.text.empty() || !spoken.media.empty()) out_.messages.push_back(std::move(spoken));
  }

  void block(Value value, Message& spoken, const std::string& path) {
    Turn& turn = turns_.back();
    const std::string_view member =
        which(value,
              {"text", "image", "document", "video", "audio", "toolUse", "toolResult", "guardContent", "cachePoint",
               "reasoningContent", "citationsContent", "searchResult"},
              path);
    if (member.empty()) return;
    const Value inner = value[member];
    const std::string at = path + "." + std::string(member);
    if (turn.first.empty()) turn.first = member;
    if (member == "text") {
      text(inner, spoken, path, turn.assistant ? "assistant" : "user");
    } else if (member == "cachePoint") {
      cache_point(inner, at);
    } else if (member == "toolUse" || member == "reasoningContent") {
      if (!turn.assistant)
        return wrong("The " + std::string(member) + " block at " + path + " is only allowed in an assistant message.",
                     at);
      member == "toolUse" ? tool_use(inner, spoken, at) : reasoning(inner, spoken, at);
    } else if (turn.assistant) {
      wrong("The " + std::string(member) + " block at " + path + " is only allowed in a user message.", at);
    } else if (member == "image") {
      image(inner, spoken, at);
    } else if (member == "document") {
      document(inner, spoken, at);
    } else if (member == "toolResult") {
      tool_result(inner, spoken, at);
    } else {
      wrong("This model doesn't support the " + std::string(member) + " content block that you provided.", at);
    }
  }

  void text(Value value, Message& spoken, const std::string& path, std::string_view speaker) {
    const std::string said = in_.text(value, path + ".text");
    if (in_.failed()) return;
    if (is_blank(said))
      return wrong("The text field in the ContentBlock object at " + path +
                       " is blank. Add text to the text field, and try again.",
                   path);
    Turn& turn = turns_.back();
    if (turn.assistant && !turn.uses.empty())
      return wrong("The text block at " + path +
                       " stands after a toolUse block. Reasoning comes first, then text, then "
                       "tool use.",
                   path);
    turn.ends_in_space = std::string_view(" \t\r\n").find(said.back()) != std::string_view::npos;
    spoken.add_text(said);
    prefix_.block(speaker, {said}, count_tokens(said));
  }

  void image(Value value, Message& spoken, const std::string& path) {
    if (!in_.object(value, path)) return;
    in_.only(value, {"format", "source"}, path);
    const std::string format = in_.one_of(value["format"], {"png", "jpeg", "gif", "webp"}, path + ".format");
    if (which(value["source"], {"bytes", "s3Location"}, path + ".source") == "s3Location")
      return wrong("This model doesn't support images by s3Location.", path + ".source");
    const auto bytes = blob(value["source"]["bytes"], path + ".source.bytes");
    if (!bytes) return;
    if (image_type_of(*bytes) != "image/" + format)
      return model_error(path + ".source.base64: The image was specified using the image/" + format +
                         " media type, but does not appear to be one");
    spoken.add_media(describe_bytes("image/" + format, *bytes));
    prefix_.block("image", {value["source"].raw()}, kMediaTokens);
  }

  void document(Value value, Message& spoken, const std::string& path) {
    if (!in_.object(value, path)) return;
    in_.only(value, {"format", "name", "source", "context", "citations"}, path);
    const std::string format = in_.optional_one_of(
        value["format"], {"pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"}, path + ".format");
    const std::string name = in_.text(value["name"], path + ".name");
    if (!in_.failed() && (!made_of_word_characters(name, " -()[]", 200) || name.find("  ") != std::string::npos))
      return wrong(
          "The document file name can only contain alphanumeric characters, whitespace characters, hyphens, "
          "parentheses, and square brackets. The name can't contain more than one consecutive whitespace "
          "character.",
          path + ".name");
    const std::string_view member = which(value["source"], {"bytes", "text"}, path + ".source");
    std::string bytes;
    if (member == "text") bytes = in_.text(value["source"]["text"], path + ".source.text");
    if (member == "bytes") bytes = blob(value["source"]["bytes"], path + ".source.bytes").value_or("");
    if (in_.failed()) return;
    spoken.add_media(describe_bytes(format == "pdf"   ? "application/pdf"
                                    : format == "txt" ? "text/plain"
                                                      : "file",
                                    bytes));
    prefix_.block("document", {value["source"].raw()}, kMediaTokens);
  }

  void check_id(const std::string& id, const std::string& path) { pattern(id, "_.:-", 64, "[a-zA-Z0-9_.:-]+", path); }

  void tool_use(Value value, Message& spoken, const std::string& path) {
    if (!in_.object(value, path)) return;
    in_.only(value, {"toolUseId", "name", "input"}, path);
    ToolCall call{in_.text(value["toolUseId"], path + ".toolUseId"), in_.text(value["name"], path + ".name"), {}};
    check_id(call.id, path + ".toolUseId");
    pattern(call.name, "_-", 64, "[a-zA-Z0-9_-]+", path + ".name");
    if (!in_.object(value["input"], path + ".input")) return;
    if (!all_uses_.insert(call.id).second)
      return wrong("The toolUse block at " + path + " has an id that was used before: ids must be unique.", path);
    call.arguments = value["input"].raw();
    turns_.back().uses.push_back(call.id);
    turns_.back().ends_in_space = false;
    prefix_.block("toolUse", {call.id, call.name, call.arguments},
                  count_tokens(call.name) + count_tokens(call.arguments));
    spoken.add_call(std::move(call));
  }

  void tool_result(Value value, const Message& spoken, const std::string& path) {
    if (!in_.object(value, path)) return;
    in_.only(value, {"toolUseId", "content", "status"}, path);
    Message result{Role::kTool, {}, {}, in_.text(value["toolUseId"], path + ".toolUseId")};
    check_id(result.call_id, path + ".toolUseId");
    result.failed = in_.optional_one_of(value["status"], {"success", "error"}, path + ".status") == "error";
    if (!spoken.text.empty() || !spoken.media.empty())
      return wrong("The toolResult block at " + path + " must come before any other content of its message.", path);
    if (!in_.array(value["content"], path + ".content")) return;
    const auto blocks = value["content"].elements();
    for (size_t i = 0; i < blocks.size() && !in_.failed(); ++i) {
      const std::string at = path + ".content." + std::to_string(i);
      const std::string_view member = which(blocks[i], {"json", "text", "image", "document", "video"}, at);
      if (member == "text") {
        const std::string said = in_.text(blocks[i]["text"], at + ".text");
        result.add_text(said);
        prefix_.block("toolResult", {result.call_id, said}, count_tokens(said));
      } else if (member == "json") {
        result.add_text(blocks[i]["json"].raw());
        prefix_.block("toolResult", {result.call_id, result.text}, count_tokens(blocks[i]["json"].raw()));
      } else if (member == "image") {
        image(blocks[i]["image"], result, at + ".image");
      } else if (member == "document") {
        document(blocks[i]["document"], result, at + ".document");
      } else if (member == "video") {
        wrong("This model doesn't support the video content block that you provided.", at);
      }
    }
    turns_.back().results.push_back(result.call_id);
    out_.messages.push_back(std::move(result));
  }

  void reasoning(Value value, Message& spoken, const std::string& path) {
    if (!spoken.text.empty() || !spoken.calls.empty())
      return wrong("The reasoningContent block at " + path + " must come before text and tool use.", path);
    turns_.back().began_with_reasoning = true;
    if (which(value, {"reasoningText", "redactedContent"}, path) == "redactedContent") {
      const auto bytes = blob(value["redactedContent"], path + ".redactedContent");
      if (bytes && !signer_.open(kRedactedContentPurpose, encode_base64(*bytes)))
        model_error(path + ": Invalid `data` in `redacted_thinking` block");
      spoken.parts.push_back({Part::Kind::kSealed, {}, std::string(value["redactedContent"].text())});
      prefix_.block("redacted", {value["redactedContent"].text()}, 0);
      return;
    }
    const Value block = value["reasoningText"];
    if (in_.failed() || !in_.object(block, path + ".reasoningText")) return;
    in_.only(block, {"text", "signature"}, path + ".reasoningText");
    const std::string said = in_.text(block["text"], path + ".reasoningText.text");
    const std::string signature = in_.optional_text(block["signature"], path + ".reasoningText.signature");
    if (in_.failed()) return;
    if (signature.empty()) return model_error(path + ".thinking.signature: Field required");
    const auto made_for = signer_.open(kReasoningContentPurpose, signature);
    if (!made_for) return model_error(path + ": Invalid `signature` in `thinking` block");
    if (*made_for != said)
      return model_error(path +
                         ": `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be "
                         "modified.");
    spoken.parts.push_back({Part::Kind::kThought, said, signature});
    prefix_.block("reasoning", {said, signature}, count_tokens(said));
  }

  // --- rules across messages

  void across_turns(bool has_tool_config) {
    for (size_t i = 0; i < turns_.size() && !in_.failed(); ++i) {
      const Turn& turn = turns_[i];
      if ((!turn.uses.empty() || !turn.results.empty()) && !has_tool_config)
        return wrong("The toolConfig field must be defined when using toolUse and toolResult content blocks.",
                     "toolConfig");
      pairing(i);
    }
    if (in_.failed() || turns_.empty()) return;
    const Turn& last = turns_.back();
    if (last.assistant && !rules_.prefill)
      return model_error(
          "This model does not support assistant message prefill. The conversation must end with a user "
          "message.");
    if (last.assistant && last.ends_in_space)
      return model_error("messages: final assistant content cannot end with trailing whitespace");
    if (!thinking_by_hand_) return;
    size_t i = turns_.size() - 1;
    while (i > 0 && !turns_[i].assistant && turns_[i].only_results) --i;
    if (turns_[i].assistant && !turns_[i].began_with_reasoning)
      model_error("messages." + std::to_string(i) +
                  ".content.0.type: Expected `thinking` or `redacted_thinking`, but found `" + turns_[i].first +
                  "`. When `thinking` is enabled, a final `assistant` message must start with a thinking block.");
  }

  void pairing(size_t i) {
    const Turn& turn = turns_[i];
    const std::string path = "messages." + std::to_string(i) + ".content";
    if (turn.results.size() > (i > 0 ? turns_[i - 1].uses.size() : 0))
      return wrong(
          "The number of toolResult blocks at " + path + " exceeds the number of toolUse blocks of previous turn.",
          path);
    if (turn.uses.empty()) return;
    std::string lost;
    for (const std::string& id : turn.uses)
      if (i + 1 >= turns_.size() || std::ranges::find(turns_[i + 1].results, id) == turns_[i + 1].results.end())
        lost.append(lost.empty() ? "" : ", ").append(id);
    if (!lost.empty())
      wrong(
          "Expected toolResult blocks at messages." + std::to_string(i + 1) + ".content for the following Ids: " + lost,
          path);
  }

  const Signer& signer_;
  ConverseRules rules_;
  StrictReader in_{StrictReader::Style::kBedrock};
  Prompt out_;
  PrefixBuilder prefix_;
  std::vector<Turn> turns_;
  std::unordered_set<std::string> all_uses_;
  std::optional<double> temperature_;
  int cache_points_ = 0;
  bool thinking_by_hand_ = false;
};

}  // namespace

Result<Prompt> parse_converse_request(std::string body, std::string model, const Signer& signer, ConverseRules rules) {
  auto document = json::Document::parse(std::move(body));
  if (!document.ok())
    return Error{.code = Code::kInvalid, .message = "The request body is not valid JSON: " + document.error().message};
  return Parser(std::move(model), signer, rules).parse(document->root());
}

}  // namespace perdure::simulate
