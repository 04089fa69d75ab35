// Until the first word: while attempts fail one after another, a client is told nothing but that it is waited for, in
// every client dialect, and then gets one whole answer as if nothing had happened.

#include "gateway/testing/gateway_world.h"

namespace perdure {
namespace {

using testing::HasSubstr;
using testing::Not;

class FirstWord : public GatewayWorld {
 public:
  struct Client {
    const char* path;
    const char* body;
    const char* keep_alive;
    const char* begins;  // what comes once, at the beginning
    const char* text;    // what a piece of text stands in
    Fields headers = {};
  };
  static std::vector<Client> clients() {
    return {{"/v1/responses", R"({"model":"m","input":"x","stream":true})", ": keep-alive\n\n",
             R"("type":"response.created")", "response.output_text.delta"},
            {"/v1/chat/completions", R"({"model":"m","messages":[{"role":"user","content":"x"}],"stream":true})",
             ": keep-alive\n\n", R"("role":"assistant")", R"("content":"la)"},
            {"/v1/messages",
             R"({"model":"m","messages":[{"role":"user","content":"x"}],"stream":true,"max_tokens":9})",
             "event: ping\ndata: {\"type\":\"ping\"}\n\n",
             R"("type":"message_start")",
             "text_delta",
             {{"anthropic-version", "2023-06-01"}}}};
  }
  static size_t count(const std::string& text, std::string_view word) {
    size_t n = 0;
    for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++n;
    return n;
  }
};

TEST_F(FirstWord, AttemptsThatFailAreNotSeen) {
  for (const Client& client : clients()) {
    size_t calls = 0;
    supplier.script = [&](const ScriptedCall&) {
      // The first ones are silent, refuse, or break off after having said who they are.
      if (calls++ == 0) return ScriptedAnswer{.cut = Error{Code::kUnavailable, "cut"}, .pause = 40s};
      if (calls == 2) return ScriptedAnswer{.refusal = Error{Code::kUnavailable, "down"}};
      Piece started{.kind = Piece::Kind::kStarted, .id = "up_" + std::to_string(calls), .model = "real"};
      if (calls == 3) return ScriptedAnswer{.pieces = {started}, .cut = Error{Code::kUnavailable, "cut"}, .pause = 20s};
      return ScriptedAnswer{.pieces = {started, text_piece("late, "), text_piece("but whole"), finish_piece()}};
    };
    Answer answer = send("POST", client.path, client.body, client.headers);
    EXPECT_EQ(calls, 4u) << client.path;
    EXPECT_EQ(answer.status, 200) << client.path << answer.body;
    EXPECT_TRUE(answer.whole) << client.path;
    EXPECT_GE(count(answer.body, client.keep_alive), 3u) << client.path << answer.body;
    EXPECT_EQ(count(answer.body, client.begins), 1u) << client.path << answer.body;
    size_t first_text = answer.body.find(client.text), last_wait = answer.body.rfind(client.keep_alive);
    ASSERT_NE(first_text, std::string::npos) << client.path << answer.body;
    EXPECT_LT(last_wait, first_text) << client.path << answer.body;
    EXPECT_THAT(answer.body, Not(HasSubstr("error\":{"))) << client.path;
    EXPECT_THAT(answer.body, HasSubstr("but whole")) << client.path;
  }
}

// Where an API says in its status whether there is an answer, it says so once something of it is there.
TEST_F(FirstWord, AFailureInTimeIsAStatus) {
  for (const Client& client : clients()) {
    if (std::string_view(client.path) == "/v1/responses") continue;  // a response is there from its creation
    supplier.script = [](const ScriptedCall&) {
      Piece started{.kind = Piece::Kind::kStarted, .id = "up", .model = "real"};
      return ScriptedAnswer{.pieces = {started},
                            .cut = Error{.code = Code::kInvalid, .message = "no", .upstream_status = 400}};
    };
    Answer answer = send("POST", client.path, client.body, client.headers);
    EXPECT_EQ(answer.status, 400) << client.path << answer.body;
    EXPECT_EQ(answer.header("content-type"), "application/json") << client.path;
  }
}

}  // namespace
}  // namespace perdure
