// perdure_fill DIR SESSIONS: fills a store with finished responses, for measuring how cost grows with what is stored.
#include <cstdio>
#include <cstdlib>

#include "app/keys.h"
#include "async/epoll_loop.h"
#include "async/task_group.h"
#include "session/index_value.h"
#include "session/journal.h"
#include "session/key_ring.h"
#include "store/sqlite/sqlite_store.h"

namespace perdure {
namespace {

constexpr int kWriters = 256;

Task<void> fill(Store& store, Lease lease, KeyRing& keys, Loop& loop, int64_t& left) {
  TenantId tenant{"default"};
  while (left > 0) {
    --left;
    SessionRow row{.id = SessionId::make(loop.random()),
                   .tenant = tenant,
                   .created = system_clock().wall(),
                   .expires = WallTime::max()};
    Result<KeyRing::NewKey> key = co_await keys.make(tenant, row.id);
    CHECK(key.ok(), "key");
    row.wrapped_key = key->wrapped;
    ResponseId id(make_id(loop.random(), "resp_"));
    Request request;
    request.model = "simulated-1";
    request.input.push_back({.kind = ItemKind::kMessage,
                             .id = "msg_1",
                             .content = {{.kind = PartKind::kInputText, .text = "Say exactly: hello"}}});
    std::vector<Record> records;
    records.push_back({.time = row.created, .body = ResponseCreated{.id = id, .request = request}});
    records.push_back({.time = row.created, .body = AttemptStarted{.provider = "simulated", .model = "simulated-1"}});
    records.push_back(
        {.time = row.created,
         .body = Deltas{{Delta::item_begin({.kind = ItemKind::kMessage, .id = "msg_2", .role = Role::kAssistant}),
                         Delta::part_begin(PartKind::kOutputText), Delta::append("hello"), Delta::part_end(),
                         Delta::item_end(ItemStatus::kCompleted)}}});
    records.push_back({.time = row.created, .body = ResponseEnded{}});
    Batch batch;
    batch.create = row;
    batch.unfinished = false;
    batch.put.push_back({{tenant, IndexKind::kResponse, id.value},
                         {row.id, 1, IndexValue{"simulated-1", "completed", row.created, 4}.encode()}});
    batch.timers.push_back({id.value, row.created + std::chrono::hours(24 * 30)});
    Journal journal(store, lease, row, key->key, loop.random());
    Result<void> done = co_await journal.append(records, std::move(batch));
    CHECK(done.ok(), done.ok() ? "" : done.error().message);
  }
}

}  // namespace
}  // namespace perdure

int main(int argc, char** argv) {
  using namespace perdure;
  if (argc != 3) {
    std::fprintf(stderr, "usage: perdure_fill DIR SESSIONS\n");
    return 2;
  }
  std::string folder = argv[1];
  int64_t left = std::atoll(argv[2]);
  Result<Key256> master = master_key(folder, "", MissingKey::kCreate, system_random());
  CHECK(master.ok(), "master key");
  auto writer = thread_runner("writer");
  auto reader = thread_runner("reader");
  Result<std::unique_ptr<Store>> store = SqliteStore::open(
      {.path = folder + "/perdure.db", .head_key = head_key(*master)}, *writer, *reader, system_clock(), Log());
  CHECK(store.ok(), store.ok() ? "" : store.error().message);
  EpollLoop loop;
  {
    KeyRing keys(*master, **store, loop.random());
    TaskGroup group(loop);
    auto all = [&](TaskGroup& writers) -> Task<void> {
      Result<Lease> lease = co_await (*store)->acquire(0);
      CHECK(lease.ok(), "lease");
      for (int i = 0; i < kWriters; ++i) writers.spawn(fill(**store, *lease, keys, loop, left));
      co_await writers.join();
      loop.stop();
    };
    TaskGroup outer(loop);
    outer.spawn(all(group));
    loop.run();
  }
  store->reset();
  return 0;
}
