#pragma once
// {"error": {"message", "type", "param", "code"}}: how OpenAI, and most that speak its dialects, say what is wrong.

#include <string>
#include <string_view>

namespace perdure::simulate {

// Empty `param` and `code` are null. The type follows from the status: server_error, requests (429), or
// invalid_request_error.
std::string openai_error(int status, std::string_view message, std::string_view param = {}, std::string_view code = {});

}  // namespace perdure::simulate
