// Goal: a relayed stream whose supplier disappears, at whatever frame, is gone on with by another author as one stream
// that its client can read. Method: a supplier over HTTP in the client's own dialect is cut behind each of its frames,
// another one goes on, and a strict reader of the dialect puts together what came.

#include "gateway/relay.h"

#include "dialect/responses_upstream.h"
#include "gateway/testing/gateway_world.h"
#include "provider/http_provider.h"

namespace perdure {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kText = "one two three four";

// Answers the first request with frames up to a cut, and refuses all others.
class CutSupplier final : public HttpHandler {
 public:
  explicit CutSupplier(Loop& loop) : loop_(loop) {}
  Task<void> handle(HttpRequest&, HttpReply& reply) override {
    if (asked++ > 0) {
      (void)co_await reply.send(503, "application/json", R"({"error":{"message":"gone"}})");
      co_return;
    }
    Result<void> written = co_await reply.begin(200, "text/event-stream");
    for (size_t i = 0; i < cut; ++i) {
      written = co_await reply.write(frames[i]);
      co_await sleep_for(loop_, together ? 0ms : 5ms);
    }
    co_await sleep_for(loop_, 50ms);  // a reset may overtake what is still on its way
    reply.abort();
  }
  std::string refuse(const HttpRequest&, int, std::string_view) override { return "{}"; }

  std::vector<std::string> frames;
  size_t cut = 0, asked = 0;
  bool together = false;

 private:
  Loop& loop_;
};

std::string frame(const std::string& type, const std::string& fields) {
  return "event: " + type + "\ndata: {\"type\":\"" + type + "\"" + (fields.empty() ? "" : "," + fields) + "}\n\n";
}

std::vector<std::string> messages_frames() {
  auto at = [](int index, const std::string& rest) { return R"("index":)" + std::to_string(index) + "," + rest; };
  auto stop = [](int index) { return frame("content_block_stop", R"("index":)" + std::to_string(index)); };
  std::vector<std::string> out = {
      frame("message_start",
            R"("message":{"id":"msg_9","type":"message","role":"assistant","model":"m","content":[],"usage":{}})"),
      frame("ping", ""),
      frame("content_block_start", at(0, R"("content_block":{"type":"thinking","thinking":"","signature":""})")),
      frame("content_block_delta", at(0, R"("delta":{"type":"thinking_delta","thinking":"hm"})")),
      frame("content_block_delta", at(0, R"("delta":{"type":"signature_delta","signature":"c2ln"})")),
      stop(0),
      frame("content_block_start", at(1, R"("content_block":{"type":"redacted_thinking","data":"eA=="})")),
      stop(1),
      frame("content_block_start", at(2, R"("content_block":{"type":"text","text":""})"))};
  for (const char* word : {"one ", "two ", "three ", "four"})
    out.push_back(
        frame("content_block_delta", at(2, R"("delta":{"type":"text_delta","text":")" + std::string(word) + "\"}")));
  out.push_back(stop(2));
  return out;
}

std::vector<std::string> chat_frames() {
  auto chunk = [](const std::string& delta) {
    return R"(data: {"id":"chatcmpl-9","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":)" +
           delta + R"(,"finish_reason":null}]})" + "\n\n";
  };
  std::vector<std::string> out = {": hello\n\n", chunk(R"({"role":"assistant","content":""})"),
                                  chunk(R"({"reasoning_content":"hm"})")};
  for (const char* word : {"one ", "two ", "three ", "four"})
    out.push_back(chunk(R"({"content":")" + std::string(word) + "\"}"));
  return out;
}

