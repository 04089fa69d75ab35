#include "model/item_names.h"
#include "model/strict_reader.h"

namespace perdure {
namespace {

void write_parts(json::Writer& out, std::string_view name, const std::vector<Part>& parts) {
  out.key(name).begin_array();
  for (const Part& part : parts) write_part(out, part);
  out.end_array();
}

Result<void> read_parts(json::Value array, std::vector<Part>& parts) {
  for (json::Value element : array.elements()) {
    TRY(auto part, read_part(element));
    parts.push_back(std::move(part));
  }
  return {};
}

}  // namespace

void write_part(json::Writer& out, const Part& part) {
  out.begin_object().field("type", name_of(part.kind));
  switch (part.kind) {
    case PartKind::kInputText:
    case PartKind::kReasoningText:
    case PartKind::kSummaryText:
      out.field("text", part.text);
      if (!part.cache.empty()) out.field("cache", part.cache);
      break;
    case PartKind::kOutputText:
      out.field("text", part.text)
          .key("annotations")
          .raw(part.annotations.empty() ? "[]" : std::string_view(part.annotations));
      if (!part.cache.empty()) out.field("cache", part.cache);
      break;
    case PartKind::kRefusal:
      out.field("refusal", part.text);
      break;
    case PartKind::kInputImage:
      out.key("image_url");
      part.url.empty() ? out.null() : out.string(part.url);
      if (!part.file_id.empty()) out.field("file_id", part.file_id);
      // Clients want the field; "auto" is what its absence means, so nothing is lost.
      out.field("detail", part.detail.empty() ? std::string_view("auto") : std::string_view(part.detail));
      if (!part.cache.empty()) out.field("cache", part.cache);
      break;
    case PartKind::kInputFile:
      if (!part.filename.empty()) out.field("filename", part.filename);
      if (!part.url.empty()) out.field("file_url", part.url);
      if (!part.file_id.empty()) out.field("file_id", part.file_id);
      if (!part.file_data.empty()) out.field("file_data", part.file_data);
      if (!part.cache.empty()) out.field("cache", part.cache);
      break;
  }
  out.end_object();
}

Result<Part> read_part(json::Value value) {
  Part part;
  StrictReader in(value, "content part");
  in.word("type", part_kinds(), part.kind);
  switch (part.kind) {
    case PartKind::kInputText:
    case PartKind::kReasoningText:
    case PartKind::kSummaryText:
      in.text("text", part.text);
      in.optional_text("cache", part.cache);
      break;
    case PartKind::kOutputText:
      in.text("text", part.text);
      if (json::Value annotations = in.array("annotations"); annotations.size() != 0)
        part.annotations = annotations.raw();
      in.optional_text("cache", part.cache);
      break;
    case PartKind::kRefusal:
      in.text("refusal", part.text);
      break;
    case PartKind::kInputImage:
      if (json::Value url = in.any("image_url"); url.is_string()) {
        part.url = url.text();
      } else if (!url.null()) {
        in.fail("image_url", "is neither a string nor null");
      }
      in.optional_text("file_id", part.file_id);
      in.optional_text("detail", part.detail);
      if (part.detail == "auto") part.detail.clear();
      in.optional_text("cache", part.cache);
      break;
    case PartKind::kInputFile:
      in.optional_text("filename", part.filename);
      in.optional_text("file_url", part.url);
      in.optional_text("file_id", part.file_id);
      in.optional_text("file_data", part.file_data);
      in.optional_text("cache", part.cache);
      break;
  }
  TRY_VOID(in.finish());
  return part;
}

void write_item(json::Writer& out, const Item& item) {
  out.begin_object().field("type", name_of(item.kind)).field("id", item.id).field("status", name_of(item.status));
  switch (item.kind) {
    case ItemKind::kMessage:
      out.field("role", name_of(item.role));
      if (!item.phase.empty()) out.field("phase", item.phase);
      if (!item.name.empty()) out.field("name", item.name);
      write_parts(out, "content", item.content);
      break;
    case ItemKind::kFunctionCall:
      out.field("call_id", item.call_id).field("name", item.name).field("arguments", item.arguments);
      if (!item.cache.empty()) out.field("cache", item.cache);
      break;
    case ItemKind::kFunctionCallOutput:
      out.field("call_id", item.call_id);
      if (item.output_is_text) {
        out.field("output", item.output);
      } else {
        write_parts(out, "output", item.content);
      }
      if (item.tool_failed) out.field("tool_failed", true);
      if (!item.cache.empty()) out.field("cache", item.cache);
      break;
    case ItemKind::kReasoning:
      write_parts(out, "summary", item.summary);
      if (!item.content.empty()) write_parts(out, "content", item.content);
      if (!item.encrypted.empty()) out.field("encrypted_content", item.encrypted);
      if (item.opaque != OpaqueKind::kNone && item.opaque != OpaqueKind::kEncrypted)
        out.field("opaque", name_of(item.opaque));
      if (!item.issuer.empty()) out.field("issuer", item.issuer);
      break;
    case ItemKind::kCompaction:
      out.field("encrypted_content", item.encrypted);
      if (!item.issuer.empty()) out.field("issuer", item.issuer);
      break;
  }
  out.end_object();
}

Result<Item> read_item(json::Value value) {
  Item item;
  StrictReader in(value, "item");
  in.word("type", item_kinds(), item.kind);
  in.text("id", item.id);
  in.word("status", item_statuses(), item.status);
  switch (item.kind) {
    case ItemKind::kMessage:
      in.word("role", roles(), item.role);
      in.optional_text("phase", item.phase);
      in.optional_text("name", item.name);
      TRY_VOID(read_parts(in.array("content"), item.content));
      break;
    case ItemKind::kFunctionCall:
      in.text("call_id", item.call_id);
      in.text("name", item.name);
      in.text("arguments", item.arguments);
      in.optional_text("cache", item.cache);
      break;
    case ItemKind::kFunctionCallOutput: {
      in.text("call_id", item.call_id);
      json::Value output = in.any("output");
      item.output_is_text = output.is_string();
      if (item.output_is_text) {
        item.output = output.text();
      } else if (output.is_array()) {
        TRY_VOID(read_parts(output, item.content));
      } else {
        in.fail("output", "is neither a string nor an array");
      }
      in.optional_boolean("tool_failed", item.tool_failed);
      in.optional_text("cache", item.cache);
      break;
    }
    case ItemKind::kReasoning:
      TRY_VOID(read_parts(in.array("summary"), item.summary));
      TRY_VOID(read_parts(in.array("content"), item.content));
      in.optional_text("encrypted_content", item.encrypted);
      if (!item.encrypted.empty()) item.opaque = OpaqueKind::kEncrypted;
      if (json::Value kind = in.any("opaque"); !kind.missing()) in.word("opaque", opaque_kinds(), item.opaque);
      in.optional_text("issuer", item.issuer);
      break;
    case ItemKind::kCompaction:
      in.text("encrypted_content", item.encrypted);
      in.optional_text("issuer", item.issuer);
      break;
  }
  TRY_VOID(in.finish());
  return item;
}

}  // namespace perdure
