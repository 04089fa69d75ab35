// Any bytes as a request: reading is total and names the field at fault; what was read survives the journal, and what a
// supplier would be sent is JSON.

#include <cstdint>
#include <string>

#include "base/check.h"
#include "dialect/chat_upstream.h"
#include "dialect/conversations_request.h"
#include "dialect/responses_render.h"
#include "dialect/responses_request.h"
#include "dialect/responses_side_requests.h"
#include "dialect/responses_upstream.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace perdure;
  auto document = json::Document::parse(std::string(reinterpret_cast<const char*>(data), size));
  if (!document) return 0;
  // Whatever else is read from the same kinds of fields.
  for (const auto& read : {parse_input_tokens_request(document->root()), parse_compact_request(document->root())})
    CHECK(read.ok() || read.error().code == Code::kInvalid, "another error than invalid");
  if (auto conversation = parse_conversation_create(document->root()))
    CHECK(conversation->items.size() <= kConversationItemsMax, "more items than are taken");
  else
    CHECK(conversation.error().code == Code::kInvalid, "another error than invalid");
  if (auto items = parse_conversation_items(document->root())) CHECK(!items->empty(), "nothing is nothing to add");
  std::vector<ItemReference> references;
  if (auto referring = parse_responses_request(document->root(), {.references = &references}))
    for (const ItemReference& reference : references)
      CHECK(reference.before <= referring->input.size() && !reference.id.empty(), "a reference to nowhere");
  auto request = parse_responses_request(document->root());
  if (!request) {
    CHECK(request.error().code == Code::kInvalid, "another error than invalid");
    CHECK(json::Document::parse(render_openai_error(request.error())).ok(), "an error that is not JSON");
    return 0;
  }

  Record created{.seq = 1, .body = ResponseCreated{ResponseId("resp_1"), *request, KeyId("key")}};
  auto back = decode_payload(1, {}, RecordKind::kResponseCreated, kRecordCodec, encode_payload(created));
  CHECK(back.ok(), "a request that was accepted is not readable from the journal");
  CHECK(*back == created, "a request came back from the journal as another");

  EventRenderer renderer;
  std::vector<RenderedEvent> events;
  CHECK(renderer.add(created, events).ok(), "created");
  for (const RenderedEvent& event : events) {
    CHECK(event.data.find_first_of("\r\n") == std::string::npos, "an event of several lines");
    CHECK(json::Document::parse(event.data).ok(), "an event that is not JSON");
  }

  for (bool plain : {false, true}) {
    UpstreamAsk ask{.request = *request, .context = request->input, .model = "m", .issuer = "i"};
    ask.max_output_tokens = request->max_output_tokens;
    if (plain) ask.held = "held", ask.ask = "go on";
    const ChatVariant variant{.max_completion_tokens = !plain, .developer_role = !plain, .stream_usage = !plain};
    for (const auto& dialect : {chat_upstream(variant), responses_upstream({.penalties = plain})}) {
      auto message = dialect->write(ask);
      if (message) {
        CHECK(json::Document::parse(message->body).ok(), "a body that is not JSON");
      } else {
        CHECK(message.error().code == Code::kInvalid && !message.error().param.empty(),
              "a refusal that names no field");
      }
    }
  }
  return 0;
}
