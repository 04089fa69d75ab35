#include "routing/probe.h"

#include <algorithm>
#include <array>

#include "routing/needs.h"

namespace perdure {
namespace {

constexpr int kTries = 3;
constexpr int64_t kAnswerTokens = 1024;
constexpr int64_t kFirstContext = 8'000;
constexpr int64_t kFirstOutput = 4'096;
constexpr int kBisections = 7;
constexpr int kPlainCalls = 6;     // one to begin with, two prefills, tools twice, a schema
constexpr int kPlainTokens = 300;  // of input, each
constexpr std::string_view kCodeWord = "QUARTZ-4711";

struct Trial {
  std::string_view held, rest;
};
constexpr std::array<Trial, 2> kTrials = {
    {{"amber birch cedar delta", "ember frost grove heron iris jade"},
     {"seven green boats carry", "old copper bells across the quiet northern bay"}}};

constexpr std::string_view kToolSchema =
    R"({"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false})";
constexpr std::string_view kAnswerSchema =
    R"({"type":"object","properties":{"city":{"type":"string"},"bridges":{"type":"integer"}},)"
    R"("required":["city","bridges"],"additionalProperties":false})";

// About so many tokens in which nothing stands twice.
std::string filler(int64_t tokens) {
  std::string out;
  for (int64_t line = 1; static_cast<int64_t>(out.size()) / 4 < tokens; ++line)
    out += "Entry " + std::to_string(line) + " of the harbour log: " + std::to_string(line * 7919 % 9973) +
           " crates were counted.\n";
  return out;
}

Item message(Role role, std::string text, std::string cache = {}) {
  Item out{.kind = ItemKind::kMessage, .role = role};
  out.content.push_back({.kind = role == Role::kAssistant ? PartKind::kOutputText : PartKind::kInputText,
                         .text = std::move(text),
                         .cache = std::move(cache)});
  return out;
}

struct Answer {
  std::optional<Error> error;
  std::string text;
  std::vector<std::string> calls;  // names
  std::vector<std::string> arguments;
  Usage usage;
  bool refused() const { return error && error->code == Code::kInvalid; }
  std::string why() const {  // content-free
    std::string out(to_string(error->code));
    if (error->upstream_status > 0) out += ", status " + std::to_string(error->upstream_status);
    return out;
  }
};

class Prober {
 public:
  Prober(Provider& provider, std::string model, const ProbeLimits& limits, Loop& loop, std::vector<PrefillWay> ways)
      : provider_(provider),
        model_(std::move(model)),
        limits_(limits),
        loop_(loop),
        ways_(std::move(ways)),
        cancel_(loop) {}

  Task<Result<Scorecard>> run() {
    Answer first = co_await ask(request(), {message(Role::kUser, "Say exactly: ready")});
    if (first.error) co_return std::move(*first.error);
    know(Capability::kStreaming, Known::kYes, "it answered in a stream");
    find("streaming_usage", first.usage.known ? "yes" : "no",
         first.usage.known ? "the stream had token counts" : "the stream had no token counts");
    co_await find_prefill();
    co_await find_tools();
    co_await find_structure();
    co_await find_cache();
    co_await find_context();
    co_await find_output();
    co_return std::move(card_);
  }

 private:
  Request request() const {
    Request out{.model = model_};
    out.store = false;
    out.max_output_tokens = kAnswerTokens;
    return out;
  }
  void find(std::string what, std::string found, std::string seen) {
    card_.findings.push_back({std::move(what), std::move(found), std::move(seen)});
  }
  void know(Capability what, Known known, std::string seen) {
    card_.measured[what] = known;
    std::string_view word;
    for (const auto& [capability, name] : kCapabilityNames)
      if (capability == what) word = name;
    find(std::string(word), std::string(to_string(known)), std::move(seen));
  }

  // `other`: in place of the provider.
  Task<Answer> ask(Request asked, std::vector<Item> context, std::string held = {}, Provider* other = nullptr) {
    Answer out;
    for (int tries = 1;; ++tries) {
      out = co_await ask_once(asked, context, held, other != nullptr ? *other : provider_);
      if (!out.error) co_return out;
      bool passing = out.error->code == Code::kOverloaded || out.error->code == Code::kUnavailable ||
                     out.error->code == Code::kDeadline || out.error->code == Code::kCorrupt;
      if (!passing || tries == kTries) co_return out;
      Duration pause = std::chrono::milliseconds(std::max<int64_t>(out.error->retry_after_ms, 500));
      co_await sleep_for(loop_, std::min(pause, limits_.pause_max));
    }
  }

