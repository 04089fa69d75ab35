// Bedrock the whole way, over simulated connections: request, dialect, signature, the bytes on the wire, the event
// stream back. The other side checks the signature of exactly what arrived.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/task_group.h"
#include "base/check.h"
#include "dialect/converse_upstream.h"
#include "http/sim_network.h"
#include "provider/aws_credentials.h"
#include "provider/http_provider.h"
#include "wire/aws_event_stream.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

const AwsKeys kKeys{"AKIAEXAMPLE", "secret/key+", "session//token"};
const SigV4Scope kScope{"eu-central-1", "bedrock"};

// Keys that change when they are fetched.
struct ChangingKeys final : AwsKeySource {
  std::vector<AwsKeys> all;
  size_t fetches = 0;
  Task<Result<AwsIdentity>> fetch(Deadline) override {
    co_return AwsIdentity{.keys = all[std::min(fetches++, all.size() - 1)], .expires = {}, .look_again = {}};
  }
};

class Bedrock : public testing::Test {
 protected:
  SimLoop loop{11};
  SimCable cable{loop, 5};
  SimNetwork there{cable}, here{cable};
  TaskGroup group{loop};
  std::unique_ptr<Listener> listener;
  std::unique_ptr<HttpClient> client;
  std::unique_ptr<Credential> credential;
  std::unique_ptr<Provider> provider;
  AwsKeys accepted = kKeys;
  std::function<std::string()> answer;  // to a call that is signed well
  std::vector<std::string> verdicts, targets, bodies;

  void SetUp() override { start(static_aws_keys(kKeys)); }
  void start(std::unique_ptr<AwsKeySource> source) {
    provider.reset();
    client = std::make_unique<HttpClient>(loop, here, ProxyRules{});
    credential = aws_credential(kScope, std::make_unique<AwsKeyRing>(loop, std::move(source)), loop);
    provider = http_provider({.name = "bedrock",
                              .issuer = {},
                              .base_url = parse_url("http://bedrock-runtime.eu-central-1.amazonaws.com").value(),
                              .ca_file = {},
                              .headers = {}},
                             converse_upstream(), *credential, *client);
    if (listener) return;
    listener = there.listen({"", 80}, nullptr, false).value();
    group.spawn(accept());
  }
  void TearDown() override {
    provider.reset();
    client.reset();
    listener->close();
    loop.run(group.join());
  }

  Task<void> accept() {
    for (;;) {
      auto stream = co_await listener->accept();
      if (!stream.ok()) co_return;
      group.spawn(converse(std::move(stream).value()));
    }
  }
  Task<void> converse(std::unique_ptr<Stream> stream) {
    std::string input;
    char piece[4096];
    for (;;) {
      const size_t end = input.find("\r\n\r\n");
      size_t length = 0;
      if (const size_t at = input.find("Content-Length: "); at < end) length = std::stoul(input.substr(at + 16));
      if (end == std::string::npos || input.size() < end + 4 + length) {
        auto n = co_await stream->read_some(piece, deadline_in(loop, 600s));
        if (!n.ok() || n.value() == 0) co_return;
        input.append(piece, n.value());
        continue;
      }
      const std::string reply = reply_to(input.substr(0, end + 2), input.substr(end + 4, length));
      input.erase(0, end + 4 + length);
      if (!(co_await stream->write_all(reply, deadline_in(loop, 60s))).ok()) co_return;
    }
  }

  static std::string http(int status, std::string_view type, std::string_view body) {
    return "HTTP/1.1 " + std::to_string(status) + " x\r\nContent-Type: " + std::string(type) +
           "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
  }
  std::string reply_to(std::string_view head, const std::string& body) {
    HeaderFields fields;
    const size_t line = head.find("\r\n");
    const std::string method(head.substr(0, head.find(' ')));
    const std::string target(head.substr(method.size() + 1, head.find(' ', method.size() + 1) - method.size() - 1));
    for (size_t at = line + 2; at < head.size();) {
      const size_t stop = head.find("\r\n", at), colon = head.find(':', at);
      fields.emplace_back(head.substr(at, colon - at), head.substr(colon + 2, stop - colon - 2));
      at = stop + 2;
    }
    targets.push_back(target);
    bodies.push_back(body);
    auto verified = verify_v4({method, target, fields, body}, accepted, kScope, loop.wall());
    verdicts.push_back(verified.ok() ? "" : verified.error().reason);
    if (!verified.ok())
      return http(403, "application/json", R"({"message":"The security token included in the request is expired"})");
    return answer();
  }

  static void add(std::string& out, std::string_view name, std::string_view payload, bool exception = false) {
    const AwsHeader headers[] = {{.name = exception ? ":exception-type" : ":event-type", .bytes = name},
                                 {.name = ":message-type", .bytes = exception ? "exception" : "event"}};
    CHECK(append_aws_message(out, headers, payload).ok(), "a frame");
  }

  struct Got {
    std::string text;
    std::vector<Piece> pieces;
    std::optional<Error> error;
  };
  Task<Got> ask(std::string words) {
    Got got;
    Request request;
    const std::vector<Item> context = {{.role = Role::kUser, .content = {{.text = std::move(words)}}}};
    Cancellation cancel(loop);
    UpstreamCall call{.request = request,
                      .context = context,
                      .model = "eu.anthropic.claude:0",
                      .held = {},
                      .ask = {},
                      .traceparent = "00-1-2-01",
                      .max_output_tokens = {}};
    auto opened = co_await provider->open(call, deadline_in(loop, 60s), cancel);
    if (!opened.ok()) {
      got.error = opened.error();
      co_return got;
    }
    for (;;) {
      auto more = co_await (*opened)->next(got.pieces, deadline_in(loop, 60s));
      if (!more.ok()) got.error = more.error();
      if (!more.ok() || !*more) break;
    }
    for (const Piece& piece : got.pieces) {
      if (piece.kind == Piece::Kind::kText) got.text += piece.text;
    }
    co_return got;
  }
};

