#pragma once
// Renders a Response in the form of OpenAI Responses / Open Responses: the resource, its stream events, its errors.
// Pure.
//
// EventRenderer derives every event from records alone: sequence numbers, indexes, *.done events and terminal events. A
// stream is therefore the same whether it is followed live, resumed, or read back from the journal.

#include <span>
#include <string>
#include <vector>

#include "dialect/client_stream.h"

namespace perdure {

// Everything the schema requires, in a fixed order of fields.
void write_response(json::Writer& out, const Response& response);

// What POST /v1/responses/compact answers: the window to go on from, and what making it has used (zeros where the
// supplier did not say).
void write_compacted(json::Writer& out, const Response& response, std::span<const Item> window);

// An item as clients see it: opaque blocks are packed (model/opaque.h), marks of other APIs are left out. Encrypted
// reasoning is shown to who asks for it (include: ["reasoning.encrypted_content"]).
void write_public_item(json::Writer& out, const Item& item, bool with_encrypted);
bool shows_encrypted(const Request& request);
void write_public_part(json::Writer& out, const Part& part);

// What the events of visible reasoning are called: response.reasoning_text.* by OpenAI's API and all that is written
// for it, response.reasoning.* by the schema of Open Responses. docs/decisions/0021-open-responses-and-its-clients.md
enum class ReasoningEvents : uint8_t { kOpenAi, kOpenResponses };

class EventRenderer final : public ClientStream {
 public:
  explicit EventRenderer(ReasoningEvents reasoning = ReasoningEvents::kOpenAi) : reasoning_(reasoning) {}
  Result<void> add(const Record& record, std::vector<RenderedEvent>& out) override;
  const Response& response() const override { return response_; }
  std::string_view trailer() const override { return "data: [DONE]\n\n"; }

 private:
  struct Place {  // in the output, while deltas are walked
    size_t items = 0;
    size_t item = 0;                        // the open item
    size_t contents = 0, summaries = 0;     // parts that it has so far
    PartKind part = PartKind::kOutputText;  // the open part
    size_t annotations = 0;                 // that it has so far
  };
  void event(std::string_view type, json::Writer fields, std::vector<RenderedEvent>& out);
  void seam(Place place, std::vector<RenderedEvent>& out);
  void deltas(const std::vector<Delta>& deltas, Place place, std::vector<RenderedEvent>& out);
  ReasoningEvents reasoning_;
  Response response_;
  PartKind part_ = PartKind::kOutputText;  // the part that began last
  size_t annotations_ = 0;                 // of that part
  std::optional<size_t> author_;           // the attempt that wrote last
  uint64_t next_ = 0;
};

// {"error":{"message","type","param","code"}} and the HTTP status for each class of error: the one place that maps
// them.
std::string render_openai_error(const Error& error);
int http_status(const Error& error);
// {"type":"error","status","error":{...}} of a WebSocket; `code` is never null there.
std::string render_websocket_error(const Error& error);
// The `error` stream event (nested form, with sequence_number) for a stream that cannot go on.
std::string render_error_event(const Error& error, uint64_t sequence_number);

}  // namespace perdure
