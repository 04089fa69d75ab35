#include "store/seal.h"

#include <gtest/gtest.h>

namespace perdure {
namespace {

const SessionId kSession{1, 2};

TEST(Seal, OpensWhatItSealed) {
  SeededRandom random(1);
  Key256 key = make_key(random);
  for (size_t size : {0u, 1u, 1000u, 5'000'000u}) {
    std::string plain(size, 'x');
    for (const Key256* with : {static_cast<const Key256*>(&key), static_cast<const Key256*>(nullptr)}) {
      SealedRecord record = seal(with, kSession, 3, 4, 5, WallTime{}, plain, random);
      auto opened = open(with, kSession, record);
      ASSERT_TRUE(opened.ok());
      EXPECT_EQ(*opened, plain);
      EXPECT_EQ(record.salt.size(), 16u);
    }
  }
}

TEST(Seal, EveryFlippedBitIsNoticed) {
  SeededRandom random(2);
  Key256 key = make_key(random);
  SealedRecord record = seal(&key, kSession, 3, 4, 5, WallTime{}, "hello", random);
  for (size_t i = 0; i < record.body.size(); ++i) {
    SealedRecord altered = record;
    altered.body[i] ^= 1;
    EXPECT_EQ(open(&key, kSession, altered).error().code, Code::kCorrupt);
  }
  SealedRecord moved = record;
  moved.seq = 4;
  EXPECT_EQ(open(&key, kSession, moved).error().code, Code::kCorrupt);
  EXPECT_EQ(open(&key, SessionId{1, 3}, record).error().code, Code::kCorrupt);
  SealedRecord salted = record;
  salted.salt[0] ^= 1;
  EXPECT_EQ(open(&key, kSession, salted).error().code, Code::kCorrupt);
  EXPECT_EQ(open(nullptr, kSession, record).error().code, Code::kCorrupt);
}

TEST(Seal, AnErasedRecordKeepsItsPlaceInTheChain) {
  SeededRandom random(3);
  Key256 key = make_key(random);
  SealedRecord record = seal(&key, kSession, 1, 4, 5, WallTime{}, "secret", random);
  Hash256 before = chain_after({}, kSession, record);
  record.body.clear();
  record.salt.clear();
  EXPECT_EQ(open(&key, kSession, record).error().code, Code::kNotFound);
  EXPECT_EQ(chain_after({}, kSession, record), before);
}

TEST(Seal, KeysAreWrappedForOneUse) {
  SeededRandom random(4);
  Key256 outer = make_key(random), inner = make_key(random);
  std::string wrapped = wrap_key(outer, inner, "tenant", random);
  auto unwrapped = unwrap_key(outer, wrapped, "tenant");
  ASSERT_TRUE(unwrapped.ok());
  EXPECT_TRUE(*unwrapped == inner);
  EXPECT_EQ(unwrap_key(outer, wrapped, "other").error().code, Code::kCorrupt);
  EXPECT_EQ(unwrap_key(inner, wrapped, "tenant").error().code, Code::kCorrupt);
  EXPECT_EQ(unwrap_key(outer, "short", "tenant").error().code, Code::kCorrupt);
}

TEST(Seal, TheSetHashForgetsOrderAndReverses) {
  Key256 key{};
  Hash256 a = head_mac(key, {1, 1}, 5, {}), b = head_mac(key, {1, 2}, 5, {}), zero{}, ab{}, ba{};
  EXPECT_NE(a, b);
  add_mod_2_256(ab, a);
  add_mod_2_256(ab, b);
  add_mod_2_256(ba, b);
  add_mod_2_256(ba, a);
  EXPECT_EQ(ab, ba);
  subtract_mod_2_256(ab, a);
  EXPECT_EQ(ab, b);
  subtract_mod_2_256(ab, b);
  EXPECT_EQ(ab, zero);
}

TEST(Seal, HashesAreTheStandardOnes) {
  auto hex = [](const Hash256& h) { return to_hex({reinterpret_cast<const char*>(h.data()), h.size()}); };
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // Computed apart from this code; a change here is a new format version.
  SealedRecord record{
      .seq = 1, .kind = 2, .codec = 3, .time = WallTime(std::chrono::milliseconds(4)), .hash = sha256("abc")};
  Hash256 chain = chain_after(sha256(""), {5, 6}, record);
  EXPECT_EQ(hex(chain), "ef5e9a8b99753612261c3fba746011dcdc52f73e8d56523910f4298317ba0425");
  Key256 key;
  for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<unsigned char>(i);
  EXPECT_EQ(hex(head_mac(key, {5, 6}, 1, chain)), "dc4eee4d8697477552c408f9d38f20d69a6a87f063197465121626c4fedba998");
}

}  // namespace
}  // namespace perdure
