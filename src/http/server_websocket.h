#pragma once
// The WebSocket that HttpServer makes of a connection; see websocket.h for what it promises.

#include <optional>

#include "http/input_buffer.h"
#include "http/network.h"
#include "http/server.h"
#include "http/websocket.h"

namespace perdure {

// Why `request` is no handshake that can be answered; nothing: it is one, and `accept` is the answer to its key.
std::optional<Error> check_websocket_handshake(const HttpRequest& request, std::string& accept);

struct WebSocketHost {
  Loop& loop;
  Stream& stream;
  InputBuffer& input;
  Cancellation& stopping;
  size_t& bytes_total;
  size_t bytes_total_max;
};
std::unique_ptr<WebSocket> server_websocket(WebSocketHost host, WebSocketLimits limits);

}  // namespace perdure
