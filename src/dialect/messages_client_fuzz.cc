// Any bytes as a request of the Messages API: reading is total and names the field at fault; what was read survives the
// journal, what a supplier would be sent is JSON with turns that alternate, and grown by an answer it is still read.

#include <cstdint>
#include <string>

#include "base/check.h"
#include "dialect/messages_client_request.h"
#include "dialect/messages_render.h"
#include "dialect/messages_upstream.h"

namespace perdure {
namespace {

void check_body(const UpstreamMessage& message) {
  auto body = json::Document::parse(message.body);
  CHECK(body.ok(), "a body that is not JSON");
  std::string_view before = "assistant";
  for (json::Value turn : body->root()["messages"].elements()) {
    CHECK(turn["role"].text() != before, "turns that do not alternate");
    CHECK(turn["content"].size() != 0, "an empty message");
    before = turn["role"].text();
  }
  CHECK(!before.empty() && body->root()["messages"].size() != 0, "no messages");
}

void check_upstream(const Request& request, const MessagesVariant& variant, std::string held) {
  const UpstreamAsk ask{.request = request,
                        .context = request.input,
                        .model = "m",
                        .issuer = "us",
                        .held = held,
                        .ask = held.empty() ? "" : "Go on.",
                        .max_output_tokens = request.max_output_tokens};
  auto message = write_messages_request(ask, variant);
  if (message) {
    CHECK(request.lenient || message->dropped.empty(), "something was dropped without leave");
    return check_body(*message);
  }
  CHECK(message.error().code == Code::kInvalid && !message.error().param.empty(), "a refusal that names no field");
}

}  // namespace
}  // namespace perdure

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace perdure;
  auto document = json::Document::parse(std::string(reinterpret_cast<const char*>(data), size));
  if (!document) return 0;
  (void)parse_messages_count_request(document->root()).ok();
  for (bool lenient : {false, true}) {
    auto parsed = parse_messages_request(document->root(), lenient);
    if (!parsed) {
      CHECK(parsed.error().code == Code::kInvalid, "another error than invalid");
      CHECK(json::Document::parse(render_messages_error(parsed.error(), "")).ok(), "an error that is not JSON");
      continue;
    }
    CHECK(lenient || parsed->left_out.empty(), "something was left out without leave");
    const Request& request = parsed->request;
    Record created{.seq = 1, .body = ResponseCreated{ResponseId("resp_1"), request, KeyId("key")}};
    auto back = decode_payload(1, {}, RecordKind::kResponseCreated, kRecordCodec, encode_payload(created));
    CHECK(back.ok(), "a request that was accepted is not readable from the journal");
    CHECK(*back == created, "a request came back from the journal as another");

    MessagesStream stream;
    std::vector<RenderedEvent> events;
    CHECK(stream.add(created, events).ok() && events.size() == 1, "created");
    CHECK(json::Document::parse(events[0].data).ok(), "an event that is not JSON");

    check_upstream(request, {}, "");
    check_upstream(request, messages_variant_of("claude-opus-4-7"), "held");
    check_upstream(request, messages_variant_of("claude-sonnet-4-5"), "");
  }
  return 0;
}
