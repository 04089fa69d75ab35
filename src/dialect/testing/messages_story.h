#pragma once
// An answer as records, and what a client of Messages makes of its events: they are in the order that the API promises,
// and say what the whole message says.

#include <gtest/gtest.h>

#include "dialect/messages_render.h"

namespace perdure::messages {

inline json::Document parse(const std::string& text) {
  auto document = json::Document::parse(text);
  EXPECT_TRUE(document.ok()) << text;
  return *std::move(document);
}

// A story as records, and what comes of it.
class Story {
 public:
  explicit Story(Request request = {.model = "m", .dialect = ClientDialect::kMessages}) {
    add(ResponseCreated{ResponseId("resp_1"), std::move(request), KeyId()}).add(AttemptStarted{});
  }
  Story& add(decltype(Record::body) body) {
    records_.push_back({.seq = records_.size() + 1, .body = std::move(body)});
    return *this;
  }
  Story& deltas(std::vector<Delta> list) { return add(Deltas{std::move(list)}); }
  Story& end(ResponseEnded ended = {.finish = "stop"}) {
    add(AttemptEnded{.outcome = "completed"});
    return add(std::move(ended));
  }
  std::vector<RenderedEvent> events() {
    std::vector<RenderedEvent> out;
    stream_ = {};
    for (const Record& record : records_) {
      auto added = stream_.add(record, out);
      EXPECT_TRUE(added.ok()) << added.error().message;
    }
    return out;
  }
  const Response& response() { return events(), stream_.response(); }
  std::string whole() {
    json::Writer out;
    write_messages_response(out, response());
    return out.take();
  }

 private:
  std::vector<Record> records_;
  MessagesStream stream_;
};

// What the API says of the order of events; and the message that a client puts together from them.
class Client {
 public:
  void take(const RenderedEvent& event) {
    ASSERT_EQ(event.sequence_number, count_++);
    ASSERT_EQ(event.data.find_first_of("\r\n"), std::string::npos);
    const json::Document document = parse(event.data);
    const json::Value root = document.root();
    ASSERT_EQ(root["type"].text(), event.type);
    ASSERT_FALSE(over_) << event.data;
    if (event.type == "message_start") {
      ASSERT_EQ(event.sequence_number, 0);
      const json::Value message = root["message"];
      ASSERT_EQ(message["type"].text(), "message");
      ASSERT_EQ(message["role"].text(), "assistant");
      ASSERT_EQ(message["content"].size(), 0);
      ASSERT_TRUE(message["content"].is_array() && message["stop_reason"].null() && message["stop_sequence"].null());
      ASSERT_TRUE(message["usage"]["input_tokens"].integer() && message["usage"]["output_tokens"].integer());
      head = std::string(message["id"].raw()) + std::string(message["model"].raw());
      return;
    }
    ASSERT_NE(count_, 1) << "something before message_start";
    if (event.type == "error") {
      ASSERT_TRUE(root["error"]["type"].is_string() && !root["error"]["message"].text().empty());
      error = root["error"]["message"].text();
      over_ = true;
    } else if (event.type == "message_delta") {
      ASSERT_FALSE(open_ || ended_);
      ended_ = true;
      ASSERT_TRUE(root["delta"]["stop_reason"].is_string());
      tail = std::string(root["delta"]["stop_reason"].raw()) + std::string(root["delta"]["stop_sequence"].raw());
      usage = counts(root["usage"]);
    } else if (event.type == "message_stop") {
      ASSERT_TRUE(ended_);
      over_ = whole = true;
    } else {
      block(event.type, root);
    }
  }

  // A block of a whole message in the form that they are compared in.
  static std::string comparable(json::Value block) {
    const std::string_view type = block["type"].text();
    if (type == "text")
      return text_form(block["text"].text(), block["citations"].null() ? "" : block["citations"].raw());
    if (type == "thinking") return thinking_form(block["thinking"].text(), block["signature"].text());
    if (type == "tool_use") return use_form(block["id"].text(), block["name"].text(), block["input"].raw());
    return std::string(block.raw());
  }
  static std::string counts(json::Value usage) {
    std::string out;
    for (std::string_view name :
         {"input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"})
      out.append(usage[name].raw()).append(" ");
    return out;
  }

