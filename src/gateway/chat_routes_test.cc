// Chat completions over the public surface.

#include "gateway/testing/gateway_world.h"

namespace perdure {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ChatRoutes : public GatewayWorld {
 public:
  Answer chat(std::string text, std::string fields = {}, Fields headers = {}, std::string stop_after = {}) {
    std::string body = R"({"model":"m","messages":[{"role":"user","content":")" + text + R"("}])";
    if (!fields.empty()) body += "," + fields;
    return send("POST", "/v1/chat/completions", body + "}", std::move(headers), std::move(stop_after));
  }
  static std::string name_of_chat(const Answer& answer) { return "chatcmpl-" + answer.id().substr(5); }
};

TEST_F(ChatRoutes, AnswersWithACompletionAndForgetsIt) {
  Answer answer = chat("one two three");
  EXPECT_EQ(answer.status, 200);
  auto document = answer.json();
  json::Value root = document.root(), choice = root["choices"].at(0);
  EXPECT_EQ(root["object"].text(), "chat.completion");
  EXPECT_EQ(root["id"].text(), name_of_chat(answer));
  EXPECT_EQ(root["model"].text(), "m");
  EXPECT_EQ(choice["message"]["content"].text(), "one two three");
  EXPECT_EQ(choice["finish_reason"].text(), "stop");
  EXPECT_EQ(root["usage"]["total_tokens"].integer(), 12);
  Answer gone = get("/v1/chat/completions/" + name_of_chat(answer));
  EXPECT_EQ(gone.status, 404) << "chat is stored when it is asked for";
  EXPECT_EQ(gone.error("code"), "not_found");
}

TEST_F(ChatRoutes, StreamedIsStoredIsFetched) {
  Answer live = chat("one two three",
                     R"("store":true,"metadata":{"k":"v"},"stream":true,"stream_options":{"include_usage":true})");
  EXPECT_EQ(live.status, 200);
  EXPECT_EQ(live.header("content-type"), "text/event-stream");
  EXPECT_EQ(live.header("cache-control"), "no-cache");
  EXPECT_TRUE(live.whole);
  auto frames = live.frames();
  EXPECT_EQ(frames.back(), "[DONE]");
  EXPECT_THAT(frames[frames.size() - 2], HasSubstr(R"("choices":[],"usage":{"prompt_tokens":7)"));
  EXPECT_EQ(live.content(), "one two three");
  auto fetched = get("/v1/chat/completions/" + name_of_chat(live)).json();
  EXPECT_EQ(fetched.root()["choices"].at(0)["message"]["content"].text(), live.content());
  EXPECT_EQ(fetched.root()["metadata"]["k"].text(), "v");
  EXPECT_EQ(fetched.root()["usage"]["completion_tokens"].integer(), 5);

  Answer again = get("/v1/x/responses/" + live.id() + "/stream");
  EXPECT_EQ(again.body, live.body) << "in the dialect that it came in by";
  for (size_t after = 0; after + 1 < frames.size(); ++after) {
    Answer tail = get("/v1/x/responses/" + live.id() + "/stream?dialect=chat&after=" + std::to_string(after));
    EXPECT_EQ(tail.frames(), std::vector<std::string>(frames.begin() + static_cast<long>(after) + 1, frames.end()));
  }
  EXPECT_EQ(get("/v1/x/responses/" + name_of_chat(live) + "/stream?dialect=chat&after=1").status, 200);
}

TEST_F(ChatRoutes, AStreamIsGoneOnWithWhileItIsMade) {
  Answer cut = chat("a b c d e f g h i j k l m n o p", R"("store":true,"stream":true)", {}, "\"content\":\"c d ");
  EXPECT_FALSE(cut.whole);
  size_t seen = 0;
  for (size_t at = 0; (at = cut.body.find("\n\n", at)) != std::string::npos; at += 2) ++seen;
  Answer rest = get("/v1/x/responses/" + cut.id() + "/stream?dialect=chat&after=" + std::to_string(seen - 1));
  EXPECT_EQ(rest.frames().back(), "[DONE]");
  Answer all = get("/v1/x/responses/" + cut.id() + "/stream?dialect=chat");
  EXPECT_TRUE(all.body.ends_with(rest.body));
  EXPECT_EQ(all.frames().size(), seen + rest.frames().size());
  EXPECT_EQ(supplier.bodies.size(), 1u);
}

TEST_F(ChatRoutes, AnyStoredResponseIsReadInAnyDialect) {
  Answer response = send("POST", "/v1/responses", R"({"model":"m","input":"one two"})");
  Answer as_chat = get("/v1/x/responses/" + response.id() + "/stream?dialect=chat");
  EXPECT_EQ(as_chat.content(), "one two");
  EXPECT_EQ(as_chat.frames().back(), "[DONE]");
  Answer as_itself = get("/v1/x/responses/" + response.id() + "/stream?after=2");
  EXPECT_THAT(as_itself.body, HasSubstr("event: response.completed"));
  EXPECT_THAT(as_itself.body, testing::Not(HasSubstr("\"sequence_number\":2,")));
  Answer chat_answer = chat("three", R"("store":true)");
  EXPECT_THAT(get("/v1/x/responses/" + chat_answer.id() + "/stream?dialect=responses").body,
              HasSubstr("event: response.completed"));
  EXPECT_EQ(get("/v1/x/responses/" + response.id() + "/stream?dialect=telegraph").error("param"), "dialect");
  EXPECT_EQ(get("/v1/x/responses/resp_none/stream").status, 404);
  EXPECT_EQ(get("/v1/chat/completions/" + response.id()).status, 404) << "it is no chat completion";
}

TEST_F(ChatRoutes, FailuresBeforeTheFirstFrameAreStatuses) {
  supplier.script = [](const ScriptedCall&) {
    return ScriptedAnswer{.pieces = {},
                          .refusal = Error{.code = Code::kInvalid,
                                           .message = "too long",
                                           .reason = "context_length_exceeded",
                                           .upstream_status = 400}};
  };
  for (std::string fields : {R"("stream":true)", R"("stream":false)", R"("stream":true,"store":true)"}) {
    Answer answer = chat("x", fields);
    EXPECT_EQ(answer.status, 400) << fields << answer.body;
    EXPECT_EQ(answer.header("content-type"), "application/json");
    EXPECT_EQ(answer.error("code"), "context_length_exceeded");
    EXPECT_EQ(answer.error("type"), "invalid_request_error");
  }
}

TEST_F(ChatRoutes, FailuresAfterTheFirstFrameAreFrames) {
  supplier.script = [](const ScriptedCall& call) {
    if (call.number > 0)
      return ScriptedAnswer{.pieces = {}, .refusal = Error{.code = Code::kInvalid, .message = "no more"}};
    return ScriptedAnswer{.pieces = text_pieces("half of"),
                          .refusal = {},
                          .cut = Error{.code = Code::kUnavailable, .message = "cut", .reason = "cut"}};
  };
  Answer answer = chat("x", R"("stream":true,"store":true)");
  EXPECT_EQ(answer.status, 200);
  auto frames = answer.frames();
  EXPECT_THAT(frames.back(), HasSubstr(R"({"error":{"message":)")) << "and no [DONE]";
  EXPECT_EQ(answer.content(), "half of");
  auto stored = get("/v1/chat/completions/" + name_of_chat(answer)).json();
  EXPECT_TRUE(stored.root()["choices"].at(0)["finish_reason"].null());
  EXPECT_EQ(stored.root()["x_status"].text(), "incomplete");
  EXPECT_EQ(stored.root()["choices"].at(0)["message"]["content"].text(), "half of");
  EXPECT_EQ(get("/v1/x/responses/" + answer.id() + "/stream").body, answer.body);
}

TEST_F(ChatRoutes, ErrorsNameTheFieldsOfChat) {
  const std::pair<std::string, std::string_view> cases[] = {
      {R"({"model":"m"})", "messages"},
      {R"({"model":"m","messages":[{"role":"user","content":"x"}],"n":2})", "n"},
      {R"({"model":"m","messages":[{"role":"user","content":"x"}],"logprobs":true})", "logprobs"},
      {R"({"model":"m","messages":[{"role":"user","content":"x"}],"wish":1})", "wish"},
      {R"({"model":"unknown","messages":[{"role":"user","content":"x"}]})", "model"},
  };
  for (const auto& [body, param] : cases) {
    Answer answer = send("POST", "/v1/chat/completions", body);
    EXPECT_GE(answer.status, 400) << body;
    EXPECT_EQ(answer.error("param"), param) << answer.body;
  }
  EXPECT_EQ(chat("x", R"("top_k":5)").status, 400);
  EXPECT_THAT(chat("x", R"("top_k":5)").error("message"), HasSubstr("'top_k'"));
  EXPECT_EQ(send("POST", "/v1/chat/completions", "{").status, 400);
}

TEST_F(ChatRoutes, LenientRequestsAreToldWhatTheyLost) {
  Answer strict = chat("x", R"("top_k":5,"logprobs":true)");
  EXPECT_EQ(strict.status, 400);
  for (std::string more : {"", R"(,"stream":true)"}) {
    Answer answer = chat("x", R"("top_k":5,"logprobs":true)" + more, {{"x-perdure-lenient", "1"}});
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.header("x-perdure-dropped"), "logprobs, top_k");
  }
  EXPECT_EQ(chat("x", {}, {{"x-perdure-lenient", "1"}}).header("x-perdure-dropped"), "");
  EXPECT_EQ(chat("x", {}, {{"x-perdure-lenient", "perhaps"}}).error("param"), "x-perdure-lenient");
  Answer response = send("POST", "/v1/responses", R"({"model":"m","input":"x","top_logprobs":2,"stream":true})",
                         {{"x-perdure-lenient", "1"}});
  EXPECT_EQ(response.header("x-perdure-dropped"), "top_logprobs");
}

