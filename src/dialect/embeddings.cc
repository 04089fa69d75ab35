#include "dialect/embeddings.h"

#include "wire/json.h"

namespace perdure {

Usage embeddings_usage(std::string body) {
  Result<json::Document> document = json::Document::parse(std::move(body));
  if (!document.ok()) return {};
  const auto tokens = document->root()["usage"]["prompt_tokens"].integer();
  if (!tokens || *tokens < 0) return {};
  return {.input_tokens = *tokens, .known = true};
}

}  // namespace perdure
