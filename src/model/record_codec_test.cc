#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/ids.h"
#include "base/random.h"
#include "model/testing/samples.h"

namespace perdure {
namespace {

Result<Record> decode(const Record& like, std::string_view payload) {
  return decode_payload(like.seq, like.time, like.kind(), kRecordCodec, payload);
}

TEST(RecordCodec, WhatWasEncodedComesBack) {
  for (const auto& [name, record] : sample_records()) {
    auto back = decode(record, encode_payload(record));
    ASSERT_TRUE(back.ok()) << name << ": " << back.error().message;
    EXPECT_EQ(*back, record) << name;
  }
}

TEST(RecordCodec, TextCostsLittleMoreThanItself) {
  Deltas deltas;
  for (int i = 0; i < 1000; ++i) deltas.deltas.push_back(Delta::append("word "));
  EXPECT_LE(encode_payload({.body = deltas}).size(), 6 * 1000 + 8u);
}

// Every payload of a released codec stays readable. To add a sample: put it into sample_records(); the test prints its
// line.
TEST(RecordCodec, ReleasedPayloadsStayReadable) {
  const auto samples = sample_records();
  std::ifstream file("tests/compat/records_1.txt");
  ASSERT_TRUE(file) << "run from the root of the repository";
  std::map<std::string, std::string> golden;
  for (std::string name, hex; file >> name >> hex;) golden[name] = hex == "-" ? "" : hex;
  for (const auto& [name, record] : samples) {
    const std::string payload = encode_payload(record);
    ASSERT_TRUE(golden.contains(name)) << "tests/compat/records_1.txt lacks:\n"
                                       << name << ' ' << (payload.empty() ? "-" : to_hex(payload));
    auto bytes = from_hex(golden[name]);
    ASSERT_TRUE(bytes.ok()) << name;
    auto back = decode_payload(record.seq, record.time, record.kind(), 1, *bytes);
    ASSERT_TRUE(back.ok()) << name << ": " << back.error().message;
    EXPECT_EQ(*back, record) << name;
    EXPECT_EQ(to_hex(payload), golden[name]) << name << ": codec 1 writes other bytes than it did";
  }
  EXPECT_EQ(golden.size(), samples.size()) << "a sample was taken away";
}

TEST(RecordCodec, EveryCutAndEveryFlippedByteIsHandled) {
  for (const auto& [name, record] : sample_records()) {
    const std::string payload = encode_payload(record);
    for (size_t size = 0; size < payload.size(); ++size) {
      auto back = decode(record, std::string_view(payload).substr(0, size));
      if (!back) {
        EXPECT_EQ(back.error().code, Code::kCorrupt) << name;
      } else {
        EXPECT_EQ(record.kind(), RecordKind::kDeltas) << name << ": JSON cut at " << size << " was read";
      }
    }
    SeededRandom random(7);
    for (size_t i = 0; i < payload.size(); ++i) {
      std::string bent = payload;
      bent[i] = static_cast<char>(random.below(256));
      if (auto back = decode(record, bent); !back) {
        EXPECT_EQ(back.error().code, Code::kCorrupt) << name;
      }
    }
  }
}

TEST(RecordCodec, LyingLengthsAreCorrupt) {
  using namespace std::string_literals;
  const Record deltas{.body = Deltas{}};
  const std::string cases[] = {
      "\x03\xff\xff\xff\xff\xff\xff\xff\xff\x7f"s,          // as many texts as an int64 can count
      "\x03\x01\xff\xff\xff\xff\x7f"s,                      // a text longer than the payload
      "\x03\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"s,  // no end of a number
      "\x03\x01\x80\x00"s,                                  // a number spelt too long
      "\x03\x00"s,                                          // a run of no texts
      "\x03"s,
      "\x01"s,
      "\x01\x01"s,
      "\x02\x09"s,
      "\x05\x00"s,
      "\x06"s,
      "\x00"s,
      "\x01\x01\x02\xff\xff\xff\xff\x7f"s,
  };
  for (const auto& payload : cases) {
    auto back = decode(deltas, payload);
    ASSERT_FALSE(back.ok()) << to_hex(payload);
    EXPECT_EQ(back.error().code, Code::kCorrupt);
  }
}

TEST(RecordCodec, UnknownCodecsKindsAndFieldsAreCorrupt) {
  EXPECT_FALSE(decode_payload(1, {}, RecordKind::kResponseDeleted, 2, R"({"id":"r"})").ok());
  EXPECT_FALSE(decode_payload(1, {}, RecordKind::kResponseDeleted, 0, R"({"id":"r"})").ok());
  EXPECT_FALSE(decode_payload(1, {}, RecordKind{0}, 1, R"({"id":"r"})").ok());
  EXPECT_FALSE(decode_payload(1, {}, RecordKind{13}, 1, R"({"id":"r"})").ok());
  EXPECT_FALSE(decode_payload(1, {}, RecordKind::kResponseDeleted, 1, R"({"id":"r","more":1})").ok());
  EXPECT_FALSE(decode_payload(1, {}, RecordKind::kResponseDeleted, 1, R"({"id":null})").ok());
  EXPECT_FALSE(decode_payload(1, {}, RecordKind::kResponseDeleted, 1, R"([])").ok());
  EXPECT_FALSE(decode_payload(1, {}, RecordKind::kResponseEnded, 1, R"({"status":"done"})").ok());
  EXPECT_FALSE(
      decode_payload(1, {}, RecordKind::kResponseEnded, 1, R"({"status":"failed","usage":{"input_tokens":-1}})").ok());
  EXPECT_TRUE(decode_payload(1, {}, RecordKind::kResponseDeleted, 1, R"({"id":"r"})").ok());
}

}  // namespace
}  // namespace perdure
