#pragma once
// Gateway: the public surface, an HttpHandler. It finds out who is calling, reads the request in the caller's dialect,
// asks Responses, and renders the reply: JSON, or server-sent events. It holds no state of a conversation.
//
// A reader that leaves does not stop a stored response; it does stop one that is not stored. A stream that cannot go on
// is cut: there is never an ending that the journal does not have. Lives on one Loop; stop() before it is destroyed,
// after the server that calls it has stopped.

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "access/key_book.h"
#include "async/task_group.h"
#include "dialect/responses_render.h"
#include "gateway/metrics.h"
#include "gateway/websocket_lanes.h"
#include "http/server.h"
#include "session/conversations.h"

namespace perdure {

class RateBook;
class SpendingBook;
class LostReplies;
class WithdrawalDesk;

enum class Readiness { kStarting, kReady, kDraining };

struct GatewayOptions {
  WebSocketLimits websocket;
  WebSocketLaneLimits websocket_lanes;
  ReasoningEvents reasoning_events = ReasoningEvents::kOpenAi;
  Duration keep_alive = std::chrono::seconds(15);  // silence on a stream before a comment is sent
  size_t write_bytes_max = 256 << 10;              // events that share a write
  size_t list_scan_max = 10'000;                   // responses looked at for one list, see list_chats()
  Router* router = nullptr;                        // of this Loop, for relaying; null: nothing is relayed
  const GenerationLimits* generation = nullptr;    // likewise
  WithdrawalDesk* desk = nullptr;                  // for withdrawals and the state of deployments; null: none
  SpendingBook* spending = nullptr;                // what was spent; null: nobody counts
  RateBook* rates = nullptr;                       // limits of API keys; null: none
  LostReplies* lost_replies = nullptr;             // of all loops; null: an SDK's repeat makes a new response
};

// The names that GET /v1/models lists; may ask suppliers.
using ModelNames = std::function<Task<std::vector<std::string>>()>;

struct Exchange;   // one request on its way; exchange.h
struct RelayTurn;  // relay.h
struct Heard;
struct RelayedAttempt;

class Gateway final : public HttpHandler {
 public:
  Gateway(Loop& loop, Responses& responses, KeyBook& keys, GatewayMetrics& metrics, ModelNames models,
          const std::atomic<Readiness>& readiness, GatewayOptions options, Log log);

  Task<void> handle(HttpRequest& request, HttpReply& reply) override;
  std::string refuse(const HttpRequest& request, int status, std::string_view message) override;
  Task<void> stop();

 private:
  friend struct Route;
  Task<void> serve(Exchange& x);

  // create.cc: any client's dialect
  struct CreateHeaders {
    std::string idempotency_key, traceparent;
    Hash256 body_hash{};  // of a request with an idempotency key
    bool lenient = false, kept = false;
  };
  Task<void> create(Exchange& x);
  Task<void> create_response(Exchange& x, json::Document body, CreateHeaders headers);
  Task<Result<void>> inherit(CreateCall& call);
  Task<bool> relay_as_it_is(Exchange& x, json::Value root, std::string_view traceparent);
  Task<void> reply_to_create(Exchange& x, Created created, bool stream_wanted, bool background);
  // responses_routes.cc
  Task<void> fetch(Exchange& x);
  Task<void> cancel(Exchange& x);
  Task<void> remove(Exchange& x);
  Task<void> input_items(Exchange& x);
  // side_routes.cc
  Task<void> input_tokens(Exchange& x);
  Task<void> compact(Exchange& x);
  Task<void> embeddings(Exchange& x);
  // conversations_routes.cc
  Task<std::optional<json::Document>> body_of(Exchange& x);
  Task<void> create_conversation(Exchange& x);
  Task<void> fetch_conversation(Exchange& x);
  Task<void> update_conversation(Exchange& x);
  Task<void> remove_conversation(Exchange& x);
  Task<void> add_conversation_items(Exchange& x);
  Task<void> list_conversation_items(Exchange& x);
  Task<void> fetch_conversation_item(Exchange& x);
  Task<void> remove_conversation_item(Exchange& x);
  // websocket_routes.cc
  Task<void> websocket(Exchange& x);
  // chat_routes.cc
  Task<void> list_chats(Exchange& x);
  Task<void> fetch_chat(Exchange& x);
  Task<void> update_chat(Exchange& x);
  Task<void> remove_chat(Exchange& x);
  Task<void> chat_messages(Exchange& x);
  Task<void> resume(Exchange& x);
  Task<Result<Response>> stored_chat(const Exchange& x);
  // messages_routes.cc
  Task<void> count_tokens(Exchange& x);
  Task<void> list_models_for_messages(Exchange& x);
  // Counted by a supplier that serves the model; kInvalid, reason "cannot_count": none of them can.
  Task<Result<int64_t>> count_input(Exchange& x, const Request& request, std::span<const Item> context);
  // operator_routes.cc
  Task<void> list_models(Exchange& x);
  Task<void> fetch_model(Exchange& x);
  Task<void> list_responses(Exchange& x);
  Task<void> account(Exchange& x);
  Task<void> healthz(Exchange& x);
  Task<void> readyz(Exchange& x);
  Task<void> show_metrics(Exchange& x);
  // spending_routes.cc
  Task<void> show_spending(Exchange& x);
  // routing_routes.cc
  Task<void> withdraw(Exchange& x);
  Task<void> list_withdrawals(Exchange& x);
  Task<void> restore(Exchange& x);
  Task<void> list_deployments(Exchange& x);
  Task<std::string> deployment_metrics();
  Task<size_t> credentials_refused();
  // relay.cc: true: the request was answered, one way or the other; false: it is not to be relayed, nothing was sent
  Task<bool> relay(Exchange& x, RelayTurn turn);
  Task<Result<bool>> go_on(Exchange& x, RelayTurn& turn, const Heard& heard, RelayedAttempt author);
  void enter(const Exchange& x, const std::string& model, const std::vector<RelayedAttempt>& attempts);
  Task<void> write_ledger();
  // stream.cc: events with a number above `after`, in the dialect of x.face. `fresh`: of the request that created the
  // response, which is told of a failure before the first event by a status.
  Task<void> stream(Exchange& x, Created created, int64_t after, bool fresh = false);
  Task<void> answer_unstored(Exchange& x, ResponseId id);
  Task<void> answer_with(Exchange& x, const Response& response);
  Task<void> abandon(TenantId tenant, ResponseId id);

  Loop& loop_;
  Responses& responses_;
  Conversations conversations_;
  KeyBook& keys_;
  GatewayMetrics& metrics_;
  ModelNames models_;
  const std::atomic<Readiness>& readiness_;
  GatewayOptions options_;
  Log log_;
  std::vector<LedgerEntry> ledger_;  // of relayed requests, on its way to the store
  bool ledger_waits_ = false;
  TaskGroup leaving_;  // responses whose client left, ledger entries
};

}  // namespace perdure
