#pragma once
// Responses: what the gateway asks for. create, get, follow, cancel, remove, list over all tenants' responses; recovery
// after a crash; expiry. One ResponsesHost lives on each Loop and owns the sessions whose home it is; Responses, the
// face, may be used from any of those loops and crosses to a session's home by itself.

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "dialect/client_stream.h"
#include "dialect/responses_request.h"
#include "session/key_ring.h"
#include "session/run.h"
#include "session/shelf.h"

namespace perdure {

struct SessionLimits {
  RunLimits run;
  GenerationLimits generation;
  size_t runs_max = 4096;               // responses in the making, per loop; beyond: kOverloaded
  size_t context_bytes_max = 64 << 20;  // history and input of one response
  std::chrono::milliseconds retention = std::chrono::hours(24 * 30);  // zero: for ever
  // Of a background response that was not to be stored, after its end: it is kept for polling only.
  std::chrono::milliseconds polling_retention = std::chrono::minutes(10);
  // Who wants to go on from a response that is being made, or from a conversation that is busy, waits in line.
  size_t waiting_max = 16;  // for each of them; beyond, and after waiting_time: kConflict
  Duration waiting_time = std::chrono::seconds(30);
  // A create with an idempotency key whose response is not stored: what a repeat can still be given, and how long the
  // key is known. After the one and before the other a repeat is refused (idempotency_answer_gone).
  ShelfLimits shelf;
  std::chrono::milliseconds claim_kept = std::chrono::hours(24);
};

// A previous response that only the caller remembers: it was not stored. Where the journal's part of its history ends,
// and what came after that.
struct Remembered {
  std::string stored;  // id of a stored response; empty: none
  std::vector<Item> items;
};

struct CreateCall {
  TenantId tenant;
  KeyId key;
  Request request;
  std::string idempotency_key;  // empty: none
  Hash256 body_hash{};          // of the request as sent, compared on a repeat
  std::string route = "responses";
  std::string traceparent;
  std::vector<ItemReference> references;            // items of stored responses that belong into request.input
  std::optional<Remembered> remembered;             // what request.previous_response_id stands for
  bool compact = false;                             // not an answer, but a summary of all of the input (compactor.h)
  std::shared_ptr<RateBook::Reserve> reserve = {};  // of its key's limit, until the first attempt is placed
  bool generate = true;                             // false: nobody is asked; the response is there to be gone on from
};

// Whether a response is kept in the journal: also one that runs in the background and is kept for polling only.
inline bool is_journaled(const Request& request) { return request.store || request.background; }

// A response's run, held on to by whoever has just made it. What is asked for with it comes from the run itself, also
// when that has ended meanwhile, and nobody looks into the store for what is at hand. May be let go on any thread.
class HeldRun;

struct Created {
  ResponseId id;
  bool repeated = false;  // the idempotency key was seen before: this is that response
  bool stored = true;
  std::shared_ptr<HeldRun> run = {};  // for get(), wait() and follow() of it; may be null
};

struct ResponseSummary {
  ResponseId id;
  std::string model, status;
  WallTime created{};
  uint64_t cursor = 0;  // pass as `before` for the next page
};

// Follows one response from its first record, live or stored, and renders its events. Used by one coroutine on one
// Loop.
class EventReader {
 public:
  virtual ~EventReader() = default;
  // Appends the events that have become visible; waits for some until the deadline (then nothing is appended). After
  // the last event finished() is true. kNotFound: deleted meanwhile. kUnavailable: the run broke or the server stops;
  // the stream must be cut without an ending.
  virtual Task<Result<void>> next(std::vector<RenderedEvent>& out, Deadline deadline) = 0;
  virtual bool finished() const = 0;
  virtual const Response& response() const = 0;  // fold of what was read so far
  virtual const ClientStream& stream() const = 0;
};

class ResponsesHost;

class Responses {
 public:
  struct Options {
    Store& store;
    Lease lease;
    std::optional<Key256> master;
    SessionLimits limits;
    Log log;
  };
  // `loops` and `routers` go together, one each; all outlive this object. Destroyed after stop().
  Responses(Options options, std::vector<Loop*> loops, std::vector<Router*> routers);
  ~Responses();