TEST_F(ChatRoutes, ARepeatedKeyIsTheSameCompletion) {
  Fields key = {{"Idempotency-Key", "k1"}};
  Answer first = chat("one", R"("store":true)", key), second = chat("one", R"("store":true)", key);
  EXPECT_EQ(second.body, first.body);
  EXPECT_EQ(supplier.bodies.size(), 1u);
  EXPECT_EQ(chat("two", R"("store":true)", key).status, 409);
}

TEST_F(ChatRoutes, ARepeatedKeyIsTheSameCompletionAlsoWhereNothingIsStored) {
  for (std::string fields : {R"("stream":false)", R"("stream":true)"}) {
    Fields key = {{"Idempotency-Key", fields}};
    supplier.bodies.clear();
    Answer first = chat("one", fields, key), second = chat("one", fields, key);
    EXPECT_EQ(first.status, 200) << first.body;
    EXPECT_EQ(second.body, first.body);
    EXPECT_EQ(second.id(), first.id());
    EXPECT_EQ(supplier.bodies.size(), 1u);
    EXPECT_EQ(chat("two", fields, key).status, 409);
  }
}

TEST_F(ChatRoutes, ToolsGoThereAndBack) {
  supplier.script = [](const ScriptedCall& call) {
    if (call.context.back().kind == ItemKind::kFunctionCallOutput) {
      ScriptedAnswer done{.pieces = text_pieces("It is " + call.context.back().output)};
      done.pieces.push_back(finish_piece());
      return done;
    }
    ScriptedAnswer calls;
    calls.pieces = {tool_piece(0, "call_a", "f", "{\"x\":1}"),
                    tool_piece(1, "call_b", "g", ""),
                    {.kind = Piece::Kind::kFinish, .text = "tool_calls", .finish = Finish::kToolCalls}};
    return calls;
  };
  std::string tools =
      R"("tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}])";
  auto asked = chat("x", tools).json();
  json::Value message = asked.root()["choices"].at(0)["message"];
  EXPECT_EQ(asked.root()["choices"].at(0)["finish_reason"].text(), "tool_calls");
  EXPECT_TRUE(message["content"].null());
  EXPECT_EQ(
      message["tool_calls"].raw(),
      R"([{"id":"call_a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},{"id":"call_b","type":"function","function":{"name":"g","arguments":"{}"}}])");
  // The client gives the message back as it got it.
  std::string body =
      R"({"model":"m","messages":[{"role":"user","content":"x"},)" + std::string(message.raw()) +
      R"(,{"role":"tool","tool_call_id":"call_b","content":"2"},{"role":"tool","tool_call_id":"call_a","content":"1"}],)" +
      tools + "}";
  auto told = send("POST", "/v1/chat/completions", body).json();
  EXPECT_EQ(told.root()["choices"].at(0)["message"]["content"].text(), "It is 1");
  EXPECT_THAT(
      supplier.bodies.back(),
      HasSubstr(
          R"({"role":"tool","tool_call_id":"call_a","content":"1"},{"role":"tool","tool_call_id":"call_b","content":"2"})"));
}

