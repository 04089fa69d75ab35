#pragma once
// LeftOut: what a supplier's dialect cannot say of a request: refused by the name of its field, or, for a lenient
// request, left out and noted. Names are those of the Responses API; a client of another API is told its own
// (client_field.h).

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dialect/upstream.h"

namespace perdure {

class LeftOut {
 public:
  explicit LeftOut(bool lenient) : lenient_(lenient) {}
  // kInvalid, reason "unsupported_parameter", unless lenient.
  Result<void> refuse(std::string param, std::string_view what);
  // refuse("seed", "'seed'").
  Result<void> refuse(std::string_view field) { return refuse(std::string(field), "'" + std::string(field) + "'"); }
  std::vector<std::string> take() { return std::move(fields_); }

 private:
  bool lenient_;
  std::vector<std::string> fields_;
};

// The field of the client's request that holds item `index` of the context, which ends with the request's input.
std::string context_param(const UpstreamAsk& ask, size_t index);

// Before the output of a tool that failed, where a dialect has no field for it.
inline constexpr std::string_view kToolFailed = "The tool reports an error:\n";

// A wish for logprobs, which no dialect passes on.
Result<void> refuse_logprobs(const Request& request, LeftOut& left_out);

// Names of participants in messages, which Chat Completions alone has.
Result<void> refuse_names(const UpstreamAsk& ask, LeftOut& left_out);

// Whether the conversation ends in the assistant's words that the client wants to be gone on with (Anthropic's API).
bool is_begun_by_client(const UpstreamAsk& ask);

// Whether the one tool that is allowed must be called: then it can be named, and all stay in sight.
bool allows_one(const ToolChoice& choice);
// Indexes of the tools that are shown: all, for the sake of the supplier's prompt cache; or, where its dialect cannot
// say which of them may be called, those alone that may.
std::vector<size_t> shown_tools(const Request& request);

// Every tool output has its call before it, and every call that is followed by more has its output.
// kInvalid: tool_call_not_found, tool_output_not_found.
Result<void> check_tool_pairs(const UpstreamAsk& ask);

}  // namespace perdure
