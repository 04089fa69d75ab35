// How much of the disk's grouped append rate the store reaches: durable 1 KiB records, by 1, 16 and 256 sessions at
// once. Raw: what sessions have queued is appended to one file with one write and one fdatasync. Store: SqliteStore,
// each record sealed, hashed and chained. Both take turns in slices, so that a disk that changes its pace changes it
// for both.
//
//   journal_bench [SECONDS for each, default 5] [FOLDER, default a new one in the current folder]

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <thread>

#include "async/epoll_loop.h"
#include "async/task_group.h"
#include "base/check.h"
#include "store/sqlite/completion.h"
#include "store/sqlite/sqlite_store.h"

namespace perdure {
namespace {

constexpr size_t kPayloadBytes = 1024;
constexpr int kSlices = 5;

struct Measured {
  uint64_t records = 0;
  double seconds = 0;
  std::vector<float> milliseconds;  // of each append

  double rate() const { return seconds == 0 ? 0 : static_cast<double>(records) / seconds; }
  double quantile(double q) {
    if (milliseconds.empty()) return 0;
    auto at = milliseconds.begin() + static_cast<ptrdiff_t>(q * static_cast<double>(milliseconds.size() - 1));
    std::nth_element(milliseconds.begin(), at, milliseconds.end());
    return *at;
  }
};

// Grouped append and fdatasync, and nothing else.
class RawLog {
 public:
  RawLog(const std::string& path, JobRunner& runner)
      : runner_(runner), file_(::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600)) {
    CHECK(file_ >= 0, "open");
  }
  ~RawLog() { ::close(file_); }

  Task<void> append(std::string_view bytes) {
    auto done = std::make_shared<Done>();
    auto start = [&] {
      std::lock_guard lock(mutex_);
      queue_.append(bytes);
      waiting_.push_back(done);
      if (!std::exchange(scheduled_, true)) runner_.submit([this] { write_group(); });
    };
    (void)co_await sqlite::Completed(done, start);
  }

 private:
  using Done = sqlite::Completion<bool>;
  void write_group() {
    {
      std::lock_guard lock(mutex_);
      group_.clear();
      group_.swap(queue_);
      acknowledged_.swap(waiting_);
    }
    CHECK(::write(file_, group_.data(), group_.size()) == static_cast<ssize_t>(group_.size()), "write");
    CHECK(::fdatasync(file_) == 0, "fdatasync");
    for (auto& done : acknowledged_) done->value = true;
    Loop* loop = acknowledged_.front()->loop;
    loop->post([acknowledged = std::exchange(acknowledged_, {})] {
      for (auto& done : acknowledged) done->resume();
    });
    std::lock_guard lock(mutex_);
    scheduled_ = !waiting_.empty();
    if (scheduled_) runner_.submit([this] { write_group(); });
  }

