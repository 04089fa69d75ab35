#pragma once
// Ids of output items say whether reasoning came before them, in a way that only this supplier can write: OpenAI
// refuses such an item without its reasoning.

#include <optional>
#include <string>
#include <string_view>

#include "simulate/signer.h"

namespace perdure::simulate {

std::string mint_item_id(const Signer& signer, std::string_view prefix, std::string_view unique, bool after_reasoning);

// Whether reasoning came before the item; nothing: the id is not one of this supplier's.
std::optional<bool> came_after_reasoning(const Signer& signer, std::string_view id);

}  // namespace perdure::simulate
