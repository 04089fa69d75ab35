#pragma once
// Citations of the Messages API as annotations, and back. What points to the web has a form that all clients know; the
// citation is kept whole beside that ("x_citation"), for clients of this API.

#include <optional>
#include <string>
#include <string_view>

#include "wire/json.h"

namespace perdure {

size_t characters_in(std::string_view text);

// Of the characters from `begin` to `end` of its text.
std::string annotation_of_citation(json::Value citation, size_t begin, size_t end);

// Nothing: an annotation that only its own API can tell, such as a place in a supplier's file store. `text` is what it
// belongs to.
std::optional<std::string> citation_of_annotation(json::Value annotation, std::string_view text);

}  // namespace perdure
