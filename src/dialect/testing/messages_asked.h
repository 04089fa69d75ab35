#pragma once
// A request to a supplier of Messages, what is written of it, and how that looks.

#include <gtest/gtest.h>

#include "dialect/messages_upstream.h"
#include "dialect/testing/items.h"
#include "wire/json.h"

namespace perdure::messages {

inline constexpr MessagesVariant kManual{.strict_tools = true};  // thinks within a budget
inline constexpr MessagesVariant kNew{.thinking_budget = false,
                                      .thinking_adaptive = true,
                                      .effort = true,
                                      .xhigh = true,
                                      .max_effort = true,
                                      .structured_output = true,
                                      .strict_tools = true,
                                      .prefill = false,
                                      .sampling = false};

inline Item from(Role role, std::string text) { return {.role = role, .content = {{.text = std::move(text)}}}; }
inline Item thinking(std::string text, std::string signature, std::string issuer = "us") {
  Item item{.kind = ItemKind::kReasoning, .encrypted = std::move(signature), .opaque = OpaqueKind::kSignature};
  if (!text.empty()) item.content = {{.kind = PartKind::kReasoningText, .text = std::move(text)}};
  item.issuer = std::move(issuer);
  return item;
}
inline Item redacted(std::string data, std::string issuer = "us") {
  Item item = thinking("", std::move(data), std::move(issuer));
  item.opaque = OpaqueKind::kRedacted;
  return item;
}
inline Item with_part(Part part) { return {.role = Role::kUser, .content = {std::move(part)}}; }

struct Asked {
  Request request{.model = "m"};
  std::vector<Item> context{user("hi")};
  MessagesVariant variant = kManual;
  std::string held = {}, ask = {};
  std::optional<int64_t> limit = {};
  bool counting = false;

  Result<UpstreamMessage> write() const {
    const UpstreamAsk asked{.request = request,
                            .context = context,
                            .model = "claude",
                            .issuer = "us",
                            .held = held,
                            .ask = ask,
                            .max_output_tokens = limit};
    return counting ? write_messages_count(asked, variant) : write_messages_request(asked, variant);
  }
  // Of the body; or the error as "param: message".
  std::string field(std::string_view name) const {
    auto message = write();
    if (!message) return message.error().param + ": " + message.error().message;
    auto document = json::Document::parse(message->body);
    EXPECT_TRUE(document.ok()) << message->body;
    return std::string(document->root()[name].raw());
  }
  std::string messages() const { return field("messages"); }
  std::string refused() const {  // the field, or nothing
    auto message = write();
    if (message) return "";
    EXPECT_EQ(message.error().code, Code::kInvalid);
    return message.error().param;
  }
  std::vector<std::string> dropped() {
    request.lenient = true;
    auto message = write();
    EXPECT_TRUE(message.ok()) << message.error().message;
    return message ? message->dropped : std::vector<std::string>();
  }
};

inline std::string text_block(std::string_view text) {
  return R"({"type":"text","text":")" + std::string(text) + R"("})";
}
inline std::string use(std::string_view id, std::string_view input = "{}") {
  return R"({"type":"tool_use","id":")" + std::string(id) + R"(","name":"f","input":)" + std::string(input) + "}";
}
inline std::string result(std::string_view id, std::string_view text) {
  return R"({"type":"tool_result","tool_use_id":")" + std::string(id) + R"(","content":")" + std::string(text) +
         R"("})";
}
inline std::string turn(std::string_view role, std::initializer_list<std::string> blocks) {
  std::string out = R"({"role":")" + std::string(role) + R"(","content":[)";
  for (const auto& block : blocks) out.append(out.ends_with('[') ? "" : ",").append(block);
  return out + "]}";
}
inline std::string list(std::initializer_list<std::string> turns) {
  std::string out = "[";
  for (const auto& one : turns) out.append(out.ends_with('[') ? "" : ",").append(one);
  return out + "]";
}

}  // namespace perdure::messages
