#pragma once
// Meters: the judge of the limits of API keys. It knows when each request was sent and when it was answered, so that it
// was let in somewhere between, and asks for every window of time whether what was certainly let in within it was more
// than the limit and what had flowed back. Nothing of it asks the process's own book.
//
//   requests   in any window no more than a minute's worth and what flows in it; so over a crash, for what was durable
//   tokens     where a request reserves the whole limit, none is let in before what the ones before it used has flowed
//              back
//   refusals   429, with Retry-After, and nothing was begun; none while it can not have been too many
//
// Certain is what was let in in this life of the process, and of earlier ones what a client has seen the whole end of
// and was stored: its line in the ledger came with it.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "async/sim_loop.h"
#include "setup.h"

namespace perdure::sim {

class Meters {
 public:
  Meters(const Setup& setup, SimLoop& loop, std::function<void(std::string)> violate);

  // A request that counts goes out; what it is called from now on (0: its key has no limit).
  size_t asked(const KeyId& key);
  // `reserves`: it was no nonsense, which is refused before anything is reserved for it.
  void let_in(size_t request, bool reserves = true);
  // Its key's limit was the reason. `retry_after_s` nothing: it was not told.
  void refused(size_t request, std::string_view body, std::optional<int64_t> retry_after_s);
  // A whole answer was seen, of at least so many tokens.
  void seen(size_t request, int64_t tokens, bool stored);
  void new_life();
  // The wall clock has jumped: how old a line of the ledger is that began before, nobody can say any more.
  void clock_moved();

 private:
  struct Request {
    KeyId key;
    Instant sent{}, answered = Instant::max();
    uint64_t life = 0;
    bool durable = false;
    int64_t tokens = 0;
  };
  bool certain(const Request& request) const {
    return request.answered != Instant::max() && (request.life == life_ || request.durable);
  }
  std::string told(const Request& request) const;
  const Setup& setup_;
  SimLoop& loop_;
  std::function<void(std::string)> violate_;
  std::vector<Request> requests_;  // all of them, in the order in which they were sent
  uint64_t life_ = 0;
  Instant life_began_{}, clock_moved_ = Instant::min();
};

}  // namespace perdure::sim
