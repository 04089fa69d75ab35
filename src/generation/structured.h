#pragma once
// StructuredRemainder: how an answer that keeps to a JSON format is joined with what another attempt said to it. Pure.
// What was shown cannot be taken back, so the remainder is held until prefix and remainder together are valid.

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/request.h"

namespace perdure {

// Valid JSON that keeps to `schema` (raw JSON; empty: any). JSON Schema draft 4, what newer drafts add is not checked.
bool keeps_to(std::string_view json, std::string_view schema);

struct Joined {
  std::string remainder;  // what is to be shown
  size_t dropped = 0;     // bytes of `text` that are not
  std::string_view kind;  // as Seam::kind()
};

// Joins `held` with the whole `text` of an attempt that was asked to go on. kUnavailable, reason seam_schema: no
// reading of it makes a valid whole.
Result<Joined> join_structured(std::string_view held, std::string_view text, const TextFormat& format);

}  // namespace perdure
