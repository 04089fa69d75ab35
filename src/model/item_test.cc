#include "model/item.h"

#include <gtest/gtest.h>

#include "model/testing/samples.h"

namespace perdure {
namespace {

Result<Item> read(std::string text) {
  auto document = json::Document::parse(std::move(text));
  if (!document) return document.error();
  return read_item(document->root());
}

std::string written(const Item& item) {
  json::Writer out;
  write_item(out, item);
  return out.take();
}

TEST(Item, WhatWasWrittenIsReadBack) {
  for (const Item& item : sample_items()) {
    auto back = read(written(item));
    ASSERT_TRUE(back.ok()) << written(item) << back.error().message;
    EXPECT_EQ(*back, item) << written(item);
    EXPECT_EQ(written(*back), written(item));
  }
}

TEST(Item, HasTheFormOfOpenResponses) {
  const auto items = sample_items();
  EXPECT_EQ(
      written(items[1]),
      R"({"type":"message","id":"msg_2","status":"incomplete","role":"assistant","phase":"commentary","content":[)"
      R"({"type":"output_text","text":"text","annotations":[{"type":"url_citation"}]},)"
      R"({"type":"output_text","text":"","annotations":[]},{"type":"refusal","refusal":"no"}]})");
  EXPECT_EQ(
      written(items[2]),
      R"({"type":"function_call","id":"fc_1","status":"completed","call_id":"call_1","name":"look","arguments":"{\"a\": 1"})");
  EXPECT_EQ(written(Item{.kind = ItemKind::kReasoning, .id = "rs"}),
            R"({"type":"reasoning","id":"rs","status":"completed","summary":[]})");
  json::Writer out;
  write_part(out, {.kind = PartKind::kInputImage, .url = "data:,"});
  EXPECT_EQ(out.text(), R"({"type":"input_image","image_url":"data:,","detail":"auto"})");
}

TEST(Item, WhatIsNotCanonicalIsCorrupt) {
  for (const char* text : {
           R"([])",
           R"({"type":"message"})",
           R"({"type":"other","id":"a","status":"completed"})",
           R"({"type":"message","id":"a","status":"done","role":"user","content":[]})",
           R"({"type":"message","id":"a","status":"completed","role":"user","content":"text"})",
           R"({"type":"message","id":"a","status":"completed","role":"user","content":[],"more":1})",
           R"({"type":"message","id":"a","status":"completed","role":"user","content":[{"type":"input_text"}]})",
           R"({"type":"function_call_output","id":"a","status":"completed","call_id":"c"})",
       }) {
    auto item = read(text);
    ASSERT_FALSE(item.ok()) << text;
    EXPECT_EQ(item.error().code, Code::kCorrupt) << text;
  }
}

Result<Request> reread(const Request& request) {
  json::Writer out;
  write_request(out, request);
  auto document = json::Document::parse(out.take());
  if (!document) return document.error();
  return read_request(document->root());
}

TEST(Request, WhatWasWrittenIsReadBack) {
  std::vector<Request> requests = {sample_request(), Request{.model = "m"}, Request{.model = "m", .instructions = ""}};
  requests.push_back(
      {.model = "m", .tool_choice = {.mode = ToolChoice::Mode::kFunction, .function = "f"}, .store = false});
  requests.push_back({.model = "m", .format = {.kind = TextFormat::Kind::kJsonObject}});
  for (const Request& request : requests) {
    auto back = reread(request);
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_EQ(*back, request);
  }
}

TEST(Request, KeepsToolsByteForByte) {
  Request request{.model = "m"};
  request.tools = {{.name = "f", .parameters = "{ \"a\" :\n 1.0000000000000000001 , \"\\u00e4\":1E5}"}};
  auto back = reread(request);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->tools[0].parameters, request.tools[0].parameters);
}

TEST(Request, WhatWasNotGivenIsNotWritten) {
  json::Writer out;
  write_request(out, {.model = "m"});
  EXPECT_EQ(out.text(), R"({"model":"m","input":[]})");
}

}  // namespace
}  // namespace perdure
