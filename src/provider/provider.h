#pragma once
// Provider: a configured endpoint of a supplier, reached for one upstream call at a time. Lives on one Loop.
// Implementation: http_provider.h (any dialect over HTTP). A provider does not retry: generation does.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "async/wait.h"
#include "base/result.h"
#include "dialect/upstream.h"
#include "http/client.h"
#include "model/piece.h"
#include "model/request.h"

namespace perdure {

struct UpstreamCall {
  const Request& request;  // input is not used: context holds history and input
  std::span<const Item> context;
  std::string model;                         // the deployment's name at this provider
  std::string held;                          // visible text so far, when this continues an answer
  std::string ask;                           // the words that ask to go on; empty with `held`: prefill
  std::string traceparent;                   // W3C trace context to pass on; empty: none
  std::optional<int64_t> max_output_tokens;  // what is left of the client's limit
  int64_t max_output_tokens_else = 0;        // for dialects that want a limit where the client gave none; 0: theirs
};

// A stream of pieces. Destroying it aborts the upstream call.
class UpstreamAnswer {
 public:
  virtual ~UpstreamAnswer() = default;
  // Appends what has come; false at the end of a whole answer. kUnavailable: the stream was cut. kDeadline: nothing
  // came in time. kCorrupt: it made no sense. kCancelled.
  virtual Task<Result<bool>> next(std::vector<Piece>& out, Deadline deadline) = 0;
};

// A request in the supplier's own dialect, as a client wrote it but for the model's name.
struct RelayCall {
  std::string model;      // the deployment's name at this provider
  std::string_view body;  // lives until the answer's head has come
  bool stream = false;
  bool embeddings = false;  // else an answer
  std::string traceparent;
  std::vector<std::pair<std::string, std::string>> headers;  // of the client's that belong to the dialect
};

class Provider {
 public:
  virtual ~Provider() = default;
  virtual const std::string& name() const = 0;
  // The fields of a lenient request that this supplier's dialect leaves out. kInvalid: it cannot be said at all.
  virtual Result<std::vector<std::string>> dropped(const UpstreamCall&) const { return std::vector<std::string>(); }
  // Returns once the supplier has accepted the call (its answer's head has come). What `call` refers to must live until
  // then. `cancel` must outlive the answer.
  virtual Task<Result<std::unique_ptr<UpstreamAnswer>>> open(UpstreamCall call, Deadline deadline,
                                                             Cancellation& cancel) = 0;

  // How many tokens the call's input has, as the supplier counts; nobody guesses.
  virtual bool counts() const { return false; }
  virtual Task<Result<int64_t>> count(UpstreamCall, Deadline, Cancellation&) {
    co_return Error{Code::kInvalid, "this provider counts nothing"};
  }

  // Relaying: the dialect of requests that can be passed on here ("chat"); empty: none can. The answer is the
  // supplier's, whatever its status; parsers and error_of() are for those who listen.
  virtual std::string_view relays() const { return {}; }
  // Whether requests for embeddings, in OpenAI's form, can be passed on here.
  virtual bool embeds() const { return false; }
  virtual Task<Result<std::unique_ptr<HttpAnswer>>> relay(RelayCall, Deadline, Cancellation&) {
    co_return Error{Code::kInvalid, "this provider relays nothing"};
  }
  virtual std::unique_ptr<AnswerParser> stream_parser() const { return nullptr; }
  virtual Result<std::vector<Piece>> parse_answer(std::string) const { return std::vector<Piece>(); }
  virtual Error error_of(int status, std::string_view /*retry_after*/, std::string_view /*body*/) const {
    return {.code = Code::kUnavailable, .message = "the supplier answered with an error", .upstream_status = status};
  }
};

}  // namespace perdure
