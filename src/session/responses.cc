#include "session/responses.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/planted.h"
#include "dialect/responses_render.h"
#include "session/claim.h"
#include "session/conversations.h"
#include "session/host.h"
#include "session/keys_of.h"

namespace perdure {
namespace {

constexpr Duration kRecoveryInterval = std::chrono::seconds(2);
constexpr std::chrono::milliseconds kHoldInterval = std::chrono::hours(24);
constexpr Duration kExpiryInterval = std::chrono::seconds(60);

Error no_such_previous(const std::string& id) {
  return {Code::kNotFound, "there is no response with the id \"" + id + "\"", "previous_response_id",
          "previous_response_not_found"};
}

}  // namespace

struct Responses::Located {
  ResponsesHost* host = nullptr;
  std::optional<IndexEntry> entry;  // nothing: not stored
};

Responses::Responses(Options options, std::vector<Loop*> loops, std::vector<Router*> routers)
    : options_(std::move(options)), stopping_(*loops.at(0)) {
  CHECK(!loops.empty() && loops.size() == routers.size(), "a router for each loop");
  for (size_t i = 0; i < loops.size(); ++i)
    hosts_.push_back(std::make_unique<ResponsesHost>(options_, *loops[i], *routers[i], i, loops.size()));
}

Responses::~Responses() = default;

ResponsesHost& Responses::home(SessionId session) { return *hosts_[std::hash<SessionId>{}(session) % hosts_.size()]; }

ResponsesHost& Responses::here() {
  for (const auto& candidate : hosts_)
    if (&candidate->loop() == Loop::current()) return *candidate;
  return *hosts_.front();
}

size_t Responses::running() const {
  size_t sum = 0;
  for (const auto& host : hosts_) sum += host->running();
  return sum;
}

size_t Responses::bytes_held() const {
  size_t sum = 0;
  for (const auto& host : hosts_) sum += host->bytes_held();
  return sum;
}

Task<Result<Responses::Located>> Responses::locate(TenantId tenant, ResponseId id) {
  // Where the request was taken that made it, and is answered: no thread is asked.
  for (const auto& host : hosts_)
    if (&host->loop() == Loop::current() && host->has_unstored(tenant, id)) co_return Located{host.get(), std::nullopt};
  CO_TRY(std::optional<IndexEntry> entry, co_await options_.store.find({tenant, IndexKind::kResponse, id.value}));
  if (entry) co_return Located{&home(entry->session), std::move(entry)};
  for (const auto& host : hosts_) {
    ResponsesHost* candidate = host.get();
    bool here = co_await call_on(candidate->loop(), [=] { return candidate->has_run(tenant, id); });
    if (here) co_return Located{candidate, std::nullopt};
  }
  co_return Error{Code::kNotFound, "there is no response with the id \"" + id.value + "\"", "", "response_not_found"};
}

Task<Result<size_t>> Responses::recover() {
  size_t recovered = 0;
  std::optional<SessionId> after;
  for (;;) {
    if (planted(PlantedBug::kForgetUnfinished)) break;
    CO_TRY(std::vector<SessionId> page, co_await options_.store.unfinished(after, 256));
    if (page.empty()) break;
    for (SessionId session : page) {
      after = session;
      ResponsesHost* host = &home(session);
      Result<bool> goes_on = co_await call_on(host->loop(), [=] { return host->recover(session); });
      if (goes_on.ok()) {
        recovered += *goes_on;
      } else {
        // One session does not keep the others from going on, and is not forgotten either.
        Code code = goes_on.error().code;
        options_.log.error(
            "recovery.failed",
            {{"session", session.to_string()}, {"class", to_string(code)}, {"why", goes_on.error().message}});
        if (code == Code::kCorrupt || code == Code::kNotFound) {
          Result<bool> given_up = co_await call_on(host->loop(), [=] { return host->give_up_session(session); });
          if (!given_up.ok()) co_return std::move(given_up).error();
        } else {
          ResponsesHost* first = hosts_.front().get();
          first->loop().post([this, first, session] { first->spawn(recover_later(session)); });
        }
      }
    }
  }
  hosts_.front()->loop().post([this] { hosts_.front()->spawn(expire_by_itself()); });
  co_return recovered;
}

Task<void> Responses::recover_later(SessionId session) {
  Loop& loop = hosts_.front()->loop();
  ResponsesHost* host = &home(session);
  while (!stopping_.requested()) {
    (void)co_await stopping_.wait(deadline_in(loop, kRecoveryInterval));
    if (stopping_.requested()) co_return;
    Result<bool> goes_on = co_await call_on(host->loop(), [=] { return host->recover(session); });
    if (goes_on.ok()) co_return;
    options_.log.warn("recovery.waits", {{"session", session.to_string()}, {"class", to_string(goes_on.error().code)}});
  }
}

Task<Result<size_t>> Responses::expire(WallTime now) {
  CO_TRY(std::vector<TimerRow> due, co_await options_.store.due(now, 256));
  size_t expired = 0;
  std::map<SessionId, Batch> claims;
  for (const TimerRow& timer : due) {
    CO_TRY(std::optional<SessionRow> row, co_await options_.store.session(timer.session));
    if (std::optional<std::string> claimed = claim_of_timer(timer.id); row && claimed) {
      Batch& batch = claims[timer.session];
      batch.session = timer.session;
      batch.remove.push_back({row->tenant, IndexKind::kIdempotency, *std::move(claimed)});
      batch.remove_timers.push_back(timer.id);
      continue;
    }
    if (row && row->legal_hold) {  // looked at again later, so that held ones do not stand in the way of others
      Batch batch;
      batch.session = timer.session;
      batch.timers.push_back({timer.id, now + kHoldInterval});
      CO_TRY([[maybe_unused]] Committed moved, co_await options_.store.commit(options_.lease, std::move(batch)));
    }
    if (!row || row->legal_hold) continue;
    Result<void> removed = co_await remove(row->tenant, ResponseId(timer.id));
    if (removed.ok()) ++expired;
  }
  for (auto& [session, batch] : claims) {
    CO_TRY([[maybe_unused]] Committed done, co_await options_.store.commit(options_.lease, std::move(batch)));
  }
  co_return expired;
}

Task<void> Responses::expire_by_itself() {
  Loop& loop = hosts_.front()->loop();
  while (!stopping_.requested()) {
    Result<size_t> expired = co_await expire(loop.wall());
    if (!expired.ok()) options_.log.warn("expiry.failed", {{"class", to_string(expired.error().code)}});
    if (expired.ok() && *expired > 0) options_.log.info("responses.expired", {{"responses", *expired}});
    for (const auto& host : hosts_) {
      ResponsesHost* each = host.get();
      (void)co_await call_on(each->loop(), [each] { return each->tidy_shelf(); });
    }
    (void)co_await stopping_.wait(deadline_in(loop, kExpiryInterval));
  }
}

// The items that references stand for, before the items that follow them.
Task<Result<void>> Responses::put_in_place(TenantId tenant, std::vector<ItemReference> references,
                                           std::vector<Item>& input) {
  if (references.empty()) co_return Result<void>();
  std::vector<Item> out;
  Response response;  // that was looked at last: references come in runs
  size_t next = 0;
  for (const ItemReference& reference : references) {
    const ResponseId of = response_of_item(reference.id);
    if (!of.empty() && response.id != of) {
      Result<Response> got = co_await get(tenant, of);
      if (!got.ok() && got.error().code != Code::kNotFound) co_return std::move(got).error();
      response = got.ok() ? *std::move(got) : Response{};
    }
    auto found = std::ranges::find(response.output(), reference.id, &Item::id);
    if (of.empty() || response.id != of || found == response.output().end())
      co_return Error{Code::kNotFound,
                      "Item with id '" + reference.id + "' not found: there is no stored response that has brought it.",
                      reference.param, "item_not_found"};
    for (; next < reference.before; ++next) out.push_back(std::move(input[next]));
    out.push_back(*found);
    // What a compaction stood for is not there any more where it is put.
    if (found->kind == ItemKind::kCompaction) out.back().issuer.clear();
  }
  for (; next < input.size(); ++next) out.push_back(std::move(input[next]));
  input = std::move(out);
  co_return Result<void>();
}

Task<Result<Created>> Responses::create(CreateCall call) {
  TenantId tenant = call.tenant;
  Result<Created> created = co_await find_or_create(call);
  if (!created.ok() || !created->repeated || created->stored) co_return created;
  for (const auto& host : hosts_) {
    ResponsesHost* candidate = host.get();
    bool there = co_await call_on(candidate->loop(), [&] { return candidate->has_run(tenant, created->id); });
    if (there) co_return created;
  }
  co_return Error{Code::kConflict,
                  "a request with this Idempotency-Key was made before and is not made twice; its answer was not "
                  "stored and is not here any more. Use a new key to have it made again",
                  "Idempotency-Key", "idempotency_answer_gone"};
}

Task<Result<Created>> Responses::find_or_create(CreateCall& call) {
  // First of all: what else would stand in a new request's way does not stand in a repeat's.
  if (!call.idempotency_key.empty() && !planted(PlantedBug::kIgnoreIdempotency)) {
    CO_TRY(Created repeated, co_await here().find_repeated(call));
    if (repeated.repeated) co_return repeated;
  }
  CO_TRY_VOID(co_await put_in_place(call.tenant, std::exchange(call.references, {}), call.request.input));
  std::optional<IndexEntry> origin;
  ResponsesHost* host = nullptr;
  const std::string previous = call.remembered ? call.remembered->stored : call.request.previous_response_id;
  if (!call.request.conversation.empty()) {
    CO_TRY(origin,
           co_await options_.store.find(conversation_key(call.tenant, ConversationId(call.request.conversation))));
    if (!origin) co_return no_such_conversation(ConversationId(call.request.conversation), "conversation");
    host = &home(origin->session);
  } else if (!previous.empty()) {
    Result<std::optional<IndexEntry>> found =
        co_await options_.store.find({call.tenant, IndexKind::kResponse, previous});
    if (!found.ok()) co_return std::move(found).error();
    if (!*found && planted(PlantedBug::kAcceptBadInput)) {
      call.request.previous_response_id.clear();
      ResponsesHost* here = hosts_.front().get();
      (void)co_await call_on(here->loop(), [&] { return here->create(CreateCall(call), std::nullopt); });
    }
    if (!*found) co_return no_such_previous(call.request.previous_response_id);
    origin = std::move(*found);
    host = &home(origin->session);
  } else {
    host = &here();
  }
  co_return co_await call_on(host->loop(), [&] { return host->create(std::move(call), std::move(origin)); });
}

Task<Result<std::vector<Item>>> Responses::context_of(TenantId tenant, Request request,
                                                      std::vector<ItemReference> references) {
  CO_TRY_VOID(co_await put_in_place(tenant, std::move(references), request.input));
  std::optional<IndexEntry> origin;
  ResponsesHost* host = &here();
  if (!request.conversation.empty()) {
    const ConversationId id(request.conversation);
    CO_TRY(origin, co_await options_.store.find(conversation_key(tenant, id)));
    if (!origin) co_return no_such_conversation(id, "conversation");
  } else if (!request.previous_response_id.empty()) {
    CO_TRY(origin, co_await options_.store.find({tenant, IndexKind::kResponse, request.previous_response_id}));
    if (!origin) co_return no_such_previous(request.previous_response_id);
  }
  if (origin) host = &home(origin->session);
  co_return co_await call_on(host->loop(), [&] { return host->context_of(tenant, request, origin); });
}

Task<Result<Response>> Responses::get(TenantId tenant, ResponseId id, std::shared_ptr<HeldRun> run) {
  if (run) {
    auto read = [](std::shared_ptr<Run> made) -> Task<Result<Response>> { co_return made->response(); };
    co_return co_await call_on(run->host().loop(), [&] { return read(run->run()); });
  }
  CO_TRY(Located at, co_await locate(tenant, id));
  if (!at.entry)
    co_return Error{Code::kNotFound, "there is no response with the id \"" + id.value + "\"", "", "response_not_found"};
  co_return co_await call_on(at.host->loop(), [&] { return at.host->get(tenant, id, *at.entry); });
}

Task<Result<Response>> Responses::wait(TenantId tenant, ResponseId id, Cancellation* gone,
                                       std::shared_ptr<HeldRun> run) {
  if (run) co_return co_await call_on(run->host().loop(), [&] { return run->host().wait(tenant, id, run->run()); });
  CO_TRY(Located at, co_await locate(tenant, id));
  ResponsesHost* host = at.host;
  bool unstored = !at.entry;
  // A client that leaves ends a response that is not stored: nobody could ever read it.
  Cancellation::Hook hook(unstored ? gone : nullptr, [host, tenant, id] {
    host->loop().post([host, tenant, id] {
      auto leave = [](ResponsesHost* h, TenantId t, ResponseId r) -> Task<void> { (void)co_await h->abandon(t, r); };
      host->spawn(leave(host, tenant, id));
    });
  });
  co_return co_await call_on(host->loop(), [&] { return host->wait(tenant, id); });
}

Task<Result<Response>> Responses::cancel(TenantId tenant, ResponseId id) {
  CO_TRY(Located at, co_await locate(tenant, id));
  co_return co_await call_on(at.host->loop(), [&] { return at.host->cancel(tenant, id); });
}

Task<void> Responses::abandon(TenantId tenant, ResponseId id) {
  for (const auto& host : hosts_) {
    ResponsesHost* candidate = host.get();
    if (co_await call_on(candidate->loop(), [&] { return candidate->abandon(tenant, id); })) co_return;
  }
}

Task<Result<void>> Responses::remove(TenantId tenant, ResponseId id) {
  CO_TRY(Located at, co_await locate(tenant, id));
  if (!at.entry)
    co_return Error{Code::kNotFound, "there is no response with the id \"" + id.value + "\"", "", "response_not_found"};
  CO_TRY([[maybe_unused]] bool done, co_await call_on(at.host->loop(), [&] { return at.host->remove(tenant, id); }));
  co_return Result<void>();
}

Task<Result<std::vector<ResponseSummary>>> Responses::list(TenantId tenant, uint64_t before, size_t limit) {
  CO_TRY(std::vector<IndexRow> rows, co_await options_.store.list(tenant, IndexKind::kResponse, before, limit));
  std::vector<ResponseSummary> out;
  for (const IndexRow& row : rows) {
    CO_TRY(IndexValue value, IndexValue::decode(row.entry.value));
    out.push_back({ResponseId(row.key.key), value.model, value.status, value.created, row.entry.ordinal});
  }
  co_return out;
}

Task<Result<uint64_t>> Responses::cursor_of(TenantId tenant, ResponseId id) {
  CO_TRY(std::optional<IndexEntry> entry, co_await options_.store.find({tenant, IndexKind::kResponse, id.value}));
  if (!entry) co_return Error{Code::kNotFound, "there is no such response"};
  co_return entry->ordinal;
}

Task<Result<std::vector<Item>>> Responses::input_items(TenantId tenant, ResponseId id) {
  CO_TRY(Response response, co_await get(tenant, id));
  co_return response.request->input;
}

Task<void> Responses::stop(Deadline deadline) {
  // Waited for, and not posted: once stop() is over, this object may be gone.
  co_await call_on(hosts_.front()->loop(), [this]() -> Task<bool> {
    stopping_.request();
    co_return true;
  });
  TaskGroup group(*Loop::current());
  for (const auto& host : hosts_) {
    ResponsesHost* each = host.get();
    auto stop_one = [](ResponsesHost* h, Deadline d) -> Task<void> {
      (void)co_await call_on(h->loop(), [=] { return h->stop(d); });
    };
    group.spawn(stop_one(each, deadline));
  }
  co_await group.join();
}

Task<void> Responses::set_limits(SessionLimits limits) {
  for (const auto& host : hosts_) {
    ResponsesHost* each = host.get();
    (void)co_await call_on(each->loop(), [&] { return each->set_limits(limits); });
  }
}

Task<void> Responses::account(std::vector<LedgerEntry> entries) {
  size_t count = entries.size();
  Result<void> kept = co_await options_.store.append_ledger(std::move(entries));
  if (!kept.ok()) options_.log.warn("ledger.lost", {{"entries", count}, {"class", to_string(kept.error().code)}});
}

// --- following
// ---------------------------------------------------------------------------------------------------------

namespace {

class Follower final : public EventReader {
 public:
  Follower(ResponsesHost& host, TenantId tenant, ResponseId id, uint64_t first, std::unique_ptr<ClientStream> stream,
           std::shared_ptr<HeldRun> held)
      : host_(host),
        tenant_(std::move(tenant)),
        id_(std::move(id)),
        next_(first),
        stream_(std::move(stream)),
        held_(std::move(held)) {}

