#pragma once
// Ids of items. Those of what a stored response brings tell which response that is, so that an item is found by its id
// alone: "msg_" + the digits of the response's id + 8 digits of its own. Pure.

#include <string>
#include <string_view>

#include "base/ids.h"
#include "model/item.h"

namespace perdure {

std::string make_item_id(Random& random, ItemKind kind);
// `id`, as anybody has made it, for an item of `response`. No response: as it is.
std::string item_id_in(const ResponseId& response, std::string id);
// Empty: not such an id.
ResponseId response_of_item(std::string_view id);

}  // namespace perdure
