#include "dialect/messages_citations.h"

#include <algorithm>
#include <cstdint>

namespace perdure {
namespace {

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

// The bytes of the characters from `begin` to `end`.
std::string_view between(std::string_view text, int64_t begin, int64_t end) {
  size_t from = text.size(), to = text.size();
  int64_t at = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!begins_character(text[i])) continue;
    if (at == begin) from = i;
    if (at == end) {
      to = i;
      break;
    }
    ++at;
  }
  return from < to ? text.substr(from, to - from) : std::string_view();
}

}  // namespace

size_t characters_in(std::string_view text) {
  size_t all = 0;
  // In stretches whose count fits a byte: sixteen of them are counted at once.
  for (; !text.empty(); text.remove_prefix(std::min<size_t>(text.size(), UINT8_MAX))) {
    uint8_t count = 0;
    for (char c : text.substr(0, UINT8_MAX)) count = static_cast<uint8_t>(count + (begins_character(c) ? 1 : 0));
    all += count;
  }
  return all;
}

std::string annotation_of_citation(json::Value citation, size_t begin, size_t end) {
  const json::Value url = citation["url"];
  json::Writer out;
  out.begin_object().field("type", url.is_string() ? "url_citation" : "x_citation");
  out.field("start_index", static_cast<int64_t>(begin)).field("end_index", static_cast<int64_t>(end));
  if (url.is_string()) out.field("url", url.text()).field("title", citation["title"].text());
  return out.key("x_citation").raw(citation.raw()).end_object().take();
}

std::optional<std::string> citation_of_annotation(json::Value annotation, std::string_view text) {
  if (const json::Value whole = annotation["x_citation"]; whole.is_object()) return std::string(whole.raw());
  if (annotation["type"].text() != "url_citation") return std::nullopt;
  const std::string_view cited =
      between(text, annotation["start_index"].integer().value_or(0), annotation["end_index"].integer().value_or(0));
  json::Writer out;
  out.begin_object().field("type", "web_search_result_location").field("cited_text", cited);
  out.field("url", annotation["url"].text()).field("title", annotation["title"].text());
  return out.field("encrypted_index", "").end_object().take();
}

}  // namespace perdure
