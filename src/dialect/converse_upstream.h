#pragma once
// The Converse and ConverseStream dialect of AWS Bedrock towards suppliers: canonical request -> body, event stream or
// JSON -> pieces. Pure. Signing is the credential's business (provider/aws_credential.h).
//
// What Converse has fields for is the same for all models. What it has none for goes into
// additionalModelRequestFields, in the words of the model's maker, so some things depend on whose model it is.

#include <memory>

#include "dialect/upstream.h"

namespace perdure {

enum class ConverseFamily : uint8_t {
  kByName,        // as the deployment's name says; an application inference profile's ARN does not say
  kClaude,        // thinks as much as it sees fit (Claude 4.6 and later)
  kClaudeBudget,  // thinks within a budget of tokens (3.7 to 4.5)
  kClaudePlain,   // does not think
  kNova,          // thinks with an effort (Nova 2)
  kNovaPlain,
  kGptOss,
  kOther,
};
ConverseFamily converse_family(std::string_view model);

struct ConverseVariant {
  ConverseFamily family = ConverseFamily::kByName;
};

// Converse refuses a history with tool calls in a request without tools. Where the client gives none, or wants none
// called, this one is there; a call of it is dropped.
inline constexpr std::string_view kInertTool = "no_tool_is_to_be_called";

std::unique_ptr<UpstreamDialect> converse_upstream(ConverseVariant variant = {});

}  // namespace perdure
