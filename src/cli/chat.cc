#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "wire/json.h"

namespace perdure::cli {
namespace {

// For the hint when the user interrupts; written before the handler can need it.
char interrupted_hint[256];

void on_interrupt(int) {
  for (const char* at = interrupted_hint; *at != '\0';) {
    ssize_t n = ::write(STDERR_FILENO, at, 1);
    if (n <= 0) break;
    ++at;
  }
  ::_exit(kInterrupted);
}

void hint_about(const std::string& id) {
  std::snprintf(interrupted_hint, sizeof interrupted_hint,
                "\n[the answer goes on without you: perdure chat --resume %s]\n", id.c_str());
}

// Shows an answer as it comes, and keeps how it ended.
class Show {
 public:
  explicit Show(bool quiet) : quiet_(quiet) {}

  void event(const SseEvent& event) {
    Result<json::Document> document = json::Document::parse(std::string(event.data));
    if (!document.ok()) return;
    json::Value root = document->root();
    std::string_view type = root["type"].text();
    if (type == "response.output_text.delta" || type == "response.refusal.delta") {
      out(root["delta"].text());
    } else if (type == "response.output_item.done" && root["item"]["type"].text() == "function_call") {
      json::Value item = root["item"];
      out("[calls " + std::string(item["name"].text()) + "(" + std::string(item["arguments"].text()) + ")]\n");
    } else if (type == "response.completed" || type == "response.incomplete" || type == "response.failed" ||
               type == "response.cancelled") {
      json::Value response = root["response"];
      final_ = response.raw();
      status_ = response["status"].text();
      why_ = response["error"]["message"].text();
      if (why_.empty()) why_ = response["incomplete_details"]["reason"].text();
    } else if (type == "error") {
      why_ = root["error"]["message"].text();
    }
  }

  void end_line() {
    if (wrote_ && !at_line_start_) out("\n");
  }
  const std::string& resource() const { return final_; }
  // 0 when the answer is whole; says what it is otherwise.
  int verdict() const {
    if (status_ == "completed") return kOk;
    std::fprintf(stderr, "perdure: the response ended %s%s%s\n", status_.empty() ? "without a word" : status_.c_str(),
                 why_.empty() ? "" : ": ", why_.c_str());
    return kFailed;
  }

 private:
  void out(std::string_view text) {
    if (quiet_ || text.empty()) return;
    print(text);
    wrote_ = true;
    at_line_start_ = text.back() == '\n';
  }
  bool quiet_, wrote_ = false, at_line_start_ = true;
  std::string final_, status_, why_;
};

Result<std::string> pick_model(Client& client, const Options& options) {
  if (options.has("model")) return options.get("model");
  if (const char* model = std::getenv("PERDURE_MODEL"); model != nullptr && *model != '\0') return std::string(model);
  TRY(std::string body, client.call("GET", "/v1/models"));
  TRY(json::Document document, json::Document::parse(std::move(body)));
  std::string_view first = document.root()["data"].at(0)["id"].text();
  if (first.empty()) return Error{Code::kInvalid, "the server lists no model: name one with --model"};
  return std::string(first);
}

struct Turn {
  std::string model, text, previous, instructions;
};

std::string create_body(const Turn& turn) {
  json::Writer out;
  out.begin_object().field("model", turn.model).field("input", turn.text).field("stream", true);
  if (!turn.previous.empty()) out.field("previous_response_id", turn.previous);
  if (!turn.instructions.empty()) out.field("instructions", turn.instructions);
  out.end_object();
  return out.take();
}

// One answer, new (`body`) or taken up again (`id`). The response's id comes back through `id`.
int answer(Client& client, std::string& id, const std::string& body, int64_t after, bool as_json) {
  Show show(as_json);
  auto named = [&](const std::string& response_id) {
    id = response_id;
    hint_about(response_id);
  };
  Result<Followed> followed = follow(client, id, after, body, [&](const SseEvent& event) { show.event(event); }, named);
  show.end_line();
  interrupted_hint[0] = '\0';
  if (!followed.ok()) {
    int code = complain(followed.error());
    if (!id.empty()) std::fprintf(stderr, "perdure: later: perdure chat --resume %s\n", id.c_str());
    return code;
  }
  if (as_json) print(show.resource() + "\n");
  return show.verdict();
}

int interactive(Client& client, Turn turn) {
  std::fprintf(stderr, "model %s; an empty line or Ctrl-D ends\n", turn.model.c_str());
  int code = kOk;
  for (;;) {
    std::fprintf(stderr, "> ");
    if (!std::getline(std::cin, turn.text) || turn.text.empty()) {
      if (!turn.previous.empty()) std::fprintf(stderr, "[later: perdure chat --previous %s]\n", turn.previous.c_str());
      return code;
    }
    std::string id;
    code = answer(client, id, create_body(turn), -1, false);
    if (code == kOk) turn.previous = id;
  }
}

int chat(const Options& options) {
  Result<std::unique_ptr<Client>> client = Client::from_environment();
  if (!client.ok()) return complain(client.error());
  struct sigaction action{};
  action.sa_handler = on_interrupt;
  ::sigaction(SIGINT, &action, nullptr);
  std::string id = options.get("resume");
  if (options.has("resume")) {
    if (!options.words.empty()) return complain_usage("--resume takes up an answer; it asks nothing new", "chat");
    int64_t after = options.has("after") ? std::strtoll(options.get("after").c_str(), nullptr, 10) : -1;
    return answer(**client, id, "", after, options.has("json"));
  }
  Turn turn;
  turn.previous = options.get("previous");
  turn.instructions = options.get("instructions");
  for (const std::string& word : options.words) turn.text += (turn.text.empty() ? "" : " ") + word;
  Result<std::string> model = pick_model(**client, options);
  if (!model.ok()) return complain(model.error());
  turn.model = *model;
  if (turn.text.empty() && ::isatty(STDIN_FILENO)) return interactive(**client, std::move(turn));
  if (turn.text.empty()) {
    turn.text.assign(std::istreambuf_iterator<char>(std::cin), {});
    if (turn.text.empty())
      return complain_usage("there is nothing to ask: no words, and nothing on standard input", "chat");
  }
  int code = answer(**client, id, create_body(turn), -1, options.has("json"));
  if (options.has("print-id") && !id.empty()) std::fprintf(stderr, "%s\n", id.c_str());
  return code;
}

}  // namespace

Command chat_command() {
  return {.name = "chat",
          .words = "[TEXT]",
          .summary = "asks a question, or holds a conversation, and shows the answer as it comes",
          .options = {{"model", "NAME", "which model (default PERDURE_MODEL, or the first that the server lists)"},
                      {"previous", "ID", "goes on from that response: the model sees what was said before"},
                      {"resume", "ID", "shows that response's answer, from its start, also while it is being made"},
                      {"after", "N", "with --resume: only the events after number N"},
                      {"instructions", "TEXT", "how the model is to behave"},
                      {"print-id", "", "the response's id on standard error when it is done"},
                      {"json", "", "the whole response as JSON, when it has ended"}},
          .details =
              "  perdure chat                                     a conversation on the terminal\n"
              "  perdure chat \"Name three rivers.\"\n"
              "  git diff | perdure chat --instructions \"Review this.\"\n"
              "  perdure chat --resume resp_...                   the answer goes on where the connection broke\n"
              "\n"
              "A broken connection is taken up again by itself. Ctrl-C leaves; the answer is finished without you.\n",
          .run = chat};
}

}  // namespace perdure::cli
