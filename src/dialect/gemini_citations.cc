#include "dialect/gemini_citations.h"

#include <algorithm>
#include <bit>

namespace perdure {

void GeminiCitations::text(std::string_view visible) {
  begins_.resize((bytes_ + visible.size() + 63) / 64);
  for (const char c : visible) {
    const bool begins = (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    begins_[bytes_ / 64] |= static_cast<uint64_t>(begins) << (bytes_ % 64);
    ++bytes_;
  }
}

int64_t GeminiCitations::characters(int64_t bytes) const {
  const size_t end = static_cast<size_t>(std::clamp<int64_t>(bytes, 0, static_cast<int64_t>(bytes_)));
  int64_t count = 0;
  for (size_t word = 0; word < end / 64; ++word) count += std::popcount(begins_[word]);
  if (end % 64 != 0) count += std::popcount(begins_[end / 64] & ((uint64_t{1} << (end % 64)) - 1));
  return count;
}

void GeminiCitations::add(json::Value start, json::Value end, json::Value source, std::vector<Piece>& out) {
  const std::string_view url = source["uri"].text(), title = source["title"].text();
  if (url.empty() || told_.size() >= kMax) return;
  const int64_t from = start.integer().value_or(0);
  json::Writer annotation;
  annotation.begin_object().field("type", "url_citation");
  annotation.field("start_index", characters(from));
  annotation.field("end_index", characters(std::max(from, end.integer().value_or(0))));
  annotation.field("url", url).field("title", title).end_object();
  auto [place, fresh] = told_.insert(annotation.take());
  if (fresh) out.push_back({.kind = Piece::Kind::kAnnotation, .text = *place});
}

void GeminiCitations::read(json::Value candidate, std::vector<Piece>& out) {
  const json::Value cited = candidate["citationMetadata"];
  for (std::string_view name : {"citations", "citationSources"}) {  // the second is the first one's old name
    for (const json::Value citation : cited[name].elements())
      add(citation["startIndex"], citation["endIndex"], citation, out);
  }
  const json::Value grounding = candidate["groundingMetadata"];
  const std::vector<json::Value> chunks = grounding["groundingChunks"].elements();
  for (const json::Value support : grounding["groundingSupports"].elements()) {
    for (const json::Value index : support["groundingChunkIndices"].elements()) {
      const int64_t at = index.integer().value_or(-1);
      if (at < 0 || at >= static_cast<int64_t>(chunks.size())) continue;
      const json::Value chunk = chunks[static_cast<size_t>(at)], segment = support["segment"];
      for (std::string_view kind : {"web", "retrievedContext", "maps", "image"})
        add(segment["startIndex"], segment["endIndex"], chunk[kind], out);
    }
  }
}

}  // namespace perdure