  std::string head, tail, usage, error;
  std::vector<std::string> blocks;
  bool whole = false;

 private:
  static std::string text_form(std::string_view text, std::string_view citations) {
    return "text " + std::string(text) + " " + std::string(citations);
  }
  static std::string thinking_form(std::string_view text, std::string_view signature) {
    return "thinking " + std::string(text) + " " + std::string(signature);
  }
  static std::string use_form(std::string_view id, std::string_view name, std::string_view input) {
    return "use " + std::string(id) + " " + std::string(name) + " " + std::string(input);
  }

  void block(std::string_view type, json::Value root) {
    ASSERT_FALSE(ended_);
    ASSERT_EQ(root["index"].integer(), static_cast<int64_t>(blocks.size()));
    if (type == "content_block_start") {
      ASSERT_FALSE(open_);
      open_ = true;
      const json::Value start = root["content_block"];
      kind_ = start["type"].text();
      text_.clear();
      extra_.clear();
      if (kind_ == "tool_use") {
        EXPECT_EQ(start["input"].raw(), "{}");
        id_ = start["id"].text();
        name_ = start["name"].text();
      } else if (kind_ == "redacted_thinking") {
        text_ = start.raw();
      } else {
        EXPECT_TRUE(kind_ == "text" || kind_ == "thinking");
        EXPECT_EQ(start[kind_].text(), "");
        if (kind_ == "thinking") EXPECT_EQ(start["signature"].raw(), "\"\"");
      }
    } else if (type == "content_block_delta") {
      ASSERT_TRUE(open_);
      delta(root["delta"]);
    } else {
      ASSERT_EQ(type, "content_block_stop");
      ASSERT_TRUE(open_);
      open_ = false;
      if (kind_ == "text") blocks.push_back(text_form(text_, extra_.empty() ? "" : extra_ + "]"));
      if (kind_ == "thinking") blocks.push_back(thinking_form(text_, extra_));
      if (kind_ == "tool_use") blocks.push_back(use_form(id_, name_, text_.empty() ? "{}" : text_));
      if (kind_ == "redacted_thinking") blocks.push_back(text_);
    }
  }

  void delta(json::Value delta) {
    const std::string_view type = delta["type"].text();
    if (type == "text_delta") {
      ASSERT_EQ(kind_, "text");
      text_ += delta["text"].text();
    } else if (type == "citations_delta") {
      ASSERT_EQ(kind_, "text");
      extra_.append(extra_.empty() ? "[" : ",").append(delta["citation"].raw());
    } else if (type == "thinking_delta") {
      ASSERT_EQ(kind_, "thinking");
      ASSERT_EQ(extra_, "") << "thinking behind its signature";
      text_ += delta["thinking"].text();
    } else if (type == "signature_delta") {
      ASSERT_EQ(kind_, "thinking");
      ASSERT_EQ(extra_, "");
      extra_ = delta["signature"].text();
      ASSERT_NE(extra_, "");
    } else {
      ASSERT_EQ(type, "input_json_delta");
      ASSERT_EQ(kind_, "tool_use");
      text_ += delta["partial_json"].text();
    }
  }

  uint64_t count_ = 0;
  bool open_ = false, ended_ = false, over_ = false;
  std::string kind_, text_, extra_, id_, name_;
};

inline Client follow(Story& story) {
  Client client;
  for (const RenderedEvent& event : story.events()) client.take(event);
  return client;
}

// The stream says what the whole says.
inline void expect_same(Story& story) {
  const Client client = follow(story);
  const json::Document document = parse(story.whole());
  const json::Value whole = document.root();
  EXPECT_EQ(client.head, std::string(whole["id"].raw()) + std::string(whole["model"].raw()));
  std::vector<std::string> blocks;
  for (json::Value block : whole["content"].elements()) blocks.push_back(Client::comparable(block));
  EXPECT_EQ(client.blocks, blocks);
  if (!client.whole) {
    EXPECT_NE(client.error, "");
    EXPECT_TRUE(whole["stop_reason"].null());
    return;
  }
  EXPECT_EQ(client.tail, std::string(whole["stop_reason"].raw()) + std::string(whole["stop_sequence"].raw()));
  EXPECT_EQ(client.usage, Client::counts(whole["usage"]));
}

}  // namespace perdure::messages
