// Counting tokens, compacting, and what embeddings answer where nobody has any.

#include "gateway/testing/gateway_world.h"
#include "model/compaction.h"
#include "session/window.h"

namespace perdure {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class SideRoutes : public GatewayWorld {
 public:
  // Writes the summary when it is asked for one, else says the last words again.
  void summarize(std::string summary) {
    auto usual = supplier.script;
    supplier.script = [usual, summary](const ScriptedCall& call) {
      if (!call.context[0].content[0].text.starts_with("<conversation>")) return usual(call);
      ScriptedAnswer answer{.pieces = text_pieces(summary)};
      answer.pieces.push_back({.kind = Piece::Kind::kUsage, .usage = {70, 5, 30, 2, true}});
      answer.pieces.push_back(finish_piece());
      return answer;
    };
  }
  static std::vector<std::string> kinds(json::Value output) {
    std::vector<std::string> out;
    for (json::Value item : output.elements())
      out.push_back(std::string(item["type"].text()) + " " + std::string(item["role"].text()));
    return out;
  }
};

TEST_F(SideRoutes, CompactionKeepsTheUsersWordsAndIsReadable) {
  summarize("They agreed on slate.");
  Answer answer = send("POST", "/v1/responses/compact", R"({"model":"m","prompt_cache_key":"k","input":[
    {"role":"developer","content":"Be brief."},{"role":"user","content":"The word is slate."},
    {"role":"assistant","content":"OK."},{"role":"user","content":"Go on."}]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  auto document = answer.json();
  json::Value root = document.root();
  EXPECT_EQ(root["object"].text(), "response.compaction");
  EXPECT_EQ(root["id"].text(), answer.id());
  EXPECT_TRUE(root["created_at"].integer());
  EXPECT_THAT(kinds(root["output"]), ElementsAre("message developer", "message user", "message user", "compaction "));
  EXPECT_EQ(root["output"].at(1)["content"].at(0)["text"].text(), "The word is slate.");
  EXPECT_EQ(unpack_compaction(root["output"].at(3)["encrypted_content"].text())->summary, "They agreed on slate.");
  EXPECT_EQ(root["usage"].raw(), R"({"input_tokens":70,"input_tokens_details":{"cached_tokens":5},"output_tokens":30,)"
                                 R"("output_tokens_details":{"reasoning_tokens":2},"total_tokens":100})");
  EXPECT_EQ(get("/v1/responses/" + answer.id()).status, 404) << "there is nothing to go on from by id";

  // Any supplier is told what the item says, in words.
  std::string output(root["output"].raw());
  output.pop_back();
  Answer next = send("POST", "/v1/responses",
                     R"({"model":"m2","input":)" + output + R"(,{"role":"user","content":"And now?"}]})");
  EXPECT_EQ(next.status, 200) << next.body;
  EXPECT_THAT(supplier.bodies.back(), HasSubstr("They agreed on slate."));
  EXPECT_THAT(supplier.bodies.back(), HasSubstr("The word is slate."));
  EXPECT_THAT(supplier.bodies.back(), testing::Not(HasSubstr("\"OK.\"")));

  // And it is compacted again with what came after.
  summarize("Slate, and then more.");
  Answer again = send("POST", "/v1/responses/compact",
                      R"({"model":"m","input":)" + output + R"(,{"role":"assistant","content":"more"}]})");
  ASSERT_EQ(again.status, 200) << again.body;
  EXPECT_THAT(supplier.bodies.back(), HasSubstr("They agreed on slate."));
  EXPECT_THAT(kinds(again.json().root()["output"]),
              ElementsAre("message developer", "message user", "message user", "compaction "));
}

TEST_F(SideRoutes, AStoredChainIsCompacted) {
  summarize("Notes.");
  Answer first = send("POST", "/v1/responses", R"({"model":"m","input":"one"})");
  Answer second =
      send("POST", "/v1/responses", R"({"model":"m","input":"two","previous_response_id":")" + first.id() + "\"}");
  Answer answer =
      send("POST", "/v1/responses/compact", R"({"model":"m","previous_response_id":")" + second.id() + "\"}");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_THAT(kinds(answer.json().root()["output"]), ElementsAre("message user", "message user", "compaction "));
  EXPECT_THAT(supplier.bodies.back(), HasSubstr("[user]\\none\\n\\n[assistant]\\none"));
  EXPECT_EQ(get("/v1/responses/" + second.id()).status, 200) << "the journal keeps all of it";
}

