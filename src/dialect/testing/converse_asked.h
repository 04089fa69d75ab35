#pragma once
// A request to a supplier of Converse, and what is written of it.

#include <gtest/gtest.h>

#include "dialect/converse_upstream.h"
#include "dialect/testing/items.h"
#include "wire/json.h"

namespace perdure::converse {

inline constexpr std::string_view kMe = "bedrock/eu-central-1";

inline Item tool_call(std::string id, std::string name = "f", std::string arguments = "{}") {
  return {.kind = ItemKind::kFunctionCall,
          .call_id = std::move(id),
          .name = std::move(name),
          .arguments = std::move(arguments)};
}
inline Item reasoning(std::string text, OpaqueKind kind, std::string block, std::string issuer = std::string(kMe)) {
  Item out{.kind = ItemKind::kReasoning, .encrypted = std::move(block), .opaque = kind, .issuer = std::move(issuer)};
  if (!text.empty()) out.content.push_back({.kind = PartKind::kReasoningText, .text = std::move(text)});
  return out;
}
inline Tool tool(std::string name) {
  return {.name = std::move(name),
          .description = "d",
          .parameters = R"({"type":"object","properties":{}})",
          .strict = {},
          .cache = {}};
}

struct Asked {
  Request request;
  std::vector<Item> context;
  std::string model = "anthropic.claude-sonnet-4-6";
  std::string held, ask;
  bool stream = true;

  Result<UpstreamMessage> write(ConverseVariant variant = {}) const {
    Request given = request;
    if (given.previous_response_id.empty()) given.input = context;
    UpstreamAsk asked{.request = given, .context = context, .model = model, .issuer = std::string(kMe)};
    asked.held = held;
    asked.ask = ask;
    asked.max_output_tokens = request.max_output_tokens;
    asked.stream = stream;
    return converse_upstream(variant)->write(asked);
  }
  std::string body() const {
    auto message = write();
    return message.ok() ? message->body : "error: " + message.error().message;
  }
  // One part of the body, as it is written there.
  std::string part(std::string_view name) const {
    auto document = json::Document::parse(body());
    return document.ok() ? std::string(document->root()[name].raw()) : body();
  }
  std::string messages() const { return part("messages"); }
  std::string refused() const {
    auto message = write();
    if (message.ok()) return "nothing";
    EXPECT_EQ(message.error().code, Code::kInvalid);
    return message.error().param + " " + message.error().reason;
  }
  // What a lenient request leaves out.
  std::vector<std::string> dropped() const {
    Asked lenient = *this;
    lenient.request.lenient = true;
    auto message = lenient.write();
    EXPECT_TRUE(message.ok()) << message.error().message;
    return message.ok() ? message->dropped : std::vector<std::string>();
  }
};

using Words = std::vector<std::string>;

}  // namespace perdure::converse
