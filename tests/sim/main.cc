// perdure_sim: the deterministic simulation's campaign. --help tells how to use it.
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <thread>

#include "base/planted.h"
#include "world.h"

namespace perdure::sim {
namespace {

constexpr const char* kHelp =
    "perdure_sim: the unmodified runtime in virtual time under seeded faults\n"
    "  --seeds N      run seeds 1..N (default 100)\n"
    "  --seed N       replay one seed\n"
    "  --from N       first seed (default 1)\n"
    "  --jobs N       so many at once (default: one for each core)\n"
    "  --replays      run each seed twice and demand the same history, to the byte\n"
    "  --plants       plant each bug in turn and demand that it is caught\n"
    "  --plant NAME   plant one bug\n"
    "  --verbose      say what happens\n";

void print(const Coverage& coverage) {
  std::printf("%-16s", "fault x state");
  for (size_t j = 0; j < coverage.states[0].size(); ++j)
    std::printf(" %11s", std::string(name_of(static_cast<Phase>(j))).c_str());
  std::printf("\n");
  for (size_t i = 0; i < coverage.states.size(); ++i) {
    std::printf("%-16s", std::string(name_of(static_cast<FaultKind>(i))).c_str());
    for (int64_t n : coverage.states[i]) std::printf(" %11lld", static_cast<long long>(n));
    std::printf("\n");
  }
  std::printf("%-16s", "fault x dialect");
  for (std::string_view dialect : kDialects) std::printf(" %11s", std::string(dialect).c_str());
  std::printf("\n");
  for (size_t i = static_cast<size_t>(FaultKind::kRefused); i <= static_cast<size_t>(FaultKind::kClosed); ++i) {
    std::printf("%-16s", std::string(name_of(static_cast<FaultKind>(i))).c_str());
    for (int64_t n : coverage.dialects[i]) std::printf(" %11lld", static_cast<long long>(n));
    std::printf("\n");
  }
}

// A seed runs in a child, so that a CHECK that fails is a violation of its seed and not the end of the campaign.
struct Child {
  uint64_t seed = 0;
  pid_t pid = 0;
  int out = -1;
};

Child start(const WorldOptions& options, bool quiet) {
  int ends[2];
  if (::pipe(ends) != 0) std::abort();
  std::fflush(nullptr);
  pid_t pid = ::fork();
  if (pid != 0) {
    ::close(ends[1]);
    return {options.seed, pid, ends[0]};
  }
  auto seed = static_cast<unsigned long long>(options.seed);
  Report report = run_world(options);
  const Counts& counts = report.counts;
  bool thin = report.violations.empty() && (counts.sessions < 20 || counts.generations < 200 || counts.faults < 5);
  if (!quiet) {
    for (const std::string& violation : report.violations) std::printf("seed %llu: %s\n", seed, violation.c_str());
    if (thin)
      std::printf("seed %llu: only %lld sessions, %lld generations and %lld faults\n", seed,
                  static_cast<long long>(counts.sessions), static_cast<long long>(counts.generations),
                  static_cast<long long>(counts.faults));
  }
  std::fflush(stdout);
  [[maybe_unused]] ssize_t n = ::write(ends[1], &counts, sizeof counts);
  ::_exit(report.violations.empty() && !thin ? 0 : 1);
}

bool read_all(int from, void* into, size_t size) {
  for (char* at = static_cast<char*>(into); size > 0;) {
    ssize_t n = ::read(from, at, size);
    if (n <= 0) return false;
    at += n, size -= static_cast<size_t>(n);
  }
  return true;
}

// Waits for the child; true: its seed holds.
bool finish(const Child& child, Counts& total) {
  Counts counts;
  if (read_all(child.out, &counts, sizeof counts)) total += counts;
  ::close(child.out);
  int status = 0;
  ::waitpid(child.pid, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int run(int argc, char** argv) {
  uint64_t from = 1, seeds = 100, one = 0, jobs = std::max(1u, std::thread::hardware_concurrency());
  bool verbose = false, plants = false, replays = false;
  std::string plant_name;
  for (int i = 1; i < argc; ++i) {
    auto number = [&] { return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0; };
    if (std::strcmp(argv[i], "--seeds") == 0)
      seeds = number();
    else if (std::strcmp(argv[i], "--seed") == 0)
      one = number();
    else if (std::strcmp(argv[i], "--from") == 0)
      from = number();
    else if (std::strcmp(argv[i], "--plant") == 0 && i + 1 < argc)
      plant_name = argv[++i];
    else if (std::strcmp(argv[i], "--jobs") == 0)
      jobs = std::max<uint64_t>(1, number());
    else if (std::strcmp(argv[i], "--plants") == 0)
      plants = true;
    else if (std::strcmp(argv[i], "--replays") == 0)
      replays = true;
    else if (std::strcmp(argv[i], "--verbose") == 0)
      verbose = true;
    else {
      std::fputs(kHelp, std::strcmp(argv[i], "--help") == 0 ? stdout : stderr);
      return std::strcmp(argv[i], "--help") == 0 ? 0 : 2;
    }
  }
#if defined(PERDURE_PLANTED_BUGS)
  if (!plant_name.empty() && !plant(plant_name)) {
    std::fprintf(stderr, "no such bug: %s\n", plant_name.c_str());
    return 2;
  }
  if (plants) {
    int missed = 0;
    for (int bug = 0; bug < static_cast<int>(PlantedBug::kCount); ++bug) {
      std::string name(name_of(static_cast<PlantedBug>(bug)));
      plant(name);
      uint64_t caught_at = 0;
      Counts ignored;
      for (uint64_t seed = from; seed < from + seeds && caught_at == 0; ++seed)
        if (!finish(start({.seed = seed}, true), ignored)) caught_at = seed;
      std::printf("%-20s %s\n", name.c_str(),
                  caught_at != 0 ? ("caught by seed " + std::to_string(caught_at)).c_str() : "NOT CAUGHT");
      missed += caught_at == 0;
    }
    plant("");
    std::printf("sim: %d planted bugs, %d not caught\n", static_cast<int>(PlantedBug::kCount), missed);
    return missed == 0 ? 0 : 1;
  }
#endif
  if (replays) {
    int differ = 0;
    for (uint64_t seed = from; seed < from + seeds; ++seed) {
      Child first = start({.seed = seed}, false), second = start({.seed = seed}, false);
      Counts first_run, second_run;
      bool held = finish(first, first_run), held_again = finish(second, second_run);
      if (held == held_again && first_run.digest == second_run.digest && first_run.steps == second_run.steps) continue;
      ++differ;
      std::printf("seed %llu: digests %016llx and %016llx\n", static_cast<unsigned long long>(seed),
                  static_cast<unsigned long long>(first_run.digest),
                  static_cast<unsigned long long>(second_run.digest));
    }
    std::printf("sim: %llu seeds run twice, %d differ\n", static_cast<unsigned long long>(seeds), differ);
    return differ == 0 ? 0 : 1;
  }
  Counts total;
  uint64_t failed = 0, ran = 0;
  if (one != 0) from = one, seeds = 1;
  std::deque<Child> children;  // in the order of their seeds, so that what is printed does not depend on who is faster
  for (uint64_t seed = from; seed < from + seeds || !children.empty();) {
    if (seed < from + seeds && children.size() < jobs) {
      children.push_back(start({.seed = seed++, .verbose = verbose}, false));
      continue;
    }
    Child child = children.front();
    children.pop_front();
    ++ran;
    if (!finish(child, total)) {
      ++failed;
      std::printf("seed %llu does not hold; replay: make sim SEED=%llu\n", static_cast<unsigned long long>(child.seed),
                  static_cast<unsigned long long>(child.seed));
    }
    if (ran % 50 == 0)
      std::fprintf(stderr, "%llu seeds, %llu failed\n", static_cast<unsigned long long>(ran),
                   static_cast<unsigned long long>(failed));
  }
  print(total.coverage);
  auto number = [](int64_t n) { return static_cast<long long>(n); };
  std::printf(
      "%lld attempts, %lld of them went on with an answer; %lld opaque blocks issued, %lld given back; %lld answers "
      "cancelled, %lld left, %lld deleted, %lld ended early as they had to, %lld times a budget had no room, %lld "
      "times a key's limit, %lld answers over a WebSocket, %lld attempts outrun\n",
      number(total.attempts), number(total.continuations), number(total.opaque_seen), number(total.opaque_returned),
      number(total.cancelled), number(total.left), number(total.deleted), number(total.honest_ends),
      number(total.short_of_money), number(total.too_many), number(total.by_socket), number(total.outrun));
  std::printf("digest %016llx\n", static_cast<unsigned long long>(total.digest));
  std::printf("sim: %llu seeds, %lld generations, %lld faults, %lld crashes, %lld events seen, %llu seeds failed\n",
              static_cast<unsigned long long>(ran), number(total.generations), number(total.faults),
              number(total.crashes), number(total.events), static_cast<unsigned long long>(failed));
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace perdure::sim

int main(int argc, char** argv) {
  // A seed's memory comes and goes in bursts; giving it back to the kernel each time costs a tenth of the run.
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  ::mallopt(M_TOP_PAD, 16 << 20);
  return perdure::sim::run(argc, argv);
}
