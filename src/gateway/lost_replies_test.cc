// Repeats of lost replies; and which relayed answers another author may go on with.
#include "gateway/lost_replies.h"

#include "gateway/relay.h"
#include "gateway/testing/gateway_world.h"

namespace perdure {
namespace {

TEST(LostReplies, AreGivenOutOnceAndForgotten) {
  LostReplies lost(3, 10s);
  Instant now{};
  EXPECT_FALSE(lost.found("a", now));
  lost.lost("a", ResponseId("1"), now);
  lost.lost("b", ResponseId("2"), now);
  lost.lost("a", ResponseId("3"), now + 5s);
  EXPECT_EQ(lost.found("a", now + 6s), ResponseId("1"));
  EXPECT_EQ(lost.found("a", now + 6s), ResponseId("3"));
  EXPECT_FALSE(lost.found("a", now + 6s));
  EXPECT_FALSE(lost.found("b", now + 10s)) << "too long ago";
  for (int i = 0; i < 4; ++i) lost.lost("c", ResponseId(std::to_string(i)), now + 20s);
  EXPECT_EQ(lost.found("c", now + 20s), ResponseId("1")) << "the oldest had to go";
}

class Repeats : public GatewayWorld {
 public:
  static constexpr const char* kBody = R"({"model":"m","input":"x"})";
  size_t calls = 0;
  void SetUp() override {
    GatewayWorld::SetUp();
    supplier.script = [this](const ScriptedCall&) {
      ++calls;
      return ScriptedAnswer{.pieces = {text_piece("an answer"), finish_piece()}, .pause = 10s};
    };
  }
  // Sends a create and leaves before its reply.
  void leave(std::string body, Fields headers) {
    auto ask_and_leave = [](GatewayWorld& w, std::string sent, Fields fields) -> Task<void> {
      HttpCall call;
      call.url = {.tls = false, .address = {"host", 80}, .path = "/v1/responses"};
      call.headers.set("Content-Type", "application/json");
      for (auto& [name, value] : fields) call.headers.set(name, value);
      call.body = std::move(sent);
      Deadline soon = deadline_in(w.loop, 2s);
      Result<std::unique_ptr<HttpAnswer>> answer = co_await w.client->send(std::move(call), soon, nullptr);
      EXPECT_FALSE(answer.ok());
    };
    loop.run(ask_and_leave(*this, std::move(body), std::move(headers)));
    pass(1s);
  }
};

TEST_F(Repeats, OfALostReplyMakeNoSecondResponse) {
  leave(kBody, {{"x-stainless-retry-count", "0"}});
  leave(kBody, {{"x-stainless-retry-count", "1"}});  // its own reply is lost too
  Answer answer = send("POST", "/v1/responses", kBody, {{"x-stainless-retry-count", "2"}});
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.json().root()["status"].text(), "completed");
  EXPECT_EQ(calls, 1u);
}

TEST_F(Repeats, AreWhatTheSdkSaysIsOneAndNothingElse) {
  leave(kBody, {{"x-stainless-retry-count", "0"}});
  send("POST", "/v1/responses", kBody, {{"x-stainless-retry-count", "0"}});  // another request of the same words
  EXPECT_EQ(calls, 2u);
  send("POST", "/v1/responses", kBody);  // nobody counts here
  EXPECT_EQ(calls, 3u);
  send("POST", "/v1/responses", R"({"model":"m","input":"y"})", {{"x-stainless-retry-count", "1"}});
  EXPECT_EQ(calls, 4u);
  send("POST", "/v1/responses", kBody, {{"x-stainless-retry-count", "1"}});
  EXPECT_EQ(calls, 4u) << "this one is";
  send("POST", "/v1/responses", kBody, {{"x-stainless-retry-count", "1"}});
  EXPECT_EQ(calls, 5u) << "and only once";
}

TEST_F(Repeats, OfAReplyThatArrivedAreNewRequests) {
  send("POST", "/v1/responses", kBody, {{"x-stainless-retry-count", "0"}});
  send("POST", "/v1/responses", kBody, {{"x-stainless-retry-count", "1"}});
  EXPECT_EQ(calls, 2u);
}

TEST(RelayedAnswer, IsGoneOnWithWhereItsFormCanBeKept) {
  const ClientDialectFace& chat = face_of(ClientDialect::kChat);
  auto reads = [&](std::string_view fields) {
    return read_to_go_on(chat,
                         R"({"model":"m","messages":[{"role":"user","content":"x"}],)" + std::string(fields) + "}");
  };
  EXPECT_TRUE(reads(R"("stop":["END"],"max_tokens":5,"logit_bias":{"50256":-100})").ok());
  EXPECT_EQ(reads(R"("stop":["END"])")->stop, std::vector<std::string>{"END"});
  for (std::string_view form : {R"("n":2)", R"("logprobs":true)", R"("logprobs":true,"top_logprobs":3)"})
    EXPECT_FALSE(reads(form).ok()) << form;
}

}  // namespace
}  // namespace perdure
