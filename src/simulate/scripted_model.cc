#include "simulate/scripted_model.h"

#include <algorithm>
#include <charconv>
#include <span>

#include "base/check.h"
#include "base/random.h"
#include "simulate/json_maker.h"
#include "simulate/prose.h"
#include "simulate/tokens.h"
#include "wire/json.h"

namespace perdure::simulate {
namespace {

using Messages = std::span<const Message>;

constexpr int kContinuationsMax = 64;   // beginnings of beginnings that are followed
constexpr int64_t kCountMax = 100'000;  // numbers that are counted

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         static_cast<unsigned char>(c) >= 0x80;
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// A text that is read from the front.
struct Scan {
  std::string_view rest;

  bool take(std::string_view words) {  // without case
    if (rest.size() < words.size()) return false;
    for (size_t i = 0; i < words.size(); ++i)
      if (lower(rest[i]) != words[i]) return false;
    rest.remove_prefix(words.size());
    return true;
  }
  bool skip_past(std::string_view words) {
    for (Scan from = *this; !from.rest.empty(); from.rest.remove_prefix(1))
      if (from.take(words)) return rest = from.rest, true;
    return false;
  }
  std::optional<int64_t> number() {
    int64_t value = 0;
    auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (error != std::errc()) return std::nullopt;
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    return value;
  }
  std::string_view until(std::string_view any_of) { return trimmed(rest.substr(0, rest.find_first_of(any_of))); }
};

bool contains(std::string_view text, std::string_view words) {
  Scan scan{text};
  return scan.skip_past(words);
}

std::string_view unquoted(std::string_view text) {
  text = trimmed(text);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') return text.substr(1, text.size() - 2);
  return text;
}

// The last thing that any message calls so: "code word: W", "code word is W".
std::string recalled(Messages messages, std::string_view what, bool one_word) {
  for (size_t i = messages.size(); i-- > 0;) {
    std::string found;
    for (Scan scan{messages[i].text}; scan.skip_past(what);) {
      if (!scan.take(":") && !scan.take(" is")) continue;
      scan.rest = trimmed(scan.rest);
      size_t end = 0;
      if (one_word) {
        while (end < scan.rest.size() && (is_word(scan.rest[end]) || scan.rest[end] == '-' || scan.rest[end] == '_'))
          ++end;
      } else {
        end = std::min(scan.rest.find_first_of(".,;!?\n"), scan.rest.size());
      }
      if (end > 0) found = trimmed(scan.rest.substr(0, end));
    }
    if (!found.empty()) return found;
  }
  return {};
}

std::string counted(int64_t from, int64_t to) {
  const int64_t step = from <= to ? 1 : -1;
  std::string out;
  for (int64_t n = from, left = kCountMax; left > 0; n += step, --left) {
    out.append(out.empty() ? "" : ", ").append(std::to_string(n));
    if (n == to) break;
  }
  return out;
}

std::string greeting(int64_t words) {
  static constexpr std::string_view kWords[] = {"Hello", "there", "friend"};
  std::string out;
  for (int64_t i = 0; i < std::clamp<int64_t>(words, 1, kProseWordsMax); ++i) {
    if (i > 0) out += ' ';
    out += i < 3 ? std::string(kWords[i]) : numbered_words(1, i, static_cast<uint64_t>(i));
  }
  return out + ".";
}

// The answer to a prompt that is obeyed; `before` is what came before it.
std::optional<std::string> obeyed(std::string_view prompt, Messages before, uint64_t seed) {
  Scan scan{trimmed(prompt)};
  scan.take("please ");
  const Scan start = scan;
  for (const auto words :
       {"say exactly:", "reply with exactly:", "respond with exactly:", "answer with exactly:", "repeat after me:"}) {
    scan = start;
    if (!scan.take(words)) continue;
    if (const auto said = unquoted(scan.rest); !said.empty()) return std::string(said);
  }
  scan = start;
  if (scan.take("first say:"))
    if (const auto said = unquoted(scan.until("\n")); !said.empty()) return std::string(said);
  scan = start;
  if (scan.take("say hello in ")) {
    scan.take("exactly ");
    const auto words = scan.number();
    if (words && scan.take(" word")) return greeting(*words);
  }
  scan = start;
  if (scan.take("count from ")) {
    const auto from = scan.number();
    const bool to_follows = from && scan.take(" to ");
    if (const auto to = to_follows ? scan.number() : std::nullopt) return counted(*from, *to);
  }
  scan = start;
  if (scan.take("remember the code word")) {
    if (!scan.skip_past("reply with ")) return "OK";
    const auto reply = unquoted(scan.until(".\n"));
    return reply.empty() ? "OK" : std::string(reply);
  }
  scan = start;
  if (scan.take("what is the code word") || scan.take("what was the code word")) {
    const std::string word = recalled(before, "code word", true);
    if (word.empty()) return "I do not know the code word.";
    return contains(scan.rest, "only") || contains(scan.rest, "just") ? word : "The code word is " + word + ".";
  }
  scan = start;
  if (scan.take("my name is "))
    if (const auto name = scan.until(".,;!?\n"); !name.empty()) return "Nice to meet you, " + std::string(name) + ".";
  scan = start;
  if (scan.take("what is my name")) {
    const std::string name = recalled(before, "my name", false);
    return name.empty() ? "I do not know your name." : "Your name is " + name + ".";
  }
  scan = start;
  if (scan.take("write ")) {
    // "Write 50 words about T", "Write a story of exactly 50 words about T": the number stands in the same sentence.
    Scan ahead{scan.until(".!?\n")};
    for (; !ahead.rest.empty(); ahead.rest.remove_prefix(1)) {
      if (ahead.rest.front() < '0' || ahead.rest.front() > '9') continue;
      const auto words = ahead.number();
      if (words && ahead.take(" word")) {
        const std::string_view topic = ahead.skip_past("about ") ? trimmed(ahead.rest) : std::string_view();
        return prose(*words, topic, hash_of(prompt, seed));
      }
      if (ahead.rest.empty()) break;
    }
  }
  return std::nullopt;
}

std::string sentence(Messages messages, uint64_t seed) {
  static constexpr std::string_view kOpenings[] = {"I see", "So far there are", "This talk has", "I have read"};
  static constexpr std::string_view kRemarks[] = {"and nothing in them tells me what to do",
                                                  "and I have no better answer", "and that is all I can say",
                                                  "and I would say more if I could"};
  // System messages are not counted: whoever continues an answer may add one.
  const auto count = std::ranges::count_if(
      messages, [](const Message& m) { return m.role != Role::kSystem && m.role != Role::kDeveloper; });
  SeededRandom random(hash_of(messages.back().text, seed));
  std::string out(kOpenings[random.below(std::size(kOpenings))]);
  out += " " + std::to_string(count) + (count == 1 ? " message, " : " messages, ");
  out += kRemarks[random.below(std::size(kRemarks))];
  return out + ": " + numbered_words(6 + static_cast<int64_t>(random.below(10)), 1, random.u64()) + ".";
}

const Message* last_user(Messages messages) {
  for (size_t i = messages.size(); i-- > 0;)
    if (messages[i].role == Role::kUser) return &messages[i];
  return nullptr;
}

std::string made_up(const std::string& schema, const Mentions& mentions, size_t place, uint64_t seed) {
  if (schema.empty()) return "{}";
  auto document = json::Document::parse(schema);
  if (!document.ok()) return "{}";
  return make_json(document->root(), mentions, place, seed);
}

std::vector<ToolCall> made_calls(const ChatRequest& request, std::string_view prompt, size_t position, uint64_t seed) {
  const Mentions mentions = find_mentions(prompt);
  const Tool* first = &request.tools.front();
  for (const Tool& tool : request.tools)
    if (request.tool_choice == ToolChoice::kNamed ? tool.name == request.tool_named
                                                  : prompt.find(tool.name) != std::string_view::npos) {
      first = &tool;
      break;
    }
  struct Planned {
    const Tool* tool;
    size_t place;
  };
  std::vector<Planned> planned = {{first, 0}};
  if (request.parallel_tool_calls) {
    for (size_t place = 1; place < mentions.places.size(); ++place) planned.push_back({first, place});
    if (planned.size() == 1 && contains(prompt, "both")) {
      const Tool* second = first;
      if (request.tool_choice != ToolChoice::kNamed)
        for (const Tool& tool : request.tools)
          if (&tool != first && second == first) second = &tool;
      planned.push_back({second, 0});
    }
  }
  std::vector<ToolCall> calls;
  for (size_t i = 0; i < planned.size(); ++i) {
    const uint64_t own = hash_of(planned[i].tool->name, hash_of(prompt, seed + i));
    // The position in the conversation makes ids differ where the same is asked twice.
    SeededRandom random(own ^ (position * 0x9e3779b97f4a7c15ull));
    std::string id = "call_";
    for (int c = 0; c < 24; ++c)
      id += "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"[random.below(62)];
    calls.push_back({id, planned[i].tool->name, made_up(planned[i].tool->parameters, mentions, planned[i].place, own)});
  }
  return calls;
}

// What is answered to messages that end with a request of some kind, not with an answer.
Answer fresh(const ChatRequest& request, Messages messages, uint64_t seed) {
  Answer out;
  const Message* user = last_user(messages);
  if (user == nullptr) user = &messages.back();
  const std::string_view prompt = user->text;
  const Messages before = messages.first(static_cast<size_t>(user - messages.data()));
  const Messages after = messages.subspan(before.size() + 1);
  const auto is_result = [](const Message& m) { return m.role == Role::kTool; };
  const bool has_results = std::ranges::any_of(after, is_result);

  if (!request.tools.empty() && request.tool_choice != ToolChoice::kNone && !has_results) {
    Scan scan{trimmed(prompt)};
    scan.take("please ");
    if (scan.take("first say:")) out.text = unquoted(scan.until("\n"));
    out.calls = made_calls(request, prompt, before.size(), seed);
    out.finish = Finish::kToolCalls;
  } else if (request.format == Format::kJsonSchema) {
    out.text = made_up(request.schema, find_mentions(prompt), 0, hash_of(prompt, seed));
  } else if (request.format == Format::kJsonObject) {
    json::Writer json;
    json.begin_object().field("answer", obeyed(prompt, before, seed).value_or(sentence(messages, seed)));
    json.field("messages", static_cast<int64_t>(messages.size())).end_object();
    out.text = json.take();
  } else if (has_results) {
    std::string results;
    for (const Message& message : after)
      if (is_result(message)) results.append(results.empty() ? "" : "; ").append(message.text);
    const bool several = std::ranges::count_if(after, is_result) > 1;
    out.text = (several ? "The tools returned: " : "The tool returned: ") + results + ".";
  } else {
    out.text = obeyed(prompt, before, seed).value_or(sentence(messages, seed));
  }

  size_t end = std::string::npos;
  for (const std::string& stop : request.stop) end = std::min(end, out.text.find(stop));
  if (end != std::string::npos) {
    out.text.resize(end);
    out.calls.clear();
    out.finish = Finish::kStop;
  }
  return out;
}

// Where the last `words` words of `text` begin; what stands between words belongs to neither.
size_t last_words(std::string_view text, uint64_t words) {
  size_t at = text.size();
  for (; words > 0 && at > 0; --words) {
    while (at > 0 && !is_word(text[at - 1])) --at;
    while (at > 0 && is_word(text[at - 1])) --at;
  }
  return at;
}

void leave_out_what_is_there(Answer& whole, std::string_view held, Continuation how, uint64_t seed) {
  SeededRandom random(hash_of(held, seed));
  if (how == Continuation::kMixed) {
    static constexpr Continuation kAll[] = {Continuation::kExact, Continuation::kOverlap, Continuation::kRestart};
    how = kAll[random.below(3)];
  }
  if (how == Continuation::kRestart) return;
  const size_t from = how == Continuation::kOverlap ? last_words(held, 3 + random.below(6)) : held.size();
  whole.text.erase(0, from);
}

// Whether a message speaks of an answer that should go on, in whatever words. Only needed where nothing is left to say:
// a model that is asked to go on then adds nothing, and one that is spoken to otherwise answers.
bool speaks_of_going_on(std::string_view text) {
  static constexpr std::string_view kWords[] = {"continue",   "go on",      "carry on", "resume",
                                                "keep going", "broke off",  "cut off",  "interrupted",
                                                "stopped",    "unfinished", "the rest"};
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return std::ranges::any_of(kWords, [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

Answer compose(const ChatRequest& request, Messages messages, uint64_t seed, ModelOptions options, int depth) {
  const Message& last = messages.back();
  if (depth < kContinuationsMax && messages.size() >= 2) {
    const bool prefill = last.role == Role::kAssistant;
    const size_t held_at = messages.size() - (prefill ? 1 : 2);
    const Message& held = messages[held_at];
    const bool asks_for_more = !prefill && last.role != Role::kTool && held.role == Role::kAssistant &&
                               held.calls.empty() && !obeyed(last.text, {}, seed);
    if (held_at > 0 && !held.text.empty() && messages[held_at - 1].role != Role::kAssistant &&
        (prefill || asks_for_more)) {
      Answer whole = compose(request, messages.first(held_at), seed, options, depth + 1);
      const bool more_than_held = whole.text.size() > held.text.size() || !whole.calls.empty();
      if (whole.text.starts_with(held.text) && (prefill || more_than_held || speaks_of_going_on(last.text))) {
        leave_out_what_is_there(whole, held.text, prefill ? Continuation::kExact : options.continuation, seed);
        return whole;
      }
    }
  }
  return fresh(request, messages, seed);
}

// Keeps the first `left` tokens of `text` and takes them off `left`; how many there were.
int64_t keep_tokens(std::string& text, int64_t& left, bool& cut) {
  int64_t kept = 0;
  size_t at = 0;
  while (at < text.size() && left > 0) {
    at += token_length(std::string_view(text).substr(at));
    --left;
    ++kept;
  }
  cut = cut || at < text.size();
  text.resize(at);
  return kept;
}

}  // namespace

std::string_view name_of(Finish finish) {
  switch (finish) {
    case Finish::kStop:
      return "stop";
    case Finish::kLength:
      return "length";
    case Finish::kToolCalls:
      return "tool_calls";
  }
  return "stop";
}

Answer answer(const ChatRequest& request, uint64_t seed, ModelOptions options) {
  CHECK(!request.messages.empty(), "a request has messages");
  Answer out = compose(request, request.messages, seed, options, 0);
  if (options.reasoning && request.reasoning_effort != "none") {
    const uint64_t own = hash_of(request.messages.back().text, seed);
    out.reasoning =
        "Let me think. " + numbered_words(8 + static_cast<int64_t>(own % 9), 1, own) + ". I know what to say.";
  }
  int64_t left = request.tokens_max.value_or(INT64_MAX);
  bool cut = false;
  out.reasoning_tokens = keep_tokens(out.reasoning, left, cut);
  out.tokens = out.reasoning_tokens + keep_tokens(out.text, left, cut);
  for (size_t i = 0; i < out.calls.size(); ++i) {
    if (left == 0) {
      out.calls.resize(i);
      cut = true;
      break;
    }
    out.tokens += keep_tokens(out.calls[i].arguments, left, cut);
  }
  if (cut) out.finish = Finish::kLength;
  return out;
}

int64_t prompt_tokens(const ChatRequest& request) {
  int64_t tokens = 3;
  for (const Message& message : request.messages) {
    tokens += 4 + count_tokens(message.text);
    for (const ToolCall& call : message.calls) tokens += count_tokens(call.name) + count_tokens(call.arguments);
  }
  for (const Tool& tool : request.tools) tokens += count_tokens(tool.name) + count_tokens(tool.parameters);
  return tokens + count_tokens(request.schema);
}

}  // namespace perdure::simulate
