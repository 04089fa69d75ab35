// OpenAI's Conversations over the public surface.

#include "dialect/conversations_request.h"
#include "gateway/testing/gateway_world.h"

namespace perdure {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ConversationsRoutes : public GatewayWorld {
 public:
  std::string make(std::string body = "{}") {
    Answer made = send("POST", "/v1/conversations", std::move(body));
    EXPECT_EQ(made.status, 200) << made.body;
    return "/v1/conversations/" + std::string(made.json().root()["id"].text());
  }
  std::vector<std::string> texts(const Answer& list) {
    std::vector<std::string> out;
    auto document = list.json();
    for (json::Value item : document.root()["data"].elements()) out.emplace_back(item["content"].at(0)["text"].text());
    return out;
  }
  Answer say(const std::string& conversation, std::string text, std::string more = {}) {
    return send(
        "POST", "/v1/responses",
        R"({"model":"m","input":")" + text + R"(","conversation":")" + conversation.substr(18) + "\"" + more + "}");
  }
};

TEST_F(ConversationsRoutes, AConversationIsMadeReadChangedAndDeleted) {
  Answer made = send("POST", "/v1/conversations", R"({"metadata":{"topic":"x"}})");
  EXPECT_EQ(made.status, 200);
  auto document = made.json();
  json::Value root = document.root();
  const std::string id(root["id"].text());
  EXPECT_TRUE(id.starts_with("conv_"));
  EXPECT_EQ(made.body, R"({"id":")" + id + R"(","object":"conversation","created_at":)" +
                           std::string(root["created_at"].raw()) + R"(,"metadata":{"topic":"x"}})");
  EXPECT_EQ(get("/v1/conversations/" + id).body, made.body);
  Answer changed = send("POST", "/v1/conversations/" + id, R"({"metadata":{"topic":"y","b":"c"}})");
  EXPECT_EQ(changed.status, 200);
  EXPECT_EQ(changed.json().root()["metadata"].raw(), R"({"topic":"y","b":"c"})");
  EXPECT_EQ(get("/v1/conversations/" + id).body, changed.body);
  Answer emptied = send("POST", "/v1/conversations/" + id, R"({"metadata":null})");
  EXPECT_EQ(emptied.json().root()["metadata"].raw(), "{}");
  EXPECT_EQ(send("DELETE", "/v1/conversations/" + id).body,
            R"({"id":")" + id + R"(","object":"conversation.deleted","deleted":true})");
  for (const char* method : {"GET", "DELETE"}) {
    Answer gone = send(method, "/v1/conversations/" + id);
    EXPECT_EQ(gone.status, 404);
    EXPECT_EQ(gone.error("code"), "conversation_not_found");
    EXPECT_EQ(gone.error("type"), "invalid_request_error");
  }
}

TEST_F(ConversationsRoutes, NothingNeedsToBeSaidToBeginOne) {
  EXPECT_EQ(send("POST", "/v1/conversations").status, 200);
  EXPECT_EQ(send("POST", "/v1/conversations", R"({"items":null,"metadata":null})").status, 200);
}

TEST_F(ConversationsRoutes, HoldsItemsInPages) {
  std::string path = make(R"({"items":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})");
  Answer added = send("POST", path + "/items",
                      R"({"items":[{"type":"message","role":"user","content":[{"type":"input_text","text":"c"}]}]})");
  EXPECT_EQ(added.status, 200) << added.body;
  EXPECT_THAT(texts(added), ElementsAre("c"));
  auto document = added.json();
  const std::string id(document.root()["data"].at(0)["id"].text());
  EXPECT_EQ(document.root()["object"].text(), "list");
  EXPECT_EQ(document.root()["first_id"].text(), id);
  EXPECT_EQ(document.root()["last_id"].text(), id);
  EXPECT_EQ(document.root()["has_more"].boolean(), false);
  EXPECT_THAT(texts(get(path + "/items")), ElementsAre("c", "b", "a"));
  Answer page = get(path + "/items?order=asc&limit=2");
  EXPECT_THAT(texts(page), ElementsAre("a", "b"));
  EXPECT_EQ(page.json().root()["has_more"].boolean(), true);
  EXPECT_THAT(texts(get(path + "/items?order=asc&after=" + std::string(page.json().root()["last_id"].text()))),
              ElementsAre("c"));

  Answer one = get(path + "/items/" + id);
  EXPECT_EQ(one.status, 200);
  EXPECT_EQ(one.body, document.root()["data"].at(0).raw());
  Answer removed = send("DELETE", path + "/items/" + id);
  EXPECT_EQ(removed.status, 200);
  EXPECT_EQ(removed.body, get(path).body) << "what is left is told";
  EXPECT_THAT(texts(get(path + "/items")), ElementsAre("b", "a"));
  EXPECT_EQ(get(path + "/items/" + id).error("code"), "item_not_found");
  EXPECT_EQ(send("DELETE", path + "/items/" + id).status, 404);
}

