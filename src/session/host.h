#pragma once
// ResponsesHost: the part of Responses that lives on one Loop: the runs of the sessions whose home it is. See
// responses.h for what the calls promise.

#include <memory>
#include <unordered_map>

#include "session/context.h"
#include "session/index_value.h"
#include "session/responses.h"

namespace perdure {

struct VisibleRecords {
  std::vector<SharedRecord> records;
  bool ended = false;  // nothing will follow them
};

class ResponsesHost {
 public:
  ResponsesHost(const Responses::Options& options, Loop& loop, Router& router, size_t number, size_t count);

  Loop& loop() { return loop_; }
  bool is_home(SessionId id) const { return std::hash<SessionId>{}(id) % count_ == number_; }

  Task<Result<Created>> create(CreateCall call, std::optional<IndexEntry> previous);
  Task<Result<bool>> recover(SessionId session);  // true: a response goes on
  // A session that cannot be read is not tried again at every start; reading it says why.
  Task<Result<bool>> give_up_session(SessionId session);
  Task<Result<Response>> get(TenantId tenant, ResponseId id, IndexEntry entry);
  Task<Result<VisibleRecords>> records(TenantId tenant, ResponseId id, uint64_t first, Deadline deadline);
  Task<Result<Response>> wait(TenantId tenant, ResponseId id);
  Task<Result<Response>> cancel(TenantId tenant, ResponseId id);
  Task<bool> abandon(TenantId tenant, ResponseId id);
  Task<Result<bool>> remove(TenantId tenant, ResponseId id);
  Task<bool> stop(Deadline deadline);
  // Whether this host has the run; the face asks for responses that are not stored.
  Task<bool> has_run(TenantId tenant, ResponseId id);
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
  Task<Result<Created>> create_stored(CreateCall call, std::optional<IndexEntry> previous);
  Task<Result<Created>> create_unstored(CreateCall call, std::optional<IndexEntry> previous);
  struct Prepared;
  Task<Result<Prepared>> prepare(const CreateCall& call, std::optional<IndexEntry> previous);
  Task<Result<Created>> find_repeated(const CreateCall& call);
  Task<void> drive(RunPtr run, GenerationInput input);
  void keep(RunPtr run, ResponseId id);
  void forget(const ResponseId& id);
  Batch end_batch(const Run& run, const ResponseEnded& ended, const ResponseId& id, uint64_t first) const;
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
  std::unordered_map<ResponseId, RunPtr> runs_;
  std::unordered_map<SessionId, RunPtr> by_session_;
  bool stopping_ = false;
  std::atomic<size_t> running_{0};
  TaskGroup group_;
};

}  // namespace perdure
