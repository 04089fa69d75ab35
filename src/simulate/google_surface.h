#pragma once
// Google's part of a simulated supplier: the Gemini API (/v1beta/models/{m}:generateContent and its siblings; a key in
// x-goog-api-key, ?key= or as a bearer token) and Vertex AI (/v1/projects/.../models/{m}:...; bearer tokens only).

#include <memory>

#include "simulate/surface.h"

namespace perdure::simulate {

std::unique_ptr<Surface> make_google_surface(Account& account);

}  // namespace perdure::simulate
