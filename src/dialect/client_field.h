#pragma once
// Fields have the names of the Responses API inside ("text.format", "input[3].content[0]"). A client of another API is
// told of its own.

#include <string>
#include <string_view>

#include "model/request.h"

namespace perdure {

// The name of `field` in `dialect`. What is somewhere in the conversation is "messages" to APIs that have those: items
// and messages are not counted alike.
std::string client_field(ClientDialect dialect, std::string_view field);

}  // namespace perdure