// Newest first, a list that has looked at enough says that there is more, and whoever asks for it gets all of it.
TEST_F(ChatRoutes, ALongHistoryIsListedToItsEndNewestFirst) {
  serve_again({.list_scan_max = 4});
  std::vector<std::string> wanted;
  for (int i = 0; i < 30; ++i) {
    bool rare = i % 9 == 2;  // of 30: 2, 11, 20, 29, further apart than one list looks
    std::string id = name_of_chat(
        chat("n" + std::to_string(i), rare ? R"("store":true,"metadata":{"rare":"y"})" : R"("store":true)"));
    if (rare) wanted.insert(wanted.begin(), id);
  }
  std::vector<std::string> found, all;
  for (auto [out, filter] : {std::pair(&found, "&metadata[rare]=y"), std::pair(&all, "")}) {
    std::string after;
    for (int lists = 0; lists < 40; ++lists) {
      Answer answer = get("/v1/chat/completions?order=desc&limit=3" + std::string(filter) + after);
      ASSERT_EQ(answer.status, 200) << answer.body;
      auto document = answer.json();
      for (json::Value one : document.root()["data"].elements()) out->emplace_back(one["id"].text());
      if (!document.root()["has_more"].boolean().value_or(false)) break;
      ASSERT_FALSE(out->empty()) << "whoever is to go on needs an id to go on from";
      after = "&after=" + out->back();
    }
  }
  EXPECT_EQ(found, wanted);
  EXPECT_EQ(all.size(), 30u);
  EXPECT_EQ(get("/v1/chat/completions?order=desc&after=chatcmpl-none").error("param"), "after");
  EXPECT_EQ(get("/v1/chat/completions?order=asc").error("param"), "order") << "too many to turn round, and it says so";
}

