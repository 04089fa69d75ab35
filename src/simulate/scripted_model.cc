#include "simulate/scripted_model.h"

#include <algorithm>
#include <charconv>
#include <span>

#include "base/check.h"
#include "base/random.h"
#include "simulate/json_maker.h"
#include "simulate/prose.h"
#include "simulate/seam.h"
#include "simulate/tokens.h"
#include "wire/json.h"

namespace perdure::simulate {
namespace {

using Messages = std::span<const Message>;

constexpr int kContinuationsMax = 64;   // beginnings of beginnings that are followed
constexpr int64_t kCountMax = 100'000;  // numbers that are counted
constexpr int64_t kCodeLinesMax = 5'000;
constexpr int64_t kMediaTokens = 85;  // that an image or a file is charged with

bool is_said(const Message& m) { return m.role != Role::kSystem && m.role != Role::kDeveloper; }

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
  std::optional<int64_t> number_or_word() {  // also one of "one" to "ten"
    constexpr std::string_view kWords[] = {"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"};
    for (size_t i = 0; i < std::size(kWords); ++i)
      if (take(kWords[i])) return static_cast<int64_t>(i + 1);
    return number();
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

struct Said {
  Said(std::string words, Finish how = Finish::kStop) : text(std::move(words)), finish(how) {}
  Said(std::string_view words) : text(words) {}
  Said(const char* words) : text(words) {}
  std::string text;
  Finish finish = Finish::kStop;
};

// Wishes that may stand in front of any prompt.
struct Wishes {
  bool think = false, think_in_secret = false;
};
Wishes take_wishes(Scan& scan) {
  Wishes wishes;
  for (;;) {
    scan.rest = trimmed(scan.rest);
    if (scan.take("think first."))
      wishes.think = true;
    else if (scan.take("think in secret."))
      wishes.think = wishes.think_in_secret = true;
    else
      return wishes;
  }
}

// Lines of a program in a fence, no two alike.
std::string code(int64_t lines, uint64_t seed) {
  SeededRandom random(seed);
  std::string out = "Here is the code:\n\n```python\n";
  for (int64_t i = 1; i <= std::clamp<int64_t>(lines, 1, kCodeLinesMax); ++i) {
    if (i % 5 == 1 && i > 1) out += "\n";
    out += numbered_words(1, i, random.u64()) + " = " + std::to_string(random.below(1000)) + " + " + std::to_string(i) +
           "\n";
  }
  return out + "```\n";
}

// The answer to a prompt that is obeyed; `before` is what came before it.
std::optional<Said> obeyed(std::string_view prompt, Messages before, uint64_t seed) {
  Scan scan{trimmed(prompt)};
  take_wishes(scan);
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
  if (scan.take("count to "))
    if (const auto to = scan.number_or_word()) return counted(1, *to);
  scan = start;
  if (scan.take("remember the code word")) {
    if (!scan.skip_past("reply with ")) return "OK";
    const auto reply = unquoted(scan.until(".\n"));
    return reply.empty() ? Said("OK") : Said(reply);
  }
  scan = start;
  if (scan.take("what is the code word") || scan.take("what was the code word")) {
    const std::string word = recalled(before, "code word", true);
    if (word.empty()) return "I do not know the code word.";
    return Said(contains(scan.rest, "only") || contains(scan.rest, "just") ? word : "The code word is " + word + ".");
  }
  scan = start;
  if (scan.take("my name is "))
    if (const auto name = scan.until(".,;!?\n"); !name.empty()) return "Nice to meet you, " + std::string(name) + ".";
  scan = start;
  if (scan.take("what is my name")) {
    const std::string name = recalled(before, "my name", false);
    return name.empty() ? Said("I do not know your name.") : Said("Your name is " + name + ".");
  }
  scan = start;
  if (scan.take("write ")) {
    // "Write 50 words about T", "Write a story of exactly 50 words about T": the number stands in the same sentence.
    Scan ahead{scan.until(".!?\n")};
    for (; !ahead.rest.empty(); ahead.rest.remove_prefix(1)) {
      if (ahead.rest.front() < '0' || ahead.rest.front() > '9') continue;
      const auto words = ahead.number();
      if (words && ahead.take(" lines of code")) return code(*words, hash_of(prompt, seed));
      if (words && ahead.take(" word")) {
        const std::string_view topic = ahead.skip_past("about ") ? trimmed(ahead.rest) : std::string_view();
        return prose(*words, topic, hash_of(prompt, seed));
      }
      if (ahead.rest.empty()) break;
    }
  }
  scan = start;
  if (scan.take("refuse:")) return Said(std::string(unquoted(scan.rest)), Finish::kRefusal);
  if (scan.take("refuse.")) return Said("I can't help with that.", Finish::kRefusal);
  if (scan.take("trip the safety filter after:")) return Said(std::string(unquoted(scan.rest)), Finish::kFilter);
  if (scan.take("trip the safety filter")) return Said(std::string(), Finish::kFilter);
  return std::nullopt;
}

std::string sentence(Messages messages, uint64_t seed) {
  static constexpr std::string_view kOpenings[] = {"I see", "So far there are", "This talk has", "I have read"};
  static constexpr std::string_view kRemarks[] = {"and nothing in them tells me what to do",
                                                  "and I have no better answer", "and that is all I can say",
                                                  "and I would say more if I could"};
  // System messages are not counted: whoever continues an answer may add one.
  const auto count = std::ranges::count_if(messages, is_said);
  SeededRandom random(hash_of(messages.back().text, seed));
  std::string out(kOpenings[random.below(std::size(kOpenings))]);
  out += " " + std::to_string(count) + (count == 1 ? " message, " : " messages, ");
  out += kRemarks[random.below(std::size(kRemarks))];
  return out + ": " + numbered_words(6 + static_cast<int64_t>(random.below(10)), 1, random.u64()) + ".";
}

// Calls are made one after another, each after the result of the one before it.
bool one_by_one(std::string_view prompt) {
  return contains(prompt, "one after another") || contains(prompt, "step by step");
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

// The calls that a prompt wants; `position` in the conversation makes ids differ where the same is asked twice.
std::vector<ToolCall> made_calls(const Prompt& request, std::span<const Tool* const> tools, std::string_view prompt,
                                 size_t position, uint64_t seed) {
  const Mentions mentions = find_mentions(prompt);
  const Tool* first = tools.front();
  for (const Tool* tool : tools)
    if (request.tool_choice == ToolChoice::kNamed ? tool->name == request.tool_named
                                                  : prompt.find(tool->name) != std::string_view::npos) {
      first = tool;
      break;
    }
  struct Planned {
    const Tool* tool;
    size_t place;
  };
  std::vector<Planned> planned = {{first, 0}};
  if (request.parallel_tool_calls || one_by_one(prompt)) {
    for (size_t place = 1; place < mentions.places.size(); ++place) planned.push_back({first, place});
    if (planned.size() == 1 && contains(prompt, "both")) {
      const Tool* second = first;
      if (request.tool_choice != ToolChoice::kNamed)
        for (const Tool* tool : tools)
          if (tool != first && second == first) second = tool;
      planned.push_back({second, 0});
    }
  }
  std::vector<ToolCall> calls;
  for (size_t i = 0; i < planned.size(); ++i) {
    const uint64_t own = hash_of(planned[i].tool->name, hash_of(prompt, seed + i));
    SeededRandom random(own ^ (position * 0x9e3779b97f4a7c15ull));
    std::string id = "call_";
    for (int c = 0; c < 24; ++c)
      id += "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"[random.below(62)];
    calls.push_back({id, planned[i].tool->name, made_up(planned[i].tool->parameters, mentions, planned[i].place, own)});
  }
  return calls;
}

std::vector<const Tool*> tools_on_offer(const Prompt& request) {
  std::vector<const Tool*> tools;
  if (request.tool_choice == ToolChoice::kNone) return tools;
  for (const Tool& tool : request.tools)
    if (request.tools_allowed.empty() ||
        std::ranges::find(request.tools_allowed, tool.name) != request.tools_allowed.end())
      tools.push_back(&tool);
  return tools;
}

// What the messages say that were given images or files; nothing where there are none.
std::optional<Said> looked_at(const Message& user) {
  if (user.media.empty()) return std::nullopt;
  std::string out;
  for (const std::string& one : user.media) out.append(out.empty() ? "I was given " : "; ").append(one);
  return Said(out + ".");
}

// What is answered to messages that end with a request of some kind, not with an answer.
Answer fresh(const Prompt& request, Messages messages, uint64_t seed) {
  Answer out;
  const Message* user = last_user(messages);
  if (user == nullptr) user = &messages.back();
  const std::string_view prompt = user->text;
  const Messages before = messages.first(static_cast<size_t>(user - messages.data()));
  const Messages after = messages.subspan(before.size() + 1);
  const auto is_result = [](const Message& m) { return m.role == Role::kTool; };
  const bool has_results = std::ranges::any_of(after, is_result);

  const std::vector<const Tool*> tools = tools_on_offer(request);
  if (!tools.empty()) {
    const auto position = static_cast<size_t>(std::ranges::count_if(before, is_said));
    out.calls = made_calls(request, tools, prompt, position, seed);
    if (one_by_one(prompt)) {  // as many as were made are left out, one of the others is made
      size_t made = 0;
      for (const Message& message : after) made += message.calls.size();
      out.calls.erase(out.calls.begin(), out.calls.begin() + static_cast<ptrdiff_t>(std::min(made, out.calls.size())));
      if (out.calls.size() > 1) out.calls.resize(1);
    } else if (has_results) {
      out.calls.clear();
    }
  }
  const auto say = [&](Said said) {
    out.text = std::move(said.text);
    out.finish = said.finish;
  };
  if (!out.calls.empty()) {
    Scan scan{trimmed(prompt)};
    take_wishes(scan);
    scan.take("please ");
    if (scan.take("first say:") && !has_results) out.text = unquoted(scan.until("\n"));
    out.finish = Finish::kToolCalls;
  } else if (request.format == Format::kJsonSchema) {
    if (const auto said = obeyed(prompt, before, seed); said && said->finish != Finish::kStop)
      say(*said);
    else
      out.text = made_up(request.schema, find_mentions(prompt), 0, hash_of(prompt, seed));
  } else if (request.format == Format::kJsonObject) {
    json::Writer json;
    json.begin_object().field("answer", obeyed(prompt, before, seed).value_or(sentence(messages, seed)).text);
    json.field("messages", static_cast<int64_t>(messages.size())).end_object();
    out.text = json.take();
  } else if (has_results) {
    std::string results;
    for (const Message& message : after) {
      if (!is_result(message)) continue;
      results.append(results.empty() ? "" : "; ").append(message.text);
      for (const std::string& one : message.media)
        results.append(results.empty() || results.ends_with(' ') ? "" : " ").append("[").append(one).append("]");
    }
    const bool several = std::ranges::count_if(after, is_result) > 1;
    out.text = (several ? "The tools returned: " : "The tool returned: ") + results + ".";
  } else if (auto said = obeyed(prompt, before, seed)) {
    say(std::move(*said));
  } else {
    say(looked_at(*user).value_or(sentence(messages, seed)));
  }

  size_t end = std::string::npos;
  for (const std::string& stop : request.stop)
    if (const size_t at = out.text.find(stop); at < end) {
      end = at;
      out.stop_sequence = stop;
    }
  if (end != std::string::npos) {
    out.text.resize(end);
    out.calls.clear();
    out.finish = Finish::kStop;
  }
  return out;
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

Answer compose(const Prompt& request, Messages messages, uint64_t seed, ModelOptions options, int depth) {
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
        const Continuation how = !prefill          ? options.continuation
                                 : options.prefill ? Continuation::kExact
                                                   : Continuation::kRestart;
        go_on(whole, held.text, how, seed);
        return whole;
      }
    }
  }
  return fresh(request, messages, seed);
}

void join(Message& into, const Message& next) {
  const size_t before = into.text.size();
  into.add_text(next.text);
  if (next.last_part > 0) into.last_part = into.text.size() - (next.text.size() - next.last_part);
  if (before == 0) into.last_part = next.last_part;
  into.calls.insert(into.calls.end(), next.calls.begin(), next.calls.end());
  into.media.insert(into.media.end(), next.media.begin(), next.media.end());
}

// Results in the order of the calls that they answer.
void order_results(std::vector<Message>& messages) {
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].calls.empty()) continue;
    size_t end = i + 1;
    while (end < messages.size() && messages[end].role == Role::kTool) ++end;
    const auto place = [&calls = messages[i].calls](const Message& m) {
      return std::ranges::find(calls, m.call_id, &ToolCall::id) - calls.begin();
    };
    for (size_t from = i + 2; from < end; ++from)  // few: insertion keeps equals in order
      for (size_t to = from; to > i + 1 && place(messages[to]) < place(messages[to - 1]); --to)
        std::swap(messages[to], messages[to - 1]);
  }
}

