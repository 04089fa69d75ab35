#pragma once
// WebSocketLanes: what one socket of /v1/responses is told and says. docs/reference/api.md has the protocol.
//
// A lane is a line of creates that are served one after another; `stream_id` names it, and without one there is a
// single lane. Each lane remembers its latest response, so that it can be gone on from although it was not stored;
// whatever is stored is gone on from like anywhere else. A continuation that fails makes the socket forget what it went
// on from.
//
// Bounds: lanes, responses at once, creates in line, bytes that are remembered, and the socket's life. What is over a
// limit gets an error, and the socket stays usable. Lives on one Loop; run() must end before it is destroyed.

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "access/key_book.h"
#include "async/task_group.h"
#include "dialect/responses_render.h"
#include "gateway/metrics.h"
#include "http/websocket.h"
#include "session/responses.h"

namespace perdure {

struct WebSocketLaneLimits {
  Duration life = std::chrono::minutes(60);
  Duration grace = std::chrono::seconds(30);  // for what is being made when the life ends
  size_t lanes_max = 32;                      // with a name
  size_t running_max = 16;                    // responses at once
  size_t waiting_max = 64;                    // creates in line, over all lanes
  size_t remembered_bytes_max = 64 << 20;
  Duration poll = std::chrono::seconds(5);  // how soon a stored response is let go of when the peer has left
};

struct WebSocketCaller {
  Caller caller;
  std::string token;  // secret: asked about again for every create, so that a revoked key ends
  bool lenient = false;
  std::string request_id;
  ReasoningEvents reasoning_events = ReasoningEvents::kOpenAi;
  RateBook* rates = nullptr;  // each create counts against the limits of the key; null: none
};

class WebSocketLanes {
 public:
  WebSocketLanes(Loop& loop, Responses& responses, KeyBook& keys, GatewayMetrics& metrics, WebSocketLaneLimits limits,
                 Log log, WebSocket& socket, WebSocketCaller caller);
  // Until the socket is closed and everything that it has begun has been let go of.
  Task<void> run();

 private:
  struct Asked {
    Request request;
    std::vector<ItemReference> references = {};
    bool generate = true;
  };
  struct Waiting {
    Result<Asked> asked;
    BytesHeld held;
  };
  struct Known {              // the latest response of a lane
    std::string id;           // empty: none
    std::string stored;       // the stored response that its history begins with; empty: none
    std::vector<Item> items;  // what follows that
    size_t bytes = 0;
    uint64_t age = 0;
  };
  struct Lane {
    std::string name;
    std::deque<Waiting> line;
    bool served = false;
    Known known;
  };

  void take(WebSocketMessage message);
  Result<Asked> read(const std::string& text, std::string& lane) const;
  Task<void> serve(Lane& lane);
  Task<void> turn(Lane& lane, Asked asked);
  Task<Result<void>> tell(Lane& lane, Created& created, bool stored, Known& next, bool& failed);
  Task<void> fail(const Lane& lane, Error error);
  const Known* find(const std::string& id) const;
  void forget(const std::string& id);
  void remember(Lane& lane, Known known);
  bool leaving() const;
  Error why_leaving() const;
  Task<void> leave();

  Loop& loop_;
  Responses& responses_;
  KeyBook& keys_;
  GatewayMetrics& metrics_;
  WebSocketLaneLimits limits_;
  Log log_;
  WebSocket& socket_;
  WebSocketCaller caller_;
  std::map<std::string, std::unique_ptr<Lane>> lanes_;
  size_t waiting_ = 0, running_ = 0;
  size_t remembered_bytes_ = 0;
  uint64_t clock_ = 0;
  Notifier slots_;
  Cancellation gone_;  // nobody is there to be told
  Instant ends_at_;
  bool denied_ = false;  // the key was revoked
  TaskGroup tasks_;
};

}  // namespace perdure
