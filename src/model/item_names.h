#pragma once
// The words that items are written with.

#include "model/item.h"
#include "model/names.h"

namespace perdure {

std::span<const Name<ItemKind>> item_kinds();
std::span<const Name<Role>> roles();
std::span<const Name<ItemStatus>> item_statuses();
std::span<const Name<PartKind>> part_kinds();
std::span<const Name<OpaqueKind>> opaque_kinds();

}  // namespace perdure
