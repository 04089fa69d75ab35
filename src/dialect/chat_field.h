#pragma once
// Fields have the names of the Responses API inside ("text.format", "input[3].content[0]"). A client of Chat
// Completions is told its own.

#include <string>
#include <string_view>

namespace perdure {

// What is somewhere in the conversation is "messages": items and messages are not counted alike.
std::string chat_field(std::string_view field);

}  // namespace perdure
