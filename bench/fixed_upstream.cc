// A model server that does next to nothing, for measuring what stands in front of it: every answer to
// POST /v1/chat/completions is made in advance. The model's name says which: "fixed" is one document of about 1 KB;
// "stream-COUNT-MS" is a stream of COUNT chunks, one every MS milliseconds, all at once when MS is 0. Each chunk holds
// the moment at which it was written (steady clock, ns), so that a client on the same machine can tell how late it is.
//
//   fixed_upstream [PORT]    prints "listening on http://127.0.0.1:PORT" on standard error

#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <string>

#include "async/asio_loop.h"
#include "async/job_runner.h"
#include "http/asio_network.h"
#include "http/server.h"

namespace perdure {
namespace {

constexpr size_t kDocumentText = 700;

std::string document() {
  std::string text;
  while (text.size() < kDocumentText) text += "Seven ships sail past the old lighthouse. ";
  return R"({"id":"chatcmpl-fixed","object":"chat.completion","created":1700000000,"model":"fixed","choices":[{"index":0,)"
         R"("message":{"role":"assistant","content":")" +
         text +
         R"("},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":190,"completion_tokens":160,)"
         R"("total_tokens":350}})";
}

int64_t take_number(std::string_view& text) {
  int64_t number = 0;
  auto end = std::from_chars(text.data(), text.data() + text.size(), number).ptr;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

class Fixed final : public HttpHandler {
 public:
  explicit Fixed(Loop& loop) : loop_(loop) {}

  Task<void> handle(HttpRequest& request, HttpReply& reply) override {
    size_t at = request.body.find("\"stream-");
    if (at == std::string::npos) {
      (void)co_await reply.send(200, "application/json", document_);
      co_return;
    }
    std::string_view name = std::string_view(request.body).substr(at + 8);
    int64_t count = take_number(name);
    if (!name.empty()) name.remove_prefix(1);
    Duration pause = std::chrono::milliseconds(take_number(name));
    Result<void> written = co_await reply.begin(200, "text/event-stream");
    Instant due = loop_.now();
    std::string chunk;
    for (int64_t i = 0; i < count && written.ok(); ++i) {
      if (pause > Duration::zero() && i > 0) {
        due += pause;
        co_await sleep_until(loop_, due);
      }
      chunk = R"(data: {"id":"chatcmpl-fixed","object":"chat.completion.chunk","created":1700000000,"model":"fixed",)"
              R"("choices":[{"index":0,"delta":{"content":" word"},"finish_reason":)";
      chunk += i + 1 == count ? "\"stop\"" : "null";
      chunk += "}],\"at\":" + std::to_string(loop_.now().time_since_epoch().count()) + "}\n\n";
      written = co_await reply.write(chunk);
    }
    if (written.ok()) written = co_await reply.write("data: [DONE]\n\n");
    if (written.ok()) (void)co_await reply.finish();
  }
  std::string refuse(const HttpRequest&, int, std::string_view) override {
    return R"({"error":{"message":"refused"}})";
  }

 private:
  Loop& loop_;
  std::string document_ = document();
};

int run(int port) {
  AsioLoop loop;
  std::unique_ptr<JobRunner> resolver = thread_runner("resolver");
  std::unique_ptr<Network> network = asio_network(loop, *resolver);
  Result<std::unique_ptr<Listener>> listener = network->listen({"127.0.0.1", port}, nullptr, false);
  if (!listener.ok()) {
    std::fprintf(stderr, "%s\n", listener.error().message.c_str());
    return 1;
  }
  std::fprintf(stderr, "listening on http://127.0.0.1:%d\n", (*listener)->port());
  Fixed handler(loop);
  HttpServerLimits limits;
  limits.idle_time = std::chrono::hours(1);
  HttpServer server(loop, *std::move(listener), handler, limits, Log());
  loop.post([&server] { server.start(); });
  loop.run();
  ::_exit(0);
}

}  // namespace
}  // namespace perdure

int main(int argc, char** argv) { return perdure::run(argc > 1 ? std::atoi(argv[1]) : 0); }
