#include "session/host.h"

#include <algorithm>

#include "base/planted.h"
#include "store/seal.h"

namespace perdure {
namespace {

constexpr size_t kPageBytes = 1 << 20;

Error no_such_response(const ResponseId& id) {
  return {Code::kNotFound, "there is no response with the id \"" + id.value + "\"", "", "response_not_found"};
}

std::string_view id_prefix(ItemKind kind) {
  switch (kind) {
    case ItemKind::kMessage:
      return "msg_";
    case ItemKind::kFunctionCall:
      return "fc_";
    case ItemKind::kFunctionCallOutput:
      return "fco_";
    case ItemKind::kReasoning:
      return "rs_";
    case ItemKind::kCompaction:
      return "cmp_";
  }
  return "item_";
}

IndexKey response_key(const TenantId& tenant, const ResponseId& id) { return {tenant, IndexKind::kResponse, id.value}; }

IndexKey idempotency_key(const CreateCall& call) {
  return {call.tenant, IndexKind::kIdempotency, call.route + "/" + call.idempotency_key};
}

// What an idempotency entry remembers of the request: bound to the response, so that it tells nothing once that is
// gone.
std::string fingerprint(const CreateCall& call, const ResponseId& id) {
  std::string_view body(reinterpret_cast<const char*>(call.body_hash.data()), call.body_hash.size());
  Hash256 hash = sha256(id.value + std::string(body));
  return to_hex({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

// Whose request it is, for routing. What shares a supplier's prompt cache shares a number: what the client says belongs
// together, else the session.
Traffic traffic_of(const Run& run, const KeyId& key) {
  Traffic out{.tenant = run.tenant(), .key = key};
  const std::string& named = run.request().prompt_cache_key;
  if (!named.empty())
    out.session = std::hash<std::string>{}(run.tenant().value + "/" + named);
  else if (run.stored())
    out.session = std::hash<SessionId>{}(run.session());
  return out;
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
  running_.store(runs_.size(), std::memory_order_relaxed);
}

void ResponsesHost::forget(const ResponseId& id) {
  auto found = runs_.find(id);
  if (found == runs_.end()) return;
  if (found->second->stored()) by_session_.erase(found->second->journal()->row().id);
  runs_.erase(found);
  running_.store(runs_.size(), std::memory_order_relaxed);
}

// A response's ending and what must be true together with it.
Batch ResponsesHost::end_batch(const Run& run, const ResponseEnded& ended, const ResponseId& id, uint64_t first) const {
  Batch batch;
  batch.unfinished = false;
  IndexValue value{run.request().model, std::string(name_of(ended.status)), run.created(), 0, run.idempotency};
  batch.put.push_back({response_key(run.tenant(), id), {run.session(), first, value.encode()}});
  return batch;
}

// --- create
// ------------------------------------------------------------------------------------------------------------

struct ResponsesHost::Prepared {
  std::vector<Item> context;
  std::optional<SessionRow> session;  // append to this one; otherwise a new one
  std::optional<SessionRow> fork_of;
  uint64_t fork_seq = 0;
};

Task<Result<ResponsesHost::Prepared>> ResponsesHost::prepare(const CreateCall& call,
                                                             std::optional<IndexEntry> previous) {
  Prepared prepared;
  if (previous) {
    CO_TRY(IndexValue value, IndexValue::decode(previous->value));
    if (value.last == 0)
      co_return Error{Code::kConflict, "the previous response has not ended yet", "previous_response_id",
                      "previous_response_in_progress"};
    CO_TRY(std::optional<SessionRow> row, co_await store_.session(previous->session));
    if (!row) co_return Error{Code::kCorrupt, "a response's session is missing"};
    Result<LoadedSession> loaded =
        co_await load_session(store_, keys_, *row, value.last, limits_.context_bytes_max, false);
    if (!loaded.ok()) co_return std::move(loaded).error();
    prepared.context = std::move(loaded->context);
    if (loaded->last) add_to_context(prepared.context, *loaded->last);
    bool at_head = row->head == value.last && !by_session_.contains(row->id);
    if (at_head) {
      prepared.session = std::move(row);
    } else {
      prepared.fork_seq = value.last;
      prepared.fork_of = std::move(row);
    }
  }
  prepared.context.insert(prepared.context.end(), call.request.input.begin(), call.request.input.end());
  co_return prepared;
}

Task<Result<Created>> ResponsesHost::create(CreateCall call, std::optional<IndexEntry> previous) {
  if (stopping_) co_return Error{Code::kUnavailable, "the server is stopping", "", "server_stopping"};
  if (runs_.size() >= limits_.runs_max)
    co_return Error{Code::kOverloaded, "too many responses are being made", "", "server_overloaded"};
  CO_TRY_VOID(router_.check({.model = call.request.model,
                             .traffic = {.tenant = call.tenant, .key = call.key},
                             .needs = needs_of(call.request, call.request.input),
                             .tried = {},
                             .author = {}}));
  for (Item& item : call.request.input)
    if (item.id.empty()) item.id = make_id(loop_.random(), id_prefix(item.kind));
  if (call.request.store) co_return co_await create_stored(std::move(call), std::move(previous));
  co_return co_await create_unstored(std::move(call), std::move(previous));
}

Task<Result<Created>> ResponsesHost::find_repeated(const CreateCall& call) {
  CO_TRY(std::optional<IndexEntry> entry, co_await store_.find(idempotency_key(call)));
  if (!entry) co_return Created{};
  size_t space = entry->value.find(' ');
  ResponseId id(entry->value.substr(space + 1));
  if (entry->value.substr(0, space) != fingerprint(call, id))
    co_return Error{Code::kConflict, "this Idempotency-Key was used before with another request", "Idempotency-Key",
                    "idempotency_key_reused"};
  co_return Created{std::move(id), true};
}

Task<Result<Created>> ResponsesHost::create_stored(CreateCall call, std::optional<IndexEntry> previous) {
  bool keyed = !call.idempotency_key.empty() && !planted(PlantedBug::kIgnoreIdempotency);
  if (keyed) {
    CO_TRY(Created repeated, co_await find_repeated(call));
    if (repeated.repeated) co_return repeated;
  }
  for (int attempt = 0; attempt < 3; ++attempt) {
    CO_TRY(Prepared prepared, co_await prepare(call, previous));
    ResponseId id(make_id(loop_.random(), "resp_"));
    WallTime now = loop_.wall();
    Batch batch;
    bool fresh = !prepared.session;
    SessionRow row;
    std::optional<Key256> key;
    if (fresh) {
      row = SessionRow{
          .id = session_id_of_this_home(), .tenant = call.tenant, .created = now, .expires = WallTime::max()};
      if (prepared.fork_of) {
        row.parent = prepared.fork_of->id;
        row.parent_seq = prepared.fork_seq;
      }
      CO_TRY(KeyRing::NewKey made, co_await keys_.make(call.tenant, row.id));
      key = made.key;
      row.wrapped_key = std::move(made.wrapped);
      row.unfinished = true;
      batch.create = row;
    } else {
      row = std::move(*prepared.session);
      CO_TRY(key, co_await keys_.open(row));
    }
    batch.unfinished = true;
    uint64_t first = row.head + 1;
    IndexValue value{call.request.model, std::string(name_of(ResponseStatus::kInProgress)), now, 0,
                     keyed ? idempotency_key(call).key : std::string()};
    batch.put.push_back({response_key(call.tenant, id), {row.id, first, value.encode()}, true});
    if (keyed)
      batch.put.push_back({idempotency_key(call), {row.id, first, fingerprint(call, id) + " " + id.value}, true});
    if (limits_.retention.count() > 0) batch.timers.push_back({id.value, now + limits_.retention});

    auto journal = std::make_unique<Journal>(store_, lease_, row, key, loop_.random());
    auto run = std::make_shared<Run>(loop_, call.tenant, std::move(journal), limits_.run, log_);
    Record created{.time = now, .body = ResponseCreated{.id = id, .request = call.request, .key = call.key}};
    run->identify(std::get<ResponseCreated>(created.body), now, first);
    run->idempotency = value.idempotency;
    keep(run, id);
    GenerationInput input{.request = &run->request(),
                          .traffic = traffic_of(*run, call.key),
                          .context = prepared.context,
                          .traceparent = call.traceparent};
    // Where nothing can refuse the first commit but the store itself, the supplier is asked while it runs: a stored
    // answer then starts as soon as one that is not stored. What the supplier says waits behind that commit.
    bool certain = fresh && !keyed;
    if (certain) group_.spawn(drive(run, std::move(input)));
    Result<void> durable = co_await run->commit_first(std::move(created), std::move(batch));
    if (durable.ok()) {
      if (!certain) group_.spawn(drive(run, std::move(input)));
      co_return Created{id, false};
    }
    Error error = std::move(durable).error();
    forget(id);
    if (certain) {
      run->halt = true;
      run->cancel().request();
      co_return error;
    }
    if (error.code != Code::kConflict) co_return error;
    if (keyed) {
      CO_TRY(Created repeated, co_await find_repeated(call));
      if (repeated.repeated) co_return repeated;
    }
    // Somebody else went on from the same response first: the next round forks.
  }
  co_return Error{Code::kConflict, "the conversation is being written by others", "previous_response_id"};
}

Task<Result<Created>> ResponsesHost::create_unstored(CreateCall call, std::optional<IndexEntry> previous) {
  CO_TRY(Prepared prepared, co_await prepare(call, previous));
  ResponseId id(make_id(loop_.random(), "resp_"));
  auto run = std::make_shared<Run>(loop_, call.tenant, nullptr, limits_.run, log_);
  Record created{
      .seq = 1, .time = loop_.wall(), .body = ResponseCreated{.id = id, .request = call.request, .key = call.key}};
  run->identify(std::get<ResponseCreated>(created.body), created.time, 1);
  CO_TRY_VOID(run->begin_with(created));
  keep(run, id);
  group_.spawn(drive(run, {.request = &run->request(),
                           .traffic = traffic_of(*run, call.key),
                           .context = std::move(prepared.context),
                           .traceparent = call.traceparent}));
  co_return Created{id, false};
}

// --- drive, recover, stop
// ----------------------------------------------------------------------------------------------

Task<void> ResponsesHost::drive(RunPtr run, GenerationInput input) {
  TaskGroup commits(loop_);
  commits.spawn(run->commit_loop());
  ResponseId id = run->id();
  std::optional<ResponseEnded> ended =
      co_await generate(std::move(input), router_, *run, loop_, {run->cancel(), run->halt}, limits_.generation, log_);
  if (ended && !run->broken()) {
    Record record{.time = loop_.wall(), .body = *ended};
    if (run->stored()) {
      run->put(std::move(record), end_batch(*run, *ended, id, run->first_seq()));
    } else {
      run->put(std::move(record));
    }
  }
  run->stop_commits();
  co_await commits.join();
  run->finish();
  if (!run->stored() && !run->ledger().empty()) {
    Result<void> kept = co_await store_.append_ledger(run->ledger());
    if (!kept.ok())
      log_.warn("ledger.lost", {{"entries", run->ledger().size()}, {"class", to_string(kept.error().code)}});
  }
  if (run->stored()) forget(id);
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
  auto run = std::make_shared<Run>(
      loop_, row->tenant, std::make_unique<Journal>(store_, lease_, *row, key, loop_.random()), limits_.run, log_);
  run->identify({.id = last.id, .request = last.request, .key = last.key}, last.created, last.first_seq);
  for (const Record& record : loaded->last_records) CO_TRY_VOID(run->begin_with(record));
  CO_TRY(IndexEntry entry, co_await entry_of(row->tenant, last.id));
  CO_TRY(IndexValue value, IndexValue::decode(entry.value));
  run->idempotency = value.idempotency;
  run->begin();
  keep(run, last.id);
  GenerationInput input{.request = &run->request(),
                        .traffic = traffic_of(*run, last.key),
                        .context = std::move(loaded->context),
                        .held = last.answer,
                        .held_tokens = loaded->last_text_deltas};
  input.context.insert(input.context.end(), last.request.input.begin(), last.request.input.end());
  input.attempts = static_cast<int64_t>(last.placements.size());
  for (const Placement& placement : last.placements)
    if (placement.ended) input.usage += placement.ended->usage;
  if (!last.placements.empty() && last.placements.back().ended && last.placements.back().ended->outcome == "completed")
    input.finished = *last.placements.back().ended;
  if (!last.placements.empty() && !last.placements.back().ended)
    CO_TRY_VOID(
        co_await run->attempt_ended({.number = input.attempts, .outcome = "abandoned", .error = "the server stopped"}));
  log_.info("response.recovered", {{"session", session.to_string()},
                                   {"response", last.id.value},
                                   {"held_bytes", last.answer.bytes()},
                                   {"attempts", input.attempts}});
  group_.spawn(drive(run, std::move(input)));
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
  while (loop_.now() < deadline.at &&
         std::ranges::any_of(runs_, [](const auto& entry) { return !entry.second->done; })) {
    Deadline soon = deadline_in(loop_, std::chrono::milliseconds(50)).sooner(deadline);
    co_await sleep_until(loop_, soon.at);
  }
  for (auto& [id, run] : runs_) {
    run->halt = true;
    run->cancel().request();
  }
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
      if (record.kind() != RecordKind::kResponseDeleted) CO_TRY_VOID(apply(response, record));
      next = record.seq + 1;
    }
  }
  co_return response;
}

Task<Result<VisibleRecords>> ResponsesHost::records(TenantId tenant, ResponseId id, uint64_t first, Deadline deadline) {
  VisibleRecords out;
  if (RunPtr run = find(tenant, id)) {
    run->taken(first - 1);
    for (;;) {
      out.records = run->visible_from(first);
      if (!out.records.empty()) co_return out;
      if (first <= run->visible_seq()) break;  // older than the window: the journal has it
      if (run->ended()) {
        out.ended = true;
        co_return out;
      }
      if (run->broken()) co_return Error{Code::kUnavailable, "the response cannot go on here", "", "server_run_broken"};
      if (run->done) co_return Error{Code::kUnavailable, "the server is stopping", "", "server_stopping"};
      bool woken = co_await run->changed().wait(deadline);
      if (!woken) co_return out;
    }
  }
  CO_TRY(IndexEntry entry, co_await entry_of(tenant, id));
  CO_TRY(IndexValue value, IndexValue::decode(entry.value));
  uint64_t last = value.last;
  if (last == 0) {
    RunPtr run = find(tenant, id);
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

Task<Result<Response>> ResponsesHost::wait(TenantId tenant, ResponseId id) {
  RunPtr run = find(tenant, id);
  if (run) {
    while (!run->ended() && !run->broken() && !run->done) {
      run->taken(run->visible_seq());
      (void)co_await run->changed().wait();
    }
    if (run->ended()) co_return run->response();
    if (run->broken()) co_return Error{Code::kUnavailable, "the response cannot go on here", "", "server_run_broken"};
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
  run->cancel().request();
  forget(id);
  co_return true;
}

Task<bool> ResponsesHost::has_run(TenantId tenant, ResponseId id) { co_return find(tenant, id) != nullptr; }

}  // namespace perdure