TEST_F(SideRoutes, ACompactionThatFailsSaysWhy) {
  supplier.script = [](const ScriptedCall&) { return ScriptedAnswer{.pieces = {text_piece("  "), finish_piece()}}; };
  Answer empty = send("POST", "/v1/responses/compact", R"({"model":"m","input":"x"})");
  EXPECT_EQ(empty.status, 503);
  EXPECT_EQ(empty.error("code"), "compaction_failed");
  supplier.script = [](const ScriptedCall&) {
    return ScriptedAnswer{.refusal = Error{Code::kInvalid, "not this", "", "bad_taste", 400}};
  };
  Answer refused = send("POST", "/v1/responses/compact", R"({"model":"m","input":"x"})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.error("message"), HasSubstr("not this"));
  EXPECT_EQ(responses->running(), 0u);
}

TEST_F(SideRoutes, ACompactionEndsWithItsClient) {
  supplier.script = [](const ScriptedCall&) { return ScriptedAnswer{.pieces = text_pieces("slow"), .pause = 1h}; };
  auto leave = [](SideRoutes& at) -> Task<void> {
    HttpCall call;
    call.method = "POST";
    call.url = {.tls = false, .address = {"host", 80}, .path = "/v1/responses/compact"};
    call.headers.set("Content-Type", "application/json");
    call.body = R"({"model":"m","input":"x"})";
    Result<std::unique_ptr<HttpAnswer>> answer =
        co_await at.client->send(std::move(call), deadline_in(at.loop, 1s), nullptr);
    EXPECT_FALSE(answer.ok());
  };
  loop.run(leave(*this));
  pass(1s);
  EXPECT_EQ(responses->running(), 0u);
}

TEST_F(SideRoutes, TheSupplierCountsTokens) {
  Answer first = send("POST", "/v1/responses", R"({"model":"m","input":"before"})");
  Answer answer =
      send("POST", "/v1/responses/input_tokens",
           R"({"model":"claude","input":"now","instructions":"brief","previous_response_id":")" + first.id() + "\"}");
  EXPECT_EQ(answer.body, R"({"object":"response.input_tokens","input_tokens":42})");
  EXPECT_THAT(anthropic.bodies.back(), HasSubstr("before"));
  EXPECT_THAT(anthropic.bodies.back(), HasSubstr("now"));
  Answer made = send("POST", "/v1/conversations", R"({"items":[{"role":"user","content":"in it"}]})");
  const std::string conversation(made.json().root()["id"].text());
  answer = send("POST", "/v1/responses/input_tokens",
                R"({"model":"claude","input":"now","conversation":")" + conversation + "\"}");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_THAT(anthropic.bodies.back(), HasSubstr("in it"));
  Answer nobody = send("POST", "/v1/responses/input_tokens", R"({"model":"m","input":"now"})");
  EXPECT_EQ(nobody.status, 400);
  EXPECT_EQ(nobody.error("code"), "cannot_count");
}

TEST_F(SideRoutes, FaultsAreNamed) {
  struct Case {
    std::string target, body;
    int status;
    std::string param, code;
  };
  const Case cases[] = {
      {"compact", R"({"input":"x"})", 400, "model", "missing_required_parameter"},
      {"compact", R"({"model":null,"input":"x"})", 400, "model", "missing_required_parameter"},
      {"compact", R"({"model":"m"})", 400, "input", "missing_required_parameter"},
      {"compact", R"({"model":"m","input":"x","tools":[]})", 400, "tools", "unknown_parameter"},
      {"compact", R"({"model":"m","input":"x","prompt_cache_options":{}})", 400, "prompt_cache_options",
       "unsupported_parameter"},
      {"compact", R"({"model":"nobody","input":"x"})", 404, "model", "model_not_found"},
      {"compact", R"({"model":"m","previous_response_id":"resp_none"})", 404, "previous_response_id",
       "previous_response_not_found"},
      {"compact", "[]", 400, "", "invalid_type"},
      {"input_tokens", R"({"model":"claude"})", 400, "input", "missing_required_parameter"},
      {"input_tokens", R"({"input":"x"})", 400, "model", "missing_required_parameter"},
      {"input_tokens", R"({"model":"claude","input":"x","store":true})", 400, "store", "unknown_parameter"},
      {"input_tokens", R"({"model":"claude","input":"x","personality":"p"})", 400, "personality",
       "unsupported_parameter"},
      {"input_tokens", R"({"model":"claude","input":"x","conversation":"conv_none"})", 404, "conversation",
       "conversation_not_found"},
      {"input_tokens", R"({"model":"claude","input":"x","conversation":"c","previous_response_id":"p"})", 400,
       "conversation", "mutually_exclusive_parameters"},
  };
  for (const Case& c : cases) {
    Answer answer = send("POST", "/v1/responses/" + c.target, c.body);
    SCOPED_TRACE(c.target + " " + c.body + " -> " + answer.body);
    EXPECT_EQ(answer.status, c.status);
    EXPECT_EQ(answer.error("param"), c.param);
    EXPECT_EQ(answer.error("code"), c.code);
  }
  Answer keyed = send("POST", "/v1/responses/compact", R"({"model":"m","input":"x"})", {{"Idempotency-Key", "k"}});
  EXPECT_EQ(keyed.error("param"), "Idempotency-Key");
}