  JobRunner& runner_;
  const int file_;
  std::mutex mutex_;
  std::string queue_, group_;
  std::vector<std::shared_ptr<Done>> waiting_, acknowledged_;
  bool scheduled_ = false;
};

struct Session {
  SessionId id;
  Key256 key{};
  uint64_t head = 0;
  Hash256 chain{};
};

float milliseconds_since(Instant start) {
  return std::chrono::duration<float, std::milli>(system_clock().now() - start).count();
}

Task<void> append_raw(RawLog& log, const std::string& payload, Instant end, Measured& out) {
  while (system_clock().now() < end) {
    Instant start = system_clock().now();
    co_await log.append(payload);
    out.milliseconds.push_back(milliseconds_since(start));
    ++out.records;
  }
}

Task<void> append_sealed(Store& store, Lease lease, Session& session, const std::string& payload, Random& random,
                         Instant end, Measured& out) {
  while (system_clock().now() < end) {
    Instant start = system_clock().now();
    Batch batch{.session = session.id};
    if (session.head == 0) {
      batch.create = SessionRow{.id = session.id, .tenant = TenantId("bench"), .wrapped_key = std::string(60, 'k')};
    }
    batch.expected_head = session.head;
    batch.append.push_back(
        seal(&session.key, session.id, session.head + 1, 1, 1, system_clock().wall(), payload, random));
    session.chain = chain_after(session.chain, session.id, batch.append[0]);
    batch.chain = session.chain;
    auto committed = co_await store.commit(lease, std::move(batch));
    CHECK(committed.ok(), "commit");
    session.head = committed->head;
    out.milliseconds.push_back(milliseconds_since(start));
    ++out.records;
  }
}

Task<void> all(std::vector<Task<void>> tasks) {
  TaskGroup group(*Loop::current());
  for (Task<void>& task : tasks) group.spawn(std::move(task));
  co_await group.join();
}

detail::RootTask fulfil(Task<void> task, std::promise<void>& done) {
  co_await std::move(task);
  done.set_value();
}

// Runs the tasks together on `loop`, which runs on another thread.
void run(EpollLoop& loop, std::vector<Task<void>> tasks, Measured& out) {
  std::promise<void> done;
  Instant start = system_clock().now();
  auto handle = fulfil(all(std::move(tasks)), done).handle;
  loop.post([handle] { handle.resume(); });
  done.get_future().get();
  out.seconds += std::chrono::duration<double>(system_clock().now() - start).count();
}

Task<void> take_lease(Store& store, Lease& lease) {
  auto taken = co_await store.acquire(0);
  CHECK(taken.ok(), "acquire");
  lease = *taken;
}

double compare(const std::string& folder, int sessions, double seconds) {
  EpollLoop loop;
  std::thread thread([&] { loop.run(); });
  double ratio = 0;
  {
    auto raw_runner = thread_runner("raw"), writer = thread_runner("writer"), reader = thread_runner("reader");
    RawLog log(folder + "/raw-" + std::to_string(sessions), *raw_runner);
    auto store = SqliteStore::open({.path = folder + "/journal-" + std::to_string(sessions)}, *writer, *reader,
                                   system_clock(), Log());
    CHECK(store.ok(), "open");
    SeededRandom random(1);
    std::string payload = random.bytes(kPayloadBytes);
    std::vector<Session> journals(static_cast<size_t>(sessions));
    for (Session& journal : journals) journal = {SessionId::make(random), make_key(random)};
    Measured raw, sealed, ignored;
    Lease lease;
    std::vector<Task<void>> first;
    first.push_back(take_lease(**store, lease));
    run(loop, std::move(first), ignored);
    auto slice = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds / kSlices));
    for (int i = 0; i < kSlices; ++i) {
      std::vector<Task<void>> tasks;
      Instant end = system_clock().now() + slice;
      for (int k = 0; k < sessions; ++k) tasks.push_back(append_raw(log, payload, end, raw));
      run(loop, std::exchange(tasks, {}), raw);
      end = system_clock().now() + slice;
      for (Session& journal : journals)
        tasks.push_back(append_sealed(**store, lease, journal, payload, random, end, sealed));
      run(loop, std::move(tasks), sealed);
    }
    ratio = sealed.rate() / raw.rate();
    std::printf("%8d  %10.0f %8.1f %8.2f %8.2f  %10.0f %8.1f %8.2f %8.2f  %6.2f\n", sessions, raw.rate(),
                raw.rate() / 1024, raw.quantile(0.5), raw.quantile(0.99), sealed.rate(), sealed.rate() / 1024,
                sealed.quantile(0.5), sealed.quantile(0.99), ratio);
    std::fflush(stdout);
  }
  loop.stop();
  thread.join();
  return ratio;
}

int main_with(double seconds, const std::string& folder) {
  std::printf("%8s  %10s %8s %8s %8s  %10s %8s %8s %8s  %6s\n", "sessions", "raw rec/s", "MiB/s", "p50 ms", "p99 ms",
              "store rec/s", "MiB/s", "p50 ms", "p99 ms", "ratio");
  compare(folder, 1, seconds);
  double at_16 = compare(folder, 16, seconds), at_256 = compare(folder, 256, seconds);
  std::printf("journal_bench: 16 sessions %.2f of raw, 256 sessions %.2f of raw\n", at_16, at_256);
  return 0;
}

}  // namespace
}  // namespace perdure

int main(int argc, char** argv) {
  double seconds = argc > 1 ? std::atof(argv[1]) : 5;
  std::string folder = (argc > 2 ? std::string(argv[2]) : ".") + "/journal_bench-XXXXXX";
  if (seconds <= 0 || ::mkdtemp(folder.data()) == nullptr) {
    std::fprintf(stderr, "usage: journal_bench [SECONDS] [FOLDER]\n");
    return 2;
  }
  int code = perdure::main_with(seconds, folder);
  std::filesystem::remove_all(folder);
  return code;
}
