#pragma once
// ResponsesHost: the part of Responses that lives on one Loop: the runs of the sessions whose home it is. See
// responses.h for what the calls promise.

#include <memory>
#include <span>
#include <unordered_map>

#include "session/context.h"
#include "session/conversations.h"
#include "session/index_value.h"
#include "session/item_id.h"
#include "session/responses.h"
#include "session/turnstile.h"

namespace perdure {

// What one response is made from.
struct Making {
  // History and input, in order, as the journal has them. Empty: there is no history, and the request's input is all.
  std::vector<Item> context;
  size_t input_from = 0;           // where the request's own input begins
  int64_t previous_tokens = 0;     // what a supplier has counted for the context before the input; 0: not known
  AnswerItems held;                // from here on: what an earlier run of it has left
  std::optional<Item> compaction;  // that it has put before its answer
  int64_t held_tokens = 0, attempts = 0;
  std::string author;  // of what is held
  Usage usage;
  std::optional<AttemptEnded> finished;
  bool compact = false;        // see CreateCall
  std::optional<Needs> needs;  // of all that; nothing: not known
  std::string traceparent;

  std::span<const Item> whole(const Request& request) const { return context.empty() ? request.input : context; }

  // Adds the deltas of one record to what is held, but for those of a compaction, which are in one record.
  Result<void> hold(const std::vector<Delta>& deltas);
};

struct VisibleRecords {
  std::vector<SharedRecord> records;
  bool ended = false;     // nothing will follow them
  bool run_done = false;  // what is asked for next need not hold on to the run
};

// What may be destroyed in a conversation that lives, and what must then be said again.
struct Scrubbed {
  std::vector<SeqRange> erase;
  std::vector<ItemsMoved> moved;
};

// A conversation and the right to write it.
struct OpenConversation {
  IndexEntry entry;
  SessionRow row;
  Turn turn;
};

class ResponsesHost {
 public:
  ResponsesHost(const Responses::Options& options, Loop& loop, Router& router, size_t number, size_t count);

  Loop& loop() { return loop_; }
  bool is_home(SessionId id) const { return std::hash<SessionId>{}(id) % count_ == number_; }

  // `origin`: the entry of what the request goes on from, a response or a conversation.
  Task<Result<Created>> create(CreateCall call, std::optional<IndexEntry> origin);
  Task<Result<std::vector<Item>>> context_of(TenantId tenant, Request request, std::optional<IndexEntry> origin);
  // conversations.cc
  Task<Result<Conversation>> create_conversation(NewConversation call);
  Task<Result<Conversation>> get_conversation(ConversationId id, IndexEntry entry);
  Task<Result<Conversation>> update_conversation(TenantId tenant, ConversationId id, Metadata metadata);
  Task<Result<bool>> remove_conversation(TenantId tenant, ConversationId id);
  Task<Result<std::vector<Item>>> add_items(TenantId tenant, ConversationId id, std::vector<Item> items);
  Task<Result<std::vector<Item>>> conversation_items(TenantId tenant, ConversationId id);
  Task<Result<Conversation>> remove_item(TenantId tenant, ConversationId id, std::string item);
  Task<Result<bool>> recover(SessionId session);  // true: a response goes on
  // A session that cannot be read is not tried again at every start; reading it says why.
  Task<Result<bool>> give_up_session(SessionId session);
  Task<Result<Response>> get(TenantId tenant, ResponseId id, IndexEntry entry);
  // `run`: held on to by who asks; null: it is looked for.
  Task<Result<VisibleRecords>> records(TenantId tenant, ResponseId id, uint64_t first, Deadline deadline,
                                       std::shared_ptr<Run> run = {});
  Task<Result<Response>> wait(TenantId tenant, ResponseId id, std::shared_ptr<Run> run = {});
  Task<Result<Response>> cancel(TenantId tenant, ResponseId id);
  Task<bool> abandon(TenantId tenant, ResponseId id);
  Task<Result<bool>> remove(TenantId tenant, ResponseId id);
  Task<bool> stop(Deadline deadline);
  Task<bool> set_limits(SessionLimits limits) {
    limits_ = limits;
    co_return true;
  }
  // What the idempotency key was used for before; `repeated` is false where it was not. Any loop's host will do.
  Task<Result<Created>> find_repeated(const CreateCall& call);
  // Lets go of answers that nobody can ask for again.
  Task<bool> tidy_shelf();
  // Whether this host has the run; the face asks for responses that are not stored.
  Task<bool> has_run(TenantId tenant, ResponseId id);
  // The same at once, on this host's loop, and only of what is not stored: no store knows of it.
  bool has_unstored(const TenantId& tenant, const ResponseId& id) const;
  void spawn(Task<void> task) { group_.spawn(std::move(task)); }
  size_t bytes_held() const {
    size_t sum = 0;
    for (const auto& [id, run] : runs_) sum += run->window_bytes();
    return sum;
  }
  size_t running() const { return running_.load(std::memory_order_relaxed); }

