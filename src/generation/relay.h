#pragma once
// Relay: a request in the dialect of the supplier that serves it is passed on as its client wrote it, and so is the
// answer. Nothing is rendered: a parser only listens, for usage, for the account, and so that an answer whose supplier
// disappears can be gone on with.
//
//   edits     the model's name in the request, where the deployment's differs; nothing in the answer
//   frames    a stream is passed on in whole events, so that another author can take over between two
//   retries   before the first byte only, as generation does; later the caller goes on with what was heard
//   hedging   of a stream whose workload says so: until its first word (opening.h) its events are kept back, so that a
//             second attempt may be started beside one that stays silent; of the two who speaks first is passed on
//
// Bounds: one read of the supplier's (64 KiB) and one event at a time; what was heard is the answer's text; of each of
// two attempts that race kHeldBackMax and an event. Lives on one Loop.

#include <memory>
#include <string>
#include <vector>

#include "async/task_group.h"
#include "base/log.h"
#include "generation/generation.h"
#include "generation/opening.h"
#include "http/client.h"

namespace perdure {

// The dialect of requests for embeddings: any supplier that has them serves, but no other model than the one that was
// asked for: vectors of two models do not compare.
inline constexpr std::string_view kEmbeddings = "embeddings";
Error nobody_embeds(std::string_view model);

struct RelayInput {
  std::string dialect;                // "chat", kEmbeddings
  std::string model;                  // that the client asked for
  std::string_view body;              // outlives the Relay
  size_t name_at = 0, name_size = 0;  // the model's name in `body`, quotes included
  bool stream = false;
  Traffic traffic;
  Needs needs;
  std::string traceparent;
  std::vector<std::pair<std::string, std::string>> headers;  // of the client's that belong to the dialect
};

struct RelayedAttempt {
  AttemptStarted started;
  AttemptEnded ended;
  Duration took{};
};

// What was passed on so far, as far as another author needs to know it.
struct Heard {
  std::vector<Piece> said;  // all but calls, in order; pieces of one kind are put together
  size_t text_bytes = 0;    // of messages
  bool calls = false;       // tool calls were begun: nobody else can go on with those
  bool foreign = false;     // something came that has no place here, and what followed was not listened to: likewise
  bool finished = false;
  std::string id, model;  // as the supplier named them
  std::string finish_reason;
  Finish finish = Finish::kNone;
  Usage usage;
  std::string text() const;  // of messages
};

// Events of a silent attempt that are kept back at most; one that has sent more is passed on, word or not.
inline constexpr size_t kHeldBackMax = 64 << 10;

class Relay {
 public:
  // All of them must outlive the Relay.
  Relay(const RelayInput& input, Router& router, Loop& loop, Cancellation& gone, const GenerationLimits& limits,
        Log log);

  struct Head {
    bool passed = false;  // false: who serves this model speaks another dialect; nothing was asked of anybody
    int status = 200;
    std::string content_type;
    std::string body;     // of an answer that is no stream
    bool stream = false;  // next() has the events
  };
  // Errors are those that a generation would end with.
  Task<Result<Head>> open();
  // Appends whole events, ready to be passed on; false at the end of a whole answer. An error: the supplier is gone in
  // the middle of its answer; what was appended by this call is good.
  Task<Result<bool>> next(std::string& events);

  // Of the author, when the answer is over.
  const Heard& heard() const { return heard_; }
  const std::vector<RelayedAttempt>& attempts() const { return attempts_; }
  // Of them, whose answer is, or was to be, passed on; once open() has given a Head that is passed.
  const RelayedAttempt& author() const { return attempts_[author_]; }

 private:
  // One attempt.
  struct Line {
    std::unique_ptr<AttemptLease> lease;
    size_t attempt = 0;  // in attempts_
    Instant began{};
    std::unique_ptr<HttpAnswer> answer;  // dies before the lease, to whose cancellation it listens
    Head head;
    std::unique_ptr<AnswerParser> parser;
    std::string tail;  // of an event whose end has not come
    Heard heard;
    int64_t heard_bytes = 0;
    bool first = true, spoke = false;
    // Of one that races.
    std::string held_back;             // whole events that have come
    std::optional<Result<bool>> said;  // as of an Opening
    std::optional<Error> cut;          // it spoke, and broke off with it
    bool accounted = false;
  };
  std::unique_ptr<Line> start(std::unique_ptr<AttemptLease> lease, int64_t number, int64_t beside);
  Task<Result<std::unique_ptr<HttpAnswer>>> ask(AttemptLease& lease);
  Task<Result<std::string>> read_all(HttpAnswer& answer, size_t bytes_max);
  Task<Result<void>> answer_of(Line& line);
  Result<bool> take(Line& line, std::string& events, size_t begin, Result<bool> more, Duration silence);
  Deadline patience_with(const Line& line, Instant asked) const;
  void listen(Line& line, const std::vector<Piece>& pieces);
  void understand(Line& line, std::string_view body);
  void end_attempt(Line& line, const Result<void>& outcome, std::string_view word);
  void fail(Line& line, const Error& error);
  void let_go();
  Task<void> race_on(Line& line);
  Task<Result<void>> first_word(Duration patience, const PlacementAsk& placement, int64_t& number);
  std::unique_ptr<AttemptLease> begin_beside(const PlacementAsk& placement);
  static Race::State state_of(const Line& line);
  void leave(Line& line, int64_t number);

  const RelayInput& input_;
  Router& router_;
  Loop& loop_;
  Cancellation& gone_;
  const GenerationLimits& limits_;
  Log log_;
  Deadline deadline_;
  std::vector<Tried> tried_;
  std::vector<RelayedAttempt> attempts_;
  size_t author_ = 0;
  std::unique_ptr<Line> line_;  // that is passed on
  std::unique_ptr<Line> beside_;
  std::vector<Piece> pieces_;
  Heard heard_;  // of a line that is gone
  bool ended_ = false;
  Notifier spoke_;
  TaskGroup racing_;
};

// Where the last whole event of a stream ends; 0: there is none.
size_t end_of_events(std::string_view bytes);

}  // namespace perdure
