#pragma once
// HttpServer: HTTP/1.1 over one Listener on one Loop. It reads a whole request (decoded: chunked, gzip, zstd; limits
// apply to decoded bytes), hands it to the Handler, and sends what the Handler replies. Keep-alive; requests of one
// connection are served one after another; pipelined ones wait in the socket. HTTP/2 is not spoken: its preface gets
// 505.
//
// What is full or wrong is answered before the Handler sees it: 400 malformed, 408 slow, 413 body, 414 target, 415
// encoding, 431 header, 503 too many connections or body bytes. The body of those answers comes from Handler::refuse,
// so that it is in the caller's dialect.

#include <map>
#include <memory>
#include <string>

#include "async/task_group.h"
#include "base/log.h"
#include "http/message.h"
#include "http/network.h"
#include "http/websocket.h"

namespace perdure {

struct HttpServerLimits {
  size_t header_bytes_max = 64 << 10;
  size_t body_bytes_max = 64 << 20;                 // one request, decoded
  size_t body_bytes_total_max = size_t{512} << 20;  // all requests of this server together, decoded; beyond: 503
  size_t connections_max = 20'000;                  // beyond: 503 and close
  Duration header_time = std::chrono::seconds(30);
  Duration body_time = std::chrono::seconds(120);  // the whole body
  Duration idle_time = std::chrono::seconds(75);   // between requests
  Duration write_time = std::chrono::seconds(60);  // one write that the client does not take
};

struct HttpRequest {
  std::string method, target;                // as sent
  std::string path;                          // percent-decoded, without query
  std::map<std::string, std::string> query;  // decoded; the last of equal names wins, "x[]" are joined by ","
  Headers headers;
  std::string body;  // decoded
  std::string peer;
  std::string_view header(std::string_view name) const { return headers.get(name); }
};

// The reply of one request. Exactly one of send(), begin()..finish() or upgrade() is used. Errors mean that the client
// is gone; the server closes the connection then.
class HttpReply {
 public:
  virtual ~HttpReply() = default;
  Headers headers;  // sent with the head; set before send() or begin()
  virtual Task<Result<void>> send(int status, std::string_view content_type, std::string_view body) = 0;
  virtual Task<Result<void>> begin(int status, std::string_view content_type) = 0;  // chunked
  virtual Task<Result<void>> write(std::string_view bytes) = 0;                     // one chunk, one write
  virtual Task<Result<void>> finish() = 0;
  virtual void abort() = 0;  // cuts the connection: the only honest end for a stream without its ending
  virtual bool begun() const = 0;
  // Answers a WebSocket handshake (with `headers`) and hands the connection over; the socket must be gone when the
  // handler returns. kInvalid: the request is none that can be answered, nothing was sent, and a reply is still owed.
  virtual Task<Result<std::unique_ptr<WebSocket>>> upgrade(const HttpRequest& request, WebSocketLimits limits) = 0;
  // Requested when the client has closed or broken its connection while the handler runs.
  virtual Cancellation& gone() = 0;
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  virtual Task<void> handle(HttpRequest& request, HttpReply& reply) = 0;
  // The body (application/json) for a request that the server itself refuses; `request` may be incomplete.
  virtual std::string refuse(const HttpRequest& request, int status, std::string_view message) = 0;
};

class HttpServer {
 public:
  HttpServer(Loop& loop, std::unique_ptr<Listener> listener, HttpHandler& handler, HttpServerLimits limits, Log log);
  ~HttpServer();
  void start();
  // Stops accepting, lets running requests end until `deadline` (keep-alive connections close at once), then aborts
  // them.
  Task<void> stop(Deadline deadline);
  int port() const;
  size_t connections() const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace perdure
