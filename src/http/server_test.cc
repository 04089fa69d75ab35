// The server over simulated connections: what clients of every kind of manners get, byte for byte.

#include "http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "http/sim_network.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/lsan_interface.h>
#define PERDURE_LEAKS_ON_PURPOSE __lsan::ScopedDisabler leaks_on_purpose
#endif
#endif
#if !defined(PERDURE_LEAKS_ON_PURPOSE)
#define PERDURE_LEAKS_ON_PURPOSE (void)0
#endif

namespace perdure {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using Handle = std::function<Task<void>(HttpRequest&, HttpReply&)>;

class TestHandler final : public HttpHandler {
 public:
  Handle on_request;
  std::vector<std::string> seen;
  Task<void> handle(HttpRequest& request, HttpReply& reply) override {
    seen.push_back(request.method + " " + request.path + " " + request.body);
    if (on_request) {
      co_await on_request(request, reply);
    } else {
      (void)co_await reply.send(200, "text/plain", request.path + "|" + request.body);
    }
  }
  std::string refuse(const HttpRequest&, int status, std::string_view message) override {
    return "refused " + std::to_string(status) + ": " + std::string(message);
  }
};

class Server : public testing::Test {
 protected:
  SimLoop loop{7};
  SimCable cable{loop, 11};
  SimNetwork there{cable}, here{cable};
  TestHandler handler;
  HttpServerLimits limits;
  std::unique_ptr<HttpServer> server;

  void start() {
    auto listener = there.listen({"", 80}, nullptr, false);
    ASSERT_TRUE(listener.ok());
    server = std::make_unique<HttpServer>(loop, std::move(listener).value(), handler, limits, Log());
    server->start();
  }
  void TearDown() override {
    if (server) loop.run(server->stop(deadline_in(loop, 1s)));
  }
  std::unique_ptr<Stream> connect() {
    auto made = loop.run(here.connect({"host", 80}, {}, Deadline::never()));
    EXPECT_TRUE(made.ok());
    return std::move(made).value();
  }
  void write(Stream& stream, std::string_view bytes) {
    EXPECT_TRUE(loop.run(stream.write_all(bytes, deadline_in(loop, 60s))).ok());
  }
  static Task<std::string> read_until(Loop& l, Stream& stream, std::string_view mark, Duration time) {
    std::string out;
    Deadline deadline = deadline_in(l, time);
    char piece[4096];
    while (mark.empty() || out.find(mark) == std::string::npos) {
      auto n = co_await stream.read_some(piece, deadline);
      if (!n.ok()) {
        out += "<" + std::string(to_string(n.error().code)) + ">";
        break;
      }
      if (n.value() == 0) {
        out += "<end>";
        break;
      }
      out.append(piece, n.value());
    }
    co_return out;
  }
  std::string read(Stream& stream, std::string_view mark = {}, Duration time = 300s) {
    return loop.run(read_until(loop, stream, mark, time));
  }
  // One connection, all bytes at once, everything that comes back until the end.
  std::string exchange(std::string_view bytes) {
    auto stream = connect();
    write(*stream, bytes);
    return read(*stream);
  }
};

std::string gzip(std::string_view text) {
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, text.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}
std::string zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}
std::string post(std::string_view body, std::string_view more = {}) {
  return "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string(more) +
         "\r\n" + std::string(body);
}

