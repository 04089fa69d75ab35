#pragma once
// verify: reads a whole store and finds what is not as it was written. A flipped bit, swapped records, a missing tail,
// a missing session, an altered head, a blob that is missing, left over, altered or counted wrong: each shows, because
// payloads are hashed into the chain, the chain ends in the head, and all heads sum up to a total under the owner's
// key. An older copy of the whole file does not show: nothing in it is altered.

#include <functional>
#include <string>
#include <vector>

#include "store/seal.h"
#include "store/store.h"

namespace perdure {

struct VerifyReport {
  uint64_t sessions = 0, records = 0, erased_records = 0, forks = 0, blobs = 0;
  // False: the store was written meanwhile, so a missing session would not be noticed. Does not happen where the store
  // is read at one moment (SqliteOptions::one_moment).
  bool totals_compared = false;
  uint64_t problem_count = 0;
  std::vector<std::string> problems;  // the first kProblemsMax of them
  static constexpr size_t kProblemsMax = 100;
  bool holds() const { return problem_count == 0; }
};

// The key of a session; kNotFound when it was erased.
using KeyOf = std::function<Task<Result<std::optional<Key256>>>(const SessionRow&)>;

// `head_key` as the store was opened with. Errors only when the store cannot be read at all; damage is in the report.
Task<Result<VerifyReport>> verify(Store& store, Key256 head_key, KeyOf key_of);

}  // namespace perdure
