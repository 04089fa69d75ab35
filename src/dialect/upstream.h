#pragma once
// UpstreamDialect: one supplier's wire format, as a pure translator: canonical request -> message, answer bytes ->
// pieces. Implementations: chat_upstream.h (OpenAI Chat Completions), responses_upstream.h (OpenAI Responses),
// messages_upstream.h (Anthropic), converse_upstream.h (AWS Bedrock), gemini_upstream.h (Google).
//
// What a dialect cannot express is kInvalid, reason "unsupported_parameter", with the client's field in `param`; with
// request.lenient it is left out and named in `dropped` instead. Opaque blocks are written, byte for byte, only where
// their issuer is the one that is asked; others are left out by rule. Nothing that was said once is said differently
// later: equal context gives equal bytes, so that a supplier's prompt cache keeps its prefix.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/piece.h"
#include "model/request.h"

namespace perdure {

struct UpstreamAsk {
  const Request& request;  // its input is not used: `context` holds history and input, in order
  std::span<const Item> context;
  std::string model;                         // the deployment's name at the provider
  std::string issuer;                        // whose opaque blocks may be written
  std::string held;                          // visible text so far, when this continues an answer
  std::string ask;                           // the words that ask to go on; empty with `held`: prefill
  std::optional<int64_t> max_output_tokens;  // what is left of the client's limit
  int64_t max_output_tokens_else = 8192;     // for dialects that want a limit where the client gave none
  bool stream = true;
};

struct UpstreamMessage {
  std::string path;  // after the provider's base URL, with its query: "/chat/completions"
  std::vector<std::pair<std::string, std::string>> headers;  // of the dialect; Content-Type and Accept are there
  std::string body;
  std::vector<std::string> dropped;  // fields of the request, lenient only
};

// Parses a streamed answer from bytes cut anywhere. Holds at most one event and what it must.
class AnswerParser {
 public:
  virtual ~AnswerParser() = default;
  // kCorrupt: not this dialect. kUnavailable / kOverloaded / kInvalid: the supplier reported an error in the stream.
  // Pieces that came before are in `out`.
  virtual Result<void> feed(std::string_view bytes, std::vector<Piece>& out) = 0;
  // After the last byte: whole, or kUnavailable (reason "cut").
  virtual Result<void> end() = 0;
  // Nothing more is expected but the end of the body.
  virtual bool done() const = 0;
};

// The headers of a request that is passed on.
inline std::vector<std::pair<std::string, std::string>> relay_headers(bool stream) {
  return {{"Content-Type", "application/json"}, {"Accept", stream ? "text/event-stream" : "application/json"}};
}

class UpstreamDialect {
 public:
  virtual ~UpstreamDialect() = default;
  virtual std::string_view name() const = 0;  // "chat"
  virtual Result<UpstreamMessage> write(const UpstreamAsk& ask) const = 0;
  // Where a request goes that a client wrote in this very dialect: path and headers, no body. Nothing: such requests
  // are not passed on as they are.
  virtual std::optional<UpstreamMessage> relay(std::string_view /*model*/, bool /*stream*/) const {
    return std::nullopt;
  }
  // Where a request for embeddings goes, in the form of OpenAI's: path and headers. Nothing: there are none here.
  virtual std::optional<UpstreamMessage> embeddings() const { return std::nullopt; }
  virtual std::unique_ptr<AnswerParser> stream_parser() const = 0;
  // The Content-Type of a streamed answer; one of another type is read as a whole answer.
  virtual std::string_view stream_type() const { return "text/event-stream"; }
  // A whole (unstreamed) answer.
  virtual Result<std::vector<Piece>> parse_answer(std::string body) const = 0;
  // Asking how many tokens the input of a request has, and the answer. The supplier counts; nobody guesses.
  virtual bool counts() const { return false; }
  virtual Result<UpstreamMessage> write_count(const UpstreamAsk&) const {
    return Error{.code = Code::kInvalid, .message = "This dialect has no call that counts tokens."};
  }
  virtual Result<int64_t> parse_count(std::string) const {
    return Error{.code = Code::kCorrupt, .message = "This dialect has no call that counts tokens."};
  }
  // An error answer: classed by status and body, Retry-After read. Never echoes credentials.
  virtual Error parse_error(int status, std::string_view retry_after, std::string_view body) const = 0;
};

}  // namespace perdure
