#include <pthread.h>
#include <csignal>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include "async/epoll_loop.h"
#include "async/job_runner.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/open_files.h"
#include "http/socket_network.h"
#include "simulate/supplier.h"

namespace perdure::cli {
namespace {

Result<Address> parse_address(const std::string& text) {
  size_t colon = text.rfind(':');
  Address out{colon == std::string::npos ? "" : text.substr(0, colon), 0};
  if (out.host.starts_with('[') && out.host.ends_with(']')) out.host = out.host.substr(1, out.host.size() - 2);
  char* end = nullptr;
  const char* port = colon == std::string::npos ? "" : text.c_str() + colon + 1;
  long number = std::strtol(port, &end, 10);
  if (out.host.empty() || *port == '\0' || *end != '\0' || number < 0 || number > 65535)
    return Error{Code::kInvalid, "--listen: \"" + text + "\" is not host:port, like 127.0.0.1:9090"};
  out.port = static_cast<int>(number);
  return out;
}

// One supplier at one address. Several live in one process on one loop; each has its own statistics and faults.
struct Standing {
  Standing(Loop& loop, simulate::SupplierOptions options, std::unique_ptr<Listener> listener, Log log)
      : supplier(loop, std::move(options), log), server(loop, std::move(listener), supplier, {}, std::move(log)) {}
  simulate::SimulatedSupplier supplier;
  HttpServer server;
};

int simulate(const Options& options) {
  simulate::SupplierOptions supplier_options;
  std::vector<Address> addresses;
  for (const auto& [name, value] : options.given) {
    if (name == "verbose") continue;
    if (name == "listen") {
      Result<Address> address = parse_address(value);
      if (!address.ok()) return complain_usage(address.error().message, "simulate");
      addresses.push_back(std::move(*address));
      continue;
    }
    const bool flag = name == "reasoning" || name == "state" || name == "automatic-cache";
    Result<void> set = simulate::set_option(supplier_options, name, flag ? "true" : value);
    if (!set.ok()) return complain_usage("--" + set.error().message, "simulate");
  }
  if (!options.words.empty()) return complain_usage("simulate takes options only", "simulate");
  if (addresses.empty()) addresses.push_back({"127.0.0.1", 9090});

  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);

  allow_many_open_files();
  Log log(stderr_log(options.has("verbose") ? Level::kDebug : Level::kWarn, LogFormat::kText, system_clock()));
  EpollLoop loop;
  std::unique_ptr<JobRunner> resolver = thread_runner("resolver");
  std::unique_ptr<Network> network = socket_network(loop, *resolver);
  std::vector<std::unique_ptr<Standing>> suppliers;
  for (const Address& address : addresses) {
    Result<std::unique_ptr<Listener>> listener = network->listen(address, nullptr, false);
    if (!listener.ok()) return complain(listener.error());
    // Whoever listens at another address is another account: it does not know the first one's signatures.
    simulate::SupplierOptions own = supplier_options;
    if (!suppliers.empty()) own.account += "#" + std::to_string(suppliers.size() + 1);
    suppliers.push_back(std::make_unique<Standing>(loop, std::move(own), std::move(*listener), log));
  }
  loop.post([&] {
    for (const auto& one : suppliers) one->server.start();
  });
  std::thread thread([&] { loop.run(); });
  for (size_t i = 0; i < suppliers.size(); ++i) {
    const std::string& host = addresses[i].host;
    const std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
    std::fprintf(stderr, "simulated supplier listening on http://%s:%d/v1, model %s\n", shown.c_str(),
                 suppliers[i]->server.port(), supplier_options.model.c_str());
  }
  int signal = 0;
  ::sigwait(&set, &signal);
  TaskGroup ending(loop);
  loop.post([&] {
    auto end = [](std::vector<std::unique_ptr<Standing>>& all, EpollLoop& l) -> Task<void> {
      const Deadline deadline = deadline_in(l, std::chrono::milliseconds(200));
      for (const auto& one : all) co_await one->server.stop(deadline);
      l.stop();
    };
    ending.spawn(end(suppliers, loop));
  });
  thread.join();
  return kOk;
}

}  // namespace

