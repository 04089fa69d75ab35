#include "wire/aws_event_stream.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <limits>

namespace perdure {
namespace {

using Type = AwsHeader::Type;

struct Told {
  std::vector<std::string> messages;  // "name:type:integer:bytes;...|payload"
  std::string error;
  bool at_rest = true;
  bool operator==(const Told&) const = default;
};

std::string shown(const AwsMessage& message) {
  std::string out;
  for (const AwsHeader& header : message.headers) {
    out.append(header.name).append(":").append(std::to_string(static_cast<int>(header.type))).append(":");
    out.append(std::to_string(header.integer)).append(":").append(header.bytes).append(";");
  }
  return out.append("|").append(message.payload);
}

Told told(const std::vector<std::string>& pieces, AwsEventStreamLimits limits = {}) {
  Told out;
  AwsEventStreamParser parser(limits);
  for (const std::string& piece : pieces) {
    auto fed = parser.feed(piece, [&](const AwsMessage& message) -> Result<void> {
      out.messages.push_back(shown(message));
      return {};
    });
    if (!fed) {
      EXPECT_EQ(fed.error().code, Code::kCorrupt);
      out.error = fed.error().message;
      return out;
    }
  }
  out.at_rest = parser.at_rest();
  return out;
}

std::string written(const std::vector<AwsHeader>& headers, std::string_view payload) {
  std::string out;
  auto done = append_aws_message(out, headers, payload);
  EXPECT_TRUE(done.ok()) << done.error().message;
  return out;
}

std::string from_hex(std::string_view text) {
  std::string out;
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    out += static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16));
  return out;
}

// A message with right checksums round whatever is given as headers.
std::string framed(std::string_view headers, std::string_view payload, int total_off = 0, int headers_off = 0) {
  std::string out;
  const auto number = [&](uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
  };
  const auto checksum = [&] {
    number(static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(out.data()), static_cast<uInt>(out.size()))));
  };
  number(static_cast<uint32_t>(16 + headers.size() + payload.size()) + static_cast<uint32_t>(total_off));
  number(static_cast<uint32_t>(headers.size()) + static_cast<uint32_t>(headers_off));
  checksum();
  out.append(headers).append(payload);
  checksum();
  return out;
}

const std::string kUuid = "0123456789abcdef";
const std::vector<AwsHeader> kAllTypes = {
    {.name = "t", .type = Type::kTrue},
    {.name = "f", .type = Type::kFalse},
    {.name = "byte", .type = Type::kByte, .integer = -128},
    {.name = "short", .type = Type::kShort, .integer = -2},
    {.name = "integer", .type = Type::kInteger, .integer = std::numeric_limits<int32_t>::min()},
    {.name = "long", .type = Type::kLong, .integer = std::numeric_limits<int64_t>::max()},
    {.name = "bytes", .type = Type::kBytes, .bytes = {"\0\xff", 2}},
    {.name = ":event-type", .type = Type::kString, .bytes = "contentBlockDelta \xc3\xa4"},
    {.name = "when", .type = Type::kTimestamp, .integer = -1},
    {.name = "uuid", .type = Type::kUuid, .bytes = kUuid},
};

// The vectors that AWS publishes with its own C implementation (empty message, payload only, one header).
TEST(AwsEventStream, PublishedVectors) {
  EXPECT_EQ(written({}, ""), from_hex("000000100000000005c248eb7d98c8ff"));
  EXPECT_EQ(written({}, "{'foo':'bar'}"), from_hex("0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936"));
  EXPECT_EQ(written({{.name = "content-type", .bytes = "application/json"}}, "{'foo':'bar'}"),
            from_hex("0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e"
                     "7b27666f6f273a27626172277d8d9c08b1"));
}

