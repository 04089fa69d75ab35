#pragma once
// OpenAI's part of a simulated supplier: Chat Completions, Responses, embeddings, models. It also answers what no other
// surface knows, as most who imitate OpenAI would.

#include <memory>

#include "simulate/surface.h"

namespace perdure::simulate {

std::unique_ptr<Surface> make_openai_surface(Account& account);

// GET /v1/models and /v1/models/{name}, in OpenAI's shape; `only` is empty for the list. Empty: no such model.
std::string openai_models(const Account& account, std::string_view only);

// What a request is answered that wants its answer kept, where nothing is kept.
Failure state_refused();

}  // namespace perdure::simulate
