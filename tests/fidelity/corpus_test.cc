// Goal: what a client said arrives, at whichever supplier, or is refused by name. Method: conversations drawn by a seed
// are written by each dialect and read by its simulated supplier, which shares no parser with it and refuses what the
// service refuses. What was read, put back into canonical form, is what was written: but for the fields that a lenient
// request was told of, and for the rules that a dialect lives by, which are written down here a second time.

#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <set>

#include "corpus.h"
#include "deployments.h"
#include "dialect/tool_ids.h"
#include "said.h"
#include "settings.h"
#include "wire/json.h"

namespace perdure::fidelity {
namespace {

constexpr uint64_t kTalks = 2000;

struct Written {
  UpstreamMessage message;
  Request request;            // without what was left out
  std::vector<Item> context;  // likewise
};

Result<Written> write(const Deployment& at, const Talk& talk, const Request& request,
                      const std::vector<Item>& context) {
  UpstreamAsk ask{.request = request, .context = context, .model = at.model, .issuer = std::string(kOurs)};
  ask.held = talk.held;
  ask.ask = talk.ask;
  ask.max_output_tokens = request.max_output_tokens;
  TRY(UpstreamMessage message, upstream_of(at.dialect)->write(ask));
  return Written{std::move(message), request, context};
}

// Whether another wish for the end of a conversation can be told from the dialect: an answer's beginning.
bool goes_on(const Deployment& at, const Talk& talk) {
  if (talk.held.empty() || !talk.ask.empty()) return true;
  return at.prefill && at.dialect != Dialect::kChat && at.dialect != Dialect::kResponses;
}

TEST(Corpus, WhatWasSaidArrivesOrIsRefusedByName) {
  const simulate::Signer signer(1, "account");
  size_t cases = 0, refused = 0, lost = 0;
  std::map<std::string, std::map<std::string, size_t>> fields;  // by dialect
  for (uint64_t seed = 1; seed <= kTalks; ++seed) {
    const Talk talk = make_talk(seed);
    for (Dialect dialect : kDialects) {
      const Deployment at = deployment_of(dialect, seed);
      SCOPED_TRACE(std::string(name_of(dialect)) + " " + at.model + " seed " + std::to_string(seed));
      if (!goes_on(at, talk)) continue;
      Request request = talk.request;
      request.input = sealed_for(dialect, talk.request.input, signer);
      ++cases;
      auto written = write(at, talk, request, request.input);
      // What cannot be gone on with as it is will be asked for in words.
      if (!written.ok() && !talk.held.empty() && talk.ask.empty()) continue;
      if (!written.ok()) {
        // Nothing else than a field without a place may be refused, by its name; a lenient request gets through.
        ASSERT_FALSE(request.lenient) << written.error().param << ": " << written.error().message;
        ASSERT_EQ(written.error().reason, "unsupported_parameter") << written.error().message;
        ++refused;
        request.lenient = true;
        auto lenient = write(at, talk, request, request.input);
        ASSERT_TRUE(lenient.ok()) << lenient.error().message;
        const auto& dropped = lenient->message.dropped;
        // Of a forced call and reasoning, which Claude does not do at once, it is the reasoning that gives way.
        const bool gives_way =
            written.error().param == "tool_choice" && std::ranges::any_of(dropped, [](const std::string& field) {
              return field == "reasoning.effort" || field == "thinking.budget_tokens";
            });
        ASSERT_TRUE(gives_way || std::ranges::count(dropped, written.error().param) == 1) << written.error().param;
        written = std::move(lenient);
      } else if (!request.lenient) {
        ASSERT_TRUE(written->message.dropped.empty());
      }
      Request kept = request;
      std::vector<Item> context = request.input;
      for (const std::string& field : written->message.dropped) {
        ASSERT_TRUE(take_away(dialect, field, kept, context)) << field;
        ++fields[std::string(name_of(dialect))][field.substr(0, field.find('['))];
        ++lost;
      }
      auto prompt = read_by_supplier(at, written->message.body, signer);
      ASSERT_TRUE(prompt.ok()) << prompt.error().param << ": " << prompt.error().message << "\n"
                               << written->message.body;
      const Said expected = expected_lines(at, kept, context, talk.held, talk.ask), heard = heard_lines(*prompt);
      const std::vector<std::string>& ids = heard.ids;
      ASSERT_EQ(heard.lines, expected.lines) << written->message.body;
      ASSERT_EQ(heard_settings(at, kept, *prompt), expected_settings(at, kept, !ids.empty())) << written->message.body;
      // Ids that were changed on the way lead back.
      ASSERT_EQ(ids.size(), expected.ids.size());
      const std::set<std::string> known(expected.ids.begin(), expected.ids.end());
      const std::vector<std::string> known_list(known.begin(), known.end());
      for (size_t i = 0; i < ids.size() && (dialect == Dialect::kMessages || dialect == Dialect::kConverse); ++i) {
        const auto back =
            client_tool_id(ids[i], dialect == Dialect::kMessages ? kMessagesToolIds : kConverseToolIds, known_list);
        if (!back) continue;  // of a use of an id that was used before: told by its place
        ASSERT_TRUE(*back == expected.ids[i] || back->starts_with(expected.ids[i] + "~")) << ids[i];
      }
    }
  }
  std::printf("corpus: %zu cases, %zu refused by name and then left out, %zu fields left out\n", cases, refused, lost);
  for (const auto& [dialect, names] : fields) {
    std::printf("corpus: %s has no place for:", dialect.c_str());
    for (const auto& [field, count] : names) std::printf(" %s (%zu)", field.c_str(), count);
    std::printf("\n");
  }
  EXPECT_GT(cases, 5000u);
}

// T32: what was sent once is sent the same in every later request, so that the supplier's cache of prompts holds, also
// when the system speaks amid the conversation.
TEST(Corpus, T32_HistoryIsNeverWrittenOtherwise) {
  const simulate::Signer signer(1, "account");
  size_t compared = 0;
  for (uint64_t seed = 1; seed <= kTalks; ++seed) {
    const Talk talk = make_talk(seed);
    for (Dialect dialect : kDialects) {
      const Deployment at = deployment_of(dialect, seed);
      SCOPED_TRACE(std::string(name_of(dialect)) + " " + at.model + " seed " + std::to_string(seed));
      Request request = talk.request;
      request.lenient = true;
      const std::vector<Item> whole = sealed_for(dialect, talk.request.input, signer);
      std::string before;
      for (size_t rest : talk.rests) {
        request.input.assign(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(rest));
        Talk shorter;
        auto written = write(at, shorter, request, request.input);
        ASSERT_TRUE(written.ok()) << written.error().message;
        auto document = json::Document::parse(written->message.body);
        ASSERT_TRUE(document.ok());
        const json::Value root = document->root();
        std::string now;
        for (const char* name : {"messages", "input", "contents"}) now += root[name].raw();
        while (!now.empty() && (now.back() == ']' || now.back() == '}')) now.pop_back();
        // Tools and the system's words stand before the conversation in every cache.
        std::string front(root["system"].raw());
        front.append(root["systemInstruction"].raw()).append(root["instructions"].raw());
        // Where no tool is to be called, or none is given, what stands in their place follows from the history.
        const bool none = request.tools.empty() || request.tool_choice.mode == ToolChoice::Mode::kNone;
        if (!none) front.append(root["tools"].raw()).append(root["toolConfig"]["tools"].raw());
        now = front + now;
        ASSERT_TRUE(now.starts_with(before)) << before << "\n" << now;
        compared += !before.empty();
        before = now;
      }
    }
  }
  std::printf("corpus: %zu requests begin with the bytes of the one before\n", compared);
  EXPECT_GT(compared, 5000u);
}

}  // namespace
}  // namespace perdure::fidelity