  Task<Result<void>> next(std::vector<RenderedEvent>& out, Deadline deadline) override {
    if (stream_->finished()) co_return Result<void>();
    std::shared_ptr<Run> run = held_ ? held_->run() : nullptr;
    CO_TRY(VisibleRecords visible, co_await call_on(host_.loop(), [&] {
             return host_.records(tenant_, id_, next_, deadline, std::move(run));
           }));
    if (visible.run_done) held_.reset();
    for (const SharedRecord& record : visible.records) {
      next_ = record->seq + 1;
      if (!is_of_response(record->kind())) continue;
      CO_TRY_VOID(stream_->add(*record, out));
    }
    if (visible.ended && !stream_->finished())
      co_return Error{Code::kCorrupt, "the response's journal ends without an ending"};
    co_return Result<void>();
  }
  bool finished() const override { return stream_->finished(); }
  const Response& response() const override { return stream_->response(); }
  const ClientStream& stream() const override { return *stream_; }

 private:
  ResponsesHost& host_;
  TenantId tenant_;
  ResponseId id_;
  uint64_t next_;
  std::unique_ptr<ClientStream> stream_;
  std::shared_ptr<HeldRun> held_;  // no longer than the run goes on
};

}  // namespace

Task<Result<std::unique_ptr<EventReader>>> Responses::follow(TenantId tenant, ResponseId id,
                                                             std::unique_ptr<ClientStream> stream,
                                                             std::shared_ptr<HeldRun> run) {
  if (!stream) stream = std::make_unique<EventRenderer>();
  ResponsesHost* host = nullptr;
  uint64_t first = 1;
  if (run) {
    host = &run->host();
    first = run->run()->first_seq();
  } else {
    CO_TRY(Located at, co_await locate(tenant, id));
    host = at.host;
    if (at.entry) first = at.entry->seq;
  }
  co_return std::unique_ptr<EventReader>(
      std::make_unique<Follower>(*host, std::move(tenant), std::move(id), first, std::move(stream), std::move(run)));
}

}  // namespace perdure
