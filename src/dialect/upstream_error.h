#pragma once
// What suppliers' errors come down to, whatever their dialect: a class by status and words, and a message without
// credentials.

#include <string>
#include <string_view>

#include "base/result.h"

namespace perdure {

// `status` 0: the error came inside an answer with a good status, and only its words say what it is. `type` and `code`
// are the supplier's machine words (either may be empty), `message` its sentence.
Error upstream_error(int status, std::string_view type, std::string_view code, std::string_view message);

// The supplier's words without credentials, control characters and excess.
std::string shown_words(std::string_view text);

// Seconds of a Retry-After header in milliseconds; -1: none, or not a number of seconds within a day.
long retry_after_ms(std::string_view header);

// kUnavailable, reason "cut": a stream that ended before its answer did.
Error answer_cut();

// kInvalid, reason "unsupported_parameter": `what` cannot be said in the supplier's dialect.
Error unsayable(std::string param, std::string_view what);

}  // namespace perdure
