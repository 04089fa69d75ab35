#pragma once
// Opening: one attempt up to its first word. The call goes out, and pieces are gathered until one of them would be
// shown to somebody; nothing has been handed to anyone by then, so that several may race and one be taken.
//
// Race: what is decided about a first attempt that does not speak and a second beside it. Pure; race() in
// generation.cc does what it says.

#include <memory>
#include <optional>
#include <vector>

#include "provider/provider.h"
#include "routing/attempt_lease.h"

namespace perdure {

struct Opening {
  std::unique_ptr<AttemptLease> lease;
  int64_t number = 1;
  bool prefill = false;
  std::unique_ptr<UpstreamAnswer> answer;  // dies before the lease, to whose cancellation it listens
  std::vector<Piece> pieces;               // what has come
  // Nothing: it is silent. True: more may come. False: that was all. An error: it is over.
  std::optional<Result<bool>> said;
  bool spoke = false;       // a word is among the pieces
  bool any_pieces = false;  // some have come: the next silence is one between pieces
  int64_t heard_bytes = 0;  // of text that came
  bool accounted = false;   // its end is in the account

  // What its pieces say of it, for the account of one that is not gone on with.
  std::string upstream_id() const;
  Usage usage() const;
};

// A piece that a client would see something of.
bool is_word(const Piece& piece);

struct OpeningLimits {
  Duration open_time{}, stall_time{};
  Deadline deadline;
};

// Until it has spoken or is over: opening.said. What `call` refers to and `opening` must outlive it. `changed` is told
// at the end.
Task<void> open(Opening& opening, UpstreamCall call, OpeningLimits limits, Loop& loop, Notifier& changed);

// How an attempt ends that another one has outrun.
inline Error outrun_error() { return {Code::kCancelled, "another attempt was quicker"}; }

class Race {
 public:
  enum class State : uint8_t { kAbsent, kSilent, kSpeaks, kOver };
  static State state_of(const Opening& opening) {
    if (opening.spoke || (opening.said && opening.said->ok())) return State::kSpeaks;
    return opening.said ? State::kOver : State::kSilent;
  }
  enum class Next : uint8_t {
    kWait,    // for a change, or for the moment when a second one may be started
    kStart,   // a second one, if there is a place for it
    kFirst,   // go on with the first
    kSecond,  // go on with the second
    kFailed,  // neither is left
  };
  // `second`: kAbsent while there is none. `late`: the first has been silent for long enough. `may_start`: no second
  // one was tried yet.
  static Next next(State first, State second, bool late, bool may_start) {
    if (first == State::kSpeaks) return Next::kFirst;
    if (second == State::kSpeaks) return Next::kSecond;
    if (first == State::kSilent && second == State::kAbsent && late && may_start) return Next::kStart;
    if (first == State::kSilent || second == State::kSilent) return Next::kWait;
    return Next::kFailed;
  }
};

}  // namespace perdure