  Task<Answer> ask_once(const Request& asked, const std::vector<Item>& context, const std::string& held,
                        Provider& provider) {
    Answer out;
    ++card_.calls;
    Deadline deadline = deadline_in(loop_, limits_.call_time);
    UpstreamCall call{.request = asked, .context = context, .model = model_, .held = held};
    call.max_output_tokens = asked.max_output_tokens;
    Result<std::unique_ptr<UpstreamAnswer>> opened = co_await provider.open(std::move(call), deadline, cancel_);
    if (!opened.ok()) {
      out.error = std::move(opened).error();
      co_return out;
    }
    std::vector<Piece> pieces;
    for (bool more = true; more;) {
      pieces.clear();
      Result<bool> next = co_await (*opened)->next(pieces, deadline);
      for (Piece& piece : pieces) take(out, piece);
      if (!next.ok()) {
        out.error = std::move(next).error();
        co_return out;
      }
      more = *next;
    }
    card_.input_tokens += out.usage.input_tokens;
    card_.output_tokens += out.usage.output_tokens;
    co_return out;
  }

  static void take(Answer& out, Piece& piece) {
    switch (piece.kind) {
      case Piece::Kind::kText:
        out.text += piece.text;
        break;
      case Piece::Kind::kToolCall:
        out.calls.push_back(piece.name);
        out.arguments.push_back(std::move(piece.text));
        break;
      case Piece::Kind::kToolArguments:
        if (!out.arguments.empty()) {
          // Calls may interleave; their order here is that of their beginnings.
          size_t at = std::min(static_cast<size_t>(std::max(piece.index, 0)), out.arguments.size() - 1);
          out.arguments[at] += piece.text;
        }
        break;
      case Piece::Kind::kUsage:
        out.usage = piece.usage;
        break;
      default:
        break;
    }
  }

  Task<void> find_prefill() {
    std::vector<PrefillWay> ways = std::exchange(ways_, {});
    if (ways.empty()) ways.push_back({"", &provider_});
    Known found = Known::kNo;
    std::string seen;
    for (const PrefillWay& way : ways) {
      std::string now;
      Known known = co_await goes_on(*way.provider, now);
      if (!way.name.empty()) now += " (" + way.name + ")";
      if (known == Known::kYes) {
        card_.prefill_form = way.name;
        found = known;
        seen = std::move(now);
        break;
      }
      if (known == Known::kUnknown) found = known;  // a way that could not be tried leaves the matter open
      seen += (seen.empty() ? "" : "; ") + now;
    }
    know(Capability::kPrefill, found, std::move(seen));
  }

  // Whether it goes on behind a known beginning, each time.
  Task<Known> goes_on(Provider& provider, std::string& seen) {
    for (const Trial& trial : kTrials) {
      std::string whole = std::string(trial.held) + " " + std::string(trial.rest);
      std::vector<Item> context{message(Role::kUser, "Say exactly: " + whole)};
      Answer answer = co_await ask(request(), std::move(context), std::string(trial.held), &provider);
      if (answer.error) {
        seen = (answer.refused() ? "a beginning was refused: " : "no answer: ") + answer.why();
        co_return answer.refused() ? Known::kNo : Known::kUnknown;
      }
      std::string_view text = answer.text;
      while (!text.empty() && std::string_view(" \n\t\r").contains(text.front())) text.remove_prefix(1);
      if (!text.starts_with(trial.rest)) {
        seen = text.starts_with(trial.held.substr(0, trial.held.find(' ')))
                   ? "it began anew"
                   : "it did not go on behind the beginning that it was given";
        co_return Known::kNo;
      }
    }
    seen = "it went on behind two known beginnings";
    co_return Known::kYes;
  }

  Task<Answer> ask_with_tool(std::string prompt) {
    Request asked = request();
    asked.tools.push_back({.name = "get_weather",
                           .description = "Tells the weather of one city.",
                           .parameters = std::string(kToolSchema)});
    std::vector<Item> context{message(Role::kUser, std::move(prompt))};
    return ask(std::move(asked), std::move(context));
  }
  static size_t good_calls(const Answer& answer) {
    size_t good = 0;
    for (size_t i = 0; i < answer.calls.size(); ++i) {
      Result<json::Document> read = json::Document::parse(answer.arguments[i]);
      good += answer.calls[i] == "get_weather" && read.ok() && read->root()["city"].is_string();
    }
    return good;
  }

