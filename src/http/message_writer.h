#pragma once
// Heads of messages as bytes. Nothing that a caller puts into a header can end a line early.

#include <string>
#include <string_view>

#include "base/time.h"
#include "http/message.h"

namespace perdure {

bool is_token(std::string_view text);         // RFC 9110, 5.6.2: header names, methods
bool is_header_value(std::string_view text);  // no control characters but tab
std::string_view reason_phrase(int status);

void append_status_line(std::string& out, int status);
// CR, LF and other control characters in `value` become spaces; a field whose name is not a token is left out.
void append_field(std::string& out, std::string_view name, std::string_view value);
void append_number(std::string& out, size_t number);
// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string http_date(int64_t unix_seconds);

// True for fields that say how the message is framed or how long the connection lives: the codec's own affair.
bool is_framing_field(std::string_view name);

}  // namespace perdure
