#pragma once
// StoreHost: a Store and what it runs on, so that one test can be run against every kind of Store.

#include <functional>
#include <memory>
#include <string>

#include "async/sim_loop.h"
#include "async/task_group.h"
#include "store/seal.h"
#include "store/store.h"

namespace perdure {

class StoreHost {
 public:
  virtual ~StoreHost() = default;
  virtual Store& store() = 0;
  virtual void run_to_end(Task<void> task) = 0;  // on the host's Loop
  // Closes and opens the store again. False: this kind forgets.
  virtual bool reopen() { return false; }

  template <class T>
  T run(Task<T> task) {
    std::optional<T> out;
    run_to_end(keep(std::move(task), out));
    return std::move(*out);
  }
  // All at once.
  void run_together(std::vector<Task<void>> tasks) { run_to_end(together(std::move(tasks))); }

  static Key256 head_key() {
    Key256 key{};
    key[0] = 1;
    return key;
  }

 private:
  template <class T>
  static Task<void> keep(Task<T> task, std::optional<T>& out) {
    out.emplace(co_await std::move(task));
  }
  static Task<void> together(std::vector<Task<void>> tasks) {
    TaskGroup group(*Loop::current());
    for (Task<void>& task : tasks) group.spawn(std::move(task));
    co_await group.join();
  }
};

struct HostKind {
  std::string name;
  std::function<std::unique_ptr<StoreHost>()> make;
};

// A store in virtual time.
class SimHost : public StoreHost {
 public:
  void run_to_end(Task<void> task) override { loop_.run(std::move(task)); }

 protected:
  SimLoop loop_{7};
};

// Keeps track of one session's journal and makes the batches that continue it.
struct Writing {
  SessionId id;
  Key256 key{};
  uint64_t head = 0;
  Hash256 chain{};

  static Writing make(Random& random) { return {SessionId::make(random), make_key(random)}; }

  Batch create(std::string tenant = "acme") const {
    Batch batch{.session = id};
    SessionRow row;
    row.id = id;
    row.tenant = TenantId(std::move(tenant));
    row.wrapped_key = "wrapped";
    row.created = WallTime(std::chrono::milliseconds(1000));
    row.expires = WallTime::max();
    batch.create = std::move(row);
    return batch;
  }
  // Adds a record to `batch`; the journal counts as continued from then on.
  void add(Batch& batch, std::string_view plain, Random& random, uint8_t kind = 1) {
    if (batch.append.empty()) batch.expected_head = head;
    ++head;
    SealedRecord record = seal(&key, id, head, kind, 1,
                               WallTime(std::chrono::milliseconds(1000 + static_cast<int64_t>(head))), plain, random);
    chain = chain_after(chain, id, record);
    batch.chain = chain;
    batch.append.push_back(std::move(record));
  }
  Batch append(std::string_view plain, Random& random) {
    Batch batch{.session = id};
    add(batch, plain, random);
    return batch;
  }
};

}  // namespace perdure
