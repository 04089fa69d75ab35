#include "session/host.h"

#include <algorithm>

#include "base/planted.h"
#include "session/keys_of.h"
#include "store/seal.h"

namespace perdure {
namespace {

constexpr size_t kPageBytes = 1 << 20;
constexpr Duration kReadersPause = std::chrono::minutes(1);  // a write to a client takes no longer

// A reader of a run, from when it asks until it has got something.
struct Reading {
  Run& run;
  Loop& loop;
  Reading(Run& r, Loop& l) : run(r), loop(l) { ++run.reading; }
  ~Reading() {
    --run.reading;
    run.read_at = loop.now();
  }
};

Error no_such_response(const ResponseId& id) {
  return {Code::kNotFound, "there is no response with the id \"" + id.value + "\"", "", "response_not_found"};
}

}  // namespace

ResponsesHost::ResponsesHost(const Responses::Options& options, Loop& loop, Router& router, size_t number, size_t count)
    : store_(options.store),
      lease_(options.lease),
      limits_(options.limits),
      log_(options.log),
      loop_(loop),
      router_(router),
      number_(number),
      count_(count),
      keys_(options.master, options.store, loop.random()),
      turnstiles_(loop),
      shelf_(options.limits.shelf),
      none_created_(loop),
      group_(loop) {}

SessionId ResponsesHost::session_id_of_this_home() {
  for (;;)
    if (SessionId id = SessionId::make(loop_.random()); is_home(id)) return id;
}

ResponsesHost::RunPtr ResponsesHost::find(const TenantId& tenant, const ResponseId& id) const {
  auto found = runs_.find(id);
  return found != runs_.end() && found->second->tenant() == tenant ? found->second : nullptr;
}

void ResponsesHost::keep(RunPtr run, ResponseId id) {
  if (run->stored()) by_session_[run->journal()->row().id] = run;
  runs_.emplace(std::move(id), std::move(run));
  count_running();
}

void ResponsesHost::forget(const ResponseId& id) {
  auto found = runs_.find(id);
  if (found == runs_.end()) return;
  found->second->turn.release();
  if (found->second->stored()) by_session_.erase(found->second->journal()->row().id);
  runs_.erase(found);
  count_running();
}

// An answer that is not stored and may be asked for again. What a run holds of it: request and answer, as records and
// folded.
void ResponsesHost::shelve(const Run& run) {
  size_t bytes = 2 * run.window_bytes() + 3 * encode_payload(*run.visible_from(1).front()).size();
  let_go(shelf_.put(run.id(), bytes, loop_.now()));
  count_running();
}

// Forgets them, those that are being read apart: whoever reads them does, or a later call.
void ResponsesHost::let_go(const std::vector<ResponseId>& ids) {
  for (const ResponseId& id : ids) {
    auto found = runs_.find(id);
    if (found == runs_.end()) continue;
    Run& run = *found->second;
    run.given_up = true;
    if (run.reading > 0 || (run.read_at != Instant::min() && loop_.now() - run.read_at < kReadersPause))
      still_read_.push_back(id);
    else
      forget(id);
  }
}

Task<bool> ResponsesHost::tidy_shelf() {
  let_go(std::exchange(still_read_, {}));
  let_go(shelf_.due(loop_.now()));
  count_running();
  co_return true;
}

// Whose request it is, for routing. What shares a supplier's prompt cache shares a number: what the client says belongs
// together, else the session.
Traffic ResponsesHost::traffic_of(const Run& run) const {
  Traffic out{.tenant = run.tenant(), .key = run.key()};
  const std::string& named = run.request().prompt_cache_key;
  if (!named.empty())
    out.session = std::hash<std::string>{}(run.tenant().value + "/" + named);
  else if (run.stored())
    out.session = std::hash<SessionId>{}(run.session());
  return out;
}

// A response's ending and what must be true together with it.
Batch ResponsesHost::end_batch(const Run& run, const ResponseEnded& ended, const ResponseId& id, uint64_t first) const {
  Batch batch;
  batch.unfinished = false;
  IndexValue value{run.request().model, std::string(name_of(ended.status)), run.created(), 0, run.idempotency};
  batch.put.push_back({response_key(run.tenant(), id), {run.session(), first, value.encode()}});
  if (!run.request().store && retention_of(run.request()).count() > 0)
    batch.timers.push_back({id.value, loop_.wall() + retention_of(run.request())});
  return batch;
}

// What the attempt of a server that crashed has cost nobody knows: what was expected of it stands.
static AttemptCost cost_of_abandoned(const AttemptStarted& started) {
  AttemptCost cost = started.expected;
  cost.unknown = cost.estimate.empty() ? "price_unknown" : "answer_cut";
  return cost;
}

// --- drive, recover, stop
// ----------------------------------------------------------------------------------------------

Task<void> ResponsesHost::drive(RunPtr run, Making making) {
  TaskGroup commits(loop_);
  commits.spawn(run->commit_loop());
  ResponseId id = run->id();
  const bool fresh = run->stored() && run->journal()->head() == 0;
  Instant began = loop_.now();
  std::optional<ResponseEnded> ended = co_await make(*run, std::move(making));
  if (ended && !run->broken()) {
    Record record{.time = loop_.wall(), .body = *ended};
    if (run->stored()) {
      run->put(std::move(record), end_batch(*run, *ended, id, run->first_seq()));
    } else {
      run->put(std::move(record));
    }
  }
  if (fresh) pace_.answered(loop_.now() - began);
  run->stop_commits();
  co_await commits.join();
  run->turn.release();
  run->finish();
  keep_account(*run);
  if (run->stored() || (run->keeps_all() && !run->ended()))
    forget(id);
  else if (run->keeps_all())
    shelve(*run);
}

// What a run that is not stored has cost goes into the ledger: at once, or together with others behind what is being
// written.
void ResponsesHost::keep_account(const Run& run) {
  if (run.stored()) return;
  std::ranges::copy(run.ledger(), std::back_inserter(accounts_));
  if (accounts_.empty() || accounts_written_) return;
  accounts_written_ = true;
  group_.spawn(write_accounts());
}

Task<void> ResponsesHost::write_accounts() {
  while (!accounts_.empty()) {
    std::vector<LedgerEntry> entries = std::exchange(accounts_, {});
    const size_t count = entries.size();
    Result<void> kept = co_await store_.append_ledger(std::move(entries));
    if (!kept.ok()) log_.warn("ledger.lost", {{"entries", count}, {"class", to_string(kept.error().code)}});
  }
  accounts_written_ = false;
}

Task<Result<bool>> ResponsesHost::recover(SessionId session) {
  CO_TRY(std::optional<SessionRow> row, co_await store_.session(session));
  if (!row) co_return Error{Code::kCorrupt, "an unfinished session is missing"};
  CO_TRY(std::optional<Key256> key, co_await keys_.open(*row));
  Result<LoadedSession> loaded =
      co_await load_session(store_, keys_, *row, row->head, limits_.context_bytes_max * 2, true);
  if (!loaded.ok()) co_return std::move(loaded).error();
  if (!loaded->last) co_return Error{Code::kCorrupt, "an unfinished session holds no response"};
  if (is_terminal(loaded->last->status)) co_return false;
  if (planted(PlantedBug::kLostTail)) {
    auto is_deltas = [](const Record& r) { return r.kind() == RecordKind::kDeltas; };
    auto tail = std::find_if(loaded->last_records.rbegin(), loaded->last_records.rend(), is_deltas);
    if (tail != loaded->last_records.rend()) {
      loaded->last_records.erase(std::next(tail).base());
      Response shorter;
      for (const Record& record : loaded->last_records) (void)apply(shorter, record);
      loaded->last = std::move(shorter);
    }
  }
  Response& last = *loaded->last;
  CO_TRY(Key256 blob_key, co_await keys_.blob_key(row->tenant, key.has_value()));
  auto journal = std::make_unique<Journal>(store_, lease_, *row, key, loop_.random(), blob_key);
  auto run = std::make_shared<Run>(loop_, row->tenant, std::move(journal), limits_.run, log_);
  run->identify({.id = last.id, .request = last.request, .key = last.key}, last.created, last.first_seq);
  for (const Record& record : loaded->last_records) CO_TRY_VOID(run->begin_with(record));
  CO_TRY(IndexEntry entry, co_await entry_of(row->tenant, last.id));
  CO_TRY(IndexValue value, IndexValue::decode(entry.value));
  run->idempotency = value.idempotency;
  run->begin();
  run->turn = turnstiles_.try_take(row->id);
  keep(run, last.id);
  Making making{.context = std::move(loaded->context), .traceparent = ""};
  making.input_from = making.context.size();
  making.context.insert(making.context.end(), last.request->input.begin(), last.request->input.end());
  // Of what is held, generation is told what a model has said; a compaction is the session's own.
  for (const Record& record : loaded->last_records)
    if (const auto* deltas = std::get_if<Deltas>(&record.body)) CO_TRY_VOID(making.hold(deltas->deltas));
  for (const Item& item : last.output())
    if (item.kind == ItemKind::kCompaction) making.compaction = item;
  making.held_tokens = loaded->last_text_deltas;
  making.author = last.author();
  making.attempts = static_cast<int64_t>(last.placements.size());
  for (const Placement& placement : last.placements)
    if (placement.ended) making.usage += placement.ended->usage;
  for (const Placement& placement : last.placements)
    if (placement.ended && placement.ended->outcome == "completed") making.finished = *placement.ended;
  for (size_t i = 0; i < last.placements.size(); ++i) {
    if (!last.placements[i].open()) continue;
    const AttemptStarted& started = last.placements[i].started;
    CO_TRY_VOID(co_await run->attempt_ended({.number = started.number,
                                             .outcome = "abandoned",
                                             .error = "the server stopped",
                                             .cost = cost_of_abandoned(started)}));
  }
  log_.info("response.recovered", {{"session", session.to_string()},
                                   {"response", last.id.value},
                                   {"held_bytes", last.answer.bytes()},
                                   {"attempts", making.attempts}});
  group_.spawn(drive(run, std::move(making)));
  co_return true;
}

Task<Result<bool>> ResponsesHost::give_up_session(SessionId session) {
  Batch batch;
  batch.session = session;
  batch.unfinished = false;
  CO_TRY([[maybe_unused]] Committed done, co_await store_.commit(lease_, std::move(batch)));
  co_return true;
}

Task<bool> ResponsesHost::stop(Deadline deadline) {
  stopping_ = true;
  turnstiles_.close();
  for (auto& [id, run] : runs_) run->changed().notify_all();  // whoever waits for its end
  while (loop_.now() < deadline.at &&
         std::ranges::any_of(runs_, [](const auto& entry) { return !entry.second->done; })) {
    Deadline soon = deadline_in(loop_, std::chrono::milliseconds(50)).sooner(deadline);
    co_await sleep_until(loop_, soon.at);
  }
  for (auto& [id, run] : runs_) {
    run->halt = true;
    run->cancel().request();
  }
  while (creating_ > 0) (void)co_await none_created_.wait();
  co_await group_.join();
  co_return true;
}

// --- reading
// -----------------------------------------------------------------------------------------------------------

Task<Result<IndexEntry>> ResponsesHost::entry_of(TenantId tenant, ResponseId id) {
  CO_TRY(std::optional<IndexEntry> entry, co_await store_.find(response_key(tenant, id)));
  if (!entry) co_return no_such_response(id);
  co_return std::move(*entry);
}

Task<Result<Response>> ResponsesHost::get(TenantId tenant, ResponseId id, IndexEntry entry) {
  if (RunPtr run = find(tenant, id); run && run->begun()) co_return run->response();
  CO_TRY(std::optional<SessionRow> row, co_await store_.session(entry.session));
  if (!row) co_return no_such_response(id);
  CO_TRY(std::optional<Key256> key, co_await keys_.open(*row));
  CO_TRY(IndexValue value, IndexValue::decode(entry.value));
  if (value.last == 0) {  // it was being made when it was located, and may have ended since
    CO_TRY(entry, co_await entry_of(tenant, id));
    CO_TRY(value, IndexValue::decode(entry.value));
  }
  uint64_t last = value.last != 0 ? value.last : row->head;
  Response response;
  for (uint64_t next = entry.seq; next <= last;) {
    CO_TRY(std::vector<Record> page, co_await read_records(store_, entry.session, &key, next, last, kPageBytes));
    if (page.empty()) co_return Error{Code::kCorrupt, "a response's journal ends early"};
    for (const Record& record : page) {
      if (is_of_response(record.kind())) CO_TRY_VOID(apply(response, record));
      next = record.seq + 1;
    }
  }
  co_return response;
}

Task<Result<VisibleRecords>> ResponsesHost::records(TenantId tenant, ResponseId id, uint64_t first, Deadline deadline,
                                                    std::shared_ptr<Run> run) {
  VisibleRecords out;
  if (!run) run = find(tenant, id);
  if (run) {
    Reading reading(*run, loop_);
    run->taken(first - 1);
    for (;;) {
      out.run_done = run->done;
      out.records = run->visible_from(first);
      if (!out.records.empty()) co_return out;
      if (first <= run->visible_seq()) break;  // older than the window: the journal has it
      if (run->ended()) {
        out.ended = true;
        co_return out;
      }
      if (run->broken()) co_return Error{Code::kUnavailable, "the response cannot go on here", "", "server_run_broken"};
      if (run->done) co_return server_stopping();
      bool woken = co_await run->changed().wait(deadline);
      if (!woken) co_return out;
    }
  }
  CO_TRY(IndexEntry entry, co_await entry_of(tenant, id));
  CO_TRY(IndexValue value, IndexValue::decode(entry.value));
  uint64_t last = value.last;
  if (last == 0) {
    if (!run) run = find(tenant, id);
    if (!run) co_return Error{Code::kUnavailable, "the response is not running here", "", "server_run_missing"};
    last = run->visible_seq();
  }
  if (first > last) {
    out.ended = true;
    co_return out;
  }
  CO_TRY(std::optional<SessionRow> row, co_await store_.session(entry.session));
  if (!row) co_return no_such_response(id);
  CO_TRY(std::optional<Key256> key, co_await keys_.open(*row));
  CO_TRY(std::vector<Record> page,
         co_await read_records(store_, entry.session, &key, std::max(first, entry.seq), last, kPageBytes));
  for (Record& record : page) out.records.push_back(std::make_shared<const Record>(std::move(record)));
  co_return out;
}

Task<Result<Response>> ResponsesHost::wait(TenantId tenant, ResponseId id, std::shared_ptr<Run> run) {
  if (!run) run = find(tenant, id);
  if (run) {
    while (!run->ended() && !run->broken() && !run->done) {
      run->taken(run->visible_seq());
      (void)co_await run->changed().wait();
    }
    if (run->ended()) co_return run->response();
    if (run->broken()) co_return Error{Code::kUnavailable, "the response cannot go on here", "", "server_run_broken"};
    if (!run->stored()) co_return server_stopping();
    co_return Error{Code::kUnavailable, "the server is stopping; the response goes on after its restart", "",
                    "server_stopping"};
  }
  CO_TRY(IndexEntry entry, co_await entry_of(tenant, id));
  co_return co_await get(tenant, id, entry);
}

Task<Result<Response>> ResponsesHost::cancel(TenantId tenant, ResponseId id) {
  if (RunPtr run = find(tenant, id)) run->cancel().request();
  co_return co_await wait(tenant, id);
}

Task<bool> ResponsesHost::abandon(TenantId tenant, ResponseId id) {
  RunPtr run = find(tenant, id);
  if (!run || run->stored()) co_return false;
  if (run->keeps_all() && !run->given_up) co_return true;  // its client may come back for it
  run->cancel().request();
  forget(id);
  co_return true;
}

Task<bool> ResponsesHost::has_run(TenantId tenant, ResponseId id) { co_return find(tenant, id) != nullptr; }

bool ResponsesHost::has_unstored(const TenantId& tenant, const ResponseId& id) const {
  RunPtr run = find(tenant, id);
  return run != nullptr && !run->stored();
}

}  // namespace perdure
