#pragma once
// HttpClient: HTTP/1.1 requests over pooled keep-alive connections, on one Loop. Any status is an answer; errors mean
// that there was none: kUnavailable (refused, cut, reset), kCorrupt (not HTTP), kDeadline, kCancelled, kInvalid. Sends
// `Accept-Encoding: identity`. Proxies: an http proxy is used by absolute form for http and CONNECT for https.
//
// When is a request sent again by itself? Servers close idle connections, at times just when one is taken from the pool
// (RFC 9112, 9.3.1; RFC 9110, 9.2.2; nginx without `non_idempotent` and Go's net/http do alike):
// - A connection that its peer has ended while it was idle is not used.
// - One that is found broken before a byte of the request was sent is replaced, whatever the request.
// - One that ends after the request was sent and before a byte of the answer came may have ended after the server did
//   what was asked. Once, and only if that may happen twice: GET, HEAD, OPTIONS, TRACE, PUT, DELETE, and what carries an
//   Idempotency-Key. Anything else, a POST above all, is kUnavailable, and whoever counts attempts decides.

#include <memory>
#include <optional>
#include <string>

#include "async/wait.h"
#include "base/log.h"
#include "http/message.h"
#include "http/network.h"

namespace perdure {

struct Url {
  bool tls = false;
  Address address;
  std::string path;               // with query, at least "/"
  std::string authority() const;  // host[:port] for the Host header, IPv6 in brackets
};
Result<Url> parse_url(std::string_view text);  // http and https only; no credentials inside

// Which proxy serves which host, as the usual environment variables say (http_proxy, https_proxy, all_proxy, no_proxy).
struct ProxyRules {
  std::string http, https;          // URLs, empty: direct
  std::vector<std::string> direct;  // no_proxy suffixes; "*": all; loopback is always direct
  // A proxy that cannot be understood gives a Url without a host, so that it is not passed by: send() fails then.
  std::optional<Url> proxy_for(const Url& url) const;
};

struct HttpClientLimits {
  size_t header_bytes_max = 64 << 10;
  size_t idle_per_host_max = 32;
  Duration idle_time = std::chrono::seconds(55);  // shorter than servers' usual 60
  Duration connect_time = std::chrono::seconds(10);
};

struct HttpCall {
  std::string method = "POST";
  Url url;
  Headers headers;
  std::string body;
  std::string ca_file = {};
};

// An answer whose body is still to come. Destroying it early aborts the connection; reading to the end pools it.
class HttpAnswer {
 public:
  virtual ~HttpAnswer() = default;
  int status = 0;
  Headers headers;
  // Appends what has arrived to `into` (at most 64 KiB a call); false at the end of a body that is whole. kUnavailable:
  // cut.
  virtual Task<Result<bool>> read(std::string& into, Deadline deadline) = 0;
  virtual void abort() = 0;
};

// A call whose head is rendered, for calls that differ in nothing but their bodies. Holds the credential that the head
// holds. May outlive its client.
struct PreparedCall;

class HttpClient {
 public:
  HttpClient(Loop& loop, Network& network, ProxyRules proxies, HttpClientLimits limits = {});
  ~HttpClient();
  // `cancel` may be null; it ends the call, also later reads of the answer, with kCancelled. The deadline covers the
  // call up to the answer's head.
  Task<Result<std::unique_ptr<HttpAnswer>>> send(HttpCall call, Deadline deadline, Cancellation* cancel);
  // The same in two steps. kInvalid: the method, the path or a header cannot be sent. The call's body is not looked at.
  Result<std::shared_ptr<const PreparedCall>> prepare(const HttpCall& call);
  // `body` lives until the Task ends.
  Task<Result<std::unique_ptr<HttpAnswer>>> send(std::shared_ptr<const PreparedCall> call, std::string_view body,
                                                 Deadline deadline, Cancellation* cancel);
  void close_idle();

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;  // shared with answers, which may end after the client
};

}  // namespace perdure
