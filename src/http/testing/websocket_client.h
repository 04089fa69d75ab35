#pragma once
// WebSocketClient: the client's end of a WebSocket, for tests. Says what it is told, well-formed or not, and keeps what
// comes: texts are given out, pings are answered, closes are noted.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "http/message.h"
#include "http/network.h"
#include "wire/websocket.h"

namespace perdure {

class WebSocketClient {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;
  explicit WebSocketClient(Loop& loop) : loop_(loop) {}

  // True: the server has switched. The head of its answer is kept either way.
  Task<bool> connect(Network& network, Address to, std::string target, Fields headers = {});
  Task<bool> send(std::string text);
  Task<bool> send_frame(WebSocketOpcode opcode, std::string payload);
  Task<bool> send_bytes(std::string bytes);
  // The next text; empty when none came in time, or the connection is closed.
  Task<std::string> next(Duration patience = std::chrono::seconds(60));
  Task<void> close(int code = kWsNormal);
  void abort();

  std::string head;    // of the answer to the handshake
  int close_code = 0;  // that came
  std::string close_reason;
  bool ended = false;  // the server has ended the connection
  int pings = 0;
  bool answer_pings = true;

 private:
  Loop& loop_;
  std::unique_ptr<Stream> stream_;
  WebSocketReader reader_{WebSocketReader::Side::kClient, 64 << 20};
  std::string input_;
};

}  // namespace perdure
