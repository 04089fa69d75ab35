#pragma once
// Answers made in advance, in the five dialects that suppliers speak: what fixed_upstream serves.

#include <cstdint>
#include <string>
#include <string_view>

namespace perdure {

enum class CannedDialect { kChat, kResponses, kMessages, kConverse, kGemini };

// By the path of a request: "/v1/messages", "/model/x/converse-stream", ...
CannedDialect canned_dialect(std::string_view path);

// A document of about 1 KB.
std::string canned_document(CannedDialect dialect);

// A stream is its head, COUNT chunks of one word, and its tail.
struct CannedStream {
  std::string_view content_type;
  std::string head, tail;
  std::string chunk_head, chunk_tail;  // around what tells chunks apart; nothing stands between them but for chat
};
CannedStream canned_stream(CannedDialect dialect, int64_t count);

}  // namespace perdure