  Task<void> find_tools() {
    Answer one = co_await ask_with_tool("What is the weather in Paris? Call get_weather.");
    if (one.error) {
      know(Capability::kTools, one.refused() ? Known::kNo : Known::kUnknown,
           (one.refused() ? "a tool was refused: " : "no answer: ") + one.why());
      co_return;
    }
    size_t calls = good_calls(one);
    know(Capability::kTools, calls > 0 ? Known::kYes : Known::kNo,
         calls > 0 ? "it called the function with arguments that fit" : "it did not call the function as it should");
    if (calls == 0) co_return;
    Answer two = co_await ask_with_tool("What is the weather in Paris and Rome? Call get_weather for both at once.");
    if (two.error)
      know(Capability::kParallelTools, two.refused() ? Known::kNo : Known::kUnknown, "no answer: " + two.why());
    else if (good_calls(two) > 1)
      know(Capability::kParallelTools, Known::kYes, "it called the function twice in one answer");
    else
      know(Capability::kParallelTools, Known::kUnknown, "it called the function once where two calls were asked for");
  }

  Task<void> find_structure() {
    Request asked = request();
    asked.format = {.kind = TextFormat::Kind::kJsonSchema,
                    .name = "answer",
                    .description = {},
                    .schema = std::string(kAnswerSchema),
                    .strict = true};
    std::vector<Item> context{message(Role::kUser, "Tell something about the bridges of Paris.")};
    Answer answer = co_await ask(std::move(asked), std::move(context));
    if (answer.error) {
      know(Capability::kStructuredOutput, answer.refused() ? Known::kNo : Known::kUnknown,
           (answer.refused() ? "a schema was refused: " : "no answer: ") + answer.why());
      co_return;
    }
    Result<json::Document> read = json::Document::parse(answer.text);
    bool fits = read.ok() && read->root().is_object() && read->root()["city"].is_string() &&
                read->root()["bridges"].integer() && read->root().members().size() == 2;
    know(Capability::kStructuredOutput, fits ? Known::kYes : Known::kNo,
         fits ? "it kept to the schema" : "what it wrote does not fit the schema");
  }

  Task<void> find_cache() {
    Request asked = request();
    asked.lenient = true;  // a mark is left out where caching needs none
    asked.prompt_cache_key = "perdure-probe";
    // Its own beginning each time a probe is made, so that it is this probe that fills the cache.
    std::string prompt = "Log of " + std::to_string(loop_.random().u64()) + "\n" + filler(limits_.cache_tokens);
    Item item = message(Role::kUser, std::move(prompt), "5m");
    item.content.push_back({.kind = PartKind::kInputText, .text = "Say exactly: ready"});
    Answer answer;
    for (int round = 0; round < 2; ++round) {
      answer = co_await ask(asked, {item});
      if (answer.error) {
        know(Capability::kCaching, Known::kUnknown, "no answer: " + answer.why());
        co_return;
      }
    }
    if (!answer.usage.known)
      know(Capability::kCaching, Known::kUnknown, "the supplier does not count");
    else if (answer.usage.cached_tokens > 0)
      know(Capability::kCaching, Known::kYes,
           std::to_string(answer.usage.cached_tokens) + " of " + std::to_string(answer.usage.input_tokens) +
               " tokens were read from its cache");
    else
      know(Capability::kCaching, Known::kUnknown,
           "nothing was cached of a prompt of " + std::to_string(answer.usage.input_tokens) + " tokens");
  }

  enum class Fit { kYes, kNo, kUnknown };
  // Whether about so many tokens fit, with their beginning. `counted`: as the supplier counts.
  Task<Fit> fits(int64_t tokens, int64_t& counted, std::string& seen) {
    std::vector<Item> context;
    context.push_back(message(Role::kUser, "Remember the code word: " + std::string(kCodeWord) + ". Reply with OK."));
    context.push_back(message(Role::kAssistant, "OK"));
    Item last = message(Role::kUser, filler(tokens));
    last.content.push_back(
        {.kind = PartKind::kInputText, .text = "What is the code word? Reply with the code word only."});
    context.push_back(std::move(last));
    Answer answer = co_await ask(request(), std::move(context));
    if (answer.refused()) {
      seen = "about " + std::to_string(tokens) + " were refused: " + answer.why();
      co_return Fit::kNo;
    }
    if (answer.error) {
      seen = "no answer to about " + std::to_string(tokens) + ": " + answer.why();
      co_return Fit::kUnknown;
    }
    counted = answer.usage.known ? answer.usage.input_tokens : tokens;
    if (answer.text.find(kCodeWord) != std::string::npos) co_return Fit::kYes;
    seen = "with " + std::to_string(counted) + " it had lost the beginning";
    co_return Fit::kNo;
  }

