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

// What a message was made of, in order. The model does not look here: it is for whoever compares what arrived with what
// was meant (tests/fidelity).
struct Part {
  enum class Kind { kText, kRefusal, kMedia, kCall, kThought, kSealed };
  Kind kind = Kind::kText;
  std::string text = {};       // kCall: its id
  std::string signature = {};  // what vouches for it; kSealed: the block itself
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

  std::vector<Part> parts = {};
  std::string name = {};  // of the participant
  bool failed = false;    // tool: it reports an error

  void add_media(std::string description) {
    parts.push_back({Part::Kind::kMedia, description});
    media.push_back(std::move(description));
  }
  void add_call(ToolCall call, std::string signature = {}) {
    parts.push_back({Part::Kind::kCall, call.id, std::move(signature)});
    calls.push_back(std::move(call));
  }
  void add_text(std::string_view part, std::string signature = {}) {
    if (part.empty() && signature.empty()) return;
    parts.push_back({Part::Kind::kText, std::string(part), std::move(signature)});
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
  std::string description = {};
  bool strict = false;
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

// How the answer is to be drawn and shaped, as far as the model does not care.
struct Settings {
  std::optional<double> temperature, top_p, presence_penalty, frequency_penalty;
  std::optional<int64_t> top_k, seed, thinking_budget;
  std::string verbosity = {}, effort = {}, format_name = {}, format_description = {};
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
  Settings settings;
};

}  // namespace perdure::simulate
