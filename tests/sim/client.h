#pragma once
// Client: holds a conversation with whatever Perdure process there is, and believes nothing: what it saw before a crash
// must come again, numbers have no gap, streamed = fetched, the answer is the uncut one, a create that is repeated
// happens once. It leaves, cancels, deletes, repeats itself and asks for nonsense, as its seed says.

#include <optional>

#include "scene.h"

namespace perdure::sim {

class Client {
 public:
  Client(Scene& scene, int number, int turns);
  Task<void> run();

 private:
  struct Turn {
    Prompt prompt;
    Request request;
    Errand* errand = nullptr;
    bool stored = true, keyed = false;
    std::string key;
    ResponseId id;
    std::vector<std::string> seen;
    bool cancelled = false;
    std::optional<size_t> cancel_at, leave_at, delete_at;  // events seen
  };
  enum class Followed { kToTheEnd, kStopped, kLost };

  Task<void> turn();
  Task<bool> create(Turn& turn);  // false: not to be had; nothing, or an answer that nobody hears of, was created
  Task<void> open_conversation(uint64_t unique);
  Task<std::optional<Result<Created>>> create_once(Turn& turn);
  Task<void> create_beside(Turn& turn, std::set<std::string>& ids);
  Task<Result<Followed>> follow(Process& process, Turn& turn, size_t stop_at);
  Task<void> check(Turn& turn);
  Task<void> remove(ResponseId id);
  Task<void> nonsense();
  void judge(const Turn& turn, const Response& response);
  void after(const Turn& turn, const Response& response);
  void client_fault(FaultKind kind, const Turn& turn);
  void renew_errand(Turn& turn);
  void begin_anew();
  Task<void> pause(uint64_t milliseconds) { return sleep(milliseconds + random_.below(milliseconds + 1)); }
  Task<void> sleep(uint64_t milliseconds) { co_await sleep_for(scene_.loop, std::chrono::milliseconds(milliseconds)); }

  Scene& scene_;
  int number_, turns_;
  SeededRandom random_;
  Identity who_;
  TaskGroup beside_;
  bool converses_;            // goes on in a conversation rather than from the previous response
  std::string conversation_;  // empty: the next turn makes one
  std::string previous_;
  std::vector<ResponseId> mine_;
  OpenCalls open_;
  bool begun_only_ = false;  // the history has an answer that broke off: only prompts that are obeyed at once
  uint64_t said_ = 0;
};

// The judgement of one answer that has ended: what is not as it must be.
void judge_answer(Scene& scene, const Errand& errand, const Prompt& prompt, bool cancelled, const Response& response);

}  // namespace perdure::sim
