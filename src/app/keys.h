#pragma once
// The owner's keys at rest: the master key, and the key of the store's set hash of heads that is derived from it.

#include <string>

#include "store/seal.h"

namespace perdure {

enum class MissingKey { kCreate, kRefuse };

// `hex` empty: DATA/master.key, made with mode 0600 when missing and allowed. kCorrupt: not 64 hex digits.
Result<Key256> master_key(const std::string& data_folder, const std::string& hex, MissingKey missing, Random& random);
Key256 head_key(const Key256& master);

}  // namespace perdure
