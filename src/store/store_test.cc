// The contract for the stores of this module, and what FaultyStore and verify() add.

#include <gtest/gtest.h>

#include "store/memory_store.h"
#include "store/testing/faulty_store.h"
#include "store/testing/store_contract.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

class MemoryHost final : public SimHost {
 public:
  Store& store() override { return *store_; }

 private:
  std::unique_ptr<Store> store_ = memory_store(head_key());
};

class WrappedHost final : public SimHost {
 public:
  Store& store() override { return faulty_; }

 private:
  std::unique_ptr<Store> store_ = memory_store(head_key());
  FaultyStore faulty_{*store_, nullptr};
};

INSTANTIATE_TEST_SUITE_P(Stores, StoreContract,
                         testing::Values(HostKind{"memory", [] { return std::make_unique<MemoryHost>(); }},
                                         HostKind{"wrapped", [] { return std::make_unique<WrappedHost>(); }}),
                         name_of_kind);

TEST(FaultyStore, FailsBeforeOrAfterTheCallAndDelays) {
  SimLoop loop;
  SeededRandom random(1);
  auto inner = memory_store({});
  StoreFault fault;
  std::string calls;
  FaultyStore store(*inner, [&](std::string_view call) {
    calls += std::string(call) + " ";
    return fault;
  });
  Lease lease = *loop.run(store.acquire(1));
  Writing writing = Writing::make(random);

  fault = {StoreFault::Kind::kFailBefore};
  EXPECT_EQ(loop.run(store.commit(lease, writing.create())).error().code, Code::kUnavailable);
  EXPECT_FALSE(loop.run(inner->session(writing.id))->has_value());

  fault = {StoreFault::Kind::kFailAfter};
  EXPECT_EQ(loop.run(store.commit(lease, writing.create())).error().code, Code::kUnknown);
  EXPECT_TRUE(loop.run(inner->session(writing.id))->has_value());

  fault = {StoreFault::Kind::kNone, 5s};
  Instant before = loop.now();
  EXPECT_TRUE(loop.run(store.session(writing.id)).ok());
  EXPECT_EQ(loop.now() - before, 5s);
  EXPECT_EQ(calls, "acquire commit commit session ");
}

TEST(Verify, KeepsABoundedListOfProblems) {
  SimLoop loop;
  SeededRandom random(1);
  auto store = memory_store({});
  Lease lease = *loop.run(store->acquire(1));
  Writing writing = Writing::make(random);
  Batch batch = writing.create();
  for (int i = 0; i < 300; ++i) writing.add(batch, "x", random);
  ASSERT_TRUE(loop.run(store->commit(lease, std::move(batch))).ok());
  KeyOf wrong_key = [](const SessionRow&) { return found_key(Key256{}); };
  auto report = loop.run(verify(*store, {}, wrong_key));
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->problem_count, 300u);
  EXPECT_EQ(report->problems.size(), VerifyReport::kProblemsMax);
}

TEST(Verify, AStoreThatIsWrittenMeanwhileIsNoProblem) {
  SimLoop loop;
  SeededRandom random(1);
  auto inner = memory_store({});
  Lease lease = *loop.run(inner->acquire(1));
  Writing writing = Writing::make(random);
  ASSERT_TRUE(loop.run(inner->commit(lease, writing.create())).ok());
  FaultyStore slow(*inner, [](std::string_view) { return StoreFault{.delay = 1s}; });
  TaskGroup group(loop);
  auto write = [](SimLoop& l, Store& store, Lease held, Batch batch) -> Task<void> {
    co_await sleep_for(l, 1500ms);  // between the first total and the sessions
    (void)co_await store.commit(held, std::move(batch));
  };
  group.spawn(write(loop, *inner, lease, writing.append("late", random)));
  KeyOf key_of = [&writing](const SessionRow&) { return found_key(writing.key); };
  auto report = loop.run(verify(slow, {}, key_of));
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->holds());
  EXPECT_FALSE(report->totals_compared);
  EXPECT_EQ(report->records, 1u);
  loop.run(group.join());
}

}  // namespace
}  // namespace perdure
