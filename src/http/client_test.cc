// The client against scripted servers over simulated connections.

#include "http/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/task_group.h"
#include "http/server.h"
#include "http/sim_network.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

struct Faults final : SimFaults {
  SimConnection next;
  std::vector<std::string> connects;
  SimConnection on_connect(const Address& to, const ConnectOptions& options) override {
    connects.push_back(to.host + ":" + std::to_string(to.port) + (options.tls ? " tls " + options.server_name : ""));
    return next;
  }
};

class Client : public testing::Test {
 protected:
  SimLoop loop{3};
  SimCable cable{loop, 5};
  SimNetwork there{cable}, here{cable};
  Faults faults;
  TaskGroup servers{loop};
  std::unique_ptr<Listener> listener;
  std::vector<std::string> requests;
  std::unique_ptr<HttpClient> client;

  void SetUp() override {
    cable.set_faults(&faults);
    client = std::make_unique<HttpClient>(loop, here, ProxyRules{});
  }
  void TearDown() override {
    client.reset();
    if (listener) listener->close();
    loop.run(servers.join());
  }
  // Each connection gets its answers in order, one for each request head; "" closes instead of answering; a trailing
  // "$" closes after the answer.
  void serve(std::vector<std::vector<std::string>> connections, int port = 80) {
    listener = there.listen({"", port}, nullptr, false).value();
    servers.spawn(accept(std::move(connections)));
  }
  Task<void> accept(std::vector<std::vector<std::string>> connections) {
    for (size_t i = 0;; ++i) {
      auto stream = co_await listener->accept();
      if (!stream.ok()) co_return;
      servers.spawn(
          converse(std::move(stream).value(), i < connections.size() ? connections[i] : std::vector<std::string>{}));
    }
  }
  Task<void> converse(std::unique_ptr<Stream> stream, std::vector<std::string> answers) {
    std::string input;
    char piece[4096];
    for (std::string& answer : answers) {
      size_t end;
      while ((end = input.find("\r\n\r\n")) == std::string::npos) {
        auto n = co_await stream->read_some(piece, Deadline::never());
        if (!n.ok() || n.value() == 0) co_return;
        input.append(piece, n.value());
      }
      size_t length = 0;
      if (size_t at = input.find("Content-Length: "); at < end) length = std::stoul(input.substr(at + 16));
      while (input.size() < end + 4 + length) {
        auto n = co_await stream->read_some(piece, Deadline::never());
        if (!n.ok() || n.value() == 0) co_return;
        input.append(piece, n.value());
      }
      requests.push_back(input.substr(0, end + 4 + length));
      input.erase(0, end + 4 + length);
      bool close = answer.empty() || answer.ends_with("$");
      if (answer.ends_with("$")) answer.pop_back();
      (void)co_await stream->write_all(answer, Deadline::never());
      if (close) {
        co_await stream->shutdown(deadline_in(loop, 1s));
        co_return;
      }
    }
    for (;;) {
      auto n = co_await stream->read_some(piece, deadline_in(loop, 600s));
      if (!n.ok() || n.value() == 0) co_return;
    }
  }

  struct Got {
    int status = 0;
    std::string body;
    std::optional<Error> error;
    Headers headers;
  };
  Task<Got> call(std::string url, std::string body, Duration time, Cancellation* cancel) {
    Got got;
    HttpCall call;
    call.method = body.empty() ? "GET" : "POST";
    call.url = parse_url(url).value();
    call.body = std::move(body);
    Deadline deadline = deadline_in(loop, time);
    auto answer = co_await client->send(std::move(call), deadline, cancel);
    if (!answer.ok()) {
      got.error = answer.error();
      co_return got;
    }
    got.status = answer.value()->status;
    got.headers = answer.value()->headers;
    for (;;) {
      auto more = co_await answer.value()->read(got.body, deadline);
      if (!more.ok()) got.error = more.error();
      if (!more.ok() || !more.value()) break;
    }
    co_return got;
  }
  Got get(std::string url, std::string body = {}, Duration time = 60s) {
    return loop.run(call(std::move(url), std::move(body), time, nullptr));
  }
};

