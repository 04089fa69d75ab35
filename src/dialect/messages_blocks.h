#pragma once
// The blocks of a message as clients see them, for the whole answer and for its events.

#include <string>
#include <string_view>

#include "model/item.h"
#include "model/usage.h"
#include "wire/json.h"

namespace perdure {

inline constexpr std::string_view kBetweenThoughts = "\n\n";  // parts of reasoning follow each other with a blank line

std::string text_block(std::string_view text, std::string_view citations = {});  // citations: an array, or empty
std::string call_block(const Item& call, std::string_view input);
// As they come of its opaque block; the second where nothing of the reasoning is shown.
std::string signature_of(const Item& reasoning);
std::string hidden_block(const Item& reasoning);
std::string thinking_block(std::string_view text, std::string_view signature);
// The text that is shown of it.
std::string thinking_text(const Item& reasoning);

// The citations that a text's annotations are, as an array; empty: none.
std::string citations_of(const Part& part);

void write_messages_usage(json::Writer& out, const Usage& usage, bool whole);

}  // namespace perdure
