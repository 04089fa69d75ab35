#pragma once
// Run: one response while it is being made. It is generation's sink: what generation hands over waits in `pending`, is
// committed to the session's journal (everything that gathered while the previous commit ran, as one), and only then
// becomes visible to readers. A Run of a response that is not stored has no journal; its records become visible at once
// and wait for their one reader, or are kept for as many as may come (keep_all).
//
// Bounds: pending bytes (then generation waits, and with it the supplier); the window of records kept for readers of a
// stored run (older ones are read from the journal); unread bytes of an unstored run (then generation waits for its
// reader). Lives on its session's home Loop.

#include <deque>
#include <memory>
#include <unordered_map>

#include "async/task_group.h"
#include "base/log.h"
#include "generation/generation.h"
#include "model/response.h"
#include "session/journal.h"
#include "session/pace.h"
#include "session/turnstile.h"

namespace perdure {

struct RunLimits {
  size_t pending_bytes_max = 256 << 10;
  size_t window_bytes_max = 256 << 10;
  Duration retry_first = std::chrono::milliseconds(50);
  Duration retry_max = std::chrono::seconds(2);
};

using SharedRecord = std::shared_ptr<const Record>;

class Run final : public GenerationSink {
 public:
  // `journal` null: not stored.
  Run(Loop& loop, TenantId tenant, std::unique_ptr<Journal> journal, RunLimits limits, Log log);

  // What the run is about; before anything else. The request's address is stable from then on.
  void identify(const ResponseCreated& created, WallTime at, uint64_t first_seq);
  const ResponseId& id() const { return id_; }
  const Request& request() const { return *request_; }
  const KeyId& key() const { return key_; }
  WallTime created() const { return created_; }
  uint64_t first_seq() const { return first_seq_; }
  SessionId session() const { return journal_ ? journal_->row().id : SessionId{}; }

  // Commits the first records with their batch, and with them what was put by then; what is put later waits behind
  // them. It begins when the answer is all there, at `hold` at the latest. On failure the run is broken. The response
  // begins at first_seq; what stands before it is where its session starts from.
  Task<Result<void>> commit_first(std::vector<Record> records, Batch batch, Deadline hold = {Instant::min()});
  // Instead of commit_first(), when recovery has brought in durable records: commits may begin.
  void begin();
  bool begun() const { return begun_; }
  void finish();  // the driver has returned

  // Brings in a record that is already durable (or needs not be): the beginning, or what recovery has read.
  Result<void> begin_with(Record record);
  // Puts a record behind what is pending; the batch's other parts are committed together with it.
  void put(Record&& record, std::optional<Batch> together = {});
  // Until everything put so far is durable. kConflict etc.: the run is broken, nothing more will be written.
  Task<Result<void>> flush();

  Task<Result<void>> attempt_started(AttemptStarted attempt) override;
  Task<Result<void>> deltas(std::vector<Delta> deltas) override;
  Task<Result<void>> attempt_ended(AttemptEnded attempt) override;

  // The committing half; runs until stop_commits() and all is flushed, or until broken.
  Task<void> commit_loop();
  void stop_commits();
  // What is put now will be committed. No longer so once the answer has ended.
  bool accepts() const { return stored() && !stopping_ && !broken_; }

  // How long its commits take is told there; outlives the run.
  void set_pace(CommitPace* pace) { pace_ = pace; }

  // Records from `first` on that are visible now: a shared piece of the window; empty when there are none yet or
  // `first` is before the window (then window_first() > first and the journal has them).
  std::vector<SharedRecord> visible_from(uint64_t first) const;
  uint64_t window_first() const { return window_.empty() ? visible_seq_ + 1 : window_.front()->seq; }
  uint64_t visible_seq() const { return visible_seq_; }
  void taken(uint64_t seq);  // unstored: the reader has everything up to `seq`
  // Unstored, before its beginning is brought in: nothing is let go, so that it can be read again from its start. What
  // it holds is bounded by what an answer may be, and it does not wait for a reader.
  void keep_all() { keeps_all_ = true; }
  bool keeps_all() const { return keeps_all_; }
  Notifier& changed() { return changed_; }

  const Response& response() const { return response_; }  // fold of the visible records
  const TenantId& tenant() const { return tenant_; }
  bool stored() const { return journal_ != nullptr; }
  Journal* journal() { return journal_.get(); }
  bool ended() const { return is_terminal(response_.status); }
  bool broken() const { return broken_.has_value(); }
  const std::optional<Error>& why_broken() const { return broken_; }
  size_t window_bytes() const { return window_bytes_; }

  Cancellation& cancel() { return cancel_; }
  Turn turn;                                   // the right to write the session, as long as the run goes on
  size_t reading = 0;                          // who waits for records at this moment
  Instant read_at = Instant::min();            // when somebody last took some
  bool given_up = false;                       // kept for repeats until now; the one who still reads it ends it
  size_t waiting = 0;                          // who wants to go on from the response and waits for its end
  std::shared_ptr<RateBook::Reserve> reserve;  // until the first attempt is placed, which holds its own
  std::string idempotency;                     // key of the response's idempotency entry; empty: none
  bool halt = false;  // set before cancel: the server is stopping, leave the response unfinished
  bool done = false;  // see finish()
  // Accounts of the attempts of a run that is not stored; of a stored one they go with its commits.
  const std::vector<LedgerEntry>& ledger() const { return ledger_; }

 private:
  Task<Result<void>> append(std::vector<Record>& records, Batch batch);
  void show(Record&& record);
  void wake();
  LedgerEntry account(const AttemptEnded& attempt);
  Loop& loop_;
  TenantId tenant_;
  ResponseId id_;
  Shared<Request> request_;
  KeyId key_;
  WallTime created_{};
  uint64_t first_seq_ = 1;
  struct OpenAttempt {
    AttemptStarted started;
    Instant began{};
  };
  std::vector<OpenAttempt> attempts_;  // that have not ended: two at most
  std::vector<LedgerEntry> ledger_;
  bool begun_ = false, keeps_all_ = false;
  std::unique_ptr<Journal> journal_;
  CommitPace* pace_ = nullptr;
  RunLimits limits_;
  Log log_;
  std::vector<Record> pending_;
  std::vector<Batch> together_;
  size_t pending_bytes_ = 0;
  bool committing_ = false, stopping_ = false;
  std::deque<SharedRecord> window_;
  size_t window_bytes_ = 0;
  uint64_t visible_seq_ = 0;
  uint64_t unstored_seq_ = 0;
  Response response_;
  std::optional<Error> broken_;
  Cancellation cancel_;
  Notifier changed_;  // visible records, or broken
  Notifier work_;     // for the commit loop
};

}  // namespace perdure
