#pragma once
// MemoryStore: a Store whose contents end with the process. For tests, simulation and trying things out. Thread-safe;
// every call completes at once, on the caller's Loop.

#include <memory>

#include "store/seal.h"
#include "store/store.h"

namespace perdure {

std::unique_ptr<Store> memory_store(Key256 head_key);

}  // namespace perdure
