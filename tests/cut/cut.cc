// perdure_cut: an answer cut at every token, over every ordered pair of upstream dialects, by prefill and in words,
// seen in every client dialect, equals the uncut answer. Virtual time, the real generation, provider, dialect and http
// code, two simulated suppliers.
//
//   every pair     text, reasoning, code, a JSON schema, tool calls, a stop sequence, a limit of tokens
//   every seam     what a second supplier does that is asked in words to go on
//   every ending   a stream that ends too early, says an error, breaks its own format or falls silent
//   twice          the second supplier breaks off too
//
//   perdure_cut                    everything; the last line sums up, the exit code says whether it holds
//   perdure_cut --pair chat,chat   one pair
//   perdure_cut --scenario tools   one kind of answer
//   perdure_cut --verbose          each difference in full
//   perdure_cut --plant NAME       with a planted bug (double-overlap, lost-remainder) that must be noticed
#include <cstdio>
#include <cstring>
#include <map>
#include <set>

#include "async/sim_loop.h"
#include "base/planted.h"
#include "dialect/chat_render.h"
#include "dialect/chat_upstream.h"
#include "dialect/converse_upstream.h"
#include "dialect/gemini_upstream.h"
#include "dialect/messages_render.h"
#include "dialect/messages_upstream.h"
#include "dialect/responses_render.h"
#include "dialect/responses_upstream.h"
#include "extract.h"
#include "generation/generation.h"
#include "generation/language.h"
#include "generation/structured.h"
#include "generation/testing/record_sink.h"
#include "http/sim_network.h"
#include "provider/http_provider.h"
#include "simulate/supplier.h"

namespace perdure::cut {
namespace {

using namespace std::chrono_literals;

constexpr const char* kDialects[] = {"chat", "responses", "messages", "gemini", "converse"};
constexpr int kPorts[] = {9001, 9002};

std::unique_ptr<UpstreamDialect> dialect_named(std::string_view name) {
  if (name == "responses") return responses_upstream();
  if (name == "messages") return messages_upstream(MessagesVariant{.structured_output = true});
  if (name == "gemini") return gemini_upstream();
  if (name == "converse") return converse_upstream();
  ChatVariant variant;
  variant.prefill = ChatPrefill::kPlain;
  return chat_upstream(variant);
}

std::string base_of(std::string_view dialect, int port) {
  std::string base = "http://supplier:" + std::to_string(port);
  if (dialect == "gemini") return base + "/v1beta";
  if (dialect == "converse") return base;
  return base + "/v1";
}

std::unique_ptr<Credential> credential_for(std::string_view dialect) {
  if (dialect == "messages") return header_credential("x-api-key", "", "any");
  if (dialect == "gemini") return header_credential("x-goog-api-key", "", "any");
  return header_credential("Authorization", "Bearer ", "any");
}

struct Scenario {
  const char* name;
  Request request;
  bool reasoning = false;
  // What an answer that repeats words on its way cannot promise: a limit counts them too.
  bool exact_only = false;
  bool no_responses = false;  // it has a field that the Responses API has no word for
};

struct CutPlan {
  const Scenario* scenario = nullptr;
  std::string first, second;  // dialects
  bool prefill = false;
  simulate::Continuation seam = simulate::Continuation::kExact;
  int64_t cut = -1;  // tokens of the first supplier's answer; -1: uncut
  std::string fault = "cut-after-tokens";
  int64_t second_cut = -1;  // of the second's; -1: whole
};

// Everything that one client saw, and how it ended.
struct Outcome {
  std::optional<ResponseEnded> ended;
  std::vector<AttemptStarted> started;
  std::vector<AttemptEnded> attempts;
  std::vector<std::pair<ItemKind, std::string>> items;  // with what they hold
  std::map<std::string, Shown> shown;                   // by client dialect
  std::string problem;
};

class ClientsSink final : public RecordSink {
 public:
  ClientsSink(Loop& loop, Outcome& out, const Request& request) : RecordSink(loop), out_(out) {
    streams_["responses"] = std::make_unique<EventRenderer>();
    streams_["chat"] = std::make_unique<ChatStream>();
    streams_["messages"] = std::make_unique<MessagesStream>();
    add({.body = ResponseCreated{.id = ResponseId("resp_cut"), .request = request, .key = {}}});
  }
  void take(const Record& record) override {
    if (const auto* started = std::get_if<AttemptStarted>(&record.body)) out_.started.push_back(*started);
    if (const auto* ended = std::get_if<AttemptEnded>(&record.body)) out_.attempts.push_back(*ended);
    for (auto& [dialect, stream] : streams_) {
      std::vector<RenderedEvent> events;
      if (Result<void> added = stream->add(record, events); !added.ok()) out_.problem = added.error().message;
      for (const RenderedEvent& event : events) {
        if (event.sequence_number != next_[dialect]++) out_.problem = dialect + ": a gap in the numbers";
        frames_[dialect].push_back(event.data);
      }
    }
  }
  void finish() {
    for (auto& [dialect, frames] : frames_) out_.shown[dialect] = extract(dialect, frames);
    for (const Item& item : streams_["responses"]->response().output()) {
      std::string held = item.name + item.arguments;
      for (const Part& part : item.content) held += part.text;
      for (const Part& part : item.summary) held += part.text;
      out_.items.emplace_back(item.kind, std::move(held));
    }
  }