TEST(AwsEventStream, T25_WhatWasWrittenIsReadHoweverItIsCut) {
  const std::string bytes = written(kAllTypes, "{\"a\":1}") + written({}, "") + written({}, std::string(300, 'x')) +
                            written({{.name = ":message-type", .bytes = "event"}}, "");
  const Told whole = told({bytes});
  EXPECT_EQ(whole.error, "");
  EXPECT_TRUE(whole.at_rest);
  ASSERT_EQ(whole.messages.size(), 4u);
  EXPECT_EQ(whole.messages[0], shown({kAllTypes, "{\"a\":1}"}));
  EXPECT_EQ(whole.messages[1], "|");
  EXPECT_EQ(whole.messages[3], ":message-type:7:0:event;|");
  for (size_t i = 0; i <= bytes.size(); ++i) {
    for (size_t j = i; j <= bytes.size(); j += 7)
      ASSERT_EQ(told({bytes.substr(0, i), bytes.substr(i, j - i), bytes.substr(j)}), whole) << i << " " << j;
  }
  std::vector<std::string> single;
  for (char c : bytes) single.emplace_back(1, c);
  EXPECT_EQ(told(single), whole);
}

TEST(AwsEventStream, T25_AnUnfinishedMessageIsNotAtRest) {
  const std::string bytes = written(kAllTypes, "payload");
  for (size_t i = 1; i < bytes.size(); ++i) {
    const Told cut = told({bytes.substr(0, i)});
    EXPECT_EQ(cut.error, "");
    EXPECT_TRUE(cut.messages.empty());
    EXPECT_FALSE(cut.at_rest) << i;
  }
}

TEST(AwsEventStream, T25_EveryFlippedBitIsNoticed) {
  const std::string bytes = written({{.name = ":event-type", .bytes = "x"}}, "payload");
  for (size_t i = 0; i < bytes.size() * 8; ++i) {
    std::string bad = bytes;
    bad[i / 8] = static_cast<char>(bad[i / 8] ^ (1 << (i % 8)));
    for (size_t size : {bad.size(), size_t{1}, size_t{5}}) {
      std::vector<std::string> pieces;
      for (size_t at = 0; at < bad.size(); at += size) pieces.push_back(bad.substr(at, size));
      const Told out = told(pieces);
      EXPECT_NE(out.error, "") << "bit " << i;
      EXPECT_TRUE(out.messages.empty()) << "bit " << i;
    }
  }
}

TEST(AwsEventStream, WrongHeadersAreNamed) {
  using namespace std::string_literals;
  const std::pair<std::string, std::string> kCases[] = {
      {"\0\x07\0\0"s, "a header without a name"},
      {"\x01", "a header is cut off"},
      {"\x01"s + "a", "a header is cut off"},
      {"\x01"s + "a\x0a", "a header of an unknown type"},
      {"\x01"s + "a\xff", "a header of an unknown type"},
      {"\x01"s + "a\x07\0\x05"s + "abcd", "a header is cut off"},
      {"\x01"s + "a\x04\0\0\0"s, "a header is cut off"},
      {"\x01"s + "a\x09" + std::string(15, 'u'), "a header is cut off"},
      {"\x01"s + "a\x07\0\x01\xff"s, "a header's text is not UTF-8"},
      {"\x01\xff\x01"s, "a header's name is not UTF-8"},
      {"\x01"s + "a\x01\x01"s + "a\x01", "a header is there twice"},
  };
  for (const auto& [headers, message] : kCases) {
    const Told out = told({framed(headers, "{}")});
    EXPECT_EQ(out.error, "AWS event stream: " + message);
    EXPECT_TRUE(out.messages.empty());
  }
  EXPECT_EQ(told({framed("\x01"s + "a\x06\0\x01\xff"s, "{}")}).messages.size(), 1u) << "bytes may be any";
}

TEST(AwsEventStream, LengthsThatContradictEachOther) {
  const std::string contradict = "AWS event stream: the lengths of a message contradict each other";
  EXPECT_EQ(told({framed("", "", -1)}).error, contradict) << "smaller than the smallest";
  EXPECT_EQ(told({framed("", "", -16)}).error, contradict) << "zero";
  EXPECT_EQ(told({framed("", "abc", 0, 4)}).error, contradict) << "headers beyond the message";
  EXPECT_EQ(told({framed("", "abc", 0, -1)}).error, contradict) << "headers of 4 GiB";
}