std::string whole(std::string body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST_F(Client, ReadsEveryFramingAndKeepsConnections) {
  serve({{whole("one"), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n4\r\n and\r\n0\r\n\r\n",
          "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno",
          "HTTP/1.1 200 OK\r\n\r\nuntil the end$"},
         {whole("fresh")}});
  EXPECT_EQ(get("http://host/a?b").body, "one");
  EXPECT_EQ(get("http://host/", "payload").body, "two and");
  EXPECT_EQ(get("http://host/").status, 204);
  auto limited = get("http://host/");
  EXPECT_EQ(limited.status, 429);
  EXPECT_EQ(limited.headers.get("retry-after"), "7");
  EXPECT_EQ(limited.body, "no");
  auto last = get("http://host/");
  EXPECT_EQ(last.body, "until the end");
  EXPECT_FALSE(last.error);
  EXPECT_EQ(faults.connects.size(), 1u);
  EXPECT_EQ(get("http://host/").body, "fresh");
  EXPECT_EQ(faults.connects.size(), 2u);
  EXPECT_EQ(requests[0], "GET /a?b HTTP/1.1\r\nHost: host\r\nAccept-Encoding: identity\r\n\r\n");
  EXPECT_THAT(requests[1], HasSubstr("Content-Length: 7\r\n\r\npayload"));
}

TEST_F(Client, PassesOverInterimAnswers) {
  serve({{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + whole("real")}});
  EXPECT_EQ(get("http://host/").body, "real");
}

TEST_F(Client, ReplacesAStaleConnectionOnce) {
  serve({{whole("one"), ""}, {whole("two"), ""}, {"", ""}});
  EXPECT_EQ(get("http://host/").body, "one");
  EXPECT_EQ(get("http://host/").body, "two");
  EXPECT_EQ(faults.connects.size(), 2u);
  auto third = get("http://host/");
  EXPECT_EQ(third.error->code, Code::kUnavailable);
  EXPECT_EQ(faults.connects.size(), 3u);
}

// The server reads it and closes: nobody can know whether it did what was asked.
TEST_F(Client, DoesNotRepeatAPostThatWasSent) {
  serve({{whole("one"), ""}, {whole("two")}});
  EXPECT_EQ(get("http://host/").body, "one");
  auto got = get("http://host/", "body");
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code, Code::kUnavailable);
  EXPECT_EQ(got.error->reason, "");
  EXPECT_EQ(requests.size(), 2u);
  EXPECT_EQ(faults.connects.size(), 1u);
}

TEST_F(Client, RepeatsAPostThatCarriesAKey) {
  serve({{whole("one"), ""}, {whole("two")}});
  EXPECT_EQ(get("http://host/").body, "one");
  HttpCall keyed;
  keyed.url = parse_url("http://host/").value();
  keyed.headers.add("Idempotency-Key", "k");
  keyed.body = "body";
  auto answer = loop.run(client->send(std::move(keyed), deadline_in(loop, 60s), nullptr));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer.value()->status, 200);
  EXPECT_EQ(requests.size(), 3u);
}

TEST_F(Client, DoesNotUseAConnectionThatEndedWhileItWasIdle) {
  serve({{whole("one") + "$"}, {whole("two")}});
  EXPECT_EQ(get("http://host/").body, "one");
  loop.run(([](Loop& l) -> Task<void> { co_await sleep_for(l, 1s); })(loop));
  EXPECT_EQ(get("http://host/", "body").body, "two");
  EXPECT_EQ(requests.size(), 2u);
  EXPECT_EQ(faults.connects.size(), 2u);
}

// The reset comes in the same moment: it is met by the write, and not a byte has left.
TEST_F(Client, SendsAPostAgainThatWasNotSent) {
  serve({{whole("one")}, {whole("two")}});
  EXPECT_EQ(get("http://host/").body, "one");
  struct AtOnce {
    static Task<Got> call(SimNetwork& there, Client_SendsAPostAgainThatWasNotSent_Test& test) {
      there.reset_all();
      Got got = co_await test.call("http://host/", "body", 60s, nullptr);
      co_return got;
    }
  };
  EXPECT_EQ(loop.run(AtOnce::call(there, *this)).body, "two");
  EXPECT_EQ(requests.size(), 2u);
  EXPECT_EQ(faults.connects.size(), 2u);
}

