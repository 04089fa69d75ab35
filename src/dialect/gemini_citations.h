#pragma once
// Where an answer's text comes from, as Gemini says it (citationMetadata, groundingMetadata) -> annotations of the kind
// url_citation. Gemini counts bytes of the text so far, annotations count characters. What is said again is told once;
// sources without an address have no annotation.

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/piece.h"
#include "wire/json.h"

namespace perdure {

class GeminiCitations {
 public:
  static constexpr size_t kMax = 1000;
  void text(std::string_view visible);  // the next of the answer's text
  void read(json::Value candidate, std::vector<Piece>& out);

 private:
  int64_t characters(int64_t bytes) const;
  void add(json::Value start, json::Value end, json::Value source, std::vector<Piece>& out);
  // A bit for each byte of the text: a character begins here. An eighth of the text's size.
  std::vector<uint64_t> begins_;
  size_t bytes_ = 0;
  std::set<std::string> told_;
};

}  // namespace perdure
