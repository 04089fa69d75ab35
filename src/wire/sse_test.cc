#include "wire/sse.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace perdure {
namespace {

using Events = std::vector<std::pair<std::string, std::string>>;

// Feeds the pieces; the events that came, then "error" with the message if there was one.
Events events_of(const std::vector<std::string_view>& pieces, size_t limit = 1 << 20) {
  Events out;
  SseParser parser(limit);
  for (std::string_view piece : pieces) {
    auto fed = parser.feed(piece, [&](const SseEvent& event) -> Result<void> {
      out.emplace_back(event.event, event.data);
      return {};
    });
    if (!fed) {
      out.emplace_back("error", fed.error().message);
      break;
    }
  }
  return out;
}

struct Case {
  std::string_view name, bytes;
  Events events;
};
const Case kCases[] = {
    {"empty", "", {}},
    {"one", "data: a\n\n", {{"", "a"}}},
    {"named", "event: delta\ndata: {\"x\":1}\n\n", {{"delta", "{\"x\":1}"}}},
    {"name after data", "data: a\nevent: late\n\n", {{"late", "a"}}},
    {"name does not outlive its event", "event: x\ndata: a\n\ndata: b\n\n", {{"x", "a"}, {"", "b"}}},
    {"name without data", "event: x\n\ndata: b\n\n", {{"", "b"}}},
    {"last name counts", "event: x\nevent: y\ndata\n\n", {{"y", ""}}},
    {"multi-line data", "data: a\ndata: b\ndata:\ndata: c\n\n", {{"", "a\nb\n\nc"}}},
    {"empty data", "data:\n\ndata\n\n", {{"", ""}, {"", ""}}},
    {"two empty lines of data", "data\ndata\n\n", {{"", "\n"}}},
    {"one space is taken off", "data:a\n\ndata:  a\n\ndata:\ta\n\n", {{"", "a"}, {"", " a"}, {"", "\ta"}}},
    {"colons in the value", "data: a: b:c\n\n", {{"", "a: b:c"}}},
    {"CRLF", "event: x\r\ndata: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", {{"x", "a\nb"}, {"", "c"}}},
    {"CR", "event: x\rdata: a\rdata: b\r\rdata: c\r\r", {{"x", "a\nb"}, {"", "c"}}},
    {"mixed", "data: a\r\rdata: b\r\n\ndata: c\n\r\ndata: d\n\r", {{"", "a"}, {"", "b"}, {"", "c"}, {"", "d"}}},
    {"comments", ": ping\n\n:\n\ndata: a\n:in between\ndata: b\n\n", {{"", "a\nb"}}},
    {"other fields", "id: 7\nretry: 10\nfoo: bar\nfoo\nDATA: x\n data: y\ndata: a\n\n", {{"", "a"}}},
    {"BOM",
     "\xEF\xBB\xBF"
     "data: a\n\n",
     {{"", "a"}}},
    {"BOM alone on a line", "\xEF\xBB\xBF\ndata: a\n\n", {{"", "a"}}},
    {"BOM later is part of a name",
     "data: a\n\n\xEF\xBB\xBF"
     "data: b\n\n",
     {{"", "a"}}},
    {"two BOMs",
     "\xEF\xBB\xBF\xEF\xBB\xBF"
     "data: b\n\n",
     {}},
    {"unfinished", "data: a\n\ndata: b\n", {{"", "a"}}},
    {"blank lines", "\n\n\r\n\rdata: a\n\n\n\n", {{"", "a"}}},
    {"done marker", "data: {}\n\ndata: [DONE]\n\n", {{"", "{}"}, {"", "[DONE]"}}},
};

TEST(SseParser, Whole) {
  for (const Case& c : kCases) EXPECT_EQ(events_of({c.bytes}), c.events) << c.name;
}

TEST(SseParser, CutAnywhereGivesTheSame) {
  for (const Case& c : kCases) {
    for (size_t i = 0; i <= c.bytes.size(); ++i) {
      for (size_t j = i; j <= c.bytes.size(); ++j) {
        EXPECT_EQ(events_of({c.bytes.substr(0, i), c.bytes.substr(i, j - i), c.bytes.substr(j)}), c.events)
            << c.name << " cut at " << i << " and " << j;
      }
    }
    std::vector<std::string_view> bytes;
    for (size_t i = 0; i < c.bytes.size(); ++i) bytes.push_back(c.bytes.substr(i, 1));
    EXPECT_EQ(events_of(bytes), c.events) << c.name << " byte by byte";
  }
}

TEST(SseParser, LimitHoldsHoweverTheEventIsCut) {
  const std::string_view fits = "event: ab\ndata: 12345678\n\n", too_long = "data: 1\n\nevent: ab\ndata: 123456789\n\n",
                         many_lines = "data: 12345678\ndata: 1\n\n";
  const size_t limit = 16;  // "ab" and the line "data: 12345678"
  const Events error = {{"error", "server-sent event beyond the limit"}};
  for (size_t i = 0; i <= fits.size(); ++i)
    EXPECT_EQ(events_of({fits.substr(0, i), fits.substr(i)}, limit), (Events{{"ab", "12345678"}}));
  for (size_t i = 0; i <= too_long.size(); ++i)
    EXPECT_EQ(events_of({too_long.substr(0, i), too_long.substr(i)}, limit), (Events{{"", "1"}, error[0]}));
  for (size_t i = 0; i <= many_lines.size(); ++i)
    EXPECT_EQ(events_of({many_lines.substr(0, i), many_lines.substr(i)}, 14), error);
  EXPECT_EQ(events_of({"\xEF", "\xBB",
                       "\xBF"
                       "data:",
                       "\n\n"},
                      5),
            (Events{{"", ""}}))
      << "a BOM counts for nothing";
  EXPECT_EQ(events_of({"\xEF", "\xBB", "\xBF", "\n"}, 1), Events{});
  EXPECT_EQ(events_of({std::string(17, 'x')}, limit), error) << "a line without an end";
  EXPECT_EQ(events_of({": " + std::string(100, 'x') + "\n"}, limit), error) << "a comment";
  SseParser parser(limit);
  auto fed = parser.feed(std::string(17, 'x'), [](const SseEvent&) -> Result<void> { return {}; });
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().code, Code::kCorrupt);
}

