#pragma once
// Items: the unit of context, in the types of Open Responses. One flat struct; which fields have meaning follows from
// `kind`.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/json.h"

namespace perdure {

enum class ItemKind : uint8_t { kMessage = 1, kFunctionCall, kFunctionCallOutput, kReasoning, kCompaction };
enum class Role : uint8_t { kUser = 1, kAssistant, kSystem, kDeveloper };
enum class ItemStatus : uint8_t { kInProgress = 1, kCompleted, kIncomplete };
enum class PartKind : uint8_t {
  kInputText = 1,
  kOutputText,
  kRefusal,
  kInputImage,
  kInputFile,
  kReasoningText,
  kSummaryText
};

// What an opaque block is to its issuer; decides how it is given back. Names are part of the journal's format.
enum class OpaqueKind : uint8_t {
  kNone = 0,
  kEncrypted = 1,  // reasoning that only the issuer can read (OpenAI encrypted_content)
  kSignature = 2,  // vouches for the visible text beside it, or, with none, for the item that follows it
                   // (Anthropic thinking, Gemini thoughtSignature)
  kRedacted = 3,   // reasoning withheld from sight (Anthropic redacted_thinking, Bedrock redactedContent)
};

std::string_view name_of(ItemKind);
std::string_view name_of(OpaqueKind);
std::string_view name_of(Role);
std::string_view name_of(ItemStatus);
std::string_view name_of(PartKind);

struct Part {
  PartKind kind = PartKind::kInputText;
  std::string text;  // text parts, refusal, reasoning, summary
  std::string url;   // image_url or file_url; data: URLs included
  std::string file_id, file_data, filename;
  std::string detail;       // images
  std::string annotations;  // raw JSON array of an output_text; empty: none
  std::string cache;        // a prompt-cache mark after this part: its time to live, "5m" or "1h"; empty: none
  bool operator==(const Part&) const = default;
};

struct Item {
  ItemKind kind = ItemKind::kMessage;
  std::string id;
  ItemStatus status = ItemStatus::kCompleted;
  Role role = Role::kUser;     // message
  std::string phase;           // message of the assistant: "commentary", "final_answer" or empty
  std::string call_id;         // function_call, function_call_output
  std::string name;            // function_call; message: of the participant, where the client gave one
  std::string arguments;       // function_call: JSON text as the model wrote it, perhaps not valid
  std::string output;          // function_call_output given as a string
  bool output_is_text = true;  // else `content` holds its parts
  bool tool_failed = false;    // function_call_output: the tool reports an error
  std::string cache;           // function_call, function_call_output: as Part::cache
  std::vector<Part> content;   // message, reasoning (raw), function_call_output
  std::vector<Part> summary;   // reasoning
  std::string encrypted;       // reasoning: opaque bytes, exactly as the issuer gave them; compaction: see opaque.h
  OpaqueKind opaque = OpaqueKind::kNone;  // what `encrypted` is; kNone where it is empty
  std::string issuer;                     // who alone can read `encrypted`; empty: unknown, and nobody is given it
  bool operator==(const Item&) const = default;
};

// The canonical JSON of an item: what journals and bundles hold, and what Open Responses shows. Field order is fixed.
void write_item(json::Writer& out, const Item& item);
void write_part(json::Writer& out, const Part& part);
// Reads canonical JSON, strictly. For what clients send see dialect/responses_request.h.
Result<Item> read_item(json::Value value);
Result<Part> read_part(json::Value value);

}  // namespace perdure
