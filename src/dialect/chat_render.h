#pragma once
// Renders a Response as a chat completion: whole, as stream frames, and as the stored messages that it answered. Pure.
//
// A frame is one `data:` line; its sequence number is how many came before it, and is not said in it. The whole is what
// a client gets that puts the frames together. Chat has one message with one text: the texts of several messages
// follow each other with an empty line between, and so do pieces of visible reasoning (`reasoning_content`).
//
// Chat has no word for an answer that broke off or was cancelled. Nothing makes one up: such a stream ends with an
// error and without [DONE], and such a completion has no finish_reason.

#include <optional>
#include <string>
#include <vector>

#include "dialect/client_stream.h"

namespace perdure {

// "resp_x" <-> "chatcmpl-x".
std::string chat_id_of(const ResponseId& id);
ResponseId response_id_of_chat(std::string_view id);

// The word of the finish; nothing: there is none (the response runs, or chat_error() says why).
std::optional<std::string_view> chat_finish_reason(const Response& response);

void write_chat_completion(json::Writer& out, const Response& response);

// The messages of a request with their ids, as GET /v1/chat/completions/{id}/messages lists them: one JSON object each.
std::vector<std::string> chat_messages_of(const Response& response);

class ChatStream final : public ClientStream {
 public:
  Result<void> add(const Record& record, std::vector<RenderedEvent>& out) override;
  const Response& response() const override { return response_; }
  std::string_view trailer() const override;

 private:
  void delta(const Delta& delta, std::vector<RenderedEvent>& out);
  void text(const std::string& text, std::vector<RenderedEvent>& out);
  void end(std::vector<RenderedEvent>& out);
  // A frame with this delta (an object's members) and, at the end, the finish.
  void frame(std::string_view delta, std::optional<std::string_view> finish, std::vector<RenderedEvent>& out);
  void push(std::string data, std::vector<RenderedEvent>& out);

  Response response_;
  ItemKind item_ = ItemKind::kMessage;     // the open one
  PartKind part_ = PartKind::kOutputText;  // the open one
  int calls_ = 0;
  struct Line {
    bool shown = false;  // something of it
    bool gap = false;    // an empty line stands before what comes
  };
  Line text_, refusal_, reasoning_;
  bool begun_ = false;
  uint64_t next_ = 0;
};

}  // namespace perdure