 private:
  using RunPtr = std::shared_ptr<Run>;
  RunPtr find(const TenantId& tenant, const ResponseId& id) const;
  SessionId session_id_of_this_home();
  // create.cc
  struct Prepared;
  Task<Result<Prepared>> prepare(CreateCall& call, const std::optional<IndexEntry>& origin);
  Task<Result<void>> prepare_chain(const CreateCall& call, IndexEntry previous, Prepared& prepared);
  Task<Result<void>> prepare_conversation(CreateCall& call, Prepared& prepared);
  Traffic traffic_of(const Run& run) const;
  using Retention = std::chrono::milliseconds;
  Retention retention_of(const Request& request) const {
    return request.store ? limits_.retention : limits_.polling_retention;
  }
  Task<Result<IndexEntry>> when_ended(const TenantId& tenant, const ResponseId& id, IndexEntry entry);
  Task<Result<Created>> create_stored(CreateCall& call, const std::optional<IndexEntry>& origin, Needs needs);
  Task<Result<Created>> create_unstored(CreateCall& call, const std::optional<IndexEntry>& origin, Needs needs);
  Task<Result<void>> claim(const CreateCall& call, const ResponseId& id);
  // conversations.cc: a conversation whose turn is taken, so that it may be written
  Task<Result<OpenConversation>> open_conversation(TenantId tenant, ConversationId id);
  Task<Result<Conversation>> conversation_of(ConversationId id, const IndexEntry& entry, const SessionRow& row);
  // make.cc
  Task<void> drive(RunPtr run, Making making);
  Task<std::optional<ResponseEnded>> make(Run& run, Making making);
  Task<std::optional<ResponseEnded>> compact(Run& run, Making making);
  void keep_account(const Run& run);
  Task<void> write_accounts();
  void keep(RunPtr run, ResponseId id);
  void forget(const ResponseId& id);
  void shelve(const Run& run);
  void let_go(const std::vector<ResponseId>& ids);
  void count_running() { running_.store(runs_.size() - shelf_.size(), std::memory_order_relaxed); }
  Batch end_batch(const Run& run, const ResponseEnded& ended, const ResponseId& id, uint64_t first) const;
  // removal.cc
  Task<Result<Scrubbed>> scrub(SessionRow row, ResponseId removed, std::string removed_item);
  Task<Result<uint64_t>> needed_upto(SessionId session);
  Task<bool> is_conversation(SessionId session);
  Task<Result<std::vector<SeqRange>>> erasable(SessionRow row, ResponseId removed);
  Task<Result<IndexEntry>> entry_of(TenantId tenant, ResponseId id);
  Task<void> erase_ancestors(SessionRow row);

  Store& store_;
  Lease lease_;
  SessionLimits limits_;
  Log log_;
  Loop& loop_;
  Router& router_;
  size_t number_, count_;
  KeyRing keys_;
  Turnstiles turnstiles_;
  std::unordered_map<ResponseId, RunPtr> runs_;
  std::unordered_map<SessionId, RunPtr> by_session_;
  Shelf shelf_;  // of runs_, those that have ended and are kept for repeats
  CommitPace pace_;
  std::vector<ResponseId> still_read_;  // no longer on the shelf, but somebody is reading them
  std::vector<LedgerEntry> accounts_;   // of what is not stored, that wait to be written
  bool accounts_written_ = false;       // some are being written
  bool stopping_ = false;
  size_t creating_ = 0;    // creates under way, which may still spawn a run
  Notifier none_created_;  // creating_ has become 0
  std::atomic<size_t> running_{0};
  TaskGroup group_;
};

class HeldRun {
 public:
  HeldRun(ResponsesHost& host, std::shared_ptr<Run> run) : host_(host), loop_(host.loop()), run_(std::move(run)) {}
  ~HeldRun() {  // a Run ends on its own loop, which outlives its host
    if (Loop::current() != &loop_) loop_.post([run = std::move(run_)] {});
  }
  HeldRun(const HeldRun&) = delete;
  HeldRun& operator=(const HeldRun&) = delete;
  ResponsesHost& host() const { return host_; }
  const std::shared_ptr<Run>& run() const { return run_; }

 private:
  ResponsesHost& host_;
  Loop& loop_;
  std::shared_ptr<Run> run_;
};

}  // namespace perdure
