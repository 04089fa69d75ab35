// Creating responses: where they go on from, what makes them durable, who waits.
//
// A response of a chain appends to its parent's session when the parent is that session's head and nobody else is
// writing there; otherwise it forks. A response of a conversation waits for its turn and appends.

#include <algorithm>
#include <set>

#include "base/planted.h"
#include "session/claim.h"
#include "session/host.h"
#include "session/keys_of.h"
#include "session/window.h"

namespace perdure {
namespace {

Error still_in_progress() {
  return {Code::kConflict, "the previous response has not ended yet", "previous_response_id",
          "previous_response_in_progress"};
}

// What a supplier has counted for everything up to the end of `response`.
int64_t tokens_at_end(const Response& response) {
  for (auto placement = response.placements.rbegin(); placement != response.placements.rend(); ++placement)
    if (placement->ended && placement->ended->usage.known && placement->ended->outcome == "completed")
      return placement->ended->usage.input_tokens + placement->ended->usage.output_tokens;
  return 0;
}

}  // namespace

struct ResponsesHost::Prepared {
  std::vector<Item> context;  // see Making
  size_t input_from = 0;
  std::optional<Needs> needs;  // see Making
  int64_t previous_tokens = 0;
  std::vector<Item> seed;             // of the context, what no journal holds yet
  std::optional<SessionRow> session;  // append to this one; otherwise a new one
  Turn turn;                          // of the session that is appended to
  std::optional<SessionRow> fork_of;
  uint64_t fork_seq = 0;
};

// The entry of a response that has ended; one that is being made is waited for, within limits.
Task<Result<IndexEntry>> ResponsesHost::when_ended(const TenantId& tenant, const ResponseId& id, IndexEntry entry) {
  CO_TRY(IndexValue value, IndexValue::decode(entry.value));
  if (value.last != 0) co_return entry;
  if (RunPtr run = find(tenant, id)) {
    if (run->waiting >= limits_.waiting_max) co_return still_in_progress();
    ++run->waiting;
    Deadline deadline = deadline_in(loop_, limits_.waiting_time);
    while (!stopping_ && !run->done && !run->broken())
      if (!co_await run->changed().wait(deadline)) break;
    --run->waiting;
  }
  CO_TRY(entry, co_await entry_of(tenant, id));
  CO_TRY(value, IndexValue::decode(entry.value));
  if (value.last == 0 && stopping_) co_return server_stopping();
  if (value.last == 0) co_return still_in_progress();
  co_return entry;
}

Task<Result<void>> ResponsesHost::prepare_chain(const CreateCall& call, IndexEntry previous, Prepared& prepared) {
  const std::string& id = call.remembered ? call.remembered->stored : call.request.previous_response_id;
  CO_TRY(previous, co_await when_ended(call.tenant, ResponseId(id), std::move(previous)));
  CO_TRY(IndexValue value, IndexValue::decode(previous.value));
  // Taken before the row is read, so that what is read stays true. A conversation is not gone on with by its responses.
  if (is_journaled(call.request)) prepared.turn = turnstiles_.try_take(previous.session);
  CO_TRY(std::optional<SessionRow> row, co_await store_.session(previous.session));
  if (!row) co_return Error{Code::kCorrupt, "a response's session is missing"};
  Result<LoadedSession> loaded =
      co_await load_session(store_, keys_, *row, value.last, limits_.context_bytes_max, false);
  if (!loaded.ok()) {
    Error error = std::move(loaded).error();
    if (error.code != Code::kCorrupt) error.param = "previous_response_id";
    co_return error;
  }
  if (loaded->last) prepared.previous_tokens = tokens_at_end(*loaded->last);
  const bool at_head = row->head == value.last && !row->unfinished && !loaded->is_conversation;
  prepared.context = std::move(*loaded).take_all(true);
  if (at_head && prepared.turn && !call.remembered) {
    prepared.session = std::move(row);
    co_return Result<void>();
  }
  prepared.turn.release();
  prepared.fork_seq = value.last;
  prepared.fork_of = std::move(row);
  co_return Result<void>();
}

Task<Result<void>> ResponsesHost::prepare_conversation(CreateCall& call, Prepared& prepared) {
  CO_TRY(OpenConversation open, co_await open_conversation(call.tenant, ConversationId(call.request.conversation)));
  Result<LoadedSession> loaded =
      co_await load_session(store_, keys_, open.row, open.row.head, limits_.context_bytes_max, false);
  if (!loaded.ok()) {
    Error error = std::move(loaded).error();
    if (error.code != Code::kCorrupt) error.param = "conversation";
    co_return error;
  }
  if (loaded->last) prepared.previous_tokens = tokens_at_end(*loaded->last);
  prepared.context = std::move(*loaded).take_all(false);
  // Items of a conversation are found by their ids.
  std::set<std::string_view> taken;
  for (const Item& item : prepared.context) taken.insert(item.id);
  for (Item& item : call.request.input) {
    if (taken.contains(item.id)) item.id = make_item_id(loop_.random(), item.kind);
    taken.insert(item.id);
  }
  prepared.session = std::move(open.row);
  prepared.turn = std::move(open.turn);
  co_return Result<void>();
}

Task<Result<ResponsesHost::Prepared>> ResponsesHost::prepare(CreateCall& call,
                                                             const std::optional<IndexEntry>& origin) {
  Prepared prepared;
  if (!call.request.conversation.empty())
    CO_TRY_VOID(co_await prepare_conversation(call, prepared));
  else if (origin)
    CO_TRY_VOID(co_await prepare_chain(call, *origin, prepared));
  if (call.remembered) {
    prepared.seed = call.remembered->items;
    prepared.context.insert(prepared.context.end(), prepared.seed.begin(), prepared.seed.end());
  }
  prepared.input_from = prepared.context.size();
  const std::vector<Item>& input = call.request.input;
  if (!prepared.context.empty()) prepared.context.insert(prepared.context.end(), input.begin(), input.end());
  const bool checked = call.request.dialect == ClientDialect::kResponses || origin;
  const Item* orphan = checked ? orphaned_result(prepared.context.empty() ? input : prepared.context) : nullptr;
  if (orphan != nullptr)
    co_return Error{Code::kInvalid, "No tool call found for function call output with call_id " + orphan->call_id + ".",
                    "input", "tool_call_not_found"};
  co_return prepared;
}

Task<Result<std::vector<Item>>> ResponsesHost::context_of(TenantId tenant, Request request,
                                                          std::optional<IndexEntry> origin) {
  CreateCall call{.tenant = std::move(tenant), .request = std::move(request)};
  call.request.store = false;
  call.request.background = false;
  for (Item& item : call.request.input)
    if (item.id.empty()) item.id = make_item_id(loop_.random(), item.kind);
  std::vector<Item> history;
  if (!call.request.conversation.empty()) {  // read without waiting for a turn
    CO_TRY(history, co_await conversation_items(call.tenant, ConversationId(call.request.conversation)));
    history.insert(history.end(), call.request.input.begin(), call.request.input.end());
    co_return history;
  }
  CO_TRY(Prepared prepared, co_await prepare(call, origin));
  co_return std::move(prepared.context.empty() ? call.request.input : prepared.context);
}

Task<Result<Created>> ResponsesHost::create(CreateCall call, std::optional<IndexEntry> origin) {
  if (stopping_) co_return server_stopping();
  if (runs_.size() - shelf_.size() >= limits_.runs_max)
    co_return Error{Code::kOverloaded, "too many responses are being made", "", "server_overloaded"};
  // What is compacted is read out to a model, piece by piece: it needs to be able to nothing but that.
  const Needs needs = call.compact ? Needs{} : needs_of(call.request, call.request.input);
  Result<void> placeable = router_.check({.model = call.request.model,
                                          .traffic = {.tenant = call.tenant, .key = call.key},
                                          .needs = needs,
                                          .tried = {},
                                          .author = {}});
  const bool may_shorten = call.request.truncation == "auto" || call.request.compact_threshold;
  if (!placeable.ok() && !(may_shorten && placeable.error().reason == "context_length_exceeded"))
    co_return std::move(placeable).error();
  Result<RateBook::Reserve> reserve = router_.admit({.tenant = call.tenant, .key = call.key}, needs);
  if (!reserve.ok()) co_return std::move(reserve).error();
  if (call.generate) call.reserve = std::make_shared<RateBook::Reserve>(*std::move(reserve));
  for (Item& item : call.request.input)
    if (item.id.empty()) item.id = make_item_id(loop_.random(), item.kind);
  Task<Result<Created>> making =
      is_journaled(call.request) ? create_stored(call, origin, needs) : create_unstored(call, origin, needs);
  ++creating_;
  Result<Created> created = co_await std::move(making);
  if (--creating_ == 0) none_created_.notify_all();
  co_return created;
}

Task<Result<Created>> ResponsesHost::find_repeated(const CreateCall& call) {
  CO_TRY(std::optional<IndexEntry> entry, co_await store_.find(claim_key(call)));
  if (!entry) co_return Created{};
  Claim claim = Claim::decode(entry->value);
  if (claim != claim_of(call, claim.response, claim.stored))
    co_return Error{Code::kConflict, "this Idempotency-Key was used before with another request", "Idempotency-Key",
                    "idempotency_key_reused"};
  co_return Created{std::move(claim.response), true, claim.stored};
}

// Takes the key for a response that is not stored, durably: whoever repeats the request is told, after a crash too.
// kConflict: it is taken.
Task<Result<void>> ResponsesHost::claim(const CreateCall& call, const ResponseId& id) {
  IndexKey key = claim_key(call);
  SessionId holder = claims_session(call.tenant);
  std::string value = claim_of(call, id, false).encode();
  WallTime now = loop_.wall();
  Batch batch;
  batch.session = holder;
  batch.put.push_back({key, {holder, 0, value}, true});
  batch.timers.push_back({claim_timer(key), now + limits_.claim_kept});
  for (int attempt = 0;; ++attempt) {
    Result<Committed> done = co_await store_.commit(lease_, Batch(batch));
    if (done.ok()) co_return Result<void>();
    Error error = std::move(done).error();
    if (error.code == Code::kUnknown) {
      CO_TRY(std::optional<IndexEntry> entry, co_await store_.find(key));
      if (!entry) co_return Error{Code::kUnavailable, "the store did not commit"};
      if (entry->value == value) co_return Result<void>();
      co_return Error{Code::kConflict, "the key exists", "", "index_exists"};
    }
    // The tenant's first such claim makes the session that they hang on; another may have been quicker.
    bool other_holder = error.code == Code::kNotFound || (batch.create && error.reason == "session_exists");
    if (!other_holder || attempt == 3) co_return error;
    if (batch.create)
      batch.create.reset();
    else
      batch.create = SessionRow{.id = holder, .tenant = call.tenant, .created = now, .expires = WallTime::max()};
  }
}

Task<Result<Created>> ResponsesHost::create_stored(CreateCall& call, const std::optional<IndexEntry>& origin,
                                                   Needs needs) {
  bool keyed = !call.idempotency_key.empty() && !planted(PlantedBug::kIgnoreIdempotency);
  for (int attempt = 0; attempt < 3; ++attempt) {
    CO_TRY(Prepared prepared, co_await prepare(call, origin));
    if (prepared.context.empty()) prepared.needs = needs;
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
      row.unfinished = call.generate;
      prepared.turn = turnstiles_.try_take(row.id);
      batch.create = row;
    } else {
      row = std::move(*prepared.session);
      CO_TRY(key, co_await keys_.open(row));
    }
    batch.unfinished = call.generate;
    std::vector<Record> records;
    if (!prepared.seed.empty()) records.push_back({.time = now, .body = ItemsAdded{std::move(prepared.seed)}});
    uint64_t first = row.head + 1 + records.size();
    IndexValue value{call.request.model, std::string(name_of(ResponseStatus::kInProgress)), now, 0,
                     keyed ? claim_key(call).key : std::string()};
    batch.put.push_back({response_key(call.tenant, id), {row.id, first, value.encode()}, true});
    if (keyed) batch.put.push_back({claim_key(call), {row.id, first, claim_of(call, id, true).encode()}, true});
    if (Retention kept = retention_of(call.request); kept.count() > 0) {
      // Counted from the end where it is short: end_batch() moves it.
      if (!call.request.store) kept += std::chrono::duration_cast<Retention>(limits_.generation.total_time);
      batch.timers.push_back({id.value, now + kept});
    }

    CO_TRY(Key256 blob_key, co_await keys_.blob_key(call.tenant, key.has_value()));
    // Nothing is waited for from here until stop() can find the run.
    if (stopping_) co_return server_stopping();
    auto journal = std::make_unique<Journal>(store_, lease_, row, key, loop_.random(), blob_key);
    auto run = std::make_shared<Run>(loop_, call.tenant, std::move(journal), limits_.run, log_);
    records.push_back({.time = now, .body = ResponseCreated{.id = id, .request = call.request, .key = call.key}});
    run->identify(std::get<ResponseCreated>(records.back().body), now, first);
    run->idempotency = value.idempotency;
    run->turn = std::move(prepared.turn);
    run->reserve = call.reserve;
    if (!call.generate) {
      value.status = name_of(ResponseStatus::kCompleted);
      batch.put[0].entry.value = value.encode();
      records.push_back(
          {.time = now, .body = ResponseEnded{.status = ResponseStatus::kCompleted, .usage = {.known = true}}});
    }
    keep(run, id);
    Making making{.context = std::move(prepared.context),
                  .input_from = prepared.input_from,
                  .previous_tokens = prepared.previous_tokens,
                  .needs = prepared.needs,
                  .traceparent = call.traceparent};
    // Where nothing can refuse the first commit but the store itself, the supplier is asked while it runs: a stored
    // answer then starts as soon as one that is not stored. What the supplier says waits behind that commit.
    bool certain = fresh && !keyed && call.generate;
    run->set_pace(&pace_);
    auto held = std::make_shared<HeldRun>(*this, run);
    if (certain) {
      call.reserve.reset();  // the run has it, until its first attempt
      group_.spawn(drive(run, std::move(making)));
    }
    Deadline hold{Instant::min()};
    // Who asks for a response in the background waits for the commit alone.
    if (certain && !call.request.background) hold.at = loop_.now() + pace_.hold(call.request.stream);
    Result<void> durable = co_await run->commit_first(std::move(records), std::move(batch), hold);
    if (durable.ok()) {
      if (!call.generate) {
        run->finish();
        forget(id);
      } else if (!certain) {
        group_.spawn(drive(run, std::move(making)));
      }
      co_return Created{id, false, true, std::move(held)};
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

Task<Result<Created>> ResponsesHost::create_unstored(CreateCall& call, const std::optional<IndexEntry>& origin,
                                                     Needs needs) {
  CO_TRY(Prepared prepared, co_await prepare(call, origin));
  if (stopping_) co_return server_stopping();
  if (prepared.context.empty()) prepared.needs = needs;
  prepared.turn.release();
  ResponseId id(make_id(loop_.random(), "resp_"));
  auto run = std::make_shared<Run>(loop_, call.tenant, nullptr, limits_.run, log_);
  const WallTime now = loop_.wall();
  ResponseCreated created{.id = id, .request = std::move(call.request), .key = call.key};
  run->identify(created, now, 1);
  run->reserve = call.reserve;
  const bool keyed = !call.idempotency_key.empty() && !planted(PlantedBug::kIgnoreIdempotency);
  if (keyed) run->keep_all();
  CO_TRY_VOID(run->begin_with({.seq = 1, .time = now, .body = std::move(created)}));
  keep(run, id);  // before the claim: who finds that finds this
  if (keyed) {
    Result<void> claimed = co_await claim(call, id);
    if (!claimed.ok()) {
      forget(id);
      if (claimed.error().reason != "index_exists") co_return std::move(claimed).error();
      CO_TRY(Created repeated, co_await find_repeated(call));
      if (!repeated.repeated)
        co_return Error{Code::kConflict, "this Idempotency-Key is being forgotten", "Idempotency-Key"};
      co_return repeated;
    }
  }
  if (!call.generate) {
    run->put({.time = now, .body = ResponseEnded{.status = ResponseStatus::kCompleted, .usage = {.known = true}}});
    run->finish();
    if (keyed) shelve(*run);
    co_return Created{id, false, false};
  }
  group_.spawn(drive(run, {.context = std::move(prepared.context),
                           .input_from = prepared.input_from,
                           .previous_tokens = prepared.previous_tokens,
                           .compact = call.compact,
                           .needs = prepared.needs,
                           .traceparent = call.traceparent}));
  co_return Created{id, false, false};
}

}  // namespace perdure
