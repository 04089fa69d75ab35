#include "http/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/message_parser.h"

namespace perdure {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(Headers, KeepTheirOrderAndIgnoreCase) {
  Headers headers;
  headers.add("One", "1");
  headers.add("two", "2");
  headers.add("ONE", "3");
  EXPECT_EQ(headers.get("one"), "1");
  EXPECT_EQ(headers.get("three"), "");
  EXPECT_TRUE(headers.has("TWO"));
  EXPECT_FALSE(headers.has("tw"));
  EXPECT_THAT(headers.pairs(), ElementsAre(Pair("One", "1"), Pair("two", "2"), Pair("ONE", "3")));
}

TEST(Headers, SetReplacesTheFirstAndDropsTheOthers) {
  Headers headers;
  headers.add("a", "1");
  headers.add("b", "2");
  headers.add("A", "3");
  headers.set("A", "a longer value than before");
  headers.set("c", "new");
  EXPECT_THAT(headers.pairs(), ElementsAre(Pair("a", "a longer value than before"), Pair("b", "2"), Pair("c", "new")));
  headers.remove("B");
  EXPECT_THAT(headers.pairs(), ElementsAre(Pair("a", "a longer value than before"), Pair("c", "new")));
  Headers same;
  same.add("a", "a longer value than before");
  same.add("c", "new");
  EXPECT_TRUE(headers == same) << "what was replaced does not count";
  headers.clear();
  EXPECT_EQ(headers.size(), 0u);
}

// A parser that is used again must remember nothing.
TEST(MessageParser, StartsAfresh) {
  MessageParser parser(MessageParser::Kind::kRequest, 1000);
  std::string body;
  auto all = [&](std::string_view bytes) {
    while (parser.state() == MessageParser::State::kHead || parser.state() == MessageParser::State::kBody) {
      size_t n = parser.put(bytes, body);
      if (n == 0) break;
      bytes.remove_prefix(n);
    }
    return parser.state();
  };
  EXPECT_EQ(all("POST /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab"),
            MessageParser::State::kDone);
  EXPECT_FALSE(parser.head().keep_alive);
  parser.restart(MessageParser::Kind::kRequest);
  EXPECT_EQ(all("GET /b HTTP/1.1\r\nHost: h\r\n\r\n"), MessageParser::State::kDone);
  EXPECT_TRUE(parser.head().keep_alive);
  EXPECT_FALSE(parser.head().content_length.has_value());
  EXPECT_EQ(parser.head().headers.size(), 1u);
  EXPECT_EQ(parser.head().target, "/b");
  parser.restart(MessageParser::Kind::kRequest);
  EXPECT_EQ(all("nonsense\r\n"), MessageParser::State::kFailed);
  parser.restart(MessageParser::Kind::kAnswer);
  EXPECT_EQ(all("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"), MessageParser::State::kDone);
  EXPECT_EQ(parser.head().status, 200);
  EXPECT_EQ(body, "ab");
}

}  // namespace
}  // namespace perdure