TEST_F(ConversationsRoutes, ResponsesAreMadeInThem) {
  std::string path = make(R"({"items":[{"role":"user","content":"before"}]})");
  Answer answer = say(path, "one");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.json().root()["conversation"]["id"].text(), path.substr(18));
  EXPECT_THAT(supplier.bodies.back(), HasSubstr("before"));
  EXPECT_THAT(texts(get(path + "/items?order=asc")), ElementsAre("before", "one", "one"));
  Answer both = say(path, "x", R"(,"previous_response_id":")" + answer.id() + "\"");
  EXPECT_EQ(both.status, 400);
  EXPECT_EQ(both.error("code"), "mutually_exclusive_parameters");
  EXPECT_EQ(say(path, "x", R"(,"store":false)").error("param"), "store");
  Answer lost = say("/v1/conversations/conv_none", "x");
  EXPECT_EQ(lost.status, 404);
  EXPECT_EQ(lost.error("param"), "conversation");
}

TEST_F(ConversationsRoutes, WhoComesWhileItIsBusyWaitsAndThenIsToldSo) {
  std::string path = make();
  supplier.script = [](const ScriptedCall&) { return ScriptedAnswer{.pieces = text_pieces("slow"), .pause = 1h}; };
  Answer running = send("POST", "/v1/responses",
                        R"({"model":"m","input":"x","background":true,"conversation":")" + path.substr(18) + "\"}");
  ASSERT_EQ(running.status, 200) << running.body;
  Instant began = loop.now();
  Answer busy = say(path, "y");
  EXPECT_GE(loop.now() - began, 30s);
  EXPECT_EQ(busy.status, 409);
  EXPECT_EQ(busy.error("code"), "conversation_locked");
  EXPECT_EQ(send("POST", path + "/items", R"({"items":[{"role":"user","content":"c"}]})").status, 409);
  EXPECT_THAT(texts(get(path + "/items")), IsEmpty()) << "reading waits for nobody";
  send("POST", "/v1/responses/" + running.id() + "/cancel");
  EXPECT_EQ(send("POST", path + "/items", R"({"items":[{"role":"user","content":"c"}]})").status, 200);
}

TEST_F(ConversationsRoutes, EncryptedReasoningIsShownToWhoAsks) {
  std::string path = make(
      R"({"items":[{"type":"reasoning","summary":[{"type":"summary_text","text":"s"}],"encrypted_content":"abc"}]})");
  EXPECT_THAT(get(path + "/items").body, testing::Not(HasSubstr("encrypted_content")));
  EXPECT_THAT(get(path + "/items?include=reasoning.encrypted_content").body, HasSubstr("encrypted_content"));
  EXPECT_THAT(get(path + "/items?include[]=message.input_image.image_url&include[]=reasoning.encrypted_content").body,
              HasSubstr("encrypted_content"));
  Answer refused = get(path + "/items?include[]=file_search_call.results");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.error("param"), "include");
}

TEST_F(ConversationsRoutes, ARepeatedKeyIsTheSameConversation) {
  Fields key = {{"Idempotency-Key", "k"}};
  Answer first = send("POST", "/v1/conversations", R"({"metadata":{"a":"b"}})", key);
  EXPECT_EQ(send("POST", "/v1/conversations", R"({"metadata":{"a":"b"}})", key).body, first.body);
  EXPECT_EQ(send("POST", "/v1/conversations", R"({"metadata":{"a":"c"}})", key).status, 409);
  Answer refused = send("POST", make() + "/items", R"({"items":[{"role":"user","content":"x"}]})", key);
  EXPECT_EQ(refused.error("param"), "Idempotency-Key") << "never promised in silence";
}

