#pragma once
// ToolOutputs: which output belongs to which call, for dialects that say a call's output behind it. The n-th output
// with an id is that of the n-th call with it, since a model may use an id again.

#include <map>
#include <string>
#include <vector>

#include "dialect/upstream.h"
#include "wire/json.h"

namespace perdure {

class ToolOutputs {
 public:
  // `ask` outlives it.
  explicit ToolOutputs(const UpstreamAsk& ask);
  // The index of the next output with this id. kInvalid, tool_output_not_found: there is none left.
  Result<size_t> take(const std::string& call_id);
  // kInvalid, tool_call_not_found: an output was not taken.
  Result<void> check_all_taken() const;

 private:
  struct Outputs {
    std::vector<size_t> indexes;
    size_t taken = 0;
  };
  const UpstreamAsk& ask_;
  std::map<std::string, Outputs> by_id_;
};

// The arguments of a call where they must be an object: byte for byte if they are one. What a model wrote wrongly still
// has to be said for the session to go on.
void write_arguments_object(json::Writer& out, const std::string& arguments);

}  // namespace perdure
