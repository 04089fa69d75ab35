#include "corpus.h"

#include <algorithm>

#include "base/random.h"

namespace perdure::fidelity {
namespace {

constexpr std::string_view kPixel =
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5Er"
    "kJggg==";
constexpr std::string_view kPdf = "data:application/pdf;base64,JVBERi0xLjQKJSVFT0YK";
constexpr std::string_view kNote = "data:text/plain;base64,YSBub3Rl";
constexpr std::string_view kSchema =
    R"({"type":"object","properties":{"b":{"type":"string"},"a":{"type":"integer"}},"required":["b","a"],"additionalProperties":false})";

class Talker {
 public:
  explicit Talker(uint64_t seed) : random_(seed) {}

  Talk make() {
    if (one_in(3)) system();
    if (one_in(20)) say(words());
    user();
    const size_t turns = 1 + below(5);
    for (size_t i = 0; i < turns; ++i) {
      turn();
      out_.rests.push_back(items().size());
    }
    parameters();
    if (one_in(6)) {
      out_.held = one_in(2) ? "So far" : "So far \n";
      if (!one_in(3)) out_.ask = "Go on.";
    }
    return std::move(out_);
  }

 private:
  size_t below(size_t n) { return static_cast<size_t>(random_.below(n)); }
  bool one_in(size_t n) { return below(n) == 0; }
  template <size_t N>
  std::string any(const std::string_view (&from)[N]) {
    return std::string(from[below(N)]);
  }
  std::vector<Item>& items() { return out_.request.input; }

  std::string words() {
    static constexpr std::string_view kWords[] = {
        "Hello", "Gr\xc3\xbc\xc3\x9f Gott \xe6\x97\xa5\xe6\x9c\xac", R"(a "q" \ {})", "two\nlines", " with room ", "x"};
    return any(kWords) + (one_in(3) ? " " + std::to_string(below(1000)) : "");
  }
  std::string words_or_none() {
    static constexpr std::string_view kBlank[] = {"", " ", "\n"};
    return one_in(5) ? any(kBlank) : words();
  }

  void system() {
    Item item{.role = one_in(2) ? Role::kSystem : Role::kDeveloper};
    for (size_t i = 0, n = 1 + below(2); i < n; ++i) item.content.push_back({.text = words_or_none()});
    items().push_back(std::move(item));
  }

  Part image(bool by_address) {
    Part part{.kind = PartKind::kInputImage, .url = std::string(kPixel)};
    if (by_address) part.url = "https://example.com/a.png";
    if (one_in(8)) part.detail = "low";
    return part;
  }

  void user() {
    Item item{.role = Role::kUser};
    for (size_t i = 0, n = 1 + below(3); i < n; ++i) item.content.push_back({.text = words_or_none()});
    if (one_in(4)) {
      item.content.push_back(image(one_in(3)));
      if (one_in(2))
        item.content.push_back({.kind = PartKind::kInputFile, .file_data = std::string(one_in(2) ? kPdf : kNote)});
      if (item.content.back().kind == PartKind::kInputFile)
        item.content.back().filename = item.content.back().file_data == kPdf ? "a report.pdf" : "note.txt";
      item.content.push_back({.text = words()});
    }
    item.content.insert(item.content.begin(), {.text = words()});
    if (one_in(25)) item.name = "alice";
    items().push_back(std::move(item));
  }

  void say(std::string text) {
    Item item{.role = Role::kAssistant};
    item.content.push_back({.kind = one_in(12) ? PartKind::kRefusal : PartKind::kOutputText, .text = std::move(text)});
    if (one_in(4)) item.content.push_back({.kind = PartKind::kOutputText, .text = words_or_none()});
    items().push_back(std::move(item));
  }

  // Its opaque block is made when it is known who is asked.
  void think() {
    Item item{.kind = ItemKind::kReasoning, .issuer = one_in(2) ? std::string(kOurs) : "another"};
    const size_t kind = below(4);
    item.opaque = kind == 0 ? OpaqueKind::kRedacted : OpaqueKind::kSignature;
    if (kind > 1) item.content.push_back({.kind = PartKind::kReasoningText, .text = words()});
    if (item.issuer != kOurs) item.encrypted = "not for you";
    if (one_in(6)) item.issuer.clear();
    items().push_back(std::move(item));
  }

  std::string call_id() {
    const std::string number = std::to_string(++calls_);
    if (one_in(10)) return "functions.get_weather:" + number;
    if (one_in(10)) return std::string(80, 'l') + number;
    if (one_in(10)) return "toolu_01A09q90qw90lq917835lq" + number;
    return "call_" + number;
  }