TEST_F(Client, DoesNotRepeatACallWhoseAnswerHadBegun) {
  serve({{whole("one"), "HTTP/1.1 20$"}, {whole("two")}});
  EXPECT_EQ(get("http://host/").body, "one");
  EXPECT_EQ(get("http://host/").error->code, Code::kUnavailable);
  EXPECT_EQ(faults.connects.size(), 1u);
}

TEST_F(Client, DoesNotTrustOldOrChattyConnections) {
  serve({{whole("one")}, {whole("two") + "HTTP/1.1 200 surprise"}, {whole("three")}});
  EXPECT_EQ(get("http://host/").body, "one");
  loop.run(([](Loop& l) -> Task<void> { co_await sleep_for(l, 56s); })(loop));
  EXPECT_EQ(get("http://host/").body, "two");
  EXPECT_EQ(get("http://host/").body, "three");
  EXPECT_EQ(faults.connects.size(), 3u);
}

TEST_F(Client, CutBodiesAreErrors) {
  serve({{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc$"},
         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n$"},
         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"},
         {"SMTP ready\r\n\r\n"}});
  for (int i = 0; i < 2; ++i) {
    auto got = get("http://host/");
    EXPECT_EQ(got.body, "abc");
    ASSERT_TRUE(got.error);
    EXPECT_EQ(got.error->code, Code::kUnavailable);
  }
  EXPECT_EQ(get("http://host/").error->code, Code::kCorrupt);
  EXPECT_EQ(get("http://host/").error->code, Code::kCorrupt);
}

TEST_F(Client, AResetInTheBodyIsNotAnEnd) {
  faults.next.to_connector.reset_after = 60;
  serve({{"HTTP/1.1 200 OK\r\n\r\n" + std::string(100, 'x')}});
  auto got = get("http://host/");
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code, Code::kUnavailable);
}