TEST_F(ChatRoutes, StoredCompletionsAreListedReadAndDeleted) {
  std::vector<std::string> ids;
  for (std::string text : {"one", "two", "three"})
    ids.push_back(name_of_chat(chat(text, R"("store":true,"metadata":{"n":")" + text + R"("})")));
  send("POST", "/v1/responses", R"({"model":"m","input":"not a chat"})");
  chat("not stored");
  const auto list = [&](std::string query) {
    Answer answer = get("/v1/chat/completions" + query);
    EXPECT_EQ(answer.status, 200) << answer.body;
    auto document = answer.json();
    std::vector<std::string> out;
    for (json::Value one : document.root()["data"].elements()) out.emplace_back(one["id"].text());
    if (document.root()["has_more"].boolean().value_or(false)) out.emplace_back("more");
    return out;
  };
  EXPECT_THAT(list(""), ElementsAre(ids[0], ids[1], ids[2]));
  EXPECT_THAT(list("?order=desc"), ElementsAre(ids[2], ids[1], ids[0]));
  EXPECT_THAT(list("?limit=2"), ElementsAre(ids[0], ids[1], "more"));
  EXPECT_THAT(list("?limit=2&after=" + ids[1]), ElementsAre(ids[2]));
  EXPECT_THAT(list("?limit=1&order=desc&after=" + ids[2]), ElementsAre(ids[1], "more"));
  EXPECT_THAT(list("?metadata[n]=two"), ElementsAre(ids[1]));
  EXPECT_THAT(list("?model=m2"), ElementsAre());
  EXPECT_EQ(get("/v1/chat/completions?after=chatcmpl-none").error("param"), "after");
  EXPECT_EQ(get("/v1/chat/completions?order=up").error("param"), "order");

  Answer messages = get("/v1/chat/completions/" + ids[0] + "/messages");
  EXPECT_EQ(messages.body, R"({"object":"list","data":[{"id":")" + ids[0] +
                               R"(-0","role":"user","content":"one"}],"first_id":")" + ids[0] + R"(-0","last_id":")" +
                               ids[0] + R"(-0","has_more":false})");
  Answer update = send("POST", "/v1/chat/completions/" + ids[0], R"({"metadata":{"n":"new"}})");
  EXPECT_EQ(update.status, 400);
  EXPECT_EQ(update.error("param"), "metadata");
  Answer removed = send("DELETE", "/v1/chat/completions/" + ids[0]);
  EXPECT_EQ(removed.body, R"({"object":"chat.completion.deleted","id":")" + ids[0] + R"(","deleted":true})");
  EXPECT_EQ(get("/v1/chat/completions/" + ids[0]).status, 404);
  EXPECT_EQ(send("DELETE", "/v1/chat/completions/" + ids[0]).status, 404);
  EXPECT_THAT(list(""), ElementsAre(ids[1], ids[2]));
}

