#pragma once
// Supplier: what the catalogue knows of one: where it answers, in which dialect, how a caller is recognised there, and
// which limits and habits its endpoint has. Plain words, free of the dialects' types: the catalogue stands beside
// `dialect` and not above it.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalogue/capabilities.h"

namespace perdure {

enum class WireDialect : uint8_t { kChat, kResponses, kMessages, kConverse, kGemini };

enum class AuthKind : uint8_t {
  kBearer,  // Authorization: Bearer KEY
  kHeader,  // KEY in a header of its own
  kNone,
  kAws,     // Signature Version 4, or a bearer key
  kGoogle,  // an access token of a service account, as bearer
  kAzure,   // api-key: KEY, or an Entra token as bearer
};

// What an OpenAI-compatible chat endpoint wants otherwise than OpenAI's.
enum class ChatHabit : uint8_t {
  kMaxTokens,            // max_tokens instead of max_completion_tokens
  kNoDeveloperRole,      // system instead of developer
  kNoStreamOptions,      // stream_options.include_usage is refused, or not needed
  kNoParallelToolCalls,  // the field parallel_tool_calls is refused
};

// How an endpoint is told to go on from the end of the last assistant message.
enum class PrefillForm : uint8_t {
  kUnsaid,
  kPlain,                 // by that message being the last
  kPrefix,                // "prefix": true in it
  kPartial,               // "partial": true in it
  kContinueFinalMessage,  // "continue_final_message": true beside the messages
};

extern const std::array<Name<WireDialect>, 5> kWireDialectNames;
extern const std::array<Name<AuthKind>, 6> kAuthKindNames;
extern const std::array<Name<ChatHabit>, 4> kChatHabitNames;
extern const std::array<Name<PrefillForm>, 4> kPrefillFormNames;  // kUnsaid has no word

// Absent: not known, or none.
struct SupplierLimits {
  std::optional<int64_t> request_bytes;
  std::optional<int64_t> tools;  // in one request
  std::optional<int64_t> tool_name_chars;
  std::optional<int64_t> call_id_chars;  // of a tool call's id
  std::string call_id_alphabet;          // the characters it may have; empty: any
  bool call_id_exact = false;            // exactly call_id_chars of them
  std::optional<int64_t> stop_sequences;
  std::optional<int64_t> images;       // in one request
  std::optional<int64_t> image_bytes;  // each
  bool operator==(const SupplierLimits&) const = default;
};

// `base_url` is what the dialect's paths are appended to: /chat/completions, /responses, /messages,
// /model/NAME/converse, /models/NAME:generateContent. It may hold placeholders: https://{resource}.openai.azure.com.
struct SupplierEndpoint {
  WireDialect dialect = WireDialect::kChat;
  std::string base_url;
  AuthKind auth = AuthKind::kBearer;
  std::string auth_header;  // of kHeader
  bool operator==(const SupplierEndpoint&) const = default;
};

// Another dialect that a supplier speaks; what is not said is as at its preferred endpoint.
struct OtherEndpoint {
  WireDialect dialect = WireDialect::kChat;
  std::string base_url;
  std::optional<AuthKind> auth;
  std::string auth_header;
  bool operator==(const OtherEndpoint&) const = default;
};

struct Supplier {
  std::string name;                  // "groq"
  std::vector<std::string> aliases;  // other names it is known by
  std::string title;                 // "Groq"
  std::string party;                 // the company; empty: whoever runs it
  std::string region;                // where it computes, in a word: "us", "eu", "global", "chosen", "local"
  SupplierEndpoint endpoint;         // the one to prefer
  std::vector<OtherEndpoint> also;   // other dialects that it speaks
  std::vector<std::string> key_env;  // environment variables that usually hold its key, most usual first
  std::vector<ChatHabit> chat;       // rising
  PrefillForm prefill = PrefillForm::kUnsaid;
  SupplierLimits limits;
  Capabilities catalogue, owner;  // of its models unless they say otherwise, by whose word
  std::string docs;               // where this can be read
  std::string note;

  bool has(ChatHabit habit) const;
  // Its endpoint for a dialect; absent: it does not speak it.
  std::optional<SupplierEndpoint> endpoint_for(WireDialect dialect) const;
  bool operator==(const Supplier&) const = default;
};

// The names between braces, in order, each once.
std::vector<std::string> placeholders_of(std::string_view base_url);
// With every placeholder replaced. kInvalid names the one that has no value, or a value with characters that a host
// name or a path segment has not.
Result<std::string> fill_placeholders(std::string_view base_url, const std::map<std::string, std::string>& values);

// Whether `address` is `base_url` with something in place of each placeholder.
bool matches_placeholders(std::string_view base_url, std::string_view address);

}  // namespace perdure