// What a user said last is a prompt of its own, in whatever message it stands.
std::vector<Message> split_prompts(std::vector<Message> messages) {
  if (std::ranges::none_of(messages, [](const Message& m) { return m.last_part > 0; })) return messages;
  std::vector<Message> out;
  for (Message& message : messages) {
    if (message.role == Role::kUser && message.last_part > 0) {
      out.push_back({Role::kUser, message.text.substr(0, message.last_part - 1), {}, {}});
      message.text.erase(0, message.last_part);
      message.last_part = 0;
    }
    out.push_back(std::move(message));
  }
  return out;
}

// The same conversation as every dialect can say it: system messages in front, what stands between two answers as one
// message, and its last part apart from the rest: some dialects have parts where others have messages. A system message
// at the end stays there: it asks for something.
std::vector<Message> in_plain_order(const std::vector<Message>& messages) {
  std::vector<Message> out;
  out.reserve(messages.size());
  const bool asks_last = !is_said(messages.back());
  for (size_t i = 0; i + asks_last < messages.size(); ++i)
    if (!is_said(messages[i])) out.push_back(messages[i]);
  for (size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    const bool last = i + 1 == messages.size();
    if (!is_said(message) && !last) continue;
    const bool joins =
        !out.empty() && message.role != Role::kTool && is_said(message) && out.back().role == message.role;
    if (joins)
      join(out.back(), message);
    else
      out.push_back(message);
  }
  order_results(out);
  return split_prompts(std::move(out));
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

std::string_view name_of(Role role) {
  static constexpr std::string_view kNames[] = {"system", "developer", "user", "assistant", "tool"};
  return kNames[static_cast<size_t>(role)];
}

Answer answer(const Prompt& prompt, uint64_t seed, ModelOptions options) {
  CHECK(!prompt.messages.empty(), "a prompt has messages");
  const std::vector<Message> messages = in_plain_order(prompt.messages);
  Answer out = compose(prompt, messages, seed, options, 0);
  Wishes wishes;
  if (const Message* user = last_user(messages)) {
    Scan scan{user->text};
    wishes = take_wishes(scan);
  }
  const bool off = prompt.thinking == Thinking::kOff || prompt.reasoning_effort == "none";
  if (!off && (options.reasoning || wishes.think || prompt.thinking == Thinking::kOn)) {
    const uint64_t own = hash_of(messages.back().text, seed);
    out.reasoning =
        "Let me think. " + numbered_words(8 + static_cast<int64_t>(own % 9), 1, own) + ". I know what to say.";
    out.reasoning_redacted = wishes.think_in_secret;
  }
  int64_t left = prompt.tokens_max.value_or(INT64_MAX);
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
  if (cut) {
    out.finish = Finish::kLength;
    out.stop_sequence.clear();
  }
  return out;
}

int64_t prompt_tokens(const Prompt& prompt) {
  int64_t tokens = 3;
  for (const Message& message : prompt.messages) {
    tokens += 4 + count_tokens(message.text);
    for (const ToolCall& call : message.calls) tokens += count_tokens(call.name) + count_tokens(call.arguments);
    tokens += kMediaTokens * static_cast<int64_t>(message.media.size());
  }
  for (const Tool& tool : prompt.tools) tokens += count_tokens(tool.name) + count_tokens(tool.parameters);
  return tokens + count_tokens(prompt.schema);
}

}  // namespace perdure::simulate
