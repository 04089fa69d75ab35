// Anthropic's API over the public surface.

#include "dialect/messages_render.h"
#include "gateway/testing/gateway_world.h"

namespace perdure {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class MessagesRoutes : public GatewayWorld {
 public:
  Answer ask_for(std::string text, std::string fields = {}, Fields headers = {}, std::string stop_after = {}) {
    std::string body = R"({"model":"m","max_tokens":64,"messages":[{"role":"user","content":")" + text + R"("}])";
    if (!fields.empty()) body += "," + fields;
    return send("POST", "/v1/messages", body + "}", std::move(headers), std::move(stop_after));
  }
  static std::vector<std::string> names(const Answer& answer) {
    std::vector<std::string> out;
    SseParser parser;
    EXPECT_TRUE(parser
                    .feed(answer.body,
                          [&](const SseEvent& event) -> Result<void> {
                            out.emplace_back(event.event);
                            return {};
                          })
                    .ok());
    return out;
  }
};

TEST_F(MessagesRoutes, AnswersWithAMessage) {
  Answer answer = ask_for("one two", {}, {{"anthropic-version", "2023-06-01"}});
  EXPECT_EQ(answer.status, 200) << answer.body;
  auto document = answer.json();
  EXPECT_EQ(document.root()["type"].text(), "message");
  EXPECT_EQ(document.root()["content"].at(0)["text"].text(), "one two");
  EXPECT_EQ(document.root()["stop_reason"].text(), "end_turn");
  EXPECT_EQ(document.root()["model"].text(), "m");
  EXPECT_EQ(document.root()["usage"]["output_tokens"].integer(), 5);
  EXPECT_EQ(answer.header("request-id"), answer.header("x-request-id"));
  EXPECT_EQ(get("/v1/x/responses/" + answer.id() + "/stream").status, 404) << "stored when it is asked for";
}

TEST_F(MessagesRoutes, StreamsAndIsReadAgainWhereItIsStored) {
  Answer live = ask_for("one two", R"("stream":true)", {{"x-perdure-store", "1"}});
  EXPECT_EQ(live.header("content-type"), "text/event-stream");
  EXPECT_THAT(names(live), ElementsAre("message_start", "content_block_start", "content_block_delta",
                                       "content_block_delta", "content_block_stop", "message_delta", "message_stop"));
  EXPECT_EQ(get("/v1/x/responses/" + live.id() + "/stream").body, live.body);
  Answer tail = get("/v1/x/responses/" + live.id() + "/stream?dialect=messages&after=4");
  EXPECT_THAT(names(tail), ElementsAre("message_delta", "message_stop"));
  EXPECT_TRUE(live.body.ends_with(tail.body));
  EXPECT_THAT(get("/v1/x/responses/" + live.id() + "/stream?dialect=chat").body, HasSubstr("data: [DONE]"));
}

TEST_F(MessagesRoutes, AThreadGoesOnFromWhatItWasCreatedWith) {
  const std::string tools = R"("tools":[{"name":"f","input_schema":{"type":"object"}}],)";
  Answer first = ask_for("one", R"("system":"s",)" + tools + R"("thread":{"type":"create"})");
  ASSERT_EQ(first.status, 200) << first.body;
  const auto goes_on = [](const Answer& from) {
    return R"("thread":{"type":"continue","previous_message_id":")" + std::string(from.json().root()["id"].text()) +
           R"("})";
  };
  Answer second = ask_for("two", goes_on(first));
  ASSERT_EQ(second.status, 200) << second.body;
  Answer third = ask_for("three", goes_on(second));
  ASSERT_EQ(third.status, 200) << third.body;
  std::string heard;
  const auto asked = json::Document::parse(supplier.bodies.back());
  for (json::Value message : asked->root()["messages"].elements())
    heard.append(message["role"].text()).append(":").append(message["content"].text()).append(" ");
  EXPECT_EQ(heard, "developer:s user:one assistant:one user:two assistant:two user:three ");
  EXPECT_EQ(asked->root()["tools"].at(0)["function"]["name"].text(), "f");
}