Command simulate_command() {
  return {
      .name = "simulate",
      .words = "",
      .summary = "a simulated supplier that speaks every upstream dialect, with a scripted model, for tests and drills",
      .options = {{"listen", "HOST:PORT",
                   "where (default 127.0.0.1:9090; port 0 takes a free one); several times: several suppliers"},
                  {"model", "NAMES", "names it answers to, joined by commas; * among them: any (default simulated-1)"},
                  {"seed", "N", "of everything random in it (default 1)"},
                  {"tokens-per-second", "N", "pace of an answer (default 0: as fast as possible)"},
                  {"first-token", "TIME", "wait before the first token, like 300ms"},
                  {"fault", "FAULT", "something that goes wrong; may stand several times, see below"},
                  {"seam", "HOW", "how it goes on when asked in words for the rest of an answer, see below"},
                  {"continuation", "HOW", "the same as --seam"},
                  {"prefill", "yes|no", "goes on with a last message of the assistant (default yes)"},
                  {"state", "",
                   "keeps responses that ask for it; otherwise store and previous_response_id are refused"},
                  {"reasoning", "", "shows reasoning before its answers"},
                  {"bodies-kept", "N", "request bodies that GET /__stats?bodies=1 shows"},
                  {"api-key", "KEY", "the key that callers must send, in whatever header their dialect has for it"},
                  {"aws-key", "ID:SECRET", "the access key that requests to Bedrock must be signed with"},
                  {"aws-region", "REGION", "the region that they must be signed for (default: any)"},
                  {"account", "NAME", "whose signatures it puts on reasoning; another account's are refused"},
                  {"cache-minimum", "N", "tokens from which prompt prefixes are cached (default 1024)"},
                  {"automatic-cache", "", "counts repeated prefixes as cached without being asked"},
                  {"verbose", "", "logs requests"}},
      .details =
          "It says what it is told to say, counts, recalls words from its context, calls tools and fills JSON\n"
          "schemas. No model is behind it, nothing is sent anywhere. It speaks OpenAI's Chat Completions and\n"
          "Responses, Azure OpenAI, Anthropic's Messages, Bedrock's Converse and Gemini, all at one address,\n"
          "and refuses what they would refuse.\n"
          "\n"
          "  perdure simulate --tokens-per-second 20\n"
          "  OPENAI_BASE_URL=http://127.0.0.1:9090/v1 perdure serve\n"
          "\n"
          "seams:\n"
          "  exact        what is missing           whitespace  other white space at the seam\n"
          "  overlap      some words again first    fence       a code block opened again\n"
          "  restart      all of it again           language    goes on in another language\n"
          "  preface      \"Sure, here is the rest\"  refusal     does not go on\n"
          "  mixed        one of exact, overlap and restart, by seed; random: any of them\n"
          "\n"
          "faults:\n"
          "  status=429,retry-after=2      answers with that status\n"
          "  cut-after-tokens=7            the connection breaks after that many tokens\n"
          "  cut-after-bytes=100           the same, in bytes\n"
          "  stall-after-tokens=3,for=5s   silence for that time; without `for`, for ever\n"
          "  malformed-after-tokens=4      an event that is broken JSON\n"
          "  error-after-tokens=4          an error event in the stream\n"
          "  end-after-tokens=4            the stream ends without its ending\n"
          "  trickle=2ms                   one byte at a time\n"
          "  slow-headers=2s               waits before it answers\n"
          "  close                         breaks the connection before it answers\n"
          "A number may be a range (1..40). In front may stand p=0.1: (how often) and times=2: (at most).\n"
          "\n"
          "  perdure simulate --fault p=0.2:cut-after-tokens=1..40 --fault times=1:status=429,retry-after=2\n",
      .run = simulate};
}

Command version_command() {
  return {.name = "version",
          .words = "",
          .summary = "prints the version",
          .options = {{"json", "", "as JSON"}},
          .details = {},
          .run = [](const Options& options) {
            print(options.has("json") ? "{\"version\":\"0.1.0\"}\n" : "perdure 0.1.0\n");
            return static_cast<int>(kOk);
          }};
}

}  // namespace perdure::cli
