#pragma once
// Azure OpenAI's part of a simulated supplier: OpenAI's dialects under Azure's addresses, with a key in api-key or an
// Entra token. /openai/deployments/{d}/chat/completions and .../embeddings, and /openai/responses, want an api-version;
// /openai/v1/... is OpenAI's own surface. Deployments are the supplier's models. Its content filter refuses prompts
// before a model sees them.

#include <memory>

#include "simulate/surface.h"

namespace perdure::simulate {

std::unique_ptr<Surface> make_azure_surface(Account& account);

}  // namespace perdure::simulate
