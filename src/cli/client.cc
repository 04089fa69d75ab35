#include "cli/client.h"

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "async/job_runner.h"
#include "cli/blocking_loop.h"
#include "http/client.h"
#include "http/socket_network.h"
#include "wire/json.h"

namespace perdure::cli {
namespace {

constexpr size_t kAnswerBytesMax = size_t{256} << 20;
constexpr Duration kSilenceMax = std::chrono::minutes(30);  // an answer that is waited for may take its time
constexpr auto kPatience = std::chrono::seconds(60);
constexpr auto kPause = std::chrono::milliseconds(250);

Error error_of(int status, const std::string& body) {
  Code code = status == 400 || status == 405 || status == 413 || status == 415 ? Code::kInvalid
              : status == 401 || status == 403                                 ? Code::kDenied
              : status == 404                                                  ? Code::kNotFound
              : status == 409                                                  ? Code::kConflict
              : status == 429                                                  ? Code::kOverloaded
              : status == 503                                                  ? Code::kUnavailable
              : status == 504                                                  ? Code::kDeadline
                                                                               : Code::kInternal;
  Error error{code, "the server answered with status " + std::to_string(status)};
  if (Result<json::Document> document = json::Document::parse(body); document.ok()) {
    json::Value inner = document->root()["error"];
    if (!inner["message"].text().empty()) error.message = inner["message"].text();
    error.param = inner["param"].text();
    error.reason = inner["code"].text();
  }
  return error;
}

}  // namespace

struct Client::Impl {
  Url base;
  std::string shown;  // the base as the user wrote it
  std::string key;
  BlockingLoop worker;
  Loop& loop = worker.loop();
  std::unique_ptr<JobRunner> resolver = thread_runner("resolver");
  std::unique_ptr<Network> network = socket_network(worker.loop(), *resolver);
  std::unique_ptr<HttpClient> http = std::make_unique<HttpClient>(loop, *network, ProxyRules{});

  // Connections close on their loop.
  ~Impl() {
    worker.wait_for([this] {
      http.reset();
      network.reset();
    });
  }

  HttpCall call_of(std::string method, const std::string& path, std::string body) const {
    HttpCall call;
    call.method = std::move(method);
    call.url = base;
    while (call.url.path.ends_with('/')) call.url.path.pop_back();
    call.url.path += path;
    if (!key.empty()) call.headers.add("Authorization", "Bearer " + key);
    if (!body.empty()) call.headers.add("Content-Type", "application/json");
    call.body = std::move(body);
    return call;
  }

  Task<Result<std::unique_ptr<HttpAnswer>>> send(HttpCall call) {
    Result<std::unique_ptr<HttpAnswer>> answer =
        co_await http->send(std::move(call), deadline_in(loop, kSilenceMax), nullptr);
    if (!answer.ok() && answer.error().code == Code::kUnavailable) answer.error().message += " (server: " + shown + ")";
    co_return answer;
  }

  Task<Result<std::string>> read_all(HttpAnswer& answer) {
    std::string body;
    for (;;) {
      CO_TRY(bool more, co_await answer.read(body, deadline_in(loop, kSilenceMax)));
      if (!more) co_return body;
      if (body.size() > kAnswerBytesMax) co_return Error{Code::kCorrupt, "the server's answer is too long"};
    }
  }

  Task<Result<std::string>> call(HttpCall request) {
    CO_TRY(std::unique_ptr<HttpAnswer> answer, co_await send(std::move(request)));
    CO_TRY(std::string body, co_await read_all(*answer));
    if (answer->status / 100 != 2) co_return error_of(answer->status, body);
    co_return body;
  }