std::vector<std::string> responses_frames() {
  std::vector<std::string> out;
  auto add = [&](const std::string& type, const std::string& fields) {
    out.push_back(frame("response." + type, R"("sequence_number":)" + std::to_string(out.size()) + "," + fields));
  };
  const std::string response = R"("response":{"id":"resp_9","object":"response","status":"in_progress","output":[]})";
  const std::string reasoning = R"("id":"rs_9","type":"reasoning","summary":[)",
                    message = R"("id":"msg_9","type":"message","role":"assistant","status":")",
                    part = R"("item_id":"msg_9","output_index":2,"content_index":0,)";
  add("created", response);
  add("in_progress", response);
  // One of which nothing is shown, one with a summary and a block.
  add("output_item.added", R"("output_index":0,"item":{"id":"rs_8","type":"reasoning","summary":[]})");
  add("output_item.done", R"("output_index":0,"item":{"id":"rs_8","type":"reasoning","summary":[]})");
  add("output_item.added", R"("output_index":1,"item":{)" + reasoning + "]}");
  const std::string summary = R"("item_id":"rs_9","output_index":1,"summary_index":0,)";
  add("reasoning_summary_part.added", summary + R"("part":{"type":"summary_text","text":""})");
  add("reasoning_summary_text.delta", summary + R"("delta":"hm")");
  add("reasoning_summary_text.done", summary + R"("text":"hm")");
  add("reasoning_summary_part.done", summary + R"("part":{"type":"summary_text","text":"hm"})");
  add("output_item.done", R"("output_index":1,"item":{)" + reasoning +
                              R"({"type":"summary_text","text":"hm"}],"encrypted_content":"RU5D"})");
  add("output_item.added", R"("output_index":2,"item":{)" + message + R"(in_progress","content":[]})");
  add("content_part.added", part + R"("part":{"type":"output_text","text":"","annotations":[]})");
  for (const char* word : {"one ", "two ", "three ", "four"})
    add("output_text.delta", part + R"("delta":")" + std::string(word) + "\"");
  add("output_text.done", part + R"("text":")" + kText + "\"");
  add("content_part.done", part + R"("part":{"type":"output_text","text":")" + kText + R"(","annotations":[]})");
  add("output_item.done", R"("output_index":2,"item":{)" + message +
                              R"(completed","content":[{"type":"output_text","text":")" + kText +
                              R"(","annotations":[]}]})");
  return out;
}

struct Read {
  std::string text;
  bool whole = false;
};

// Each reader fails the test where frames are out of order.
Read read_messages(const Answer& answer) {
  Read out;
  int64_t blocks = 0;
  bool open = false, begun = false;
  for (const std::string& data : answer.frames()) {
    json::Document document = *json::Document::parse(data);
    json::Value root = document.root();
    const std::string_view type = root["type"].text();
    EXPECT_FALSE(out.whole) << data;
    if (type == "message_start") {
      EXPECT_FALSE(begun) << "a second beginning";
      begun = true;
    } else if (type == "content_block_start") {
      EXPECT_TRUE(begun && !open && root["index"].integer() == blocks) << data;
      open = true;
    } else if (type == "content_block_delta") {
      EXPECT_TRUE(open && root["index"].integer() == blocks) << data;
      out.text += root["delta"]["text"].text();
    } else if (type == "content_block_stop") {
      EXPECT_TRUE(open && root["index"].integer() == blocks) << data;
      open = false;
      ++blocks;
    } else if (type == "message_stop") {
      EXPECT_FALSE(open) << data;
      out.whole = true;
    }
  }
  return out;
}

Read read_chat(const Answer& answer) {
  Read out;
  int roles = 0;
  for (const std::string& data : answer.frames()) {
    EXPECT_FALSE(out.whole) << data;
    if (data == "[DONE]") {
      out.whole = true;
      continue;
    }
    json::Document document = *json::Document::parse(data);
    json::Value delta = document.root()["choices"].at(0)["delta"];
    roles += !delta["role"].absent();
    out.text += delta["content"].text();
  }
  EXPECT_EQ(roles, 1);
  return out;
}