 private:
  Outcome& out_;
  std::map<std::string, std::unique_ptr<ClientStream>> streams_;
  std::map<std::string, std::vector<std::string>> frames_;
  std::map<std::string, uint64_t> next_;
};

Outcome run(const CutPlan& plan) {
  Outcome out;
  SimLoop loop(7);
  SimCable cable(loop, 7);
  SimNetwork supplier_network(cable), network(cable);
  HttpClient client(loop, network, ProxyRules{});
  std::vector<std::unique_ptr<simulate::SimulatedSupplier>> suppliers;
  std::vector<std::unique_ptr<HttpServer>> servers;
  std::vector<std::unique_ptr<Credential>> credentials;
  std::vector<std::unique_ptr<Provider>> providers;
  std::vector<Deployment> deployments;
  const std::string dialects[] = {plan.first, plan.second};
  for (int i = 0; i < 2; ++i) {
    simulate::SupplierOptions options;
    options.seed = 11;  // both are the same model
    options.model = "*";
    options.tokens_per_second = 200;
    options.reasoning = plan.scenario->reasoning;
    options.prefill = plan.prefill;
    if (i == 1) options.continuation = plan.seam;
    options.account = "account-" + std::to_string(i);
    if (i == 0 && plan.cut >= 0)
      options.faults = *simulate::parse_faults("times=1:" + plan.fault + "=" + std::to_string(plan.cut));
    if (i == 1 && plan.cut >= 0 && plan.second_cut >= 0)
      options.faults = *simulate::parse_faults("times=1:cut-after-tokens=" + std::to_string(plan.second_cut));
    suppliers.push_back(std::make_unique<simulate::SimulatedSupplier>(loop, options, Log()));
    Result<std::unique_ptr<Listener>> listener = supplier_network.listen({"127.0.0.1", kPorts[i]}, nullptr, false);
    CHECK(listener.ok(), "a supplier's port");
    servers.push_back(
        std::make_unique<HttpServer>(loop, std::move(*listener), *suppliers[i], HttpServerLimits{}, Log()));
    servers.back()->start();
    credentials.push_back(credential_for(dialects[i]));
    HttpProviderOptions provider{.name = "supplier-" + std::to_string(i)};
    provider.base_url = *parse_url(base_of(dialects[i], kPorts[i]));
    providers.push_back(http_provider(std::move(provider), dialect_named(dialects[i]), *credentials.back(), client));
    Deployment deployment = Deployment::simple("m", *providers[i], "simulated-1");
    deployment.name = "m@" + std::to_string(i);
    deployment.priority = i;
    deployment.capabilities[Capability::kPrefill] = plan.prefill ? Known::kYes : Known::kNo;
    deployments.push_back(std::move(deployment));
  }
  {
    Router router(loop, std::move(deployments));
    Cancellation cancel(loop);
    bool halt = false;
    ClientsSink sink(loop, out, plan.scenario->request);
    GenerationInput input{.request = &plan.scenario->request};
    input.context = plan.scenario->request.input;
    GenerationLimits limits;
    out.ended = loop.run(generate(std::move(input), router, sink, loop, {cancel, halt}, limits, {}));
    if (out.ended) sink.add({.body = *out.ended});
    sink.finish();
  }
  for (auto& server : servers) loop.run(server->stop({loop.now()}));
  network.reset_all();
  return out;
}

Item user(std::string text) {
  Item item{.kind = ItemKind::kMessage, .id = "msg_1", .role = Role::kUser};
  item.content.push_back({.kind = PartKind::kInputText, .text = std::move(text)});
  return item;
}

std::vector<Scenario> scenarios() {
  std::vector<Scenario> out;
  const char* text =
      "Say exactly: The first supplier began this sentence, naïve as it was; a second one — unlike it in every way — "
      "ended it. Nobody could see where: not in \"quotes\", not at 3.14159, nor here.";
  Request plain{.model = "m"};
  plain.input = {user(text)};
  out.push_back({.name = "text", .request = plain});
  out.push_back({.name = "reasoning", .request = plain, .reasoning = true});
  Request code{.model = "m"};
  code.input = {
      user("Say exactly: Look:\n```python\ndef area(r):\n    return 3.14 * r * r\n\nprint(area(2))\n```\nDone.")};
  out.push_back({.name = "code", .request = code});
  Request json{.model = "m"};
  json.input = {user("Describe a person.")};
  json.format = {.kind = TextFormat::Kind::kJsonSchema, .name = "person"};
  json.format.schema =
      R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"},"tags":{"type":"array","items":{"type":"string"}}},"required":["name","age","tags"],"additionalProperties":false})";
  json.format.strict = true;
  out.push_back({.name = "structured", .request = json});
  Request tools{.model = "m"};
  tools.input = {user("What's the weather like in San Francisco?")};
  for (const char* name : {"get_weather", "get_time"}) {
    Tool tool{.name = name, .description = "Looks it up."};
    tool.parameters =
        R"({"type":"object","properties":{"location":{"type":"string"}},"required":["location"],"additionalProperties":false})";
    tools.tools.push_back(std::move(tool));
  }
  out.push_back({.name = "tools", .request = tools});
  Request stop = plain;
  stop.stop = {"Nobody", "never"};
  out.push_back({.name = "stop", .request = stop, .exact_only = true, .no_responses = true});
  Request limit = plain;
  limit.max_output_tokens = 30;
  out.push_back({.name = "limit", .request = limit, .exact_only = true});
  return out;
}

std::string without_space(std::string_view text) {
  std::string out;
  for (char c : text)
    if (c != ' ' && c != '\n') out += c;
  return out;
}

struct Count {
  int64_t answers = 0, differ = 0, gone_on = 0, doubtful = 0;
};

std::string without_fences(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    if (!text.substr(at, end - at).starts_with("```")) out.append(text.substr(at, end - at)).append("\n");
    at = end + 1;
  }
  return out;
}

// What no reader of the text alone could know to be wrong: white space right at a seam, a fence on a line of its own,
// other words in a language that the conversation was too short to have.
bool nobody_could_know(const CutPlan& plan, const std::string& got, const std::string& want) {
  using simulate::Continuation;
  bool any = plan.seam == Continuation::kRandom;
  if ((any || plan.seam == Continuation::kWhitespace) && without_space(got) == without_space(want)) return true;
  if ((any || plan.seam == Continuation::kFence) && without_fences(got) == without_fences(want)) return true;
  if (!any && plan.seam != Continuation::kLanguage) return false;
  size_t same = 0;
  while (same < got.size() && same < want.size() && got[same] == want[same]) ++same;
  const Request& request = plan.scenario->request;
  if (request.format.kind != TextFormat::Kind::kText) return keeps_to(got, request.format.schema);
  return language_of(want.substr(0, same)) == Language::kUnknown &&
         language_of(request.input[0].content[0].text) == Language::kUnknown;
}

// Compares a cut answer with the uncut one. Empty: equal, or what its kind of seam promises. The word at its end is
// that of whoever ended it: some suppliers say that a stop sequence was met, others only that it is the end. So it is
// compared with `second`, what the second supplier says when it is asked alone.
std::string compare(const CutPlan& plan, const Outcome& whole, const Outcome& second, const Outcome& cut,
                    Count& count) {
  const Outcome& ended_by = cut.attempts.size() > 1 ? second : whole;
  if (!cut.problem.empty()) return cut.problem;
  if (!cut.ended) return "no ending";
  if (cut.ended->status != whole.ended->status)
    return "ended " + std::string(name_of(cut.ended->status)) + " " + cut.ended->incomplete_reason +
           cut.ended->error_message;
  for (const auto& [dialect, shown] : whole.shown) {
    const Shown& got = cut.shown.at(dialect);
    if (got.text != shown.text && !nobody_could_know(plan, got.text, shown.text))
      return dialect + " text:\n  got  " + got.text + "\n  want " + shown.text;
    if (got.text != shown.text && dialect == "chat") ++count.doubtful;
    if (got.calls != shown.calls) return dialect + " calls: got " + got.calls + ", want " + shown.calls;
    if (!shown.reasoning.starts_with(got.reasoning) && !got.reasoning.starts_with(shown.reasoning))
      return dialect + " reasoning: got " + got.reasoning + ", want " + shown.reasoning;
    const std::string& finish = ended_by.shown.at(dialect).finish;
    if (got.finish != finish) return dialect + " finish: got " + got.finish + ", want " + finish;
  }
  return {};
}

}  // namespace
}  // namespace perdure::cut

