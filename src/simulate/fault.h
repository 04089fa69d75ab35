#pragma once
// Fault: one way in which a simulated supplier misbehaves, as a value. Written as text:
//
//   status=429,retry-after=2      answers with that status; retry-after in seconds
//   cut-after-tokens=7            connection aborted after that many tokens of the answer, no [DONE]
//   cut-after-bytes=100           connection aborted after that many bytes of the body
//   stall-after-tokens=3,for=5s   silence for that time, then it goes on; without `for`: for ever
//   malformed-after-tokens=4      one event whose JSON is broken, then it goes on
//   error-after-tokens=4          an error event, then the stream ends in good order
//   end-after-tokens=4            the stream ends in good order without finish_reason and [DONE]
//   trickle  trickle=2ms          one byte a write, with that pause between bytes
//   slow-headers=2s               waits before the head of the reply
//   close                         connection aborted before the answer
//
// Numbers after tokens or bytes may be a range, `cut-after-tokens=1..40`, drawn per request. In front of a fault may
// stand `p=0.1:` (its probability per request) and `times=2:` (it happens at most that often). Several are joined by
// `;`.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace perdure::simulate {

struct Fault {
  enum class Kind {
    kStatus,
    kCutAfterTokens,
    kCutAfterBytes,
    kStallAfterTokens,
    kMalformedAfterTokens,
    kErrorAfterTokens,
    kEndAfterTokens,
    kTrickle,
    kSlowHeaders,
    kClose,
  };
  Kind kind = Kind::kClose;
  int status = 0;
  int64_t after_min = 0, after_max = 0;  // tokens or bytes; equal unless a range was given
  int64_t retry_after_s = -1;            // -1: the reply says nothing
  Duration time{-1};                     // stall: -1 is for ever; trickle: the pause; slow headers: the wait
  double probability = 1;
  int64_t times = -1;  // -1: without limit
  bool operator==(const Fault&) const = default;
};

std::string_view name_of(Fault::Kind kind);
std::string to_string(const Fault& fault);  // what parse_fault reads
std::string to_string(const std::vector<Fault>& faults);

// kInvalid with a message that names the word that is wrong.
Result<Fault> parse_fault(std::string_view text);
Result<std::vector<Fault>> parse_faults(std::string_view text);  // joined by ';'; empty text: none
Result<Duration> parse_time(std::string_view text);              // "250ms", "2s", "1.5s", "1m"

}  // namespace perdure::simulate