TEST(SseParser, ErrorOfTheCallbackStopsTheParse) {
  SseParser parser;
  int calls = 0;
  auto fed = parser.feed("data: a\n\ndata: b\n\n", [&](const SseEvent&) -> Result<void> {
    ++calls;
    return Error{Code::kCancelled, "enough"};
  });
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().code, Code::kCancelled);
  EXPECT_EQ(calls, 1);
}

TEST(SseParser, AtRest) {
  SseParser parser;
  auto feed = [&](std::string_view bytes) {
    return parser.feed(bytes, [](const SseEvent&) -> Result<void> { return {}; }).ok() && parser.at_rest();
  };
  EXPECT_TRUE(parser.at_rest());
  EXPECT_FALSE(feed("\xEF"));
  EXPECT_TRUE(feed("\xBB\xBF"));
  EXPECT_FALSE(feed("da"));
  EXPECT_FALSE(feed("ta: a"));
  EXPECT_FALSE(feed("\r"));
  EXPECT_FALSE(feed("\n"));
  EXPECT_TRUE(feed("\r"));
  EXPECT_TRUE(feed("\n"));
  EXPECT_FALSE(feed("event: x\n"));
  EXPECT_TRUE(feed("\n"));
  EXPECT_TRUE(feed(": comment\n"));
  EXPECT_FALSE(feed("data\n"));
}

TEST(AppendSse, OneEvent) {
  std::string out;
  append_sse(out, "", "{}");
  append_sse(out, "delta", "a");
  EXPECT_EQ(out, "data: {}\n\nevent: delta\ndata: a\n\n");
  EXPECT_EQ(events_of({out}), (Events{{"", "{}"}, {"delta", "a"}}));
}

TEST(AppendSse, LineBreaksCannotForgeAnEvent) {
  std::string out;
  append_sse(out, "", "a\nb\r\nc\rd\n\nevent: x\n");
  EXPECT_EQ(events_of({out}), (Events{{"", "a\nb\nc\nd\n\nevent: x\n"}}));
}

}  // namespace
}  // namespace perdure