Read read_responses(const Answer& answer) {
  struct Item {
    std::string id;
    bool ended = false, part_open = false;
    int64_t parts = 0;
    std::string text;
  };
  Read out;
  std::vector<Item> items;
  std::string id;
  int64_t number = 0;
  for (const std::string& data : answer.frames()) {
    if (data == "[DONE]") continue;
    json::Document document = *json::Document::parse(data);
    json::Value root = document.root();
    const std::string type(root["type"].text());
    EXPECT_EQ(root["sequence_number"].integer(), number++) << data;
    EXPECT_EQ(type == "response.created", number == 1) << data;
    if (number == 1) id = root["response"]["id"].text();
    if (type == "response.output_item.added") {
      EXPECT_TRUE(items.empty() || items.back().ended) << data;
      EXPECT_EQ(root["output_index"].integer(), static_cast<int64_t>(items.size())) << data;
      items.push_back({.id = std::string(root["item"]["id"].text())});
      continue;
    }
    if (type == "response.completed" || type == "response.incomplete") {
      out.whole = type == "response.completed";
      json::Value output = root["response"]["output"];
      EXPECT_EQ(root["response"]["id"].text(), id);
      EXPECT_EQ(output.size(), items.size()) << data;
      for (size_t i = 0; i < std::min(output.size(), items.size()); ++i) {
        EXPECT_TRUE(items[i].ended) << data;
        EXPECT_EQ(output.at(i)["id"].text(), items[i].id) << data;
        if (output.at(i)["type"].text() != "message") continue;
        std::string text;
        for (json::Value part : output.at(i)["content"].elements()) text += part["text"].text();
        EXPECT_EQ(text, items[i].text);
        out.text += text;
      }
      continue;
    }
    if (root["output_index"].absent()) continue;
    EXPECT_EQ(root["output_index"].integer(), static_cast<int64_t>(items.size()) - 1) << data;
    if (items.empty()) break;
    Item& item = items.back();
    EXPECT_FALSE(item.ended) << data;
    if (type == "response.output_item.done") {
      EXPECT_FALSE(item.part_open) << data;
      EXPECT_EQ(root["item"]["id"].text(), item.id);
      item.ended = true;
      continue;
    }
    EXPECT_EQ(root["item_id"].text(), item.id) << data;
    if (type.ends_with("_part.added")) {
      EXPECT_FALSE(item.part_open) << data;
      item.part_open = true;
      ++item.parts;
    } else {
      EXPECT_TRUE(item.part_open) << data;
      const bool summary = !root["summary_index"].absent();
      EXPECT_EQ(root[summary ? "summary_index" : "content_index"].integer(), item.parts - 1) << data;
      if (type.ends_with("_part.done")) item.part_open = false;
      if (type == "response.output_text.delta") item.text += root["delta"].text();
    }
  }
  return out;
}

class Relayed : public GatewayWorld {
 public:
  CutSupplier cut{loop};
  std::unique_ptr<HttpServer> cut_server;
  std::unique_ptr<HttpClient> cut_client;
  std::unique_ptr<Credential> credential = header_credential("authorization", "Bearer ", "key");
  std::vector<std::unique_ptr<Provider>> providers;
  SlotBook slots;

  void SetUp() override {
    Result<std::unique_ptr<Listener>> listener = there.listen({"", 81}, nullptr, false);
    ASSERT_TRUE(listener.ok());
    cut_server = std::make_unique<HttpServer>(loop, *std::move(listener), cut, HttpServerLimits{}, Log());
    cut_server->start();
    cut_client = std::make_unique<HttpClient>(loop, here, ProxyRules{});
    supplier.script = [](const ScriptedCall& call) {
      // It goes on behind what it was given, or begins.
      std::vector<Piece> pieces{{.kind = Piece::Kind::kStarted, .id = "other", .model = "m"}};
      EXPECT_TRUE(kText.starts_with(call.held)) << call.held;
      for (Piece& piece : text_pieces(kText.substr(call.held.size()))) pieces.push_back(std::move(piece));
      pieces.push_back(finish_piece());
      return ScriptedAnswer{.pieces = std::move(pieces)};
    };
    GatewayWorld::SetUp();
  }
  void TearDown() override {
    GatewayWorld::TearDown();
    cut_client->close_idle();
    loop.run(cut_server->stop(deadline_in(loop, 1s)));
  }

  // The name of a model that is served by the one that is cut, and then by the other. Each time it is deployed anew,
  // since failures are remembered.
  std::string deploy(std::unique_ptr<UpstreamDialect> dialect) {
    std::string model = "r" + std::to_string(providers.size());
    providers.push_back(http_provider(
        {.name = "cut", .issuer = {}, .base_url = *parse_url("http://host:81/v1"), .ca_file = {}, .headers = {}},
        std::move(dialect), *credential, *cut_client));
    cut.asked = 0;
    std::vector<Deployment> deployments{Deployment::simple(model, *providers.back()),
                                        Deployment::simple(model, supplier)};
    deployments[1].priority = 1;
    router.reload(std::move(deployments), {}, {}, slots);
    return model;
  }
  // In `body` the model is "r".
  Answer ask(std::unique_ptr<UpstreamDialect> dialect, const std::string& path, std::string body) {
    body.replace(body.find("\"r\""), 3, "\"" + deploy(std::move(dialect)) + "\"");
    return send("POST", path, body, {{"anthropic-version", "2023-06-01"}});
  }
};

TEST_F(Relayed, T22_MessagesGoOnBehindEveryFrame) {
  cut.frames = messages_frames();
  for (cut.cut = 0; cut.cut <= cut.frames.size(); ++cut.cut) {
    SCOPED_TRACE(cut.cut);
    Answer answer = ask(messages_upstream(), "/v1/messages",
                        R"({"model":"r","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"x"}]})");
    Read read = read_messages(answer);
    EXPECT_EQ(read.text, kText) << answer.body;
    EXPECT_TRUE(read.whole) << answer.body;
  }
}

