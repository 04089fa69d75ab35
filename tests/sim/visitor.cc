#include "visitor.h"

#include <charconv>

#include "../cut/extract.h"
#include "client.h"
#include "wire/json.h"
#include "wire/sse.h"

namespace perdure::sim {
namespace {

using namespace std::chrono_literals;

constexpr const char* kApis[] = {"responses", "chat", "messages"};
constexpr Duration kPatience = 20s;

std::string path_of(std::string_view api) {
  return api == "responses" ? "/v1/responses" : api == "chat" ? "/v1/chat/completions" : "/v1/messages";
}

bool is_whole(std::string_view finish) {
  for (std::string_view word : {"completed", "stop", "tool_calls", "end_turn", "tool_use"})
    if (finish == word) return true;
  return false;
}

std::string calls_as_shown(const Prompt& prompt) {
  std::string out;
  for (const auto& [name, arguments] : prompt.calls) out += (out.empty() ? "" : " ") + name + "(" + arguments + ")";
  return out;
}

}  // namespace

std::string body_in(std::string_view api, const Prompt& prompt, const Identity& who, uint64_t errand, bool stored) {
  const std::string tag = Rules::tag(errand);
  const bool chat = api == "chat", messages = api == "messages";
  json::Writer out;
  out.begin_object().field("model", who.model).field("stream", true);
  if (!messages) out.field("store", stored);
  if (messages) out.field("max_tokens", int64_t{8000}).field("system", tag);
  if (api == "responses") {
    out.field("instructions", tag).field("input", prompt.text);
  } else {
    out.key("messages").begin_array();
    if (chat) out.begin_object().field("role", "system").field("content", tag).end_object();
    out.begin_object().field("role", "user").field("content", prompt.text).end_object().end_array();
  }
  if (prompt.thinks && messages) out.key("thinking").begin_object().field("type", "adaptive").end_object();
  if (prompt.thinks && chat) out.field("reasoning_effort", "low");
  if (prompt.thinks && api == "responses") out.key("reasoning").begin_object().field("effort", "low").end_object();
  if (prompt.kind == Prompt::Kind::kTools) {
    out.key("tools").begin_array().begin_object();
    if (!messages) out.field("type", "function");
    if (chat) out.key("function").begin_object();
    out.field("name", "get_weather").field("description", "Looks it up.");
    out.key(messages ? "input_schema" : "parameters").raw(kLocation);
    if (chat) out.end_object();
    out.end_object().end_array();
  }
  if (prompt.kind == Prompt::Kind::kJson) {
    out.key(chat ? "response_format" : messages ? "output_config" : "text").begin_object();
    if (!chat) out.key("format").begin_object();
    out.field("type", "json_schema");
    if (chat) out.key("json_schema").begin_object();
    if (!messages) out.field("name", "person").field("strict", true);
    out.key("schema").raw(kPerson).end_object().end_object();
  }
  return out.end_object().take();
}

Visitor::Visitor(Scene& scene, Connections& http, int number, int turns)
    : scene_(scene),
      http_(http),
      number_(number),
      turns_(turns),
      random_(scene.seed * 1000 + static_cast<uint64_t>(number)),
      who_(with_limits(scene.setup, draw_identity(scene.setup, random_), scene.seed, number)) {}

Task<void> Visitor::run() {
  ++scene_.report.counts.sessions;
  co_await pause(random_.below(1000));
  for (int i = 0; i < turns_ && scene_.holds(); ++i) {
    co_await visit();
    co_await pause(random_.below(500));
  }
}

void Visitor::client_fault(FaultKind kind, const Visit& visit) {
  ++scene_.report.counts.faults;
  ++scene_.report.counts.coverage.states[static_cast<size_t>(kind)][static_cast<size_t>(visit.errand->phase)];
  scene_.say("visitor " + std::to_string(number_) + ": " + std::string(name_of(kind)) + " " + visit.id);
}

HttpCall Visitor::call(std::string method, std::string target, std::string body) const {
  HttpCall call;
  call.method = std::move(method);
  call.url = {.tls = false, .address = {"perdure", kFrontDoor}, .path = std::move(target)};
  call.headers.set("Authorization", "Bearer " + secret_of(who_.key));
  if (!body.empty()) call.headers.set("Content-Type", "application/json");
  call.body = std::move(body);
  return call;
}

Task<std::optional<std::string>> Visitor::read_all(HttpAnswer& answer) {
  std::string body;
  for (;;) {
    Result<bool> more = co_await answer.read(body, deadline_in(scene_.loop, kPatience));
    if (!more.ok()) co_return std::nullopt;
    if (!*more) co_return body;
  }
}

Task<void> Visitor::visit() {
  if (random_.below(8) == 0) co_await nonsense();
  Visit visit;
  const uint64_t unique = static_cast<uint64_t>(number_) * 100 + ++said_;
  visit.api = kApis[random_.below(std::size(kApis))];
  visit.prompt = draw_prompt(scene_.setup, random_, unique);
  visit.stored = random_.below(2) == 0;
  visit.by_socket = visit.api == "responses" && random_.below(2) == 0;
  if (visit.by_socket && random_.below(2) == 0) visit.lane = "lane" + std::to_string(random_.below(3));
  visit.keyed = visit.stored && !visit.by_socket && random_.below(3) != 0;
  visit.key = "visit-" + std::to_string(unique);
  if (random_.below(10) == 0) visit.leave_at = 1 + random_.below(15);
  auto begin = [&] {
    if (visit.errand != nullptr) visit.errand->phase = Phase::kIdle;
    const uint64_t number = scene_.next_errand++;
    visit.errand = &scene_.rules.begin(number, who_);
    visit.errand->phase = Phase::kCreating;
    visit.asked = 0;
    visit.errand->stored = visit.stored;
    visit.body = body_in(visit.api, visit.prompt, who_, number, visit.stored);
  };
  begin();
  bool counted = false;
  for (uint64_t wait = 20;; wait = std::min<uint64_t>(wait * 2, 2000)) {
    if (!scene_.holds()) co_return;
    Came came = co_await attend(visit);
    if (!visit.id.empty() && !std::exchange(counted, true)) {
      ++scene_.report.counts.generations;
      if (visit.stored) ++scene_.created[who_.tenant.value];
    }
    if (came == Came::kToTheEnd) break;
    if (came == Came::kLeft) {
      client_fault(FaultKind::kLeaves, visit);
      ++scene_.report.counts.left;
      if (visit.stored)
        scene_.remembered.push_back({visit.errand->number, who_.tenant, ResponseId(visit.id), visit.prompt, {}, false});
      co_return;
    }
    if (visit.id.empty()) visit.errand->countable = false;  // it may have been begun
    if (came == Came::kBroke && !visit.stored) {            // nobody can come back to it
      if (!visit.id.empty() || !visit.frames.empty()) co_return scene_.rules.end(visit.errand->number);
      begin();
    } else if (came == Came::kBroke && visit.id.empty() && !visit.keyed) {
      ++scene_.unheard[who_.tenant.value];
      begin();
    }
    co_await pause(wait);
  }
  co_await judge(visit);
  scene_.rules.end(visit.errand->number);
}

// An error reply. True: it was this client's to be told, and worth trying again.
Task<bool> Visitor::refused(Visit& visit, HttpAnswer& answer) {
  std::optional<std::string> body = co_await read_all(answer);
  std::optional<int64_t> retry_after_s;
  int64_t seconds = 0;
  const std::string_view told = answer.headers.get("retry-after");
  if (std::from_chars(told.data(), told.data() + told.size(), seconds).ec == std::errc()) retry_after_s = seconds;
  if (body) judge_refusal(visit, answer.status, *body, retry_after_s);
  co_return true;
}

void Visitor::judge_refusal(Visit& visit, int status, const std::string& body, std::optional<int64_t> retry_after_s) {
  const Instant since = scene_.loop.now() - 1s;
  // Its connection fell silent before the path was there: nobody can know which API it speaks, and it may come again.
  if (status == 408 && body.find("the header took too long") != std::string::npos) return;
  Result<json::Document> document = json::Document::parse(body);
  const bool shaped = document.ok() && document->root()["error"]["message"].is_string() &&
                      document->root()["error"]["type"].is_string() &&
                      (visit.api != "messages" || document->root()["type"].text() == "error");
  if (!shaped) scene_.rules.violate("I6: an error that no " + visit.api + " client understands: " + body);
  if (body.find("budget_exceeded") != std::string::npos) {
    ++scene_.report.counts.short_of_money;
    scene_.rules.purses().refused(who_, since);
    if (status != 429)
      scene_.rules.violate("a budget without room was told with " + std::to_string(status) + ": " + body);
  }
  if (body.find("Rate limit reached for this API key") != std::string::npos) {
    ++scene_.report.counts.too_many;
    scene_.rules.meters().refused(visit.request, body, retry_after_s);
    if (status != 429) scene_.rules.violate("limits: a refusal was told with " + std::to_string(status) + ": " + body);
    // A connection that is kept may turn out dead, and then its client sends the request once more by itself.
    const bool once = visit.asked == 1 && (visit.by_socket || (visit.stored && !visit.keyed));
    if (once && visit.errand->attempts > 0)
      scene_.rules.violate("limits: an attempt was made for a request that was refused: " + body);
  }
  const bool passing = status == 429 || status >= 500;
  const bool denied = (status == 403 || status == 401) && scene_.rules.may_be_denied(who_, since);
  // Where the answer exists and has failed before its first word, that is what its ending says.
  const bool stranded = scene_.rules.may_have_been_stranded(*visit.errand);
  if (!passing && !denied && !stranded)
    scene_.rules.violate("a good request was refused with " + std::to_string(status) + ": " + body);
}

// False: nobody answers, or not now.
Task<bool> Visitor::open_socket() {
  auto socket = std::make_unique<WebSocketClient>(scene_.loop);
  const bool open = co_await socket->connect(http_.network, {"perdure", kFrontDoor}, "/v1/responses",
                                             {{"Authorization", "Bearer " + secret_of(who_.key)}});
  if (open)
    socket_ = std::move(socket);
  else if (socket->head.starts_with("HTTP/1.1 ") && !socket->head.starts_with("HTTP/1.1 503 "))
    scene_.rules.violate("a good handshake was refused: " + socket->head);
  co_return open;
}

// The socket stays usable. False: it broke.
Task<bool> Visitor::socket_refuses_nonsense() {
  static constexpr const char* kBad[] = {R"({"type":"response.create","model":"small","input":5})",
                                         R"({"type":"response.create","model":"small","input":"a","no_such_field":1})",
                                         R"({"type":"no_such_event"})", R"({"type":)"};
  if (!co_await socket_->send(kBad[random_.below(std::size(kBad))])) co_return false;
  const std::string told = co_await socket_->next(kPatience);
  if (told.empty()) co_return false;
  Result<json::Document> document = json::Document::parse(told);
  if (!document.ok() || document->root()["type"].text() != "error" || document->root()["status"].integer() != 400 ||
      !document->root()["error"]["message"].is_string())
    scene_.rules.violate("I6: nonsense on a socket was answered with " + told);
  co_return true;
}

Task<Visitor::Came> Visitor::attend_socket(Visit& visit) {
  const uint64_t life = scene_.lives.number();
  if (!socket_ && !co_await open_socket()) co_return Came::kBroke;
  auto broke = [&](Came came) {
    socket_.reset();
    return came;
  };
  if (random_.below(8) == 0 && !co_await socket_refuses_nonsense()) co_return broke(Came::kBroke);
  // The body of a create, with what a message says besides.
  std::string message = visit.body;
  std::string besides = R"("type":"response.create",)";
  if (!visit.lane.empty()) besides += "\"stream_id\":\"" + visit.lane + "\",";
  message.insert(1, besides);
  ++visit.asked;
  visit.request = scene_.rules.meters().asked(who_.key);
  if (!co_await socket_->send(std::move(message))) co_return broke(Came::kBroke);
  visit.errand->phase = Phase::kWaiting;
  const std::string suffix = visit.lane.empty() ? "" : ",\"stream_id\":\"" + visit.lane + "\"}";
  for (size_t position = 0;;) {
    std::string data = co_await socket_->next(kPatience);
    if (data.empty()) {
      if (!socket_->ended && socket_->close_code == 0 && life == scene_.lives.number())
        scene_.say("visitor " + std::to_string(number_) + ": a silent socket");
      co_return broke(Came::kBroke);
    }
    if (!data.ends_with(suffix)) scene_.rules.violate("a message of another lane, or of none: " + data);
    if (!suffix.empty()) data.replace(data.size() - suffix.size(), suffix.size(), "}");
    if (data.starts_with(R"({"type":"error","status":)")) {
      Result<json::Document> document = json::Document::parse(data);
      const int64_t status = document.ok() ? document->root()["status"].integer().value_or(0) : 0;
      judge_refusal(visit, static_cast<int>(status), data, 1);  // a message has no Retry-After
      co_return visit.id.empty() ? Came::kRefused : broke(Came::kBroke);
    }
    if (visit.id.empty()) {
      Result<json::Document> document = json::Document::parse(data);
      if (document.ok()) visit.id = document->root()["response"]["id"].text();
      scene_.rules.meters().let_in(visit.request);
      if (visit.id.empty()) scene_.rules.violate("I1: a socket's first event has no response: " + data);
      ++scene_.report.counts.by_socket;
    }
    if (!take(visit, data, position)) co_return broke(Came::kBroke);
    if (visit.ended) co_return Came::kToTheEnd;
    if (visit.leave_at && visit.frames.size() >= *visit.leave_at) co_return broke(Came::kLeft);
  }
}

Task<Visitor::Came> Visitor::attend(Visit& visit) {
  const bool again = !visit.id.empty();
  if (visit.by_socket && !again) co_return co_await attend_socket(visit);
  HttpCall ask = again ? call("GET",
                              "/v1/x/responses/" + visit.id + "/stream?dialect=" + visit.api +
                                  (visit.frames.empty() ? "" : "&after=" + std::to_string(visit.frames.size() - 1)),
                              "")
                       : call("POST", path_of(visit.api), visit.body);
  if (!again && visit.keyed) ask.headers.set("Idempotency-Key", visit.key);
  if (!again && visit.stored && visit.api == "messages") ask.headers.set("x-perdure-store", "1");
  const uint64_t life = scene_.lives.number();
  if (!again) {
    ++visit.asked;
    visit.request = scene_.rules.meters().asked(who_.key);
  }
  // A client that keeps connections sends a request again when one turns out dead; only who has a key may do that.
  HttpClient& http = visit.stored && !visit.keyed ? http_.fresh : http_.kept;
  Result<std::unique_ptr<HttpAnswer>> answer =
      co_await http.send(std::move(ask), deadline_in(scene_.loop, 120s), nullptr);
  if (!answer.ok()) co_return Came::kBroke;
  std::string id((*answer)->headers.get("x-perdure-response-id"));
  if ((*answer)->status != 200) {
    if (again && (*answer)->status == 404) scene_.rules.violate("I1: a created response is gone");
    // It was created, and has failed before anything was said: come back and be told so.
    if (!again && visit.stored && !id.empty()) visit.id = id;
    (void)co_await refused(visit, **answer);
    co_return Came::kRefused;
  }
  if (!again) scene_.rules.meters().let_in(visit.request);
  if (visit.stored) {
    if (!visit.id.empty() && visit.id != id && again) scene_.rules.violate("I3: another response was given");
    visit.id = id;
  } else if (visit.id.empty()) {
    visit.id = id.empty() ? "relayed" : id;
  }
  if (!again) visit.errand->phase = Phase::kWaiting;
  // A stream from its start repeats what was seen.
  size_t position = again ? visit.frames.size() : 0;
  SseParser parser;
  std::string bytes;
  for (;;) {
    bytes.clear();
    Result<bool> more = co_await (*answer)->read(bytes, deadline_in(scene_.loop, kPatience));
    if (life != scene_.lives.number() && !more.ok()) co_return Came::kBroke;
    bool good = true;
    Result<void> fed = parser.feed(bytes, [&](const SseEvent& event) -> Result<void> {
      good = good && take(visit, event.data, position);
      return {};
    });
    if (!good || !fed.ok()) co_return Came::kBroke;
    if (visit.ended) {
      while (more.ok() && *more) more = co_await (*answer)->read(bytes, deadline_in(scene_.loop, kPatience));
      co_return Came::kToTheEnd;
    }
    if (!more.ok()) co_return Came::kBroke;
    if (!*more) {
      scene_.rules.violate("a stream of " + visit.api + (visit.stored ? ", stored" : "") +
                           ", ended in good order without its API's ending: " + visit.id + " errand " +
                           std::to_string(visit.errand->number) + " " +
                           (visit.frames.empty() ? "nothing" : visit.frames.back()));
      co_return Came::kBroke;
    }
    if (visit.leave_at && visit.frames.size() >= *visit.leave_at) co_return Came::kLeft;
  }
}

// One event's data. False: what was seen before is not what comes now.
bool Visitor::take(Visit& visit, std::string_view data, size_t& position) {
  if (data == "[DONE]") {
    visit.ended = true;
    return true;
  }
  if (data == R"({"type":"ping"})") return true;  // a keep-alive, which is no frame of the answer
  if (visit.api == "messages" && data.find("\"type\":\"message_stop\"") != std::string_view::npos) visit.ended = true;
  // OpenAI's own streams of responses, which are relayed as they are, have no other end than this.
  if (visit.api == "responses")
    for (std::string_view end : {"completed", "incomplete", "failed", "cancelled"})
      if (data.starts_with("{\"type\":\"response." + std::string(end) + "\"")) visit.ended = true;
  // An error is the last word of a chat stream and of a messages stream, and of what is relayed.
  const bool relayed = visit.id == "relayed";
  if ((visit.api != "responses" || relayed) &&
      (data.starts_with("{\"error\"") || data.starts_with("{\"type\":\"error\"")))
    visit.ended = true;
  if (position < visit.frames.size()) {
    if (visit.frames[position] != data) {
      scene_.rules.violate("I1: frame " + std::to_string(position) + " of " + visit.id + " changed:\n  was " +
                           visit.frames[position] + "\n  is  " + std::string(data));
      return false;
    }
  } else {
    scene_.note(data);
    visit.frames.emplace_back(data);
    ++scene_.report.counts.events;
    if (position > 1) visit.errand->phase = Phase::kStreaming;
  }
  ++position;
  return true;
}

Task<void> Visitor::judge(Visit& visit) {
  cut::Shown shown = cut::extract(visit.api, visit.frames);
  const Prompt& prompt = visit.prompt;
  auto about = [&](const std::string& what) {
    return what + " (" + visit.api + (visit.stored ? ", stored" : ", not stored") + ", errand " +
           std::to_string(visit.errand->number) + ", " + visit.id + ", " + shown.finish + ")\n  got  " + shown.text +
           " " + shown.calls + "\n  want " + prompt.answer + " " + calls_as_shown(prompt);
  };
  if (is_whole(shown.finish)) {
    // What a repeat is given was made for another request.
    if (visit.asked == 1) scene_.rules.meters().seen(visit.request, simulate::count_tokens(shown.text), visit.stored);
    if (shown.text != prompt.answer) scene_.rules.violate(about("I1: a client put together another answer"));
    if (shown.calls != calls_as_shown(prompt)) scene_.rules.violate(about("I1: a client put together other calls"));
  } else if (!prompt.answer.starts_with(shown.text)) {
    scene_.rules.violate(about("I1: a client saw no beginning of the answer"));
  } else if (!visit.stored) {
    ++scene_.report.counts.honest_ends;
    // Half a call, or reasoning without a word of the answer, is not gone on with where it was relayed: that is said.
    const bool no_way_on =
        visit.id == "relayed" && (!shown.calls.empty() || (shown.text.empty() && !shown.reasoning.empty()));
    if (no_way_on) co_return;
    const Workload& workload = scene_.setup.workload_of(who_);
    if (workload.continuation == ContinuationRule::kContinue && !scene_.rules.may_have_been_stranded(*visit.errand))
      scene_.rules.violate(about("an answer ended early though it could go on: " + visit.frames.back()));
  }
  if (!visit.stored) co_return;
  for (;;) {
    std::optional<Result<Response>> got =
        co_await scene_.lives.call([&](Process& p) { return p.responses().get(who_.tenant, ResponseId(visit.id)); });
    if (!got || !got->ok()) {
      if (got && got->error().code == Code::kNotFound) co_return scene_.rules.violate("I1: an answer is gone");
      co_await pause(20);
      continue;
    }
    judge_answer(scene_, *visit.errand, prompt, false, **got);
    const bool completed = (*got)->status == ResponseStatus::kCompleted;
    if (completed != is_whole(shown.finish)) scene_.rules.violate(about("I1: streamed and stored end differently"));
    co_return;
  }
}

// I6: refused, in the shape of its API, and nothing is left behind (the lists of responses tell, in the end).
Task<void> Visitor::nonsense() {
  static constexpr std::pair<const char*, const char*> kBad[] = {
      {"responses", R"({"model":"small","input":5})"},
      {"responses", R"({"model":"small","input":"a","temperature":"hot"})"},
      {"responses", R"({"model":"small","input":"a","no_such_field":1})"},
      {"responses", R"({"model":"small","input":"a")"},
      {"responses", R"({"model":"small","input":[{"type":"no_such_item"}]})"},
      {"chat", R"({"model":"small","messages":[],"store":true})"},
      {"chat", R"({"model":"small","messages":[{"role":"nobody","content":"a"}],"store":true})"},
      {"chat", R"({"model":"small","store":true,"messages":[{"role":"tool","content":"a"}]})"},
      {"messages", R"({"model":"small","messages":[{"role":"user","content":7}],"max_tokens":10,"stream":true})"},
      {"messages", R"({"model":"small","messages":[{"role":"user","content":"a"}],"max_tokens":0})"},
  };
  const auto& [api, body] = kBad[random_.below(std::size(kBad))];
  HttpCall ask = call("POST", path_of(api), body);
  // Kept, so that it is read here and not passed on to a supplier for it to judge.
  if (std::string_view(api) == "messages") ask.headers.set("x-perdure-store", "1");
  const size_t request = scene_.rules.meters().asked(who_.key);
  Result<std::unique_ptr<HttpAnswer>> answer =
      co_await http_.kept.send(std::move(ask), deadline_in(scene_.loop, kPatience), nullptr);
  if (!answer.ok()) co_return;
  std::optional<std::string> text = co_await read_all(**answer);
  if (!text) co_return;
  if (text->find("Rate limit reached for this API key") != std::string::npos) co_return;
  scene_.rules.meters().let_in(request, false);
  Result<json::Document> document = json::Document::parse(*text);
  const bool shaped = document.ok() && document->root()["error"]["message"].is_string() &&
                      (std::string_view(api) != "messages" || document->root()["type"].text() == "error");
  if ((*answer)->status != 400 || !shaped)
    scene_.rules.violate("I6: " + std::string(body) + " was answered with " + std::to_string((*answer)->status) + ": " +
                         *text);
}

}  // namespace perdure::sim