TEST_F(MessagesRoutes, AThreadThatIsNotThereIsSaidSoThatClientsSendAllAgain) {
  Answer lost = ask_for("one", R"("thread":{"type":"continue","previous_message_id":"msg_0123"})");
  EXPECT_EQ(lost.status, 404);
  EXPECT_EQ(lost.error("type"), "not_found_error");
  EXPECT_EQ(lost.json().root()["error"]["details"]["error_code"].text(), "thread_not_found");
  Answer unstored = ask_for("one");
  Answer after = ask_for("two", R"("thread":{"type":"continue","previous_message_id":")" +
                                    std::string(unstored.json().root()["id"].text()) + R"("})");
  EXPECT_EQ(after.json().root()["error"]["details"]["error_code"].text(), "thread_not_found") << after.body;
}

TEST_F(MessagesRoutes, ARepeatedKeyIsTheSameMessage) {
  for (std::string fields : {R"("stream":false)", R"("stream":true)"}) {
    for (Fields headers : {Fields{}, Fields{{"x-perdure-store", "1"}}}) {
      headers.emplace_back("Idempotency-Key", fields + std::to_string(headers.size()));
      supplier.bodies.clear();
      Answer first = ask_for("one", fields, headers), second = ask_for("one", fields, headers);
      EXPECT_EQ(first.status, 200) << first.body;
      EXPECT_EQ(second.body, first.body);
      EXPECT_EQ(supplier.bodies.size(), 1u);
      EXPECT_EQ(ask_for("two", fields, headers).json().root()["error"]["type"].text(), "invalid_request_error");
    }
  }
}

TEST_F(MessagesRoutes, ErrorsHaveAnthropicsForm) {
  struct Case {
    std::string body;
    Fields headers;
    int status;
    std::string_view type, words;
  };
  const Case cases[] = {
      {R"({"model":"m","messages":[{"role":"user","content":"x"}]})", {}, 400, "invalid_request_error", "max_tokens"},
      {R"({"model":"unknown","max_tokens":5,"messages":[{"role":"user","content":"x"}]})",
       {},
       404,
       "not_found_error",
       "unknown"},
      {R"({"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}],"top_k":3})",
       {},
       400,
       "invalid_request_error",
       "top_k"},
      {R"({"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}]})",
       {{"anthropic-version", "2019-01-01"}},
       400,
       "invalid_request_error",
       "2023-06-01"},
      {"{", {}, 400, "invalid_request_error", ""},
  };
  for (const Case& one : cases) {
    Answer answer = send("POST", "/v1/messages", one.body, one.headers);
    EXPECT_EQ(answer.status, one.status) << answer.body;
    auto document = answer.json();
    EXPECT_EQ(document.root()["type"].text(), "error");
    EXPECT_EQ(document.root()["error"]["type"].text(), one.type) << answer.body;
    EXPECT_THAT(std::string(document.root()["error"]["message"].text()), HasSubstr(std::string(one.words)));
    EXPECT_EQ(document.root()["request_id"].text(), answer.header("request-id"));
  }
  for (auto [method, path, status] :
       {std::tuple("GET", "/v1/messages", 405), std::tuple("GET", "/v1/messages/batches", 404)}) {
    Answer answer = send(method, path);
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.json().root()["type"].text(), "error") << answer.body;
  }
}

TEST_F(MessagesRoutes, KeysComeInEitherHeader) {
  auto made =
      KeyFile(KeyFile::in(folder)).create("", TenantId("one"), *Scopes::parse("use"), loop.wall(), loop.random());
  ASSERT_TRUE(made.ok());
  pass(2s);
  Answer denied = ask_for("x");
  EXPECT_EQ(denied.status, 401);
  EXPECT_EQ(denied.error("type"), "authentication_error") << denied.body;
  EXPECT_EQ(ask_for("x", {}, {{"x-api-key", made->secret}}).status, 200);
  EXPECT_EQ(ask_for("x", {}, {{"authorization", "Bearer " + made->secret}}).status, 200);
  EXPECT_EQ(get("/v1/models", {{"anthropic-version", "2023-06-01"}}).error("type"), "authentication_error");
}