  Task<Result<Streamed>> stream(HttpCall request, const std::function<void(const SseEvent&)>& on_event,
                                const std::function<void(const std::string&)>& on_response_id) {
    CO_TRY(std::unique_ptr<HttpAnswer> answer, co_await send(std::move(request)));
    if (answer->status / 100 != 2) {
      CO_TRY(std::string body, co_await read_all(*answer));
      co_return error_of(answer->status, body);
    }
    Streamed out;
    out.response_id = answer->headers.get("x-perdure-response-id");
    if (on_response_id && !out.response_id.empty()) on_response_id(out.response_id);
    SseParser parser;
    std::string bytes;
    for (;;) {
      bytes.clear();
      Result<bool> more = co_await answer->read(bytes, deadline_in(loop, kSilenceMax));
      CO_TRY_VOID(parser.feed(bytes, [&](const SseEvent& event) -> Result<void> {
        if (event.data == "[DONE]")
          out.whole = true;
        else
          on_event(event);
        return {};
      }));
      if (!more.ok()) out.cause = more.error().message;
      if (!more.ok() || !*more) co_return out;
    }
  }
};

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;

Result<std::unique_ptr<Client>> Client::from_environment() {
  const char* url = std::getenv("PERDURE_URL");
  std::string text = url != nullptr && *url != '\0' ? url : "http://127.0.0.1:8080";
  Result<Url> base = parse_url(text);
  if (!base.ok()) return std::move(base).error().with_context("PERDURE_URL");
  // Both http://host:port and an SDK's base_url, http://host:port/v1, will do.
  while (base->path.ends_with('/')) base->path.pop_back();
  if (base->path.ends_with("/v1")) base->path.resize(base->path.size() - 3);
  auto impl = std::make_unique<Impl>();
  impl->base = *base;
  impl->shown = text;
  if (const char* key = std::getenv("PERDURE_API_KEY")) impl->key = key;
  return std::unique_ptr<Client>(new Client(std::move(impl)));
}

Result<std::string> Client::call(std::string method, std::string path, std::string body) {
  return impl_->worker.run(impl_->call(impl_->call_of(std::move(method), path, std::move(body))));
}

Result<Client::Streamed> Client::stream(std::string method, std::string path, std::string body,
                                        std::string idempotency_key, std::function<void(const SseEvent&)> on_event,
                                        std::function<void(const std::string&)> on_response_id) {
  HttpCall call = impl_->call_of(std::move(method), path, std::move(body));
  call.headers.add("Accept", "text/event-stream");
  if (!idempotency_key.empty()) call.headers.add("Idempotency-Key", idempotency_key);
  return impl_->worker.run(impl_->stream(std::move(call), on_event, on_response_id));
}

Result<Followed> follow(Client& client, std::string id, int64_t after, std::string create_body,
                        std::function<void(const SseEvent&)> on_event,
                        std::function<void(const std::string&)> on_response_id) {
  std::string idempotency_key = make_id(system_random(), "cli_", 16);
  bool reached = false;  // the server was there once: later silence is worth waiting for
  Instant give_up = system_clock().now() + kPatience;
  auto deliver = [&](const SseEvent& event) {
    Result<json::Document> document = json::Document::parse(std::string(event.data));
    int64_t number = document.ok() ? document->root()["sequence_number"].integer().value_or(-1) : -1;
    if (number >= 0 && number <= after) return;
    after = std::max(after, number);
    give_up = system_clock().now() + kPatience;
    on_event(event);
  };
  auto named = [&](const std::string& response_id) {
    reached = true;
    id = response_id;
    if (on_response_id) on_response_id(response_id);
  };
  for (;;) {
    std::string path = "/v1/responses";
    if (!id.empty()) {
      path += "/" + id + "?stream=true";
      if (after >= 0) path += "&starting_after=" + std::to_string(after);
    }
    Result<Client::Streamed> streamed = id.empty()
                                            ? client.stream("POST", path, create_body, idempotency_key, deliver, named)
                                            : client.stream("GET", path, "", "", deliver, named);
    if (streamed.ok() && streamed->whole) return Followed{id};
    // A server that answers too early in its start, or is gone for a moment.
    bool passing = streamed.ok() || streamed.error().code == Code::kUnavailable;
    if (!passing || !reached || system_clock().now() > give_up) {
      if (!streamed.ok()) return std::move(streamed).error();
      return Error{Code::kUnavailable,
                   "the connection broke and the answer could not be taken up again: " + streamed->cause};
    }
    if (streamed.ok()) std::fprintf(stderr, "\n[connection lost; taking the answer up again]\n");
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace perdure::cli