TEST_F(Bedrock, T26_WhatArrivesIsWhatWasSigned) {
  std::string events;
  add(events, "messageStart", R"({"role":"assistant"})");
  add(events, "contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"sig"}}})");
  add(events, "contentBlockStop", R"({"contentBlockIndex":0})");
  for (const char* words : {"Gr", "\xc3\xbc", "\xc3\x9f", "e"})
    add(events, "contentBlockDelta", R"({"contentBlockIndex":1,"delta":{"text":")" + std::string(words) + R"("}})");
  add(events, "messageStop", R"({"stopReason":"end_turn"})");
  add(events, "metadata", R"({"usage":{"inputTokens":3,"outputTokens":2,"totalTokens":5}})");
  answer = [&] { return http(200, "application/vnd.amazon.eventstream", events); };
  for (int i = 0; i < 3; ++i) {
    const Got got = loop.run(ask("Hi \xc3\xa4 \"" + std::to_string(i)));
    ASSERT_FALSE(got.error) << got.error->message;
    EXPECT_EQ(got.text,
              "Gr\xc3\xbc\xc3\x9f"
              "e");
    EXPECT_EQ(got.pieces.front().issuer, "bedrock");
    EXPECT_EQ(got.pieces.back().usage.input_tokens, 3);
  }
  EXPECT_THAT(verdicts, ElementsAre("", "", ""));
  EXPECT_THAT(targets, testing::Each("/model/eu.anthropic.claude%3A0/converse-stream"));
  EXPECT_THAT(bodies[0], HasSubstr("Hi \xc3\xa4"));
}

TEST_F(Bedrock, AStreamThatEndsInAnException) {
  std::string events;
  add(events, "contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"text":"Hel"}})");
  add(events, "throttlingException", R"({"message":"Too many tokens"})", true);
  answer = [&] { return http(200, "application/vnd.amazon.eventstream", events); };
  const Got got = loop.run(ask("Hi"));
  EXPECT_EQ(got.text, "Hel");
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code, Code::kOverloaded);
}

TEST_F(Bedrock, AnAnswerInOnePieceIsTakenToo) {
  answer = [&] {
    return http(200, "application/json",
                R"({"output":{"message":{"role":"assistant","content":[{"text":"Hello"}]}},"stopReason":"end_turn"})");
  };
  const Got got = loop.run(ask("Hi"));
  EXPECT_FALSE(got.error);
  EXPECT_EQ(got.text, "Hello");
}

TEST_F(Bedrock, KeysThatWereRefusedAreFetchedAnew) {
  auto source = std::make_unique<ChangingKeys>();
  source->all = {{"AKIAOLD", "old", ""}, kKeys};
  const ChangingKeys& keys = *source;
  start(std::move(source));
  answer = [&] { return http(400, "application/json", R"({"message":"signed well"})"); };
  const Got first = loop.run(ask("Hi"));
  ASSERT_TRUE(first.error);
  EXPECT_EQ(first.error->code, Code::kDenied);
  EXPECT_EQ(first.error->message.find("token"), std::string::npos) << first.error->message;
  EXPECT_EQ(keys.fetches, 1u);
  loop.run([](SimLoop& l) -> Task<void> { co_await sleep_for(l, 2min); }(loop));
  (void)loop.run(ask("Hi"));  // refused again, and now the keys are old enough to be given up
  const Got third = loop.run(ask("Hi"));
  ASSERT_TRUE(third.error);
  EXPECT_EQ(third.error->code, Code::kInvalid) << third.error->message;
  EXPECT_EQ(keys.fetches, 2u);
  EXPECT_THAT(verdicts, ElementsAre("UnrecognizedClientException", "UnrecognizedClientException", ""));
}

TEST_F(Bedrock, ABearerKeyGoesBeforeKeysToSignWith) {
  auto runner = loop.make_runner(1ms);
  OffLoopFiles files(loop, *runner);
  AwsEnvironment environment;
  environment.keys = kKeys;
  environment.region = "us-east-1";
  HttpCall call;
  call.url = parse_url("http://proxy.example.com/model/x/converse").value();
  const auto header_of = [&](const SigV4Scope& scope) {
    const auto chosen = aws_credential_of(environment, scope, loop, *client, files);
    EXPECT_TRUE(loop.run(chosen->sign(call, deadline_in(loop, 1s))).ok());
    return std::string(call.headers.get("Authorization"));
  };
  EXPECT_THAT(header_of({"", "bedrock"}), HasSubstr("/us-east-1/bedrock/aws4_request"));
  EXPECT_THAT(header_of({"eu-west-1", "bedrock"}), HasSubstr("/eu-west-1/bedrock/aws4_request"));
  environment.bearer_token = "ABSK-key";
  call.headers = {};
  EXPECT_EQ(header_of({"", "bedrock"}), "Bearer ABSK-key");
  EXPECT_FALSE(call.headers.has("X-Amz-Date"));
}

}  // namespace
}  // namespace perdure
