// GET /v1/responses with a handshake: the WebSocket form of creating responses.

#include "gateway/exchange.h"
#include "gateway/gateway.h"
#include "gateway/websocket_lanes.h"

namespace perdure {
namespace {

// A page in a browser can open a socket to any address without asking, which the same-origin rules do not let it do
// with a POST of JSON: so it is not let in here either, unless this server's own name is its origin.
bool from_elsewhere(const HttpRequest& request) {
  std::string_view origin = request.header("origin");
  if (origin.empty()) return false;
  size_t scheme = origin.find("://");
  return scheme == std::string_view::npos || !equal_ignoring_case(origin.substr(scheme + 3), request.header("host"));
}

}  // namespace

Task<void> Gateway::websocket(Exchange& x) {
  if (from_elsewhere(x.request)) {
    co_await x.fail({Code::kDenied, "browsers are not clients: this Origin may not open a WebSocket here", "Origin",
                     "origin_not_allowed"});
    co_return;
  }
  Result<bool> lenient = header_flag(x.request, "x-perdure-lenient");
  if (!lenient.ok()) {
    co_await x.fail(std::move(lenient).error());
    co_return;
  }
  WebSocketCaller caller{.caller = x.caller,
                         .token = std::string(bearer_token(x.request)),
                         .lenient = *lenient,
                         .request_id = x.request_id,
                         .reasoning_events = options_.reasoning_events,
                         .rates = options_.rates};
  Result<std::unique_ptr<WebSocket>> socket = co_await x.reply.upgrade(x.request, options_.websocket);
  if (!socket.ok()) {
    Error error = std::move(socket).error();
    const bool upgrade = error.reason == "upgrade_required";
    if (x.reply.begun()) co_return;
    if (upgrade) {
      x.reply.headers.set("Upgrade", "websocket");
      x.reply.headers.set("Sec-WebSocket-Version", "13");
      error.message += ". To create a response over HTTP, POST it.";
    }
    co_await x.fail_as(upgrade ? 426 : 400, std::move(error));
    co_return;
  }
  x.status = 101;
  metrics_.websockets.add(1);
  {
    WebSocketLanes lanes(loop_, responses_, keys_, metrics_, options_.websocket_lanes, log_, **socket,
                         std::move(caller));
    co_await lanes.run();
  }
  metrics_.websockets.add(-1);
}

}  // namespace perdure
