#pragma once
// Prompt: what a scripted model is asked, whatever the dialect it was asked in. Two requests that say the same in two
// dialects give equal prompts as far as the model looks at them, and so equal answers.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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
  // Text parts in order: an assistant's are one text, others' are joined by line feeds. What is not text is left out.
  std::string text;
  std::vector<ToolCall> calls;  // assistant
  std::string call_id;          // tool
  // Images and files in order, as media.h describes them: a model that looks at nothing says what it was given.
  std::vector<std::string> media = {};

  size_t last_part = 0;  // where the last text part begins

  void add_text(std::string_view part) {
    if (part.empty()) return;
    if (role != Role::kAssistant && !text.empty()) {
      text += '\n';
      last_part = text.size();
    }
    text += part;
  }
};

struct Tool {
  std::string name;
  std::string parameters;  // JSON schema; empty: takes nothing
};

enum class ToolChoice { kAuto, kNone, kRequired, kNamed };
enum class Format { kText, kJsonObject, kJsonSchema };
enum class Thinking { kUnsaid, kOff, kOn };  // kUnsaid: as the supplier is set, or as the prompt wishes

// A place up to which a prompt can be cached: everything before it, by hash.
struct PrefixMark {
  uint64_t hash = 0;
  int64_t tokens = 0;      // before this place
  int64_t ttl_s = 0;       // what the caller asks to keep it for; 0: nothing was asked, but it may be found here
  bool automatic = false;  // kept without being asked, and not charged for
};

struct Prompt {
  std::string model;
  std::vector<Message> messages;  // not empty; every tool call has its results directly after it
  std::vector<Tool> tools;
  ToolChoice tool_choice = ToolChoice::kAuto;
  std::string tool_named;
  std::vector<std::string> tools_allowed;  // empty: all of them
  bool parallel_tool_calls = true;
  Format format = Format::kText;
  std::string schema;
  std::vector<std::string> stop;
  std::optional<int64_t> tokens_max;
  std::string reasoning_effort;
  Thinking thinking = Thinking::kUnsaid;
  std::vector<PrefixMark> prefix;  // in order
};

}  // namespace perdure::simulate