TEST_F(ChatRoutes, SilenceIsKeptAliveByComments) {
  supplier.script = [](const ScriptedCall&) {
    ScriptedAnswer answer{.pieces = text_pieces("late")};
    answer.pieces.push_back(finish_piece());
    answer.pause = 20s;
    return answer;
  };
  Answer answer = chat("x", R"("stream":true)");
  EXPECT_TRUE(answer.body.starts_with(": keep-alive\n\n")) << answer.body;
  EXPECT_EQ(answer.content(), "late");
}

TEST_F(ChatRoutes, AReaderThatLeavesStopsWhatIsNotStored) {
  supplier.script = [](const ScriptedCall&) {
    ScriptedAnswer answer{.pieces = text_pieces("a long answer that nobody waits for")};
    answer.pause = 1s;
    return answer;
  };
  Answer cut = chat("x", R"("stream":true)", {}, "\"content\":\"a");
  EXPECT_FALSE(cut.whole);
  pass(3s);
  EXPECT_EQ(responses->running(), 0u);
}

TEST_F(ChatRoutes, KeysSeparateTenants) {
  auto made =
      KeyFile(KeyFile::in(folder)).create("", TenantId("one"), *Scopes::parse("use"), loop.wall(), loop.random());
  auto other =
      KeyFile(KeyFile::in(folder)).create("", TenantId("two"), *Scopes::parse("use"), loop.wall(), loop.random());
  ASSERT_TRUE(made.ok() && other.ok());
  pass(2s);
  Fields mine = {{"Authorization", "Bearer " + made->secret}}, theirs = {{"x-api-key", other->secret}};
  EXPECT_EQ(chat("x").status, 401);
  Answer answer = chat("x", R"("store":true)", mine);
  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(get("/v1/chat/completions/" + name_of_chat(answer), mine).status, 200);
  EXPECT_EQ(get("/v1/chat/completions/" + name_of_chat(answer), theirs).status, 404);
  EXPECT_EQ(get("/v1/x/responses/" + answer.id() + "/stream", theirs).status, 404);
  EXPECT_EQ(get("/v1/chat/completions", theirs).json().root()["data"].size(), 0u);
}

}  // namespace
}  // namespace perdure