  Task<void> find_context() {
    int64_t left = limits_.context_budget, good = 0, counted = 0, refused = 0;
    std::string seen;
    // What the filler is worth in the supplier's tokens is known after the first call.
    double worth = 1;
    auto affordable = [&](int64_t tokens) {
      return tokens > 0 && static_cast<double>(tokens) * worth <= static_cast<double>(left);
    };
    bool lost = false;
    auto look = [&](int64_t tokens, Fit fit, int64_t now) {
      left -= std::max(now, fit == Fit::kYes ? tokens : 0);
      if (fit == Fit::kYes) {
        good = tokens;
        counted = now;
        worth = std::max(1.0, static_cast<double>(now) / static_cast<double>(tokens));
      } else if (fit == Fit::kNo) {
        refused = tokens;
      } else {
        lost = true;
      }
    };
    for (int64_t tokens = std::min(kFirstContext, limits_.context_budget);
         tokens <= limits_.context_most && affordable(tokens) && refused == 0 && !lost; tokens *= 2) {
      int64_t now = 0;
      Fit fit = co_await fits(tokens, now, seen);
      look(tokens, fit, now);
    }
    for (int i = 0; i < kBisections && refused > 0 && !lost; ++i) {
      int64_t middle = good + (refused - good) / 2;
      if (!affordable(middle) || refused - good < refused / 16) break;
      int64_t now = 0;
      Fit fit = co_await fits(middle, now, seen);
      look(middle, fit, now);
    }
    std::string accepted = std::to_string(counted) + " tokens were accepted and remembered";
    if (good == 0) {
      find("context_tokens", "unknown", seen.empty() ? "the budget was too small to try" : seen);
    } else if (refused > 0) {
      card_.measured.context_tokens = counted;
      find("context_tokens", std::to_string(counted), accepted + "; " + seen);
    } else {
      find("context_tokens", "at least " + std::to_string(counted),
           accepted + "; " + (seen.empty() ? "the budget did not allow for more" : seen));
    }
  }

  Task<void> find_output() {
    int64_t good = 0, refused = 0;
    std::string seen;
    auto accepts = [this](int64_t tokens) {
      Request asked = request();
      asked.max_output_tokens = tokens;
      std::vector<Item> context{message(Role::kUser, "Say exactly: ok")};
      return ask(std::move(asked), std::move(context));
    };
    bool lost = false;
    auto look = [&](int64_t tokens, const Answer& answer) {
      if (!answer.error)
        good = tokens;
      else if (answer.refused())
        refused = tokens;
      else
        lost = true;
      if (answer.error) seen = std::to_string(tokens) + " were refused: " + answer.why();
    };
    for (int64_t tokens = kFirstOutput; tokens <= limits_.output_most && refused == 0 && !lost; tokens *= 2) {
      Answer answer = co_await accepts(tokens);
      look(tokens, answer);
    }
    for (int64_t step = 0; step < 2 * kBisections && refused > good + 1 && good > 0 && !lost; ++step) {
      int64_t middle = good + (refused - good) / 2;
      Answer answer = co_await accepts(middle);
      look(middle, answer);
    }
    if (good > 0 && refused > 0) {
      card_.measured.output_tokens_max = good;
      find("output_tokens", std::to_string(good), "a limit of so many was accepted; " + seen);
    } else if (good > 0) {
      find("output_tokens", "unknown",
           "every limit up to " + std::to_string(good) +
               " was accepted; that such a long answer comes is not shown by it");
    } else {
      find("output_tokens", "unknown", seen);
    }
  }

  Provider& provider_;
  std::string model_;
  const ProbeLimits& limits_;
  Loop& loop_;
  std::vector<PrefillWay> ways_;
  Cancellation cancel_;
  Scorecard card_;
};

}  // namespace

ProbePlan plan_of(const ProbeLimits& limits, size_t ways) {
  int64_t outputs = 2 * kBisections;
  for (int64_t tokens = kFirstOutput; tokens <= limits.output_most; tokens *= 2) ++outputs;
  int64_t contexts = 0;
  if (limits.context_budget > 0) {
    contexts = kBisections;
    int64_t sum = 0;
    for (int64_t tokens = std::min(kFirstContext, limits.context_budget); sum + tokens <= limits.context_budget;
         tokens *= 2) {
      sum += tokens;
      ++contexts;
    }
  }
  const int64_t plain = kPlainCalls + 2 * (std::max<int64_t>(1, static_cast<int64_t>(ways)) - 1);
  ProbePlan out{.calls = plain + 2 + contexts + outputs};
  // Lines of numbers are dearer than four bytes a token.
  out.input_tokens = (plain + outputs) * kPlainTokens + 4 * limits.cache_tokens + 2 * limits.context_budget;
  out.output_tokens = out.calls * kAnswerTokens;
  return out;
}

Task<Result<Scorecard>> probe(Provider& provider, std::string model, ProbeLimits limits, Loop& loop,
                              std::vector<PrefillWay> ways) {
  Prober prober(provider, std::move(model), limits, loop, std::move(ways));
  co_return co_await prober.run();
}

}  // namespace perdure