TEST_F(Client, EndsAtDeadlinesAndCancellations) {
  serve({{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"}, {}});
  EXPECT_EQ(get("http://host/", "", 5s).error->code, Code::kDeadline);
  EXPECT_EQ(get("http://host/", "", 5s).error->code, Code::kDeadline);
  faults.next.black_hole = true;
  Instant begin = loop.now();
  EXPECT_EQ(get("http://host/").error->code, Code::kDeadline);
  EXPECT_EQ(loop.now() - begin, 10s);
  for (bool black_hole : {true, false}) {
    faults.next.black_hole = black_hole;
    Cancellation cancel(loop);
    Timer later(loop, [](void* c) { static_cast<Cancellation*>(c)->request(); }, &cancel);
    later.arm(loop.now() + 2s);
    begin = loop.now();
    EXPECT_EQ(loop.run(call("http://host/", "", 60s, &cancel)).error->code, Code::kCancelled);
    EXPECT_EQ(loop.now() - begin, 2s);
  }
}

TEST_F(Client, ARefusalInTheMiddleOfTheUploadIsAnAnswer) {
  listener = there.listen({"", 80}, nullptr, false).value();
  auto rude = [](Listener& at, Loop& l) -> Task<void> {
    auto stream = co_await at.accept();
    char piece[100];
    (void)co_await stream.value()->read_some(piece, Deadline::never());
    (void)co_await stream.value()->write_all("HTTP/1.1 413 Big\r\nContent-Length: 3\r\n\r\nbig", Deadline::never());
    co_await stream.value()->shutdown(deadline_in(l, 30s));
  };
  servers.spawn(rude(*listener, loop));
  auto got = get("http://host/", std::string(500'000, 'x'));
  EXPECT_EQ(got.status, 413);
  EXPECT_EQ(got.body, "big");
}

TEST_F(Client, RefusesHeadersThatWouldSplitTheRequest) {
  HttpCall call;
  call.url = parse_url("http://host/").value();
  call.headers.add("X", "a\r\nEvil: b");
  EXPECT_EQ(loop.run(client->send(std::move(call), Deadline::never(), nullptr)).error().code, Code::kInvalid);
}

TEST_F(Client, UsesProxies) {
  client = std::make_unique<HttpClient>(loop, here, ProxyRules{"http://proxy:3128", "proxy:3128", {"direct.example"}});
  serve({{whole("plain"), whole("other host")},
         {"HTTP/1.1 200 Connected\r\n\r\n", whole("secret")},
         {"HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\nnever"}},
        3128);
  EXPECT_EQ(get("http://host/x").body, "plain");
  EXPECT_EQ(get("http://second:8080/y").body, "other host");
  EXPECT_EQ(get("https://host/z").body, "secret");
  auto refused = get("https://elsewhere/z");
  EXPECT_EQ(refused.error->code, Code::kUnavailable);
  EXPECT_THAT(refused.error->message, HasSubstr("403"));
  EXPECT_THAT(requests[0], StartsWith("GET http://host/x HTTP/1.1\r\nHost: host\r\n"));
  EXPECT_THAT(requests[1], StartsWith("GET http://second:8080/y HTTP/1.1\r\nHost: second:8080\r\n"));
  EXPECT_EQ(requests[2], "CONNECT host:443 HTTP/1.1\r\nHost: host:443\r\n\r\n");
  EXPECT_THAT(requests[3], StartsWith("GET /z HTTP/1.1\r\nHost: host\r\n"));
  EXPECT_EQ(faults.connects.size(), 3u);
  EXPECT_EQ(get("http://direct.example/").error->code, Code::kUnavailable);
  EXPECT_EQ(faults.connects.back(), "direct.example:80");
}

TEST(Proxy, Rules) {
  ProxyRules rules{"http://p:1", "http://q:2", {"example.com", ".internal", "10.0.0.1", "only.port:8080"}};
  auto via = [&rules](const char* url) {
    auto proxy = rules.proxy_for(parse_url(url).value());
    return proxy ? proxy->address.host : std::string("direct");
  };
  EXPECT_EQ(via("http://a/"), "p");
  EXPECT_EQ(via("https://a/"), "q");
  EXPECT_EQ(via("https://example.com/"), "direct");
  EXPECT_EQ(via("https://api.example.com/"), "direct");
  EXPECT_EQ(via("https://notexample.com/"), "q");
  EXPECT_EQ(via("https://x.internal/"), "direct");
  EXPECT_EQ(via("https://10.0.0.1/"), "direct");
  EXPECT_EQ(via("http://only.port:8080/"), "direct");
  EXPECT_EQ(via("http://only.port/"), "p");
  for (const char* loopback : {"http://localhost/", "http://127.0.0.1:9/", "http://127.8.8.8/", "http://[::1]:80/"})
    EXPECT_EQ(via(loopback), "direct");
  rules.direct = {"*"};
  EXPECT_EQ(via("http://a/"), "direct");
  rules = {"ftp://nonsense", "", {}};
  EXPECT_EQ(via("http://a/"), "");
}

TEST(ParseUrl, AcceptsAndRefuses) {
  auto show = [](std::string_view text) -> std::string {
    auto url = parse_url(text);
    if (!url.ok()) return "no";
    return std::string(url.value().tls ? "tls " : "") + url.value().address.host + " " +
           std::to_string(url.value().address.port) + " " + url.value().path + " " + url.value().authority();
  };
  EXPECT_EQ(show("http://a"), "a 80 / a");
  EXPECT_EQ(show("HTTPS://Api.Example.com/v1?x=1#f"), "tls api.example.com 443 /v1?x=1 api.example.com");
  EXPECT_EQ(show("http://a:8080?q"), "a 8080 /?q a:8080");
  EXPECT_EQ(show("http://[::1]:81/x"), "::1 81 /x [::1]:81");
  EXPECT_EQ(show("https://[2001:db8::1]"), "tls 2001:db8::1 443 / [2001:db8::1]");
  for (const char* bad :
       {"", "a", "ftp://a", "http://", "http:///x", "http://a:0/", "http://a:65536/", "http://a:x/", "http://u:p@a/",
        "http://::1/", "http://[::1", "http://[::1]x/", "http://a b/", "http://a/\r\nX: y", "http://[a]/"})
    EXPECT_EQ(show(bad), "no") << bad;
}

}  // namespace
}  // namespace perdure
