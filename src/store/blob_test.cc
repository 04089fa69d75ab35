// Long strings that are stored apart: which they are, and that what comes back is what was written, or nothing.
#include "store/blob.h"

#include <gtest/gtest.h>

#include <set>

#include "store/memory_store.h"
#include "store/testing/store_host.h"

namespace perdure {
namespace {

std::string text_of(size_t size, char of = 'x') { return std::string(size, of); }

TEST(BlobSpans, AreTheLongStringsOfAJsonText) {
  std::string just = text_of(kBlobBytes), less = text_of(kBlobBytes - 1);
  std::string json = R"({"a":")" + just + R"(","b":")" + less + R"(","c":["\"\\)" + just + R"(\\",1]})";
  std::vector<BlobSpan> spans = blob_spans(json);
  ASSERT_EQ(spans.size(), 2u);
  EXPECT_EQ(json.substr(spans[0].at, spans[0].size), just);
  EXPECT_EQ(json.substr(spans[1].at, spans[1].size), R"(\"\\)" + just + R"(\\)");
  EXPECT_TRUE(blob_spans("").empty());
  EXPECT_TRUE(blob_spans("\"" + just).empty()) << "a string that does not end";
  EXPECT_TRUE(blob_spans("\"" + just + "\\\"").empty());
  EXPECT_EQ(blob_spans("\"" + just + "\"").size(), 1u);
}

struct Apart : testing::Test {
  SimLoop loop;
  SeededRandom random{5};
  std::unique_ptr<Store> store = memory_store(StoreHost::head_key());
  Lease lease = *loop.run(store->acquire(1));
  Key256 tenant_key = make_key(random), key = make_key(random);
  std::string payload = R"({"a":")" + text_of(20'000, 'a') + R"(","b":")" + text_of(30'000, 'b') + R"(","c":")" +
                        text_of(20'000, 'a') + R"("})";

  // Committed as the first record of a session.
  SealedRecord write(SessionId id, const Key256* session_key, const std::string& tenant, const std::string& plain) {
    Batch batch{.session = id};
    batch.create = SessionRow{.id = id, .tenant = TenantId(tenant), .wrapped_key = "wrapped"};
    SealedRecord record =
        seal_apart(session_key, blob_key_of(session_key != nullptr ? &tenant_key : nullptr, TenantId(tenant)), id, 1, 1,
                   1, WallTime{}, plain, blob_spans(plain), random, batch.blobs);
    batch.append.push_back(record);
    batch.chain = chain_after({}, id, record);
    EXPECT_TRUE(loop.run(store->commit(lease, std::move(batch))).ok());
    return record;
  }
  Result<std::string> read(SessionId id, const Key256* session_key, const SealedRecord& record) {
    return loop.run(open_whole(*store, session_key, id, record));
  }
  size_t blobs() { return loop.run(store->blobs(std::nullopt, 100))->size(); }
};

TEST_F(Apart, ComeBackWhereTheyBelong) {
  SessionId id = SessionId::make(random);
  SealedRecord record = write(id, &key, "acme", payload);
  EXPECT_EQ(record.blobs.size(), 2u) << "what comes twice is there once";
  EXPECT_EQ(blobs(), 2u);
  EXPECT_LT(record.body.size(), 300u);
  EXPECT_EQ(*read(id, &key, record), payload);
  EXPECT_TRUE(is_content_of(record, payload)) << "the hash is the whole payload's";
  EXPECT_EQ(open(&key, id, record).error().code, Code::kCorrupt) << "half of it is not taken for all of it";
}

TEST_F(Apart, AreSharedByATenantsSessionsAndByNobodyElse) {
  SessionId one = SessionId::make(random), two = SessionId::make(random), three = SessionId::make(random);
  std::set<Hash256> ids;
  auto note = [&](const SealedRecord& record) { ids.insert(record.blobs.begin(), record.blobs.end()); };
  note(write(one, &key, "acme", payload));
  Key256 other = make_key(random);
  note(write(two, &other, "acme", payload));
  EXPECT_EQ(ids.size(), 2u);
  tenant_key = make_key(random);
  note(write(three, &key, "globex", payload));
  EXPECT_EQ(ids.size(), 4u);
}

TEST_F(Apart, WorkWithoutEncryption) {
  SessionId one = SessionId::make(random), two = SessionId::make(random), three = SessionId::make(random);
  SealedRecord a = write(one, nullptr, "acme", payload), b = write(two, nullptr, "acme", payload),
               c = write(three, nullptr, "globex", payload);
  EXPECT_EQ(a.blobs, b.blobs);
  EXPECT_NE(a.blobs, c.blobs);
  EXPECT_EQ(*read(two, nullptr, b), payload);
}

TEST_F(Apart, TellNothingOfTheirContent) {
  SealedRecord record = write(SessionId::make(random), &key, "acme", payload);
  for (const Hash256& id : record.blobs) {
    std::string body = **loop.run(store->blob(id));
    EXPECT_EQ(body.find(text_of(20, 'a')), std::string::npos);
    EXPECT_NE(id, sha256(text_of(20'000, 'a')));
    EXPECT_NE(id, sha256(text_of(30'000, 'b')));
  }
}

TEST_F(Apart, WhatIsAlteredIsFound) {
  SessionId id = SessionId::make(random);
  SealedRecord record = write(id, &key, "acme", payload);
  SealedRecord swapped = record;
  std::swap(swapped.blobs[0], swapped.blobs[1]);  // the order says nothing
  EXPECT_TRUE(read(id, &key, swapped).ok());
  SealedRecord missing = record;
  missing.blobs.pop_back();
  EXPECT_EQ(read(id, &key, missing).error().code, Code::kCorrupt);
  SealedRecord other_seq = record;
  other_seq.seq = 2;
  EXPECT_EQ(read(id, &key, other_seq).error().code, Code::kCorrupt);
  SealedRecord flipped = record;
  flipped.body[flipped.body.size() / 2] ^= 1;
  EXPECT_EQ(read(id, &key, flipped).error().code, Code::kCorrupt);
  SealedRecord erased = record;
  erased.body.clear();
  erased.salt.clear();
  EXPECT_EQ(read(id, &key, erased).error().code, Code::kNotFound);
}

TEST_F(Apart, WhoseRecordWasErasedSinceItWasReadAreNotTakenForDamage) {
  SessionId id = SessionId::make(random);
  SealedRecord record = write(id, &key, "acme", payload);
  Batch erase{.session = id};
  erase.erase = {{1, 1}};
  ASSERT_TRUE(loop.run(store->commit(lease, std::move(erase))).ok());
  EXPECT_EQ(blobs(), 0u);
  EXPECT_EQ(read(id, &key, record).error().code, Code::kNotFound);
}

}  // namespace
}  // namespace perdure
