#pragma once
// What can be set on a simulated supplier, and how the words of a command line become it.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "simulate/fault.h"

namespace perdure::simulate {

// How the scripted model goes on with an answer that it is shown the beginning of, followed by a message that asks for
// more.
enum class Continuation {
  kExact,       // emits what is missing
  kOverlap,     // repeats the last 3 to 8 words first
  kRestart,     // emits the whole answer again
  kMixed,       // one of the three, by seed, per request
  kPreface,     // says something first: "Sure, here is the rest: "
  kWhitespace,  // other white space at the seam
  kFence,       // opens a code block, again where it is inside of one
  kLanguage,    // goes on in another language
  kRefusal,     // does not go on
  kRandom,      // any of all these, by seed, per request
};
std::string_view name_of(Continuation continuation);
Result<Continuation> parse_continuation(std::string_view text);

struct SupplierOptions {
  uint64_t seed = 1;
  std::string model = "simulated-1";  // the names it answers to, joined by ','; a '*' among them: any
  double tokens_per_second = 0;       // 0: as fast as possible
  Duration first_token{};
  std::string api_key;  // empty: none is asked for
  std::vector<Fault> faults;
  Continuation continuation = Continuation::kExact;
  bool reasoning = false;        // before the text, also where nobody asks for it
  bool prefill = true;           // goes on with a last message of the assistant; otherwise it refuses it or starts over
  bool state = false;            // keeps responses when asked to (store, previous_response_id); otherwise it refuses to
  bool automatic_cache = false;  // counts repeated beginnings of prompts as cached without being asked
  int64_t cache_minimum = 1024;  // tokens; shorter prefixes are not cached
  std::string account;           // whose key opaque blocks are signed with; others' are refused
  std::string aws_key;     // "<access key id>:<secret>[:<session token>]": requests to Bedrock must be signed with it
  std::string aws_region;  // and for this region; empty: for any
  size_t bodies_kept = 0;  // how many of the last request bodies GET /__stats?bodies=1 shows
};

// Sets one option by its word: seed, model, tokens-per-second, first-token (time), api-key, aws-key, aws-region,
// account, fault (added to the others), seam (or continuation), cache-minimum, bodies-kept; reasoning, prefill, state
// and automatic-cache take yes, no, true or false. kInvalid with a message for the user otherwise.
Result<void> set_option(SupplierOptions& options, std::string_view name, std::string_view value);

}  // namespace perdure::simulate
