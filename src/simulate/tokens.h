#pragma once
// Tokens of the scripted model: an optional space with up to four letters or digits, or one other character, or white
// space. Cut from left to right by what follows only, so that text cut after a token splits on as the whole would have.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace perdure::simulate {

size_t token_length(std::string_view text);  // bytes of the first token; never cuts a UTF-8 sequence; 0 for empty text
int64_t count_tokens(std::string_view text);

// 64 bits that depend on `from` and every byte. For seeds, not for keys.
uint64_t hash_of(std::string_view bytes, uint64_t from);

}  // namespace perdure::simulate
