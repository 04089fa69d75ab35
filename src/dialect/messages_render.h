#pragma once
// Renders a Response as an Anthropic message: whole, as stream events, and what else that API says. Pure.
//
// Each part of a message is a text block; visible reasoning is a thinking block. A signature, and the data of a
// redacted block, is ours: it holds the block and whose it is (model/opaque.h), so no client ever shows it to another.
// Reasoning that only its issuer can read, and of which nothing is shown, is a redacted block. Reasoning without any
// such block has an empty signature.
//
// The API has no word for an answer that broke off or was cancelled. Nothing makes one up: such a stream ends with an
// `error` event and without message_stop, and such a message has no stop_reason.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dialect/client_stream.h"

namespace perdure {

// "resp_x" <-> "msg_x".
std::string messages_id_of(const ResponseId& id);
ResponseId response_id_of_message(std::string_view id);

// Nothing: there is none (the response runs, or it broke off).
std::optional<std::string_view> messages_stop_reason(const Response& response);

void write_messages_response(json::Writer& out, const Response& response);

class MessagesStream final : public ClientStream {
 public:
  Result<void> add(const Record& record, std::vector<RenderedEvent>& out) override;
  const Response& response() const override { return response_; }
  std::string_view trailer() const override { return {}; }
  std::string_view keep_alive() const override { return "event: ping\ndata: {\"type\":\"ping\"}\n\n"; }

 private:
  void deltas(const std::vector<Delta>& deltas, size_t items, std::vector<RenderedEvent>& out);
  size_t call(const std::vector<Delta>& deltas, size_t begin, std::vector<RenderedEvent>& out);
  void text(const Delta& delta, std::vector<RenderedEvent>& out);
  void annotation(const Delta& delta, const Item& item, std::vector<RenderedEvent>& out);
  void end_reasoning(const Item& item, std::vector<RenderedEvent>& out);
  void end(std::vector<RenderedEvent>& out);
  void start_block(std::string_view block, std::vector<RenderedEvent>& out);
  void delta(std::string_view type, std::string_view name, std::string_view text, std::vector<RenderedEvent>& out);
  void stop_block(std::vector<RenderedEvent>& out);
  void event(std::string_view type, json::Writer fields, std::vector<RenderedEvent>& out);

  Response response_;
  bool block_open_ = false;
  ItemKind item_ = ItemKind::kMessage;  // the open one
  size_t parts_ = 0;                    // that it has so far
  int64_t blocks_ = 0;                  // that have ended
  uint64_t next_ = 0;
};

// Errors in the API's form. The status of most is http_status()'s; what is too much for the server is 529.
int messages_status(const Error& error);
std::string render_messages_error(const Error& error, int status, std::string_view request_id);
std::string render_messages_error(const Error& error, std::string_view request_id);

// {"input_tokens": n}.
std::string render_messages_count(int64_t input_tokens);

struct MessagesModel {
  std::string id, display_name;
  WallTime created{};
  std::optional<int64_t> max_input_tokens, max_tokens;
};
std::string render_messages_model(const MessagesModel& model);
std::string render_messages_models(std::span<const MessagesModel> models, bool has_more);

}  // namespace perdure
