#include "prompts.h"

#include "simulate/scripted_model.h"

namespace perdure::sim {
namespace {

constexpr const char* kWords[] = {"harbour", "naïve",  "ledger", "copper",  "winter", "plainly", "seven", "öre",
                                  "carried", "across", "quiet",  "lantern", "日本",   "under",   "paper", "window"};
constexpr const char* kPlaces[] = {"Paris", "Rome", "Oslo", "Lima", "Cairo", "Quito"};

// No part of it repeats, so that every seam is unambiguous.
std::string unique_words(SeededRandom& random, uint64_t unique, uint64_t words_max) {
  std::string text;
  uint64_t words = 4 + random.below(words_max);
  for (uint64_t i = 0; i < words; ++i) {
    if (i > 0) text += ' ';
    text += kWords[random.below(std::size(kWords))];
    text += std::to_string(unique * 1000 + i);
  }
  return text;
}

}  // namespace

Prompt draw_prompt(const Setup& setup, SeededRandom& random, uint64_t unique) {
  Prompt out;
  const uint64_t kind = random.below(16);
  if (kind < 5) {
    uint64_t to = 5 + random.below(setup.words_max);
    out.kind = Prompt::Kind::kCount;
    out.text = "Count from 1 to " + std::to_string(to) + ".";
    for (uint64_t i = 1; i <= to; ++i) out.answer += (i > 1 ? ", " : "") + std::to_string(i);
  } else if (kind < 12) {
    out.answer = unique_words(random, unique, setup.words_max);
    out.text = "Say exactly: " + out.answer;
    out.thinks = random.below(3) == 0;
    if (out.thinks) out.text = (random.below(3) == 0 ? "Think in secret. " : "Think first. ") + out.text;
  } else {
    simulate::Prompt asked;
    if (kind < 14) {
      out.kind = Prompt::Kind::kJson;
      out.text = "Describe person " + std::to_string(unique) + ".";
      asked.format = simulate::Format::kJsonSchema;
      asked.schema = kPerson;
    } else {
      out.kind = Prompt::Kind::kTools;
      size_t first = random.below(std::size(kPlaces));
      out.text = "What is the weather in " + std::string(kPlaces[first]);
      if (random.below(2) == 0) out.text += " and " + std::string(kPlaces[(first + 1) % std::size(kPlaces)]);
      out.text += "?";
      asked.tools = {{"get_weather", std::string(kLocation)}};
    }
    asked.messages.push_back({.role = simulate::Role::kUser, .text = out.text, .calls = {}, .call_id = {}});
    simulate::Answer answer = simulate::answer(asked, setup.model_seed);
    out.answer = answer.text;
    for (const simulate::ToolCall& call : answer.calls) out.calls.emplace_back(call.name, call.arguments);
  }
  return out;
}

Prompt results_prompt(const OpenCalls& open, uint64_t unique) {
  Prompt out{.kind = Prompt::Kind::kResults, .text = {}, .answer = {}, .calls = {}};
  out.answer = open.ids.size() > 1 ? "The tools returned: " : "The tool returned: ";
  for (size_t i = 0; i < open.ids.size(); ++i)
    out.answer += (i > 0 ? "; " : "") + ("weather" + std::to_string(unique * 10 + i));
  out.answer += ".";
  return out;
}

Request request_of(const Prompt& prompt, const Identity& who, uint64_t errand, const OpenCalls& open) {
  Request request{.model = who.model};
  request.instructions = "This is errand " + std::to_string(errand) + ".";
  if (prompt.kind == Prompt::Kind::kResults) {
    std::string_view results = prompt.answer;
    for (const std::string& id : open.ids) {
      Item item{.kind = ItemKind::kFunctionCallOutput, .call_id = id};
      results.remove_prefix(results.find("weather"));
      item.output = results.substr(0, results.find_first_of(";."));
      results.remove_prefix(item.output.size());
      request.input.push_back(std::move(item));
    }
  } else {
    request.input.push_back(
        {.kind = ItemKind::kMessage, .content = {{.kind = PartKind::kInputText, .text = prompt.text}}});
  }
  if (prompt.kind == Prompt::Kind::kTools || prompt.kind == Prompt::Kind::kResults)
    request.tools.push_back(
        {.name = "get_weather", .description = "Looks it up.", .parameters = std::string(kLocation), .cache = {}});
  if (prompt.kind == Prompt::Kind::kJson) {
    request.format = {.kind = TextFormat::Kind::kJsonSchema, .name = "person"};
    request.format.schema = kPerson;
    request.format.strict = true;
  }
  if (prompt.thinks) request.reasoning_effort = "low";
  return request;
}

}  // namespace perdure::sim
