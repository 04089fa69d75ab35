// A model server that does next to nothing, for measuring what stands in front of it: every answer, in whichever of the
// five dialects its path belongs to, is made in advance (canned.h). The model's name says which: "fixed" is one
// document of about 1 KB; "stream-COUNT-MS" is a stream of COUNT chunks, one every MS milliseconds, all at once when MS
// is 0. Each chunk of a chat completion holds the moment at which it was written (steady clock, ns), so that a client
// on the same machine can tell how late it is.
//
//   fixed_upstream [PORT]    prints "listening on http://127.0.0.1:PORT" on standard error

#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <string>

#include "async/epoll_loop.h"
#include "async/job_runner.h"
#include "bench/canned.h"
#include "http/server.h"
#include "http/socket_network.h"

namespace perdure {
namespace {

int64_t take_number(std::string_view& text) {
  int64_t number = 0;
  auto end = std::from_chars(text.data(), text.data() + text.size(), number).ptr;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

class Fixed final : public HttpHandler {
 public:
  explicit Fixed(Loop& loop) : loop_(loop) {
    for (size_t i = 0; i < std::size(documents_); ++i) documents_[i] = canned_document(static_cast<CannedDialect>(i));
  }

  Task<void> handle(HttpRequest& request, HttpReply& reply) override {
    const CannedDialect dialect = canned_dialect(request.path);
    constexpr std::string_view kStream = "stream-";
    std::string_view name = request.path;
    size_t at = name.find(kStream);
    if (at == std::string_view::npos) {
      name = request.body;
      at = name.find(kStream);
    }
    if (at == std::string_view::npos) {
      (void)co_await reply.send(200, "application/json", documents_[static_cast<size_t>(dialect)]);
      co_return;
    }
    name.remove_prefix(at + kStream.size());
    int64_t count = take_number(name);
    if (!name.empty()) name.remove_prefix(1);
    Duration pause = std::chrono::milliseconds(take_number(name));
    const CannedStream stream = canned_stream(dialect, count);
    Result<void> written = co_await reply.begin(200, stream.content_type);
    if (written.ok() && !stream.head.empty()) written = co_await reply.write(stream.head);
    Instant due = loop_.now();
    std::string chunk;
    for (int64_t i = 0; i < count && written.ok(); ++i) {
      if (pause > Duration::zero() && i > 0) {
        due += pause;
        co_await sleep_until(loop_, due);
      }
      chunk = stream.chunk_head;
      if (dialect == CannedDialect::kChat) chunk += std::to_string(loop_.now().time_since_epoch().count());
      chunk += stream.chunk_tail;
      written = co_await reply.write(chunk);
    }
    if (written.ok()) written = co_await reply.write(stream.tail);
    if (written.ok()) (void)co_await reply.finish();
  }
  std::string refuse(const HttpRequest&, int, std::string_view) override {
    return R"({"error":{"message":"refused"}})";
  }

 private:
  Loop& loop_;
  std::string documents_[5];
};

int run(int port) {
  EpollLoop loop;
  std::unique_ptr<JobRunner> resolver = thread_runner("resolver");
  std::unique_ptr<Network> network = socket_network(loop, *resolver);
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
