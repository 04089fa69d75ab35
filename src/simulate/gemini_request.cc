#include "simulate/gemini_request.h"

#include <algorithm>
#include <limits>

#include "simulate/gemini_schema.h"
#include "simulate/media.h"
#include "simulate/strict_reader.h"
#include "wire/json.h"

namespace perdure::simulate {
namespace {

using json::Value;

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

// What Google says may stand where a signature is needed and none can be had: calls that other models made.
constexpr std::string_view kPlaceholders[] = {"skip_thought_signature_validator",
                                              "context_engineering_is_the_way_to_go"};

bool good_function_name(std::string_view name) {
  if (name.empty() || !made_of_word_characters(name, "_.:-", 64)) return false;
  const char c = name.front();
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// One of `contents`, for the rules that look across them.
struct Turn {
  bool model = false;
  size_t calls = 0, responses = 0;
  bool call_is_signed = true;  // the first functionCall has its signature, or there is none
  std::string call_name;       // of the first functionCall
  size_t call_position = 0;
  bool blank_text = false, said = false;  // said: something else than responses
};

class Parser {
 public:
  Parser(std::string model, const Signer& signer, GeminiRules rules) : signer_(signer), rules_(rules) {
    out_.model = std::move(model);
  }

  Result<GeminiRequest> parse(Value root) {
    if (!root.is_object())
      return Error{.code = Code::kInvalid, .message = "Invalid JSON payload received. Root element must be a message."};
    if (rules_.counting && root["generateContentRequest"].is_object()) {
      in_.only(root, {"generateContentRequest"}, "");
      root = root["generateContentRequest"];
      in_.optional_text(root["model"], "model");
    }
    in_.only(root,
             {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings",
              "cachedContent", "labels", "model"},
             "");
    if (!root["cachedContent"].absent()) in_.fail("CachedContent not found (or permission denied)", "cached_content");
    system(root["systemInstruction"]);
    contents(root["contents"]);
    tools(root["tools"]);
    tool_config(root["toolConfig"]);
    generation_config(root["generationConfig"]);
    safety(root["safetySettings"]);
    across_turns();
    if (in_.failed()) return in_.error();
    return std::move(out_);
  }

 private:
  void system(Value value) {
    if (value.absent() || !in_.object(value, "system_instruction")) return;
    in_.only(value, {"role", "parts"}, "system_instruction");
    Message spoken{Role::kSystem, {}, {}, {}};
    if (!in_.array(value["parts"], "system_instruction.parts")) return;
    const auto parts = value["parts"].elements();
    for (size_t i = 0; i < parts.size() && !in_.failed(); ++i) {
      const std::string path = in_.at("system_instruction.parts", i);
      if (!in_.object(parts[i], path)) return;
      in_.only(parts[i], {"text"}, path);
      spoken.add_text(in_.text(parts[i]["text"], path + ".text"));
    }
    if (!spoken.text.empty()) out_.messages.push_back(std::move(spoken));
  }

  void contents(Value value) {
    if (in_.failed()) return;
    if (value.absent() || (value.is_array() && value.size() == 0))
      return in_.fail("* GenerateContentRequest.contents: contents is not specified\n", "contents");
    if (!in_.array(value, "contents")) return;
    const auto elements = value.elements();
    for (size_t i = 0; i < elements.size() && !in_.failed(); ++i) {
      const std::string path = in_.at("contents", i);
      if (!in_.object(elements[i], path)) return;
      in_.only(elements[i], {"role", "parts"}, path);
      const std::string role = in_.optional_text(elements[i]["role"], path + ".role");
      if (!in_.failed() && role != "user" && role != "model" && !role.empty())
        return in_.fail("Please use a valid role: user, model.", path + ".role");
      turns_.push_back({.model = role == "model"});
      const Value parts = elements[i]["parts"];
      if (parts.absent() || (parts.is_array() && parts.size() == 0))
        return in_.fail("* GenerateContentRequest." + path + ".parts: contents.parts must not be empty.\n",
                        path + ".parts");
      if (!in_.array(parts, path + ".parts")) return;
      content(parts, path + ".parts");
    }
  }

  void content(Value parts, const std::string& path) {
    Turn& turn = turns_.back();
    Message spoken{turn.model ? Role::kAssistant : Role::kUser, {}, {}, {}};
    const auto elements = parts.elements();
    for (size_t i = 0; i < elements.size() && !in_.failed(); ++i) part(elements[i], spoken, in_.at(path, i), i);
    if (turn.model) last_calls_ = spoken.calls;
    if (turn.model || !spoken.text.empty() || !spoken.media.empty()) out_.messages.push_back(std::move(spoken));
  }

  void part(Value value, Message& spoken, const std::string& path, size_t position) {
    if (!in_.object(value, path)) return;
    in_.only(value,
             {"text", "inlineData", "fileData", "functionCall", "functionResponse", "thought", "thoughtSignature",
              "videoMetadata", "mediaResolution", "partMetadata"},
             path);
    std::string_view set;
    for (const char* one : {"text", "inlineData", "fileData", "functionCall", "functionResponse"}) {
      if (value[one].missing()) continue;
      if (!set.empty())
        return in_.fail("Invalid value at '" + path + "' (oneof), oneof field 'data' is already set. Cannot set '" +
                            std::string(one) + "'",
                        path);
      set = one;
    }
    const std::string signature = in_.optional_text(value["thoughtSignature"], path + ".thought_signature");
    const bool thought = in_.optional_boolean(value["thought"], false, path + ".thought");
    if (in_.failed()) return;
    if (set.empty())
      return in_.fail(
          "* GenerateContentRequest." + path + ".data: required oneof field 'data' must have one initialized field\n",
          path);
    Turn& turn = turns_.back();
    if (set != "functionResponse") turn.said = true;
    if (set == "text") {
      const std::string text = in_.text(value["text"], path + ".text");
      if (!in_.failed() && text.empty() && signature.empty())
        return in_.fail(
            "Unable to submit request because it has an empty text parameter. Add a value to the parameter "
            "and try again.",
            path + ".text");
      turn.blank_text = turn.blank_text || (!text.empty() && text.find_first_not_of(" \t\r\n") == std::string::npos);
      if (thought)
        spoken.parts.push_back({Part::Kind::kThought, text, signature});
      else
        spoken.add_text(text, signature);
      check_signature(signature, {}, path);
    } else if (set == "inlineData") {
      inline_data(value["inlineData"], spoken, path + ".inline_data");
    } else if (set == "fileData") {
      const Value file = value["fileData"];
      if (!in_.object(file, path + ".file_data")) return;
      in_.only(file, {"mimeType", "fileUri", "displayName"}, path + ".file_data");
      const std::string type = in_.optional_text(file["mimeType"], path + ".file_data.mime_type");
      const std::string uri = in_.text(file["fileUri"], path + ".file_data.file_uri");
      spoken.add_media(describe_link(type.starts_with("image/") ? "image" : "file", uri));
    } else if (set == "functionCall") {
      function_call(value["functionCall"], spoken, signature, path, position);
    } else {
      function_response(value["functionResponse"], path + ".function_response");
    }
  }

  // A signature that is there must be one of ours; `name` is the function that it was made for.
  void check_signature(const std::string& signature, const std::string& name, const std::string& path) {
    if (signature.empty() || std::ranges::find(kPlaceholders, signature) != std::end(kPlaceholders)) return;
    if (!decode_base64(signature))
      return in_.fail("Invalid value at '" + path + ".thought_signature' (TYPE_BYTES), Base64 decoding failed for \"" +
                          signature.substr(0, 20) + "\"",
                      path);
    const auto made_for = signer_.open(kThoughtPurpose, signature);
    if (!made_for || *made_for != name) in_.fail("Thought signature is not valid.", path);
  }

  void inline_data(Value value, Message& spoken, const std::string& path) {
    if (!in_.object(value, path)) return;
    in_.only(value, {"mimeType", "data", "displayName"}, path);
    const std::string type = in_.text(value["mimeType"], path + ".mime_type");
    const auto bytes = decode_base64(in_.text(value["data"], path + ".data"));
    if (in_.failed()) return;
    if (!bytes)
      return in_.fail("Invalid value at '" + path + ".data' (TYPE_BYTES), Base64 decoding failed", path + ".data");
    static constexpr std::string_view kKnown[] = {
        "image/png", "image/jpeg", "image/webp", "image/heic", "image/heif",    "application/pdf", "text/plain",
        "audio/wav", "audio/mp3",  "audio/mpeg", "video/mp4",  "text/markdown", "text/csv",        "text/html"};
    if (std::ranges::find(kKnown, type) == std::end(kKnown))
      return in_.fail("Unsupported MIME type: " + type, path + ".mime_type");
    const std::string_view found = image_type_of(*bytes);
    if (type.starts_with("image/he") ? bytes->empty() : type.starts_with("image/") && found != type)
      return in_.fail(
          "Unable to process input image. Please retry or report in "
          "https://developers.generativeai.google/guide/troubleshooting",
          path);
    spoken.add_media(describe_bytes(type, *bytes));
  }

  void function_call(Value value, Message& spoken, const std::string& signature, const std::string& path,
                     size_t position) {
    const std::string inside = path + ".function_call";
    Turn& turn = turns_.back();
    if (!turn.model) return in_.fail("Please ensure that function call turn has role model.", inside);
    if (!in_.object(value, inside)) return;
    in_.only(value, {"id", "name", "args"}, inside);
    ToolCall call{in_.optional_text(value["id"], inside + ".id"), in_.text(value["name"], inside + ".name"), "{}"};
    if (!in_.failed() && call.name.empty())
      return in_.fail("* GenerateContentRequest." + inside + ".name: Name cannot be empty.\n", inside + ".name");
    if (!value["args"].absent() && in_.object(value["args"], inside + ".args")) call.arguments = value["args"].raw();
    check_signature(signature, call.name, path);
    if (turn.calls == 0) {
      turn.call_is_signed = !signature.empty();
      turn.call_name = call.name;
      turn.call_position = position + 1;
    }
    // Ids are rare here: what has none is told from the others by its place.
    if (call.id.empty()) call.id = "#" + std::to_string(turns_.size()) + "." + std::to_string(turn.calls);
    ++turn.calls;
    spoken.add_call(std::move(call), signature);
  }

  void function_response(Value value, const std::string& path) {
    Turn& turn = turns_.back();
    if (turn.model) return in_.fail("Please ensure that function response turn has role user.", path);
    if (!in_.object(value, path)) return;
    in_.only(value, {"id", "name", "response", "parts", "willContinue", "scheduling"}, path);
    const std::string id = in_.optional_text(value["id"], path + ".id");
    const std::string name = in_.text(value["name"], path + ".name");
    if (!in_.failed() && name.empty())
      return in_.fail("* GenerateContentRequest." + path + ".name: Name cannot be empty.\n", path + ".name");
    if (!in_.object(value["response"], path + ".response")) return;
    ++turn.responses;
    const auto its = std::ranges::find_if(last_calls_, [&](const ToolCall& call) {
      return call.name == name && (id.empty() || call.id.starts_with('#') || call.id == id);
    });
    if (its == last_calls_.end()) {
      if (!last_calls_.empty())
        in_.fail("Please ensure that function responses answer the function calls of the turn before: no call of '" +
                     name + "' is left.",
                 path);
      return;
    }
    Message result{Role::kTool, {}, {}, its->id};
    result.add_text(said_by(value["response"]));
    result.failed = !value["response"]["error"].missing();
    last_calls_.erase(its);
    const auto parts = value["parts"].elements();
    for (size_t i = 0; i < parts.size() && !in_.failed(); ++i) {
      const std::string at = in_.at(path + ".parts", i);
      in_.only(parts[i], {"inlineData", "fileData"}, at);
      inline_data(parts[i]["inlineData"], result, at + ".inline_data");
    }
    out_.messages.push_back(std::move(result));
  }

  // The text that was wrapped for Gemini, which takes objects only; or the object itself.
  static std::string said_by(Value response) {
    const auto members = response.members();
    if (members.size() == 1)
      for (const char* wrapper : {"output", "result", "content", "error"})
        if (members[0].key == wrapper) {
          const Value inner = members[0].value;
          return std::string(inner.is_string() ? inner.text() : inner.raw());
        }
    return std::string(response.raw());
  }

  void tools(Value value) {
    if (value.absent() || !in_.array(value, "tools")) return;
    const auto elements = value.elements();
    for (size_t i = 0; i < elements.size() && !in_.failed(); ++i) {
      const std::string path = in_.at("tools", i);
      if (!in_.object(elements[i], path)) return;
      in_.only(elements[i], {"functionDeclarations"}, path);
      const Value declarations = elements[i]["functionDeclarations"];
      if (!in_.array(declarations, path + ".function_declarations")) return;
      const auto all = declarations.elements();
      for (size_t k = 0; k < all.size() && !in_.failed(); ++k)
        declaration(all[k], in_.at(path + ".function_declarations", k));
    }
  }

  void declaration(Value value, const std::string& path) {
    if (!in_.object(value, path)) return;
    in_.only(
        value,
        {"name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema", "behavior"},
        path);
    Tool made{in_.text(value["name"], path + ".name"), {}};
    if (!in_.failed() && !good_function_name(made.name))
      in_.fail(
          "* GenerateContentRequest." + path +
              ".name: Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, "
              "A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 64.\n",
          path + ".name");
    if (std::ranges::find(out_.tools, made.name, &Tool::name) != out_.tools.end())
      in_.fail("Duplicate function declaration found: " + made.name, path + ".name");
    made.description = in_.optional_text(value["description"], path + ".description");
    const Value parameters = value["parameters"], json_schema = value["parametersJsonSchema"];
    if (!parameters.absent() && !json_schema.absent())
      in_.fail(
          "* GenerateContentRequest." + path + ": only one of 'parameters' and 'parameters_json_schema' can be set.\n",
          path);
    if (!parameters.absent()) {
      check_gemini_schema(in_, parameters, path + ".parameters");
      if (!in_.failed() && parameters["type"].text() != "OBJECT" && parameters["type"].text() != "object")
        in_.fail("* GenerateContentRequest." + path + ".parameters.type: should be OBJECT\n", path + ".parameters");
      if (!in_.failed()) made.parameters = as_json_schema(parameters);
    } else if (!json_schema.absent() && in_.object(json_schema, path + ".parameters_json_schema")) {
      made.parameters = json_schema.raw();
    }
    out_.tools.push_back(std::move(made));
  }

  void tool_config(Value value) {
    if (value.absent() || !in_.object(value, "tool_config")) return;
    in_.only(value, {"functionCallingConfig", "retrievalConfig"}, "tool_config");
    const Value config = value["functionCallingConfig"];
    if (config.absent() || !in_.object(config, "tool_config.function_calling_config")) return;
    const std::string path = "tool_config.function_calling_config";
    in_.only(config, {"mode", "allowedFunctionNames"}, path);
    const std::string mode =
        in_.optional_one_of(config["mode"], {"MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"}, path + ".mode");
    if (!in_.failed() && out_.tools.empty() && mode == "ANY")
      in_.fail("Function calling config is set without function_declarations.", path);
    if (mode == "NONE") out_.tool_choice = ToolChoice::kNone;
    if (mode == "ANY") out_.tool_choice = ToolChoice::kRequired;
    if (config["allowedFunctionNames"].absent() || !in_.array(config["allowedFunctionNames"], path)) return;
    if (mode != "ANY" && mode != "VALIDATED")
      return in_.fail("Unable to submit request because allowed_function_names is only supported when the mode is ANY.",
                      path + ".allowed_function_names");
    for (const Value one : config["allowedFunctionNames"].elements()) {
      const std::string name = in_.text(one, path + ".allowed_function_names");
      if (!in_.failed() && std::ranges::find(out_.tools, name, &Tool::name) == out_.tools.end())
        return in_.fail("allowed_function_names contains '" + name + "', which is not declared.",
                        path + ".allowed_function_names");
      out_.tools_allowed.push_back(name);
    }
  }

  void generation_config(Value value) {
    if (value.absent() || !in_.object(value, "generation_config")) return;
    const std::string path = "generation_config";
    in_.only(value,
             {"temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences", "responseMimeType",
              "responseSchema", "responseJsonSchema", "presencePenalty", "frequencyPenalty", "seed", "responseLogprobs",
              "logprobs", "thinkingConfig", "mediaResolution", "responseModalities"},
             path);
    Settings& settings = out_.settings;
    settings.temperature = in_.optional_number(value["temperature"], 0, 2, path + ".temperature");
    settings.top_p = in_.optional_number(value["topP"], 0, 1, path + ".top_p");
    in_.optional_number(value["topK"], 1, 1e9, path + ".top_k");
    settings.top_k = value["topK"].integer();
    settings.presence_penalty = in_.optional_number(value["presencePenalty"], -2, 2, path + ".presence_penalty");
    settings.frequency_penalty = in_.optional_number(value["frequencyPenalty"], -2, 2, path + ".frequency_penalty");
    settings.seed = in_.optional_integer(value["seed"], -2147483648LL, 2147483647LL, path + ".seed");
    in_.optional_integer(value["candidateCount"], 1, 1, path + ".candidate_count");
    if (in_.optional_boolean(value["responseLogprobs"], false, path + ".response_logprobs"))
      in_.fail("Logprobs is not supported for the requested model.", path + ".response_logprobs");
    out_.tokens_max = in_.optional_integer(value["maxOutputTokens"], 1, kMost, path + ".max_output_tokens");
    const Value stop = value["stopSequences"];
    if (!stop.absent() && in_.array(stop, path + ".stop_sequences")) {
      if (stop.size() > 5)
        in_.fail("Unable to submit request because the number of stop sequences is above the limit of 5.",
                 path + ".stop_sequences");
      for (const Value one : stop.elements()) out_.stop.push_back(in_.text(one, path + ".stop_sequences"));
      std::erase(out_.stop, "");
    }
    format(value, path);
    thinking(value["thinkingConfig"], path + ".thinking_config");
  }

  void format(Value value, const std::string& path) {
    const std::string type = in_.optional_one_of(value["responseMimeType"], {"text/plain", "application/json"},
                                                 path + ".response_mime_type");
    const Value schema = value["responseSchema"], json_schema = value["responseJsonSchema"];
    if (!schema.absent() && !json_schema.absent())
      return in_.fail("* GenerateContentRequest." + path +
                          ": only one of 'response_schema' and 'response_json_schema' can be set.\n",
                      path);
    if (type == "application/json") out_.format = Format::kJsonObject;
    if (schema.absent() && json_schema.absent()) return;
    if (type != "application/json")
      return in_.fail("* GenerateContentRequest." + path +
                          ".response_schema: only allowed when 'response_mime_type' is application/json\n",
                      path + ".response_schema");
    out_.format = Format::kJsonSchema;
    if (!schema.absent()) {
      check_gemini_schema(in_, schema, path + ".response_schema");
      if (!in_.failed()) out_.schema = as_json_schema(schema);
    } else {
      out_.schema = json_schema.raw();
    }
  }

  void thinking(Value value, const std::string& path) {
    if (value.absent() || !in_.object(value, path)) return;
    in_.only(value, {"includeThoughts", "thinkingBudget", "thinkingLevel"}, path);
    out_.include_thoughts = in_.optional_boolean(value["includeThoughts"], false, path + ".include_thoughts");
    const auto budget = in_.optional_integer(value["thinkingBudget"], -1, kMost, path + ".thinking_budget");
    out_.settings.thinking_budget = budget;
    out_.settings.effort = value["thinkingLevel"].text();
    const std::string level = in_.optional_one_of(
        value["thinkingLevel"], {"MINIMAL", "LOW", "MEDIUM", "HIGH", "minimal", "low", "medium", "high"},
        path + ".thinking_level");
    if (budget && !level.empty()) in_.fail("You can only set only one of thinking budget and thinking level.", path);
    if (budget == 0)
      out_.thinking = Thinking::kOff;
    else if (out_.include_thoughts || budget || !level.empty())
      out_.thinking = Thinking::kOn;
  }

  void safety(Value value) {
    if (value.absent() || !in_.array(value, "safety_settings")) return;
    const auto elements = value.elements();
    for (size_t i = 0; i < elements.size() && !in_.failed(); ++i) {
      const std::string path = in_.at("safety_settings", i);
      if (!in_.object(elements[i], path)) return;
      in_.only(elements[i], {"category", "threshold", "method"}, path);
      in_.one_of(elements[i]["category"],
                 {"HARM_CATEGORY_HARASSMENT", "HARM_CATEGORY_HATE_SPEECH", "HARM_CATEGORY_SEXUALLY_EXPLICIT",
                  "HARM_CATEGORY_DANGEROUS_CONTENT", "HARM_CATEGORY_CIVIC_INTEGRITY"},
                 path + ".category");
      in_.one_of(elements[i]["threshold"],
                 {"BLOCK_NONE", "BLOCK_ONLY_HIGH", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_LOW_AND_ABOVE", "OFF",
                  "HARM_BLOCK_THRESHOLD_UNSPECIFIED"},
                 path + ".threshold");
    }
  }

  // --- rules across turns

  void across_turns() {
    if (in_.failed() || turns_.empty()) return;
    if (turns_.front().model) return in_.fail("Please ensure that the first turn has role user.", "contents[0].role");
    for (size_t i = 0; i < turns_.size() && !in_.failed(); ++i) {
      const Turn& turn = turns_[i];
      const std::string path = in_.at("contents", i);
      const Turn* before = i > 0 ? &turns_[i - 1] : nullptr;
      if (turn.calls > 0 && (before == nullptr || before->model))
        in_.fail(
            "Please ensure that function call turn comes immediately after a user turn or after a function "
            "response turn.",
            path);
      if (turn.responses > 0 && (before == nullptr || before->calls == 0))
        in_.fail("Please ensure that function response turn comes immediately after a function call turn.", path);
      const size_t answered = i + 1 < turns_.size() ? turns_[i + 1].responses : 0;
      if (turn.calls > 0 && answered != turn.calls)
        in_.fail(
            "Please ensure that the number of function response parts is equal to the number of function call "
            "parts of the function call turn.",
            path);
      if (turn.calls > 0 && turn.blank_text)
        in_.fail("Unable to submit request because it has a blank text part next to a function call.", path);
    }
    if (turns_.back().model && !rules_.prefill)
      in_.fail("Please ensure that multiturn requests end with a user role or a function response.", "contents");
    signatures();
  }

  // Gemini 3: every function call of the turn that is going on, the first of each step, comes back with its signature.
  void signatures() {
    for (std::string_view older : {"gemini-1", "gemini-2"})
      if (out_.model.find(older) != std::string::npos) return;
    size_t turn_begins = turns_.size();
    while (turn_begins > 0 && (turns_[turn_begins - 1].model || !turns_[turn_begins - 1].said)) --turn_begins;
    for (size_t i = turn_begins; i < turns_.size() && !in_.failed(); ++i) {
      const Turn& turn = turns_[i];
      if (turn.calls == 0 || turn.call_is_signed) continue;
      in_.fail(
          "Function call is missing a thought_signature in functionCall parts. This is required for tools to work "
          "correctly, and missing thought_signature may lead to degraded model performance. Additional data, "
          "function call `default_api:" +
              turn.call_name + "` , position " + std::to_string(turn.call_position) +
              ". Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more details.",
          in_.at("contents", i));
    }
  }

  const Signer& signer_;
  GeminiRules rules_;
  StrictReader in_{StrictReader::Style::kGoogle};
  GeminiRequest out_;
  std::vector<Turn> turns_;
  std::vector<ToolCall> last_calls_;  // of the model's last turn, not answered yet
};

}  // namespace

Result<GeminiRequest> parse_gemini_request(std::string body, std::string model, const Signer& signer,
                                           GeminiRules rules) {
  auto document = json::Document::parse(std::move(body));
  if (!document.ok())
    return Error{.code = Code::kInvalid, .message = "Invalid JSON payload received. " + document.error().message};
  return Parser(std::move(model), signer, rules).parse(document->root());
}

}  // namespace perdure::simulate