  void step() {
    const bool first = one_in(2);
    if (first) think();
    if (one_in(2)) say(words_or_none());
    if (!first && one_in(3)) think();
    std::vector<std::string> ids(1 + below(3));
    static constexpr std::string_view kArguments[] = {"{}",
                                                      "",
                                                      R"({"a":1.50,"b":[12345678901234567890,null]})",
                                                      R"({"city":"K\u00f6ln","n":1e3})",
                                                      "{bad",
                                                      R"(["no object"])"};
    for (std::string& id : ids) {
      id = last_id_.empty() || !one_in(20) ? call_id() : last_id_;
      if (std::ranges::count(ids, id) > 1) id = call_id();
      items().push_back({.kind = ItemKind::kFunctionCall,
                         .call_id = id,
                         .name = one_in(2) ? "look" : "get_weather",
                         .arguments = any(kArguments)});
    }
    last_id_ = ids.back();
    if (one_in(10)) say(words());  // behind the calls
    for (size_t i = 0; i < ids.size(); ++i) {
      std::swap(ids[i], ids[i + below(ids.size() - i)]);
      output(ids[i]);
      if (one_in(12) && i + 1 < ids.size()) items().push_back({.role = Role::kUser, .content = {{.text = words()}}});
    }
    out_.rests.push_back(items().size());
  }

  void output(const std::string& id) {
    Item item{.kind = ItemKind::kFunctionCallOutput, .call_id = id, .tool_failed = one_in(6)};
    if (one_in(4)) {
      item.output_is_text = false;
      item.content = {{.text = words_or_none()}};
      if (one_in(2)) item.content.push_back(image(one_in(3)));
      if (one_in(3)) item.content.push_back({.text = words()});
    } else {
      item.output = words_or_none();
    }
    items().push_back(std::move(item));
  }

  void turn() {
    for (size_t i = 0, n = below(4); i < n; ++i) step();
    if (one_in(5)) return;  // it ends with outputs; the next turn goes on
    if (one_in(2)) think();
    say(words());
    if (one_in(8)) system();
    user();
  }

  void parameters() {
    Request& r = out_.request;
    r.model = "m";
    r.lenient = one_in(2);
    if (one_in(2)) r.instructions = words();
    tools();
    if (one_in(5)) {
      r.format.kind = one_in(4) ? TextFormat::Kind::kJsonObject : TextFormat::Kind::kJsonSchema;
      if (r.format.kind == TextFormat::Kind::kJsonObject) {
        r.instructions = "Answer in JSON.";
      } else {
        r.format.name = "answer";
        r.format.schema = kSchema;
        if (one_in(2)) r.format.description = "What is wanted.";
        if (one_in(2)) r.format.strict = true;
      }
    }
    if (one_in(4)) r.temperature = one_in(4) ? 1.5 : 0.5;
    if (one_in(4)) r.top_p = 0.97;
    if (one_in(10)) r.top_k = 40;
    if (one_in(10)) r.seed = 7;
    if (one_in(12)) r.presence_penalty = 0.5;
    if (one_in(12)) r.frequency_penalty = -0.5;
    if (one_in(4)) r.stop = one_in(3) ? std::vector<std::string>{"END", "\n\n"} : std::vector<std::string>{"END"};
    if (one_in(3)) r.max_output_tokens = one_in(5) ? 8 : 4000;
    if (one_in(8)) r.verbosity = "low";
    static constexpr std::string_view kEfforts[] = {"none", "minimal", "low", "medium", "high"};
    if (one_in(3)) r.reasoning_effort = any(kEfforts);
    if (one_in(10)) r.reasoning_tokens_max = 2000;
    if (one_in(8)) r.reasoning_summary = "auto";
    r.metadata = {{"k", "v"}};
    r.user = r.safety_identifier = r.prompt_cache_key = "u";
  }

  void tools() {
    Request& r = out_.request;
    if (one_in(3)) return;
    r.tools = {{.name = "look", .parameters = std::string(kSchema)}, {.name = "get_weather"}};
    if (one_in(2)) r.tools[0].description = "Looks.";
    if (one_in(3)) r.tools[0].strict = true;
    if (one_in(3))
      r.tools.push_back(
          {.name = "third", .parameters = R"({"type":"object","properties":{"n":{"type":"number","minimum":0}}})"});
    using Mode = ToolChoice::Mode;
    constexpr Mode kModes[] = {Mode::kAuto, Mode::kNone, Mode::kRequired, Mode::kFunction, Mode::kAllowed};
    r.tool_choice.mode = kModes[below(5)];
    if (r.tool_choice.mode == Mode::kFunction) r.tool_choice.function = "get_weather";
    if (r.tool_choice.mode == Mode::kAllowed) {
      r.tool_choice.allowed =
          one_in(2) ? std::vector<std::string>{"look"} : std::vector<std::string>{"look", "get_weather"};
      r.tool_choice.allowed_required = one_in(2);
    }
    if (one_in(4)) r.parallel_tool_calls = one_in(2);
  }

  SeededRandom random_;
  Talk out_;
  std::string last_id_;
  size_t calls_ = 0;
};

}  // namespace

Talk make_talk(uint64_t seed) { return Talker(seed).make(); }

}  // namespace perdure::fidelity