TEST_F(Relayed, T22_ChatGoesOnBehindEveryFrame) {
  cut.frames = chat_frames();
  for (cut.cut = 0; cut.cut <= cut.frames.size(); ++cut.cut) {
    SCOPED_TRACE(cut.cut);
    Answer answer = ask(chat_upstream({}), "/v1/chat/completions",
                        R"({"model":"r","stream":true,"messages":[{"role":"user","content":"x"}]})");
    Read read = read_chat(answer);
    EXPECT_EQ(read.text, kText) << answer.body;
    EXPECT_TRUE(read.whole) << answer.body;
  }
}

TEST_F(Relayed, T24_ResponsesGoOnBehindEveryFrame) {
  cut.frames = responses_frames();
  for (bool together : {false, true}) {
    cut.together = together;
    for (cut.cut = 0; cut.cut <= cut.frames.size(); ++cut.cut) {
      SCOPED_TRACE(cut.cut);
      Answer answer =
          ask(responses_upstream({}), "/v1/responses", R"({"model":"r","store":false,"stream":true,"input":"x"})");
      Read read = read_responses(answer);
      EXPECT_EQ(read.text, kText) << answer.body;
      EXPECT_TRUE(read.whole) << answer.body;
    }
  }
}

TEST_F(Relayed, T21_HalfACallAndAnEndWithoutItsLastFrameAreNotGoneOnWith) {
  const std::string call =
      R"(data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{"}}]}}]})"
      "\n\n";
  const std::string finish = R"(data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})"
                             "\n\n";
  for (const std::string& last : {call, finish}) {
    cut.frames = {chat_frames()[1], chat_frames()[3], last};
    cut.cut = 3;
    Answer answer = ask(chat_upstream({}), "/v1/chat/completions",
                        R"({"model":"r","stream":true,"messages":[{"role":"user","content":"x"}]})");
    EXPECT_THAT(answer.body, HasSubstr("The answer broke off")) << last;
    EXPECT_THAT(answer.body, Not(HasSubstr("[DONE]"))) << last;
  }
}

// Connections of clients that break behind so many bytes of what they are sent.
struct BreakBehind final : SimFaults {
  size_t bytes = SimDirection::kNever;
  SimConnection on_connect(const Address& to, const ConnectOptions&) override {
    SimConnection out;
    if (to.port == 80) out.to_connector.reset_after = bytes;
    return out;
  }
};

// Also under the very last bytes, where a write fails before anybody has heard that the client is gone.
TEST_F(Relayed, AConnectionMayBreakBehindEveryByteOfGoingOn) {
  cut.frames = chat_frames();
  cut.cut = 4;
  // What came, if all did.
  auto read = [](Relayed& world, std::string model) -> Task<std::optional<Answer>> {
    HttpCall call;
    call.method = "POST";
    call.url = {.tls = false, .address = {"host", 80}, .path = "/v1/chat/completions"};
    call.headers.set("Content-Type", "application/json");
    call.body = R"({"model":")" + model + R"(","stream":true,"messages":[{"role":"user","content":"x"}]})";
    Result<std::unique_ptr<HttpAnswer>> answer =
        co_await world.client->send(std::move(call), Deadline::never(), nullptr);
    if (!answer.ok()) co_return std::nullopt;
    Answer out;
    Result<bool> more = true;
    while (more.ok() && *more) more = co_await (*answer)->read(out.body, Deadline::never());
    if (!more.ok()) co_return std::nullopt;
    co_return out;
  };
  BreakBehind faults;
  cable.set_faults(&faults);
  for (faults.bytes = 0;; ++faults.bytes) {
    SCOPED_TRACE(faults.bytes);
    client->close_idle();
    const std::optional<Answer> all = loop.run(read(*this, deploy(chat_upstream({}))));
    ASSERT_EQ(metrics.relayed.value(), static_cast<int64_t>(faults.bytes) + 1) << "nothing was passed on";
    if (all) {
      EXPECT_EQ(read_chat(*all).text, kText);
      break;
    }
    ASSERT_LT(faults.bytes, 10'000u);
  }
  cable.set_faults(nullptr);
  EXPECT_GT(faults.bytes, 500u);
}

}  // namespace
}  // namespace perdure
