#include "dialect/messages_blocks.h"

#include <algorithm>
#include <utility>

#include "dialect/messages_citations.h"
#include "dialect/tool_ids.h"
#include "model/opaque.h"

namespace perdure {

using json::Writer;

std::string text_block(std::string_view text, std::string_view citations) {
  Writer out;
  out.begin_object().field("type", "text").field("text", text).key("citations");
  citations.empty() ? out.null() : out.raw(citations);
  return out.end_object().take();
}

std::string call_block(const Item& call, std::string_view input) {
  Writer out;
  out.begin_object().field("type", "tool_use").field("id", supplier_tool_id(call.call_id, kMessagesToolIds));
  out.field("name", call.name).key("input").raw(input);
  out.key("caller").begin_object().field("type", "direct").end_object();
  return out.end_object().take();
}

std::string signature_of(const Item& reasoning) {
  if (reasoning.encrypted.empty()) return {};
  return pack_opaque(reasoning.opaque, reasoning.issuer, reasoning.encrypted);
}

std::string hidden_block(const Item& reasoning) {
  if (reasoning.opaque == OpaqueKind::kSignature) return thinking_block("", signature_of(reasoning));
  return Writer()
      .begin_object()
      .field("type", "redacted_thinking")
      .field("data", signature_of(reasoning))
      .end_object()
      .take();
}

std::string thinking_block(std::string_view text, std::string_view signature) {
  Writer out;
  out.begin_object().field("type", "thinking").field("thinking", text).field("signature", signature);
  return out.end_object().take();
}

std::string thinking_text(const Item& reasoning) {
  std::string out;
  bool first = true;
  for (const auto* parts : {&reasoning.summary, &reasoning.content}) {
    for (const Part& part : *parts) out.append(std::exchange(first, false) ? "" : kBetweenThoughts).append(part.text);
  }
  return out;
}

std::string citations_of(const Part& part) {
  if (part.annotations.empty()) return {};
  auto list = json::Document::parse(part.annotations);
  if (!list) return {};
  std::string out;
  for (json::Value annotation : list->root().elements()) {
    if (auto citation = citation_of_annotation(annotation, part.text))
      out.append(out.empty() ? "[" : ",").append(*citation);
  }
  return out.empty() ? out : out + "]";
}

void write_messages_usage(Writer& out, const Usage& usage, bool whole) {
  const int64_t fresh = std::max<int64_t>(usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens, 0);
  out.begin_object().field("input_tokens", fresh);
  out.field("cache_creation_input_tokens", usage.cache_write_tokens);
  out.field("cache_read_input_tokens", usage.cached_tokens).field("output_tokens", usage.output_tokens);
  if (whole) {
    for (std::string_view name : {"cache_creation", "inference_geo", "service_tier"}) out.key(name).null();
  }
  if (usage.reasoning_tokens > 0)
    out.key("output_tokens_details").begin_object().field("thinking_tokens", usage.reasoning_tokens).end_object();
  out.key("server_tool_use").null().end_object();
}

}  // namespace perdure
