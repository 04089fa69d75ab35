#pragma once
// Report: what one seed's simulation has to say: how much happened, which faults struck in which state and in which
// dialect, and what did not hold. A value.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace perdure::sim {

enum class FaultKind : uint8_t {
  // of the process
  kCrash,
  kCrashInCommit,
  kDiskFull,
  kClockStep,
  kAllCut,  // every connection of the process breaks at once
  // of the operator
  kDrain,
  kCut,
  kRestore,
  kKeyNarrowed,
  kRaised,  // more to spend, after a budget had run out
  // of the network, towards suppliers
  kRefused,
  kBlackHole,
  kReset,
  kStalled,
  kEndedEarly,
  kGarbled,  // wrong framing
  // of suppliers
  kBusy,         // 429
  kServerError,  // 5xx
  kAuthFailure,  // 401, 403
  kCutInTokens,
  kCutInBytes,
  kStallInTokens,
  kMalformed,
  kErrorAfter200,
  kEndWithoutEnding,
  kTrickle,
  kSlowHead,
  kClosed,
  // of clients
  kLeaves,
  kCancels,
  kDeletes,
  kRepeats,  // the same create twice at once, or again after its reply was lost
  kCount,
};
std::string_view name_of(FaultKind kind);

// Of one answer.
enum class Phase : uint8_t {
  kIdle,
  kCreating,
  kWaiting,  // created, nothing seen
  kStreaming,
  kContinuing,  // another attempt goes on with what was shown
  kRecovering,  // the process is starting
  kCount,
};
std::string_view name_of(Phase phase);

inline constexpr std::string_view kDialects[] = {"chat", "responses", "messages", "gemini", "converse"};
size_t number_of_dialect(std::string_view dialect);

template <size_t Columns>
using Table = std::array<std::array<int64_t, Columns>, static_cast<size_t>(FaultKind::kCount)>;

struct Coverage {
  // A fault of a supplier counts in the state of the answer that it struck; one of everything counts once in each state
  // in which any answer was.
  Table<static_cast<size_t>(Phase::kCount)> states{};
  Table<std::size(kDialects)> dialects{};  // of the network and of suppliers only
  Coverage& operator+=(const Coverage& other);
};

// Numbers only, so that it crosses a pipe as it is.
struct Counts {
  int64_t sessions = 0, generations = 0, faults = 0, crashes = 0, events = 0, steps = 0;
  int64_t attempts = 0, continuations = 0;       // dispatched; of them with something to go on from
  int64_t cancelled = 0, deleted = 0, left = 0;  // answers
  int64_t outrun = 0;                            // attempts that another one beside them was quicker than
  int64_t by_socket = 0;                         // answers over a WebSocket
  int64_t short_of_money = 0;                    // refused: a budget had no room
  int64_t too_many = 0;                          // refused: a limit of a key had no room
  int64_t honest_ends = 0;                       // failed or incomplete, where nobody could go on
  int64_t opaque_seen = 0, opaque_returned = 0;  // opaque blocks that suppliers issued, and got back
  uint64_t digest = 0;                           // of everything that happened, in order
  Coverage coverage;
  Counts& operator+=(const Counts& other);
};

struct Report {
  uint64_t seed = 0;
  Counts counts;
  std::vector<std::string> violations;  // empty: the seed holds
};

}  // namespace perdure::sim