TEST_F(ConversationsRoutes, FaultsAreNamed) {
  std::string path = make();
  const std::string item = R"({"role":"user","content":"x"})";
  std::string many = item;
  for (int i = 0; i < 20; ++i) many += "," + item;
  std::string metadata;
  for (int i = 0; i < 17; ++i) metadata += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + R"(":"v")";
  struct Case {
    std::string method, target, body;
    int status;
    std::string param, code;
  };
  const Case cases[] = {
      {"POST", "/v1/conversations", "[]", 400, "", "invalid_type"},
      {"POST", "/v1/conversations", "{", 400, "", ""},
      {"POST", "/v1/conversations", R"({"name":"x"})", 400, "name", "unknown_parameter"},
      {"POST", "/v1/conversations", R"({"metadata":{"a":1}})", 400, "metadata.a", "invalid_type"},
      {"POST", "/v1/conversations", "{\"metadata\":{" + metadata + "}}", 400, "metadata",
       "object_above_max_properties"},
      {"POST", "/v1/conversations", R"({"metadata":{"a":")" + std::string(513, 'v') + "\"}}", 400, "metadata.a",
       "string_above_max_length"},
      {"POST", "/v1/conversations", "{\"items\":[" + many + "]}", 400, "items", "array_above_max_length"},
      {"POST", "/v1/conversations", R"({"items":[{"type":"function_call_output","call_id":"c","output":"x"}]})", 400,
       "items", "tool_call_not_found"},
      {"POST", "/v1/conversations", R"({"items":[{"role":"user","content":[{"type":"input_image","file_id":"f"}]}]})",
       400, "items[0].content[0].file_id", "unsupported_parameter"},
      {"POST", path, "{}", 400, "metadata", "missing_required_parameter"},
      {"POST", path + "/items", "{}", 400, "items", "missing_required_parameter"},
      {"POST", path + "/items", R"({"items":[]})", 400, "items", "missing_required_parameter"},
      {"POST", path + "/items", "{\"items\":[" + many + "]}", 400, "items", "array_above_max_length"},
      {"POST", path + "/items", R"({"items":[{"type":"poem"}]})", 400, "items[0].type", "unsupported_parameter"},
      {"GET", path + "/items?order=asc&befor=x", "", 400, "befor", "unknown_parameter"},
      {"GET", path + "?include[]=x", "", 400, "include[]", "unknown_parameter"},
      {"GET", path + "/items?limit=101", "", 400, "limit", ""},
      {"GET", path + "/items?order=up", "", 400, "order", "invalid_value"},
      {"GET", path + "/items?after=msg_x", "", 400, "after", "invalid_value"},
      {"GET", "/v1/conversations", "", 405, "", "method_not_allowed"},
      {"PUT", path + "/items/msg_x", "", 405, "", "method_not_allowed"},
      {"GET", path + "/items/", "", 404, "", "unknown_url"},
      {"GET", path + "/items/a/b", "", 404, "", "unknown_url"},
      {"POST", "/v1/conversations/conv_none/items", "{\"items\":[" + item + "]}", 404, "", "conversation_not_found"},
      {"GET", "/v1/conversations/conv_none/items", "", 404, "", "conversation_not_found"},
  };
  for (const Case& c : cases) {
    Answer answer = send(c.method, c.target, c.body);
    SCOPED_TRACE(c.method + " " + c.target + " " + c.body.substr(0, 100) + " -> " + answer.body);
    EXPECT_EQ(answer.status, c.status);
    EXPECT_EQ(answer.error("param"), c.param);
    if (!c.code.empty()) EXPECT_EQ(answer.error("code"), c.code);
    EXPECT_FALSE(answer.error("message").empty());
  }
  Answer wrong_type = send("POST", path, "metadata=x", {{"Content-Type", "text/plain"}});
  EXPECT_EQ(wrong_type.status, 415);
  EXPECT_THAT(texts(get(path + "/items")), IsEmpty()) << "nothing has changed";
}

}  // namespace
}  // namespace perdure