TEST_F(Server, AnswersOnAKeptConnection) {
  start();
  auto stream = connect();
  for (int i = 0; i < 3; ++i) {
    write(*stream, "GET /a%20b?x=1&y=%C3%A4+z HTTP/1.1\r\nHost: h\r\n\r\n");
    std::string answer = read(*stream, "/a b|");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(answer, HasSubstr("Content-Length: 5\r\n"));
    EXPECT_THAT(answer, HasSubstr("Date: "));
  }
  EXPECT_EQ(server->connections(), 1u);
  write(*stream, "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(read(*stream), AllOf(HasSubstr("Connection: close\r\n"), HasSubstr("\r\n\r\n/last|<end>")));
}

TEST_F(Server, DecodesTheQuery) {
  start();
  std::map<std::string, std::string> query;
  Handle ask = [&query](HttpRequest& request, HttpReply& reply) -> Task<void> {
    query = request.query;
    (void)co_await reply.send(200, "text/plain", "");
  };
  handler.on_request = ask;
  exchange("GET http://h/p?a=1&a=2&b=%41+c&d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(query, (std::map<std::string, std::string>{{"a", "2"}, {"b", "A c"}, {"d", ""}}));
  EXPECT_EQ(handler.seen.back(), "GET /p ");
}

TEST_F(Server, ServesPipelinedRequestsInOrder) {
  start();
  std::string all;
  for (int i = 0; i < 20; ++i)
    all += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab";
  all += "GET /end HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  // Watching for the client's leaving must not swallow what waits behind.
  Handle watch = [this](HttpRequest& request, HttpReply& reply) -> Task<void> {
    bool gone = co_await reply.gone().wait(deadline_in(loop, 5ms));
    EXPECT_FALSE(gone);
    (void)co_await reply.send(200, "text/plain", request.path);
  };
  handler.on_request = watch;
  std::string answer = exchange(all);
  ASSERT_EQ(handler.seen.size(), 21u);
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(handler.seen[i], "POST /" + std::to_string(i) + " ab");
  EXPECT_THAT(answer, HasSubstr("/end<end>"));
}

TEST_F(Server, ReadsBodiesOfEveryFraming) {
  start();
  std::string text = "hello " + std::string(100'000, 'x');
  exchange(
      "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
      "3;name=value\r\nabc\r\n0A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n");
  EXPECT_EQ(handler.seen.back(), "POST /c abc0123456789");
  exchange(post(text, "Connection: close\r\n"));
  EXPECT_EQ(handler.seen.back(), "POST /x " + text);
  exchange(post(gzip(text), "Connection: close\r\nContent-Encoding: gzip\r\n"));
  EXPECT_EQ(handler.seen.back(), "POST /x " + text);
  exchange(post(gzip("one ") + gzip("two"), "Connection: close\r\nContent-Encoding: gzip\r\n"));
  EXPECT_EQ(handler.seen.back(), "POST /x one two");
  exchange(post(zstd(text), "Connection: close\r\nContent-Encoding: zstd\r\n"));
  EXPECT_EQ(handler.seen.back(), "POST /x " + text);
}

TEST_F(Server, RefusesWhatDecodesToTooMuchOrToNothing) {
  limits.body_bytes_max = 1 << 20;
  start();
  std::string huge(64 << 20, 'a');
  EXPECT_THAT(exchange(post(gzip(huge), "Content-Encoding: gzip\r\n")), StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(exchange(post(zstd(huge), "Content-Encoding: zstd\r\n")), StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(exchange(post("not gzip", "Content-Encoding: gzip\r\n")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(exchange(post(gzip("text").substr(0, 15), "Content-Encoding: gzip\r\n")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(exchange(post(zstd("text").substr(0, 8), "Content-Encoding: zstd\r\n")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(exchange(post("x", "Content-Encoding: br\r\n")), StartsWith("HTTP/1.1 415 "));
  EXPECT_TRUE(handler.seen.empty());
}

TEST_F(Server, KeepsItsLimits) {
  limits.header_bytes_max = 4096;
  limits.body_bytes_max = 1000;
  start();
  std::string long_text(5000, 'a');
  EXPECT_THAT(exchange("GET /" + long_text + " HTTP/1.1\r\nHost: h\r\n\r\n"), StartsWith("HTTP/1.1 414 "));
  EXPECT_THAT(exchange("GET / HTTP/1.1\r\nHost: h\r\nX: " + long_text + "\r\n\r\n"), StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(exchange(post(std::string(1001, 'x'))), StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(exchange("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" +
                       std::string(2000, 'x') + "\r\n"),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(exchange("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;" + long_text),
              StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(exchange(post(std::string(1000, 'x'), "Connection: close\r\n")), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(handler.seen.size(), 1u);
}

TEST_F(Server, RefusesConnectionsBeyondTheLimit) {
  limits.connections_max = 2;
  start();
  auto a = connect(), b = connect();
  write(*a, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
  write(*b, "GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
  read(*a, "/a|");
  read(*b, "/b|");
  auto c = connect();
  EXPECT_THAT(read(*c), StartsWith("HTTP/1.1 503 "));
  a->abort();
  loop.run_until([this] { return server->connections() < 2; });
  auto d = connect();
  write(*d, "GET /d HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(read(*d, "/d|"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(Server, RefusesBodiesBeyondTheTotal) {
  limits.body_bytes_max = 1000;
  limits.body_bytes_total_max = 1500;
  start();
  Handle slow = [this](HttpRequest&, HttpReply& reply) -> Task<void> {
    co_await sleep_for(loop, 10s);
    (void)co_await reply.send(200, "text/plain", "done");
  };
  handler.on_request = slow;
  auto first = connect();
  write(*first, post(std::string(1000, 'x')));
  loop.run_until([this] { return !handler.seen.empty(); });
  EXPECT_THAT(exchange(post(std::string(800, 'x'))), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(exchange(post(gzip(std::string(800, 'x')), "Content-Encoding: gzip\r\n")), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(read(*first, "done"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(exchange(post(std::string(1000, 'x'), "Connection: close\r\n")), StartsWith("HTTP/1.1 200 "));
}

TEST_F(Server, DoesNotWaitForSlowClients) {
  start();
  auto header = connect(), body = connect(), idle = connect();
  Instant begin = loop.now();
  write(*header, "GET / HT");
  write(*body, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_THAT(read(*header), StartsWith("HTTP/1.1 408 "));
  EXPECT_LT(loop.now() - begin, limits.header_time + 5s);
  EXPECT_EQ(read(*idle), "<end>");
  EXPECT_LT(loop.now() - begin, limits.idle_time + 5s);
  EXPECT_THAT(read(*body), StartsWith("HTTP/1.1 408 "));
  EXPECT_LT(loop.now() - begin, limits.body_time + 5s);
}

TEST_F(Server, RefusesWhatIsMalformed) {
  start();
  struct Row {
    std::string bytes;
    int status;
  };
  std::string host = "Host: h\r\n";
  const Row rows[] = {
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET / HTTP/1.1\n" + host + "\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "X: a\rb\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "X: a\r\n b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "X : a\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + std::string("X: a\0b\r\n\r\n", 11), 400},
      {"GET / HTTP/1.1\r\n" + host + "X: a\x01\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + ": a\r\n\r\n", 400},
      {"GET /%zz HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET /%00 HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET  / HTTP/1.1\r\n" + host + "\r\n", 400},
      {"G@T / HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET / HTTP/1.1 \r\n" + host + "\r\n", 400},
      {"GET / FTP/1.1\r\n" + host + "\r\n", 400},
      {"GET / HTTP/3.0\r\n" + host + "\r\n", 505},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: 3, 3\r\n\r\nabc", 400},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: +3\r\n\r\nabc", 400},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999999\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n", 501},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n c\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\nA:\r\n c\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 3\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3;a=\"\r\nabc\r\n1\";b\r\na\r\n0\r\n\r\n",
       400},
      {"POST / HTTP/1.1\r\n" + host + "Expect: magic\r\nContent-Length: 1\r\n\r\na", 417},
      {std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15), 400},
  };
  for (const Row& row : rows)
    EXPECT_THAT(exchange(row.bytes), StartsWith("HTTP/1.1 " + std::to_string(row.status) + " ")) << row.bytes;
  EXPECT_TRUE(handler.seen.empty()) << handler.seen[0];
}

TEST_F(Server, StreamsChunksAndEndsThem) {
  start();
  Handle stream_it = [](HttpRequest&, HttpReply& reply) -> Task<void> {
    reply.headers.add("X-Evil", "a\r\nSet-Cookie: b");
    EXPECT_TRUE((co_await reply.begin(200, "text/event-stream")).ok());
    EXPECT_TRUE((co_await reply.write("hello")).ok());
    EXPECT_TRUE((co_await reply.write("")).ok());
    EXPECT_TRUE((co_await reply.write(std::string(17, 'x'))).ok());
    EXPECT_TRUE((co_await reply.finish()).ok());
  };
  handler.on_request = stream_it;
  std::string answer = exchange("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_THAT(answer, HasSubstr("X-Evil: a  Set-Cookie: b\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\n5\r\nhello\r\n11\r\nxxxxxxxxxxxxxxxxx\r\n0\r\n\r\n<end>"));
  // A client of 1.0 gets bytes until the end instead.
  std::string old = exchange("GET / HTTP/1.0\r\n\r\n");
  EXPECT_THAT(old, Not(HasSubstr("chunked")));
  EXPECT_THAT(old, HasSubstr("\r\n\r\nhelloxxxxxxxxxxxxxxxxx<end>"));
  std::string head = exchange("HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(head, HasSubstr("\r\n\r\n<end>"));
}

TEST_F(Server, AnswersHeadWithoutABody) {
  start();
  EXPECT_THAT(exchange("HEAD /abc HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
              HasSubstr("Content-Length: 5\r\n\r\n<end>"));
}

TEST_F(Server, SaysContinueBeforeItReadsTheBody) {
  limits.body_bytes_max = 100;
  start();
  auto stream = connect();
  write(*stream, "POST /e HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(read(*stream, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  write(*stream, "abc");
  EXPECT_THAT(read(*stream, "/e|abc"), StartsWith("HTTP/1.1 200 "));
  write(*stream, "POST /e HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 300\r\n\r\n");
  EXPECT_THAT(read(*stream), StartsWith("HTTP/1.1 413 "));
}

TEST_F(Server, ASlowReaderHoldsTheHandlerBackAndIsCutInTheEnd) {
  start();
  size_t written = 0;
  Code end = Code::kInternal;
  bool over = false;
  Handle flood = [&](HttpRequest&, HttpReply& reply) -> Task<void> {
    (void)co_await reply.begin(200, "text/plain");
    for (;;) {
      auto put = co_await reply.write(std::string(10'000, 'x'));
      if (!put.ok()) {
        end = put.error().code;
        break;
      }
      written += 10'000;
    }
    over = true;
  };
  handler.on_request = flood;
  auto stream = connect();
  write(*stream, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  loop.run_until([&] { return over; }, 30s);
  EXPECT_FALSE(over);
  EXPECT_LE(written, 70'000u);
  loop.run_until([&] { return over; }, 300s);
  EXPECT_TRUE(over);
  EXPECT_EQ(end, Code::kDeadline);
  loop.run_until([&] { return server->connections() == 0; }, 10s);
  EXPECT_THAT(read(*stream), HasSubstr("<unavailable>"));
}

TEST_F(Server, TellsTheHandlerThatTheClientIsGone) {
  start();
  int told = 0;
  Handle wait = [&](HttpRequest&, HttpReply& reply) -> Task<void> {
    if (co_await reply.gone().wait(deadline_in(loop, 60s))) ++told;
    (void)co_await reply.send(200, "text/plain", "late");
  };
  handler.on_request = wait;
  auto stream = connect();
  write(*stream, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  loop.run_until([&] { return handler.seen.size() == 1; });
  stream->abort();
  loop.run_until([&] { return told == 1; }, 5s);
  EXPECT_EQ(told, 1);
  // A half-closed connection counts as left, but what the handler still says arrives.
  auto half = connect();
  write(*half, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  loop.run_until([&] { return handler.seen.size() == 2; });
  TaskGroup group(loop);
  group.spawn(half->shutdown(deadline_in(loop, 5s)));
  loop.run_until([&] { return told == 2; }, 5s);
  EXPECT_EQ(told, 2);
  loop.run(group.join());
}

TEST_F(Server, AHandlerThatForgetsOrThrowsGivesA500) {
  start();
  Handle forget = [](HttpRequest& request, HttpReply& reply) -> Task<void> {
    if (request.path == "/throw") throw std::runtime_error("boom");
    if (request.path == "/half") {
      (void)co_await reply.begin(200, "text/plain");
      (void)co_await reply.write("part");
    }
  };
  handler.on_request = forget;
  auto stream = connect();
  write(*stream, "GET /forget HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(read(*stream, "refused 500"), StartsWith("HTTP/1.1 500 "));
  write(*stream, "GET /throw HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(read(*stream, "refused 500"), StartsWith("HTTP/1.1 500 "));
  write(*stream, "GET /half HTTP/1.1\r\nHost: h\r\n\r\n");
  std::string answer = read(*stream);
  EXPECT_THAT(answer, HasSubstr("<unavailable>"));
  EXPECT_THAT(answer, Not(HasSubstr("0\r\n\r\n")));
}

TEST_F(Server, StopLetsRequestsEndAndClosesIdleConnectionsAtOnce) {
  start();
  Handle slow = [this](HttpRequest& request, HttpReply& reply) -> Task<void> {
    if (request.path == "/slow") co_await sleep_for(loop, 3s);
    if (request.path == "/endless") (void)co_await reply.gone().wait(Deadline::never());
    (void)co_await reply.send(200, "text/plain", "done");
  };
  handler.on_request = slow;
  auto idle = connect(), busy = connect(), endless = connect(), used = connect();
  write(*used, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  read(*used, "done");
  write(*busy, "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
  write(*endless, "GET /endless HTTP/1.1\r\nHost: h\r\n\r\n");
  loop.run_until([&] { return handler.seen.size() == 3; });
  Instant begin = loop.now();
  TaskGroup group(loop);
  group.spawn(server->stop(deadline_in(loop, 10s)));
  EXPECT_EQ(read(*idle), "<end>");
  EXPECT_EQ(read(*used), "<end>");
  EXPECT_LT(loop.now() - begin, 1s);
  EXPECT_FALSE(loop.run(here.connect({"h", 80}, {}, Deadline::never())).ok());
  EXPECT_THAT(read(*busy), AllOf(HasSubstr("Connection: close\r\n"), HasSubstr("\r\n\r\ndone<end>")));
  EXPECT_EQ(read(*endless), "<unavailable>");
  loop.run(group.join());
  EXPECT_LT(loop.now() - begin, 11s);
  server.reset();
}

TEST_F(Server, SurvivesItsProcessBeingKilled) {
  PERDURE_LEAKS_ON_PURPOSE;
  start();
  Handle wait = [](HttpRequest&, HttpReply& reply) -> Task<void> {
    (void)co_await reply.gone().wait(Deadline::never());
  };
  handler.on_request = wait;
  auto stream = connect(), idle = connect();
  write(*stream, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  loop.run_until([&] { return !handler.seen.empty(); });
  there.kill_all();
  loop.drop_ready();
  // What a crash leaves is never run again and never destroyed.
  (void)server.release();
  EXPECT_EQ(read(*stream), "<unavailable>");
  EXPECT_EQ(read(*idle), "<unavailable>");
  start();
  handler.on_request = nullptr;
  EXPECT_THAT(exchange("GET /again HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), HasSubstr("/again|"));
}

}  // namespace
}  // namespace perdure