TEST(AwsEventStream, LimitsHoldBeforeAnythingIsKept) {
  const AwsEventStreamLimits limits{.header_bytes_max = 20, .headers_max = 2, .payload_bytes_max = 10};
  const auto with_payload = [](size_t size) { return written({}, std::string(size, 'x')); };
  EXPECT_EQ(told({with_payload(10)}, limits).messages.size(), 1u);
  EXPECT_EQ(told({with_payload(11).substr(0, 12)}, limits).error, "AWS event stream: a message is beyond the limit");
  const auto with_header = [](size_t size) {
    return written({{.name = "a", .bytes = std::string_view("xxxxxxxxxxxxxxxxxxxxxxxx", size)}}, "");
  };
  EXPECT_EQ(told({with_header(15)}, limits).messages.size(), 1u);
  EXPECT_EQ(told({with_header(16).substr(0, 12)}, limits).error,
            "AWS event stream: the headers of a message are beyond the limit");
  const AwsHeader a{.name = "a", .type = Type::kTrue}, b{.name = "b", .type = Type::kTrue},
      c{.name = "c", .type = Type::kTrue};
  EXPECT_EQ(told({written({a, b}, "")}, limits).messages.size(), 1u);
  EXPECT_EQ(told({written({a, b, c}, "")}, limits).error, "AWS event stream: a message has too many headers");
}

TEST(AwsEventStream, AnErrorOfTheReaderStopsTheParse) {
  const std::string bytes = written({}, "a") + written({}, "b");
  AwsEventStreamParser parser;
  int calls = 0;
  auto fed = parser.feed(bytes, [&](const AwsMessage&) -> Result<void> {
    ++calls;
    return Error{Code::kCancelled, "enough"};
  });
  ASSERT_FALSE(fed.ok());
  EXPECT_EQ(fed.error().message, "enough");
  EXPECT_EQ(calls, 1);
}

TEST(AwsEventStream, WhatCannotBeWrittenIsRefusedAndLeavesNothing) {
  const std::string long_name(256, 'n'), long_value(32768, 'v'), huge((24 << 20) + 1, 'p');
  std::vector<std::string> names;
  for (int i = 0; i < 257; ++i) names.push_back("h" + std::to_string(i));
  std::vector<AwsHeader> many, long_ones;
  for (const std::string& name : names) many.push_back({.name = name, .type = Type::kTrue});
  for (int i = 0; i < 5; ++i)
    long_ones.push_back({.name = names[static_cast<size_t>(i)], .bytes = std::string_view(long_value).substr(1)});
  const std::pair<std::vector<AwsHeader>, std::string_view> kCases[] = {
      {{{.name = ""}}, ""},
      {{{.name = long_name}}, ""},
      {{{.name = "\xff"}}, ""},
      {{{.name = "a", .bytes = long_value}}, ""},
      {{{.name = "a", .bytes = "\xff"}}, ""},
      {{{.name = "a", .type = Type::kByte, .integer = 128}}, ""},
      {{{.name = "a", .type = Type::kShort, .integer = 32768}}, ""},
      {{{.name = "a", .type = Type::kInteger, .integer = int64_t{1} << 31}}, ""},
      {{{.name = "a", .type = Type::kUuid, .bytes = "short"}}, ""},
      {{{.name = "a", .type = static_cast<Type>(10)}}, ""},
      {{{.name = "a"}, {.name = "b"}, {.name = "a"}}, ""},
      {many, ""},
      {long_ones, ""},
      {{}, huge},
  };
  for (const auto& [headers, payload] : kCases) {
    std::string out = "before";
    auto done = append_aws_message(out, headers, payload);
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().code, Code::kInvalid);
    EXPECT_EQ(out, "before");
  }
  EXPECT_EQ(
      told({written({{.name = std::string_view(long_name).substr(1), .bytes = std::string_view(long_value).substr(1)}},
                    "")})
          .messages.size(),
      1u);
}

TEST(AwsEventStream, TextOfAHeader) {
  const AwsMessage message{kAllTypes, ""};
  EXPECT_EQ(message.text(":event-type"), "contentBlockDelta \xc3\xa4");
  EXPECT_EQ(message.text("bytes"), "") << "not a string";
  EXPECT_EQ(message.text("none"), "");
}

}  // namespace
}  // namespace perdure
