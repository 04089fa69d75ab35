#include "wire/websocket.h"

#include <gtest/gtest.h>

#include <vector>

namespace perdure {
namespace {

using Opcode = WebSocketOpcode;
using Kind = WebSocketEvent::Kind;
constexpr std::array<unsigned char, 4> kMask{0x37, 0xfa, 0x21, 0x3d};

std::string masked(Opcode opcode, std::string_view payload) {
  std::string out;
  append_websocket_frame(out, opcode, payload, &kMask);
  return out;
}
// A frame without its FIN bit.
std::string fragment(Opcode opcode, std::string_view payload) {
  std::string out = masked(opcode, payload);
  out[0] = static_cast<char>(out[0] & 0x7f);
  return out;
}
std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (int value : values) out += static_cast<char>(value);
  return out;
}

struct Seen {
  std::vector<std::pair<Kind, std::string>> events;
  int close_code = 0;  // of a close that came, or that a failure wants
  bool failed = false;
  bool operator==(const Seen&) const = default;
};

Seen read(std::string_view input, size_t piece = SIZE_MAX, size_t limit = 1 << 20,
          WebSocketReader::Side side = WebSocketReader::Side::kServer) {
  WebSocketReader reader(side, limit);
  Seen seen;
  while (!input.empty() && !reader.failed()) {
    std::string_view part = input.substr(0, piece);
    input.remove_prefix(part.size());
    while (std::optional<WebSocketEvent> event = reader.next(part)) {
      if (event->kind == Kind::kClose) seen.close_code = event->close_code;
      seen.events.emplace_back(event->kind, std::move(event->data));
    }
    if (seen.close_code != 0) break;
    EXPECT_TRUE(part.empty() || reader.failed());
  }
  if (reader.failed()) {
    seen.failed = true;
    seen.close_code = reader.close_code();
    EXPECT_FALSE(reader.problem().empty());
  }
  return seen;
}

TEST(WebSocketReader, ReadsTheExamplesOfTheRfc) {
  // 5.7: a masked "Hello", and a fragmented one.
  std::string hello = bytes({0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58});
  EXPECT_EQ(read(hello).events, (decltype(Seen::events){{Kind::kText, "Hello"}}));
  EXPECT_EQ(masked(Opcode::kText, "Hello"), hello);
  std::string plain = bytes({0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f});
  EXPECT_EQ(read(plain, SIZE_MAX, 100, WebSocketReader::Side::kClient).events,
            (decltype(Seen::events){{Kind::kText, "Hello"}}));
}

TEST(WebSocketReader, CutAnywhereGivesTheSame) {
  std::string stream = masked(Opcode::kText, "") + masked(Opcode::kText, std::string(125, 'a')) +
                       masked(Opcode::kText, std::string(126, 'b')) + masked(Opcode::kBinary, std::string(65535, 'c')) +
                       masked(Opcode::kText, std::string(65536, 'd')) + fragment(Opcode::kText, "\xc3") +
                       masked(Opcode::kPing, "ping") + fragment(Opcode::kContinuation, "\xa9 and") +
                       masked(Opcode::kPong, "") + masked(Opcode::kContinuation, " more") +
                       masked(Opcode::kClose, websocket_close_payload(1000, "bye"));
  Seen whole = read(stream);
  ASSERT_EQ(whole.events.size(), 9u);
  EXPECT_EQ(whole.events[3].second.size(), 65535u);
  EXPECT_EQ(whole.events[4].second, std::string(65536, 'd'));
  EXPECT_EQ(whole.events[5], (std::pair<Kind, std::string>(Kind::kPing, "ping")));
  EXPECT_EQ(whole.events[7], (std::pair<Kind, std::string>(Kind::kText, "\xc3\xa9 and more")));
  EXPECT_EQ(whole.events[8], (std::pair<Kind, std::string>(Kind::kClose, "bye")));
  EXPECT_EQ(whole.close_code, 1000);
  EXPECT_FALSE(whole.failed);
  for (size_t piece : {1, 2, 3, 5, 7, 13, 14, 1000, 70000}) EXPECT_EQ(read(stream, piece), whole) << piece;
}

TEST(WebSocketReader, RefusesWhatBreaksTheProtocol) {
  struct Case {
    std::string_view name;
    std::string bytes;
    int code;
  };
  std::string long_ping;
  append_websocket_frame(long_ping, Opcode::kPing, std::string(126, 'p'), &kMask);
  std::string unmasked;
  append_websocket_frame(unmasked, Opcode::kText, "x");
  const Case kCases[] = {
      {"not masked", unmasked, 1002},
      {"reserved bit", bytes({0xc1, 0x80, 0, 0, 0, 0}), 1002},
      {"unknown opcode 3", bytes({0x83, 0x80, 0, 0, 0, 0}), 1002},
      {"unknown opcode 11", bytes({0x8b, 0x80, 0, 0, 0, 0}), 1002},
      {"control in fragments", bytes({0x09, 0x80, 0, 0, 0, 0}), 1002},
      {"control too long", long_ping, 1002},
      {"continuation of nothing", masked(Opcode::kContinuation, "x"), 1002},
      {"message within a message", fragment(Opcode::kText, "a") + masked(Opcode::kText, "b"), 1002},
      {"16 bit length for 125", bytes({0x81, 0xfe, 0, 125, 0, 0, 0, 0}), 1002},
      {"64 bit length for 65535", bytes({0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0}), 1002},
      {"64 bit length with its top bit", bytes({0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}), 1002},
      {"text that is not UTF-8", masked(Opcode::kText, "a\xff"), 1007},
      {"text that ends in the middle of a character", masked(Opcode::kText, "a\xc3"), 1007},
      {"half a close code", masked(Opcode::kClose, "\x03"), 1002},
      {"close code 1005", masked(Opcode::kClose, bytes({0x03, 0xed})), 1002},
      {"close code 999", masked(Opcode::kClose, bytes({0x03, 0xe7})), 1002},
      {"close code 1016", masked(Opcode::kClose, bytes({0x03, 0xf8})), 1002},
      {"close code 5000", masked(Opcode::kClose, bytes({0x13, 0x88})), 1002},
      {"close reason that is not UTF-8", masked(Opcode::kClose, bytes({0x03, 0xe8, 0xff})), 1007},
  };
  for (const Case& one : kCases)
    for (size_t piece : {size_t{1}, SIZE_MAX}) {
      Seen seen = read(one.bytes, piece);
      EXPECT_TRUE(seen.failed) << one.name;
      EXPECT_EQ(seen.close_code, one.code) << one.name;
      EXPECT_TRUE(seen.events.empty()) << one.name;
    }
}

TEST(WebSocketReader, RefusesALengthBeforeItsBytesCome) {
  // The header alone is enough: nothing is held for what is too large.
  EXPECT_EQ(read(bytes({0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}), 1, 1000).close_code, 1009);
  EXPECT_FALSE(read(masked(Opcode::kText, std::string(1000, 'x')), 7, 1000).failed);
  EXPECT_EQ(read(masked(Opcode::kText, std::string(1001, 'x')), 7, 1000).close_code, 1009);
  // All fragments count together; pings between them do not.
  std::string in_parts = fragment(Opcode::kText, std::string(600, 'x')) + masked(Opcode::kPing, std::string(125, 'p')) +
                         masked(Opcode::kContinuation, std::string(400, 'x'));
  EXPECT_FALSE(read(in_parts, 7, 1000).failed);
  EXPECT_EQ(read(in_parts, 7, 999).close_code, 1009);
}

TEST(WebSocketReader, AClientWantsNoMasks) {
  EXPECT_EQ(read(masked(Opcode::kText, "x"), 1, 100, WebSocketReader::Side::kClient).close_code, 1002);
}

TEST(WebSocketReader, NothingIsReadBehindAClose) {
  WebSocketReader reader(WebSocketReader::Side::kServer, 100);
  std::string stream = masked(Opcode::kClose, "") + masked(Opcode::kText, "late");
  std::string_view input = stream;
  EXPECT_EQ(reader.next(input)->close_code, kWsNoCode);
  EXPECT_FALSE(reader.next(input));
  EXPECT_FALSE(reader.failed());
}

TEST(WebSocketFrames, CloseReasonsFit) {
  EXPECT_EQ(websocket_close_payload(1001, "x"), bytes({0x03, 0xe9, 'x'}));
  std::string accents;
  for (int i = 0; i < 100; ++i) accents += "é";
  std::string cut = websocket_close_payload(1000, accents);
  EXPECT_EQ(cut.size(), 2u + 122u);  // 123 bytes would end in half a character
  EXPECT_FALSE(read(masked(Opcode::kClose, cut)).failed);
}

TEST(WebSocketHandshake, AnswersTheKey) {
  EXPECT_EQ(websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");  // RFC 6455, 1.3
  for (std::string_view bad :
       {"", "short", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZSEh", "!!!!!!!!!!!!!!!!!!!!===="})
    EXPECT_EQ(websocket_accept(bad), "") << bad;
}

}  // namespace
}  // namespace perdure
