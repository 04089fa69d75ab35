#pragma once
// A request to POST /v1/chat/completions, read strictly: what OpenAI would refuse is refused, with its words and codes.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace perdure::simulate {

enum class Role { kSystem, kDeveloper, kUser, kAssistant, kTool };
std::string_view name_of(Role role);

struct ToolCall {
  std::string id, name;
  std::string arguments;  // JSON, as text
  bool operator==(const ToolCall&) const = default;
};

struct Message {
  Role role = Role::kUser;
  std::string text;             // text parts joined by line feeds; what is not text is left out
  std::vector<ToolCall> calls;  // assistant
  std::string call_id;          // tool
};

struct Tool {
  std::string name;
  std::string parameters;  // JSON schema; empty: takes nothing
};

enum class ToolChoice { kAuto, kNone, kRequired, kNamed };
enum class Format { kText, kJsonObject, kJsonSchema };

struct ChatRequest {
  std::string model;
  std::vector<Message> messages;  // not empty; every tool call has its results directly after it
  std::vector<Tool> tools;
  ToolChoice tool_choice = ToolChoice::kAuto;
  std::string tool_named;
  bool parallel_tool_calls = true;
  Format format = Format::kText;
  std::string schema;
  std::vector<std::string> stop;
  std::optional<int64_t> tokens_max;
  std::string reasoning_effort;
  bool stream = false;
  bool include_usage = false;
};

// kInvalid: `param` names the field, `reason` is OpenAI's error code (empty: null).
Result<ChatRequest> parse_chat_request(std::string body);

}  // namespace perdure::simulate
