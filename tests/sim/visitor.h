#pragma once
// Visitor: a client that comes in through the front door: HTTP over the simulated network, in one of three APIs, with
// an API key. It reads what it is streamed as that API's clients do (tests/cut/extract.h), comes back with what it has
// when a connection breaks, and sends nonsense that must be refused in the words of its API. Its answers are single
// turns, so that those that are not stored can be relayed.

#include <memory>

#include "http/client.h"
#include "http/testing/websocket_client.h"
#include "scene.h"

namespace perdure::sim {

struct Connections {
  HttpClient &kept, &fresh;  // the second one keeps none
  Network& network;          // for WebSockets
};

class Visitor {
 public:
  Visitor(Scene& scene, Connections& http, int number, int turns);
  Task<void> run();

 private:
  struct Visit {
    std::string api;
    Prompt prompt;
    Errand* errand = nullptr;
    bool stored = false, keyed = false;
    bool by_socket = false;  // asked for over a WebSocket; what breaks is come back to over HTTP
    std::string lane;        // its stream_id; empty: none
    std::string key, body, id;
    std::vector<std::string> frames;  // data of events, as they came
    std::optional<size_t> leave_at;
    bool ended = false;  // as the API says it
    size_t request = 0;  // of its creates the last one, as its key's limits are judged by it
    int asked = 0;       // creates
  };
  enum class Came { kToTheEnd, kBroke, kLeft, kRefused };

  Task<void> visit();
  Task<Came> attend(Visit& visit);  // creates it, or comes back to it
  Task<Came> attend_socket(Visit& visit);
  Task<bool> open_socket();
  Task<bool> socket_refuses_nonsense();
  Task<bool> refused(Visit& visit, HttpAnswer& answer);
  void judge_refusal(Visit& visit, int status, const std::string& body, std::optional<int64_t> retry_after_s);
  bool take(Visit& visit, std::string_view data, size_t& position);
  Task<void> judge(Visit& visit);
  Task<void> nonsense();
  HttpCall call(std::string method, std::string target, std::string body) const;
  Task<std::optional<std::string>> read_all(HttpAnswer& answer);
  void client_fault(FaultKind kind, const Visit& visit);
  Task<void> pause(uint64_t milliseconds) {
    co_await sleep_for(scene_.loop, std::chrono::milliseconds(milliseconds + random_.below(milliseconds + 1)));
  }

  Scene& scene_;
  Connections& http_;
  int number_, turns_;
  SeededRandom random_;
  Identity who_;
  uint64_t said_ = 0;
  std::unique_ptr<WebSocketClient> socket_;  // kept from visit to visit
};

// The body of a request that asks `prompt` in an API ("responses", "chat", "messages"), written without the code under
// test.
std::string body_in(std::string_view api, const Prompt& prompt, const Identity& who, uint64_t errand, bool stored);

inline constexpr int kFrontDoor = 8080;

}  // namespace perdure::sim
