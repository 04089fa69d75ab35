// Goal: whatever conversation is to go on with Gemini, Google takes the request. Method: generated conversations of
// agents (parallel calls, outputs in any order, failures, images, blank texts, signatures of Gemini and of others) are
// written by the dialect and read by the simulated supplier, which shares no code with it and refuses what Google
// refuses: calls without outputs, turns that do not alternate, signatures that are missing or another's.

#include <gtest/gtest.h>

#include "base/random.h"
#include "dialect/gemini_upstream.h"
#include "simulate/gemini_request.h"

namespace perdure {
namespace {

constexpr uint64_t kSeeds = 3000;
constexpr std::string_view kPixel =
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5Er"
    "kJggg==";

class Conversation {
 public:
  Conversation(uint64_t seed, const simulate::Signer& signer) : random_(seed), signer_(signer) {
    context.push_back({.role = Role::kUser, .content = {{.text = "start"}}});
    const size_t turns = 1 + random_.below(6);
    for (size_t i = 0; i < turns; ++i) turn();
    request.lenient = chance(2);
    if (chance(2)) request.instructions = "be kind";
    if (chance(2)) tools();
    if (chance(3)) {
      request.format = {
          .kind = TextFormat::Kind::kJsonSchema,
          .name = "n",
          .schema =
              R"({"type":"object","properties":{"b":{"type":"string"},"a":{"$ref":"#/$defs/x"}},"required":["b","a"],"additionalProperties":false,"$defs":{"x":{"type":"integer"}}})"};
    }
    if (chance(2)) request.reasoning_effort = "low";
    if (chance(3)) request.reasoning_summary = "auto";
    if (chance(3)) request.stop = {"x"};
  }

  std::vector<Item> context;
  Request request{.model = "m"};
  bool chance(uint64_t one_in) { return random_.below(one_in) == 0; }

 private:
  std::string text() {
    constexpr std::string_view kTexts[] = {"hi", "", "  ", "\n", "Gr\xc3\xbc\xc3\x9f", R"(a "q" {})"};
    return std::string(kTexts[random_.below(std::size(kTexts))]);
  }

  Item signature(std::string_view made_for, bool ours) {
    Item out{.kind = ItemKind::kReasoning, .opaque = OpaqueKind::kSignature, .issuer = ours ? "google" : "another"};
    out.encrypted = ours ? signer_.seal(simulate::kThoughtPurpose, made_for) : "not base64!";
    if (!ours && chance(2)) out.summary = {{.kind = PartKind::kSummaryText, .text = "a thought"}};
    return out;
  }

  void say(std::string words) {
    context.push_back(
        {.role = Role::kAssistant, .content = {{.kind = PartKind::kOutputText, .text = std::move(words)}}});
  }

  void step() {
    if (chance(2)) say(text());
    if (!chance(3)) context.push_back(signature("f", chance(2)));
    std::vector<std::string> ids(1 + random_.below(3));
    for (std::string& id : ids) {
      id = "call_" + std::to_string(++calls_);
      constexpr std::string_view kArguments[] = {"{}", "", R"({"a":1.50})", "{bad"};
      context.push_back({.kind = ItemKind::kFunctionCall,
                         .call_id = id,
                         .name = "f",
                         .arguments = std::string(kArguments[random_.below(std::size(kArguments))])});
    }
    for (size_t i = 0; i < ids.size(); ++i) {
      std::swap(ids[i], ids[i + random_.below(ids.size() - i)]);
      output(ids[i]);
    }
  }

  void output(const std::string& id) {
    Item out{.kind = ItemKind::kFunctionCallOutput, .call_id = id, .tool_failed = chance(5)};
    if (chance(4)) {
      out.output_is_text = false;
      out.content = {{.text = text()}};
      if (chance(2)) out.content.push_back({.kind = PartKind::kInputImage, .url = std::string(kPixel)});
      if (chance(3)) out.content.push_back({.kind = PartKind::kInputImage, .url = "https://x/y.png"});
    } else {
      out.output = text();
    }
    context.push_back(std::move(out));
  }

  void turn() {
    const size_t steps = random_.below(4);
    for (size_t i = 0; i < steps; ++i) step();
    if (!chance(3)) {
      say(text());
      if (chance(2)) context.push_back(signature("", chance(2)));
    }
    if (chance(4)) context.push_back({.role = Role::kDeveloper, .content = {{.text = "by the way"}}});
    context.push_back({.role = Role::kUser, .content = {{.text = text()}, {.text = "go on"}}});
  }

  void tools() {
    constexpr std::string_view kSchemas[] = {
        R"({"type":"object","properties":{"a":{"type":["number","null"],"exclusiveMinimum":0}},"additionalProperties":false})",
        R"({"type":"object","properties":{"a":{"anyOf":[{"type":"string"},{"type":"null"}]}},"required":["a"]})"};
    request.tools = {{.name = "f", .parameters = std::string(kSchemas[random_.below(2)]), .strict = chance(2)},
                     {.name = "g"}};
    using Mode = ToolChoice::Mode;
    constexpr Mode kModes[] = {Mode::kAuto, Mode::kNone, Mode::kRequired, Mode::kFunction, Mode::kAllowed};
    request.tool_choice.mode = kModes[random_.below(std::size(kModes))];
    if (request.tool_choice.mode == Mode::kFunction) request.tool_choice.function = "g";
    if (request.tool_choice.mode == Mode::kAllowed) request.tool_choice.allowed = {"f"};
  }

  SeededRandom random_;
  const simulate::Signer& signer_;
  int calls_ = 0;
};

// What the supplier understood of a tool's output: blank and empty texts included.
std::vector<std::string> outputs_of(const simulate::GeminiRequest& read) {
  std::vector<std::string> out;
  for (const simulate::Message& message : read.messages)
    if (message.role == simulate::Role::kTool) out.push_back(message.text);
  return out;
}

TEST(GeminiConversations, GoogleTakesThemAll) {
  const simulate::Signer signer(1, "account");
  size_t outputs = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Conversation conversation(seed, signer);
    UpstreamAsk ask{.request = conversation.request,
                    .context = conversation.context,
                    .model = conversation.chance(2) ? "gemini-3-pro" : "gemini-3-flash",
                    .issuer = "google"};
    if (conversation.chance(4)) ask.held = "so far";
    if (!ask.held.empty() && conversation.chance(2)) ask.ask = "go on";
    const auto message = gemini_upstream({.vertex = conversation.chance(2), .variant = {}})->write(ask);
    ASSERT_TRUE(message.ok()) << seed << ": " << message.error().param << ": " << message.error().message;
    EXPECT_TRUE(message->dropped.empty()) << seed;
    const auto read = simulate::parse_gemini_request(message->body, ask.model, signer);
    ASSERT_TRUE(read.ok()) << seed << ": " << read.error().message << "\n" << message->body;
    // Calls in order, each with the output that was given for it.
    std::vector<std::string> expected;
    for (const Item& call : conversation.context) {
      if (call.kind != ItemKind::kFunctionCall) continue;
      for (const Item& item : conversation.context) {
        if (item.kind != ItemKind::kFunctionCallOutput || item.call_id != call.call_id) continue;
        expected.push_back(item.output_is_text ? item.output : item.content[0].text);
      }
    }
    EXPECT_EQ(outputs_of(*read), expected) << seed;
    outputs += expected.size();
  }
  EXPECT_GT(outputs, kSeeds);
}

}  // namespace
}  // namespace perdure
