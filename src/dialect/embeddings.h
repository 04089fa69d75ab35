#pragma once
// Embeddings, in OpenAI's form: requests and answers are passed on as they are; this reads what an answer has used.

#include <string>

#include "base/result.h"
#include "model/usage.h"

namespace perdure {

// Not known where the supplier does not say.
Usage embeddings_usage(std::string body);

}  // namespace perdure
