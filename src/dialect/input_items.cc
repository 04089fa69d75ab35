// One item of `input`, and what is inside.

#include <algorithm>

#include "dialect/request_reader.h"
#include "dialect/responses_request.h"
#include "dialect/say.h"
#include "model/compaction.h"
#include "model/opaque.h"

namespace perdure {
namespace {

Result<Part> parse_text_part(RequestReader& in, PartKind kind) {
  Part part{.kind = kind};
  in.text(kind == PartKind::kRefusal ? "refusal" : "text", part.text, {.required = true});
  if (kind == PartKind::kOutputText) {
    in.raw_array("annotations", part.annotations);
    in.array("logprobs");  // about a sampling that is over: no model reads them
  }
  TRY_VOID(in.finish());
  return part;
}

Result<Part> parse_image(RequestReader& in) {
  Part part{.kind = PartKind::kInputImage};
  if (!in.any("file_id").absent())
    in.fail(not_supported(in.param("file_id"), "files by id; give the image as 'image_url'"));
  if (in.text("image_url", part.url, {.required = true, .length_max = kImageUrlMax, .not_empty = true}) &&
      !(part.url.starts_with("data:") || part.url.starts_with("https://") || part.url.starts_with("http://"))) {
    in.fail(invalid(in.param("image_url"), "invalid_value", "Invalid image: expected a data: URL or an http(s) URL."));
  }
  in.text("detail", part.detail, {.one_of = {"low", "high", "auto", "original"}});
  if (part.detail == "auto") part.detail.clear();  // what not to say it means
  TRY_VOID(in.finish());
  return part;
}

Result<Part> parse_file(RequestReader& in) {
  Part part{.kind = PartKind::kInputFile};
  if (!in.any("file_id").absent())
    in.fail(not_supported(in.param("file_id"), "files by id; give the file as 'file_data'"));
  in.text("filename", part.filename, {});
  in.text("file_data", part.file_data, {.length_max = kFileDataMax});
  in.text("file_url", part.url, {.length_max = kImageUrlMax});
  if (part.file_data.empty() && part.url.empty()) {
    in.fail(invalid(in.param("file_data"), "missing_required_parameter", "A file needs 'file_data' or 'file_url'."));
  }
  TRY_VOID(in.finish());
  return part;
}

// What a list of parts may hold.
enum class Parts : uint8_t { kInput, kOutput, kReasoning, kSummary };

Result<Part> parse_part(json::Value value, const std::string& path, Parts parts) {
  RequestReader in(value, path);
  std::string type;
  in.text("type", type, {.required = true});
  if (in.failed()) return in.finish().error();
  switch (parts) {
    case Parts::kInput:
      if (type == "input_text") return parse_text_part(in, PartKind::kInputText);
      if (type == "input_image") return parse_image(in);
      if (type == "input_file") return parse_file(in);
      return invalid(in.param("type"), "invalid_value",
                     say("Invalid value for '{}': {}. Supported are 'input_text', 'input_image', 'input_file'.",
                         in.param("type"), quoted(type)));
    case Parts::kOutput:
      if (type == "output_text") return parse_text_part(in, PartKind::kOutputText);
      if (type == "refusal") return parse_text_part(in, PartKind::kRefusal);
      return invalid(
          in.param("type"), "invalid_value",
          say("Invalid value for '{}': {}. Supported are 'output_text', 'refusal'.", in.param("type"), quoted(type)));
    case Parts::kReasoning:
      if (type == "reasoning_text") return parse_text_part(in, PartKind::kReasoningText);
      return invalid(in.param("type"), "invalid_value",
                     say("Invalid value for '{}': {}. Supported is 'reasoning_text'.", in.param("type"), quoted(type)));
    case Parts::kSummary:
      if (type == "summary_text") return parse_text_part(in, PartKind::kSummaryText);
      return invalid(in.param("type"), "invalid_value",
                     say("Invalid value for '{}': {}. Supported is 'summary_text'.", in.param("type"), quoted(type)));
  }
  return Error{};
}

void parse_parts(RequestReader& in, std::string_view name, json::Value array, Parts parts, std::vector<Part>& out) {
  const auto elements = array.elements();
  for (size_t i = 0; i < elements.size() && !in.failed(); ++i) {
    auto part = parse_part(elements[i], in.param(name, i), parts);
    if (!part) return in.fail(std::move(part).error());
    out.push_back(*std::move(part));
  }
}

void parse_message(RequestReader& in, Item& item) {
  std::string role;
  in.text("role", role, {.required = true, .one_of = {"user", "assistant", "system", "developer"}});
  item.role = role == "assistant"   ? Role::kAssistant
              : role == "system"    ? Role::kSystem
              : role == "developer" ? Role::kDeveloper
                                    : Role::kUser;
  const bool assistant = item.role == Role::kAssistant;
  if (in.text("phase", item.phase, {.one_of = {"commentary", "final_answer"}}) && !assistant) {
    in.fail(invalid(in.param("phase"), "invalid_value", "Only messages of the assistant have a 'phase'."));
  }
  json::Value content = in.any("content");
  if (content.is_string()) {
    if (longer_than(content.text(), kTextMax)) {
      in.fail(invalid(in.param("content"), "string_above_max_length",
                      say("Invalid '{}': longer than {} characters.", in.param("content"), kTextMax)));
    }
    item.content.push_back(
        {.kind = assistant ? PartKind::kOutputText : PartKind::kInputText, .text = std::string(content.text())});
  } else if (content.is_array()) {
    parse_parts(in, "content", content, assistant ? Parts::kOutput : Parts::kInput, item.content);
  } else if (content.absent()) {
    in.fail(invalid(in.param("content"), "missing_required_parameter",
                    say("Missing required parameter: '{}'.", in.param("content"))));
  } else {
    in.fail(invalid(in.param("content"), "invalid_type",
                    say("Invalid type for '{}': expected a string or an array, got {}.", in.param("content"),
                        json::name_of(content.type()))));
  }
}

void parse_function_call(RequestReader& in, Item& item) {
  in.text("call_id", item.call_id, {.required = true, .length_max = kNameMax, .not_empty = true});
  in.text("name", item.name, {.required = true, .length_max = kNameMax, .name = true});
  in.text("arguments", item.arguments, {.required = true});
}

void parse_function_call_output(RequestReader& in, Item& item) {
  in.text("call_id", item.call_id, {.required = true, .length_max = kNameMax, .not_empty = true});
  json::Value output = in.any("output");
  if (output.is_string()) {
    item.output = output.text();
    if (longer_than(item.output, kTextMax)) {
      in.fail(invalid(in.param("output"), "string_above_max_length",
                      say("Invalid '{}': longer than {} characters.", in.param("output"), kTextMax)));
    }
  } else if (output.is_array()) {
    item.output_is_text = false;
    parse_parts(in, "output", output, Parts::kInput, item.content);
  } else if (output.absent()) {
    in.fail(invalid(in.param("output"), "missing_required_parameter",
                    say("Missing required parameter: '{}'.", in.param("output"))));
  } else {
    in.fail(invalid(in.param("output"), "invalid_type",
                    say("Invalid type for '{}': expected a string or an array, got {}.", in.param("output"),
                        json::name_of(output.type()))));
  }
}

// The schema wants `content` to be null, yet clients send back what they were shown: it is taken.
void parse_reasoning(RequestReader& in, Item& item) {
  parse_parts(in, "summary", in.array("summary"), Parts::kSummary, item.summary);
  parse_parts(in, "content", in.array("content"), Parts::kReasoning, item.content);
  in.text("encrypted_content", item.encrypted, {});
  if (item.encrypted.empty()) return;
  OpaqueBlock block = unpack_opaque(item.encrypted);
  item.encrypted = std::move(block.block);
  item.opaque = block.kind;
  item.issuer = std::move(block.issuer);
}

void parse_compaction(RequestReader& in, Item& item) {
  in.text("encrypted_content", item.encrypted, {.required = true, .length_max = kImageUrlMax});
  if (in.failed()) return;
  // Ours is text that every supplier can be told. What others have made, only they can read.
  if (Result<Compaction> compaction = unpack_compaction(item.encrypted); !compaction.ok())
    in.fail(invalid(in.param("encrypted_content"), "invalid_encrypted_content",
                    say("Invalid '{}': {} Send the conversation itself, or an item that was compacted here.",
                        in.param("encrypted_content"), compaction.error().message)));
}

struct ItemType {
  std::string_view word;
  ItemKind kind;
  void (*parse)(RequestReader& in, Item& item);
};
constexpr ItemType kItemTypes[] = {
    {"message", ItemKind::kMessage, parse_message},
    {"function_call", ItemKind::kFunctionCall, parse_function_call},
    {"function_call_output", ItemKind::kFunctionCallOutput, parse_function_call_output},
    {"reasoning", ItemKind::kReasoning, parse_reasoning},
    {"compaction", ItemKind::kCompaction, parse_compaction},
};

}  // namespace

Result<Item> parse_input_item(json::Value value, const std::string& param) {
  RequestReader in(value, param);
  std::string type;
  if (!in.text("type", type)) {  // the type may be left out of a message and of a reference
    type = !value["role"].absent() ? "message" : !value["id"].absent() ? "item_reference" : "";
  }
  if (in.failed()) return in.finish().error();
  if (type.empty())
    return invalid(in.param("type"), "missing_required_parameter",
                   say("Missing required parameter: '{}'.", in.param("type")));
  const auto* known = std::ranges::find(kItemTypes, type, &ItemType::word);
  if (known == std::ranges::end(kItemTypes))
    return not_supported(in.param("type"), say("input items of type {}", quoted(type)));

  Item item{.kind = known->kind};
  in.text("id", item.id, {.length_max = 256});
  std::string status;
  in.text("status", status, {.one_of = {"in_progress", "completed", "incomplete"}});
  item.status = status == "incomplete"    ? ItemStatus::kIncomplete
                : status == "in_progress" ? ItemStatus::kInProgress
                                          : ItemStatus::kCompleted;
  in.ignore("created_by");  // who wrote an item that was read back: not part of what the model sees
  known->parse(in, item);
  TRY_VOID(in.finish());
  return item;
}

}  // namespace perdure
