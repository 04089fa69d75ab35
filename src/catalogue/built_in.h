#pragma once
// The catalogue that the program brings: catalogue/catalogue.json, put into the binary when it is built.

#include <string_view>

namespace perdure {

std::string_view built_in_catalogue();

}  // namespace perdure