TEST_F(SideRoutes, AnItemOfAStoredResponseIsFoundByItsId) {
  Answer first = send("POST", "/v1/responses", R"({"model":"m","input":"heron"})");
  auto document = first.json();
  const std::string id(document.root()["output"].at(0)["id"].text());
  EXPECT_TRUE(id.starts_with("msg_" + first.id().substr(5))) << id;
  for (std::string type : {R"("type":"item_reference",)", ""}) {
    Answer next = send("POST", "/v1/responses",
                       R"({"model":"m","input":[{"role":"user","content":"before"},{)" + type + R"("id":")" + id +
                           R"("},{"role":"user","content":"after"}]})");
    ASSERT_EQ(next.status, 200) << next.body;
    EXPECT_THAT(supplier.bodies.back(),
                HasSubstr(R"([{"role":"user","content":"before"},{"role":"assistant","content":"heron"},)"
                          R"({"role":"user","content":"after"}])"));
    auto kept = get("/v1/responses/" + next.id() + "/input_items?order=asc").json();
    EXPECT_EQ(kept.root()["data"].size(), 3u);
    EXPECT_EQ(kept.root()["data"].at(1)["id"].text(), id);
  }
  // Without storing too: then it is ours all the same, and not passed on.
  EXPECT_EQ(send("POST", "/v1/responses",
                 R"({"model":"m","store":false,"input":[{"type":"item_reference","id":")" + id + "\"}]}")
                .status,
            200);
  Answer compacted =
      send("POST", "/v1/responses/compact", R"({"model":"m","input":[{"type":"item_reference","id":")" + id + "\"}]}");
  EXPECT_EQ(compacted.status, 200) << compacted.body;

  EXPECT_EQ(send("DELETE", "/v1/responses/" + first.id()).status, 200);
  for (const std::string& lost : {id, std::string("msg_1"), id + "0", "rs" + id.substr(3), std::string("nothing")}) {
    Answer answer =
        send("POST", "/v1/responses",
             R"({"model":"m","input":[{"role":"user","content":"x"},{"type":"item_reference","id":")" + lost + "\"}]}");
    EXPECT_EQ(answer.status, 404) << lost;
    EXPECT_EQ(answer.error("code"), "item_not_found");
    EXPECT_EQ(answer.error("param"), "input[1].id");
  }
  EXPECT_EQ(send("POST", "/v1/responses", R"({"model":"m","input":[{"type":"item_reference"}]})").error("param"),
            "input[0].id");
}

TEST_F(SideRoutes, ACompactionOfAChainIsFoundByItsIdToo) {
  summarize("Notes of it.");
  Answer first = send("POST", "/v1/responses", R"({"model":"m","input":")" + std::string(8000, 'x') + "\"}");
  Answer second =
      send("POST", "/v1/responses",
           R"({"model":"m","input":"two","context_management":[{"type":"compaction","compact_threshold":1000}],)"
           R"("previous_response_id":")" +
               first.id() + "\"}");
  auto document = second.json();
  json::Value item = document.root()["output"].at(0);
  ASSERT_EQ(item["type"].text(), "compaction") << second.body;
  const std::string id(item["id"].text());
  EXPECT_TRUE(id.starts_with("cmp_" + second.id().substr(5)));
  Answer next = send(
      "POST", "/v1/responses",
      R"({"model":"m","input":[{"type":"item_reference","id":")" + id + R"("},{"role":"user","content":"and now"}]})");
  EXPECT_EQ(next.status, 200) << next.body;
  EXPECT_THAT(supplier.bodies.back(), HasSubstr("Notes of it.")) << "what it stands for is not there, so it is told";
}

TEST_F(SideRoutes, AModelIsFoundByItsName) {
  EXPECT_EQ(get("/v1/models/m2").body, R"({"id":"m2","object":"model","created":0,"owned_by":"perdure"})");
  Answer lost = get("/v1/models/org/none");
  EXPECT_EQ(lost.status, 404);
  EXPECT_EQ(lost.error("code"), "model_not_found");
  EXPECT_THAT(lost.error("message"), HasSubstr("org/none"));
  Answer claude = get("/v1/models/claude", {{"anthropic-version", "2023-06-01"}});
  EXPECT_EQ(claude.json().root()["type"].text(), "model");
  EXPECT_EQ(claude.json().root()["id"].text(), "claude");
  Answer missing = get("/v1/models/none", {{"anthropic-version", "2023-06-01"}});
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.json().root()["error"]["type"].text(), "not_found_error");
}

TEST_F(SideRoutes, EmbeddingsNeedASupplierThatHasThem) {
  EXPECT_EQ(send("POST", "/v1/embeddings", R"({"input":"x"})").error("param"), "model");
  Answer nobody = send("POST", "/v1/embeddings", R"({"model":"claude","input":"x"})");
  EXPECT_EQ(nobody.status, 400);
  EXPECT_EQ(nobody.error("code"), "model_not_supported");
  EXPECT_EQ(nobody.error("param"), "model");
  EXPECT_EQ(send("POST", "/v1/embeddings", R"({"model":"unknown","input":"x"})").status, 404);
  EXPECT_EQ(get("/v1/embeddings").status, 405);
}

}  // namespace
}  // namespace perdure
