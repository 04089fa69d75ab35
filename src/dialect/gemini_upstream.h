#pragma once
// The generateContent and streamGenerateContent dialect of Google's Gemini API and of Vertex AI towards suppliers:
// canonical request -> body, server-sent events or JSON -> pieces. Pure. What proves who is calling is the credential's
// business (provider/google_credential.h).
//
// The path stands behind the provider's base URL:
//   https://generativelanguage.googleapis.com/v1beta
//   https://LOCATION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/LOCATION/publishers/google
// A deployment's name without a slash is a model's ("gemini-3-pro"); one with slashes is a resource's
// ("tunedModels/mine", "endpoints/123") and is taken as it is.
//
// Signatures (thoughtSignature) are opaque items of the kind kSignature. One without visible text belongs to the call
// right behind it, else to the message right before it; one with visible text belongs to the thought that it stands
// beside. They go back to their issuer only, byte for byte, to the same place.

#include <memory>
#include <optional>
#include <string_view>

#include "dialect/upstream.h"

namespace perdure {

enum class GeminiThinking : uint8_t {
  kNone,    // the model does not think
  kBudget,  // thinkingBudget, in tokens (2.5)
  kLevel,   // thinkingLevel (3 and later)
};

// What a model, and the service that it runs on, take. The defaults are those of Gemini 3 at the Gemini API.
struct GeminiVariant {
  bool call_ids = true;           // calls and their outputs are written with ids; else order and name tell
  bool strict_signatures = true;  // the first call of a step without a signature is refused
  bool output_parts = true;       // a tool's output holds images; else they stand behind it
  bool json_schema = true;        // parametersJsonSchema, responseJsonSchema
  bool schema_beside_tools = true;
  bool validated_mode = true;  // functionCallingConfig.mode VALIDATED
  bool minimal_level = true;   // thinkingLevel MINIMAL
  bool prefill = true;         // goes on behind a last turn of its own
  bool media_types = false;    // fileData wants a mimeType
  GeminiThinking thinking = GeminiThinking::kLevel;
};

// As the model's name says; names that say nothing are taken for the newest generation's.
GeminiVariant gemini_variant(std::string_view model, bool vertex);

struct GeminiOptions {
  bool vertex = false;
  std::optional<GeminiVariant> variant;  // nothing: gemini_variant() of each model
};

// What the dialect documents in place of a signature that cannot be had: for calls that another model made.
inline constexpr std::string_view kGeminiNoSignature = "skip_thought_signature_validator";

std::unique_ptr<UpstreamDialect> gemini_upstream(GeminiOptions options = {});

}  // namespace perdure
