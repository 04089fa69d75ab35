#pragma once
// The arguments of a call as an object, for APIs that take nothing else. Models write them as text, which may be no
// JSON at all, and the session has to go on all the same.

#include <string>
#include <string_view>

namespace perdure {

// `arguments` byte for byte where they are an object; {} for nothing; else {"invalid_arguments": "..."}.
std::string arguments_object(std::string_view arguments);

}  // namespace perdure