TEST_F(MessagesRoutes, TokensAreCountedByASupplierOrNotAtAll) {
  const auto body = [](std::string model) {
    return R"({"model":")" + model + R"(","messages":[{"role":"user","content":"how many?"}]})";
  };
  Answer counted = send("POST", "/v1/messages/count_tokens", body("claude"));
  EXPECT_EQ(counted.status, 200) << counted.body;
  EXPECT_EQ(counted.body, R"({"input_tokens":42})");
  EXPECT_THAT(anthropic.bodies.back(), HasSubstr("how many?"));
  Answer refused = send("POST", "/v1/messages/count_tokens", body("m"));
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.error("type"), "invalid_request_error");
  EXPECT_THAT(refused.error("message"), HasSubstr("counts tokens"));
  EXPECT_EQ(send("POST", "/v1/messages/count_tokens", body("unknown")).status, 404);
  EXPECT_EQ(send("POST", "/v1/messages/count_tokens", R"({"model":"claude"})").status, 400);
  EXPECT_EQ(supplier.bodies.size(), 0u);
}

TEST_F(MessagesRoutes, ModelsAreListedInEitherForm) {
  Answer theirs = get("/v1/models", {{"anthropic-version", "2023-06-01"}});
  auto document = theirs.json();
  EXPECT_EQ(document.root()["data"].size(), 3u);
  EXPECT_EQ(document.root()["data"].at(2)["id"].text(), "claude");
  EXPECT_EQ(document.root()["data"].at(2)["type"].text(), "model");
  EXPECT_EQ(document.root()["has_more"].boolean(), false);
  const auto ids = [&](std::string query) {
    auto page = get("/v1/models?" + query, {{"anthropic-version", "2023-06-01"}}).json();
    std::vector<std::string> out;
    for (json::Value one : page.root()["data"].elements()) out.emplace_back(one["id"].text());
    if (page.root()["has_more"].boolean().value_or(false)) out.emplace_back("more");
    return out;
  };
  EXPECT_THAT(ids("limit=2"), ElementsAre("m", "m2", "more"));
  EXPECT_THAT(ids("limit=2&after_id=m2"), ElementsAre("claude"));
  EXPECT_THAT(ids("limit=1&before_id=claude"), ElementsAre("m2", "more"));
  EXPECT_EQ(get("/v1/models").json().root()["object"].text(), "list");
}

TEST_F(MessagesRoutes, LenientRequestsAreToldWhatTheyLost) {
  Answer answer = ask_for("x", R"("top_k":3)", {{"x-perdure-lenient", "1"}});
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.header("x-perdure-dropped"), "top_k");
}

TEST_F(MessagesRoutes, AnAnswerThatBrokeOffIsAnError) {
  supplier.script = [](const ScriptedCall& call) {
    if (call.number > 0)
      return ScriptedAnswer{.pieces = {}, .refusal = Error{.code = Code::kInvalid, .message = "no more"}};
    return ScriptedAnswer{.pieces = text_pieces("half of"),
                          .refusal = {},
                          .cut = Error{.code = Code::kUnavailable, .message = "cut", .reason = "cut"}};
  };
  Answer streamed = ask_for("x", R"("stream":true)");
  EXPECT_EQ(streamed.status, 200);
  EXPECT_EQ(names(streamed).back(), "error");
  supplier.script = [](const ScriptedCall&) {
    return ScriptedAnswer{.pieces = {}, .refusal = Error{.code = Code::kInvalid, .message = "too long"}};
  };
  Answer whole = ask_for("x", R"("stream":true)");
  EXPECT_EQ(whole.status, 400) << "before the first event it is a status";
  EXPECT_EQ(whole.error("type"), "invalid_request_error");
}

}  // namespace
}  // namespace perdure