  // Finds every unfinished response and goes on with it; returns how many. Call once, on one of the loops, before
  // serving.
  Task<Result<size_t>> recover();

  // Stored: returns when the response is durable and running. Not stored (request.store false): running, seen by
  // follow() only. With an idempotency key that was used before: that response, from its start; kConflict
  // idempotency_key_reused: by another request; idempotency_answer_gone: the answer was not stored and this process
  // does not have it (any more).
  Task<Result<Created>> create(CreateCall call);
  Task<Result<Response>> get(TenantId tenant, ResponseId id, std::shared_ptr<HeldRun> run = {});
  // `stream`: the dialect that it is told in; null: OpenAI Responses.
  Task<Result<std::unique_ptr<EventReader>>> follow(TenantId tenant, ResponseId id,
                                                    std::unique_ptr<ClientStream> stream = nullptr,
                                                    std::shared_ptr<HeldRun> run = {});
  // Until it has ended; then the whole of it.
  Task<Result<Response>> wait(TenantId tenant, ResponseId id, Cancellation* gone, std::shared_ptr<HeldRun> run = {});
  // Idempotent: a response that has ended is returned as it is.
  Task<Result<Response>> cancel(TenantId tenant, ResponseId id);
  // A response that is not stored and whose client has left, or has been read to its end.
  Task<void> abandon(TenantId tenant, ResponseId id);
  // What its descendants need stays until they are gone too.
  Task<Result<void>> remove(TenantId tenant, ResponseId id);
  Task<Result<std::vector<ResponseSummary>>> list(TenantId tenant, uint64_t before, size_t limit);
  // As ResponseSummary::cursor. kNotFound.
  Task<Result<uint64_t>> cursor_of(TenantId tenant, ResponseId id);
  // What an answer to `request` would start from: the history that it names, and its own input. Changes nothing.
  Task<Result<std::vector<Item>>> context_of(TenantId tenant, Request request, std::vector<ItemReference> references);
  // The input items of a response, as the client gave them (with ids).
  Task<Result<std::vector<Item>>> input_items(TenantId tenant, ResponseId id);

  // Removes what has outlived its retention; at most 256 responses a call. How many. Runs by itself every minute after
  // recover().
  Task<Result<size_t>> expire(WallTime now);

  // Entries of the ledger for attempts that no response of here made. A failure is logged: there is nobody to tell.
  Task<void> account(std::vector<LedgerEntry> entries);

  // For what begins from now on; some of them at once.
  Task<void> set_limits(SessionLimits limits);

  size_t bytes_held() const;  // in windows for readers; exact only on a single loop
  size_t running() const;     // over all loops; approximate while they run

  // New responses are refused from now on; running ones may end until the deadline, then they are left unfinished in
  // the journal, to be continued by the next start. Call on one of the loops.
  Task<void> stop(Deadline deadline);

 private:
  friend class ResponsesHost;
  friend class Conversations;
  ResponsesHost& home(SessionId session);
  ResponsesHost& here();  // of the loop that is running, or the first
  struct Located;
  Task<Result<Located>> locate(TenantId tenant, ResponseId id);
  Task<Result<void>> put_in_place(TenantId tenant, std::vector<ItemReference> references, std::vector<Item>& input);
  Task<Result<Created>> find_or_create(CreateCall& call);
  Task<void> expire_by_itself();
  Task<void> recover_later(SessionId session);
  Options options_;
  std::vector<std::unique_ptr<ResponsesHost>> hosts_;
  Cancellation stopping_;  // lives on the first loop
};

}  // namespace perdure
