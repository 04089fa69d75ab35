#pragma once
// POST /v1/embeddings with made-up vectors: of length one, a function of the text and the model alone. Texts that share
// words are nearer to each other than texts that do not, so that a search over them finds something.

#include <string>
#include <vector>

#include "base/result.h"

namespace perdure::simulate {

struct EmbeddingsRequest {
  std::string model;
  std::vector<std::string> input;
  size_t dimensions = 256;
  bool base64 = false;
};

// `model_elsewhere`: the URL names the model, the body need not.
Result<EmbeddingsRequest> parse_embeddings_request(std::string body, bool model_elsewhere = false);
std::vector<float> embedding_of(std::string_view text, std::string_view model, size_t dimensions);
std::string render_embeddings(const EmbeddingsRequest& request);

}  // namespace perdure::simulate