int main(int argc, char** argv) {
  using namespace perdure;
  using namespace perdure::cut;
  std::string only_pair, only_scenario;
  std::string plants;
  bool verbose = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--pair") == 0 && i + 1 < argc)
      only_pair = argv[++i];
    else if (std::strcmp(argv[i], "--scenario") == 0 && i + 1 < argc)
      only_scenario = argv[++i];
    else if (std::strcmp(argv[i], "--plant") == 0 && i + 1 < argc)
      plants = argv[++i];
    else if (std::strcmp(argv[i], "--verbose") == 0)
      verbose = true;
    else
      return std::fprintf(stderr, "cut: unknown option %s\n", argv[i]), 2;
  }
#if defined(PERDURE_PLANTED_BUGS)
  if (!plants.empty() && !plant(plants)) return std::fprintf(stderr, "cut: no such bug: %s\n", plants.c_str()), 2;
#else
  if (!plants.empty()) return std::fprintf(stderr, "cut: this build has no planted bugs\n"), 2;
#endif
  const std::vector<Scenario> all = scenarios();
  Count total;
  auto cut_everywhere = [&](CutPlan plan, const std::string& label) {
    if (!plants.empty() && total.differ > 0) return;  // it was noticed
    Count count;
    plan.cut = -1;
    Outcome whole = run(plan);
    bool limited = plan.scenario->request.max_output_tokens.has_value();
    ResponseStatus wanted = limited ? ResponseStatus::kIncomplete : ResponseStatus::kCompleted;
    if (!whole.ended || whole.ended->status != wanted || !whole.problem.empty()) {
      std::printf("%-44s the uncut answer failed: %s %s\n", label.c_str(), whole.problem.c_str(),
                  whole.ended ? whole.ended->error_message.c_str() : "");
      ++total.differ, ++total.answers;
      return;
    }
    Outcome second = plan.first == plan.second
                         ? whole
                         : run({.scenario = plan.scenario, .first = plan.second, .second = plan.second});
    for (plan.cut = 0;; ++plan.cut) {
      // OpenAI's Responses take no limit that is lower; what is left then is not enough.
      if (limited && plan.second == "responses" && *plan.scenario->request.max_output_tokens - plan.cut < 16) break;
      Outcome cut = run(plan);
      ++count.answers;
      bool was_cut = !cut.attempts.empty() && cut.attempts[0].outcome != "completed";
      count.gone_on += was_cut;
      std::string difference = compare(plan, whole, second, cut, count);
      if (!difference.empty()) {
        ++count.differ;
        if (plants.empty() ? verbose || count.differ == 1 : verbose)
          std::printf("  %s, cut after %lld tokens: %s\n", label.c_str(), static_cast<long long>(plan.cut),
                      difference.c_str());
      }
      if (!was_cut || plan.cut > 500) break;
    }
    if (plants.empty() || verbose)
      std::printf("%-44s %4lld cuts, %lld differ%s\n", label.c_str(), static_cast<long long>(count.gone_on),
                  static_cast<long long>(count.differ), count.doubtful > 0 ? ", some as nobody could know" : "");
    std::fflush(stdout);
    total.answers += count.gone_on, total.differ += count.differ, total.doubtful += count.doubtful;
  };
  for (const char* first : kDialects)
    for (const char* second : kDialects) {
      if (!only_pair.empty() && only_pair != std::string(first) + "," + second) continue;
      for (const Scenario& scenario : all) {
        if (!only_scenario.empty() && only_scenario != scenario.name) continue;
        std::string_view responses = "responses";
        if (scenario.no_responses && (first == responses || second == responses)) continue;
        for (bool prefill : {true, false})
          cut_everywhere(
              {.scenario = &scenario, .first = first, .second = second, .prefill = prefill},
              std::string(first) + " -> " + second + ", " + scenario.name + (prefill ? ", prefill" : ", words"));
      }
    }
  // What models do when they are asked in words to go on. After a seam that cannot be mended the first supplier, whole
  // again, is asked; the answer is whole all the same.
  using simulate::Continuation;
  for (Continuation seam : {Continuation::kExact, Continuation::kOverlap, Continuation::kRestart,
                            Continuation::kPreface, Continuation::kWhitespace, Continuation::kFence,
                            Continuation::kLanguage, Continuation::kRefusal, Continuation::kRandom}) {
    if (!only_pair.empty()) break;
    for (const Scenario& scenario : all) {
      if (!only_scenario.empty() && only_scenario != scenario.name) continue;
      if (scenario.exact_only) continue;
      cut_everywhere({.scenario = &scenario, .first = "chat", .second = "messages", .prefill = false, .seam = seam},
                     "seam " + std::string(name_of(seam)) + ", " + scenario.name);
    }
  }
  // Other ways to break off, of every dialect; and a second supplier that breaks off as well, so that a third attempt
  // goes on with what two have written.
  for (const char* first : kDialects) {
    if (!only_pair.empty()) break;
    for (const Scenario& scenario : all) {
      std::string_view name = scenario.name;
      if (name != "text" && name != "tools" && name != "structured") continue;
      if (!only_scenario.empty() && only_scenario != name) continue;
      for (const char* fault :
           {"end-after-tokens", "error-after-tokens", "malformed-after-tokens", "stall-after-tokens"})
        cut_everywhere({.scenario = &scenario, .first = first, .second = "chat", .prefill = true, .fault = fault},
                       std::string(fault) + " " + first + ", " + scenario.name);
      for (int64_t second : {0, 1, 5})
        cut_everywhere(
            {.scenario = &scenario,
             .first = first,
             .second = "messages",
             .prefill = second % 2 == 0,
             .second_cut = second},
            "twice, " + std::string(first) + ", then after " + std::to_string(second) + ", " + scenario.name);
    }
  }
  if (!plants.empty()) {
    std::printf("cut: planted %s %s after %lld answers\n", plants.c_str(), total.differ > 0 ? "caught" : "not caught",
                static_cast<long long>(total.answers));
    return total.differ > 0 ? 0 : 1;
  }
  std::printf(
      "cut: %lld answers cut and gone on with, each seen in %d client dialects, %lld differ, %lld as nobody "
      "could know\n",
      static_cast<long long>(total.answers), 3, static_cast<long long>(total.differ),
      static_cast<long long>(total.doubtful));
  return total.differ == 0 ? 0 : 1;
}
