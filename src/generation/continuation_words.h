#pragma once
// The words that ask a model to go on with an answer that broke off, in the conversation's language. English where the
// language is not one of those known here.

#include <string_view>

#include "generation/language.h"

namespace perdure {

std::string_view continuation_words(Language language);

}  // namespace perdure
