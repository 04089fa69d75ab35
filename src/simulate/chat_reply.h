#pragma once
// The JSON that a simulated supplier answers with: whole answers, chunks of a stream, errors.

#include <string>
#include <string_view>

#include "simulate/scripted_model.h"

namespace perdure::simulate {

struct Usage {
  int64_t prompt = 0, completion = 0, reasoning = 0;
};

// What all chunks of one answer share.
struct ReplyHead {
  std::string id, model;
  int64_t created = 0;         // seconds since 1970
  bool include_usage = false;  // a stream's: every chunk but the last says "usage": null
};

std::string render_completion(const ReplyHead& head, const Answer& answer, const Usage& usage);

std::string render_first_chunk(const ReplyHead& head);  // the role
std::string render_text_chunk(const ReplyHead& head, std::string_view text);
std::string render_reasoning_chunk(const ReplyHead& head, std::string_view text);
std::string render_call_chunk(const ReplyHead& head, size_t index,
                              const ToolCall& call);  // id and name, no arguments yet
std::string render_arguments_chunk(const ReplyHead& head, size_t index, std::string_view text);
std::string render_finish_chunk(const ReplyHead& head, Finish finish);
std::string render_usage_chunk(const ReplyHead& head, const Usage& usage);

// {"error": {...}}; empty `param` and `code` are null.
std::string render_error(std::string_view message, std::string_view type, std::string_view param,
                         std::string_view code);

}  // namespace perdure::simulate
