// Any bytes as a chat request: reading is total and names the field at fault; what was read survives the journal, can
// be shown again as messages, and what a supplier would be sent is JSON.

#include <cstdint>
#include <string>

#include "base/check.h"
#include "dialect/chat_client_request.h"
#include "dialect/chat_field.h"
#include "dialect/chat_render.h"
#include "dialect/chat_upstream.h"
#include "dialect/responses_upstream.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace perdure;
  auto document = json::Document::parse(std::string(reinterpret_cast<const char*>(data), size));
  if (!document) return 0;
  auto lenient = parse_chat_request(document->root(), true);
  auto parsed = parse_chat_request(document->root());
  if (!parsed) {
    CHECK(parsed.error().code == Code::kInvalid, "another error than invalid");
    CHECK(lenient.ok() == false || !lenient->left_out.empty(), "refused, and then nothing was left out");
    return 0;
  }
  CHECK(lenient.ok() && lenient->left_out.empty(), "a good request lost something");

  Record created{.seq = 1, .body = ResponseCreated{ResponseId("resp_1"), parsed->request, KeyId("key")}};
  auto back = decode_payload(1, {}, RecordKind::kResponseCreated, kRecordCodec, encode_payload(created));
  CHECK(back.ok(), "a request that was accepted is not readable from the journal");
  CHECK(*back == created, "a request came back from the journal as another");
  Response response;
  CHECK(apply(response, created).ok(), "created");
  for (const std::string& message : chat_messages_of(response))
    CHECK(json::Document::parse(message).ok(), "a message that is not JSON");

  UpstreamAsk ask{.request = parsed->request, .context = parsed->request.input, .model = "m", .issuer = "i"};
  ask.max_output_tokens = parsed->request.max_output_tokens;
  for (const auto& dialect : {chat_upstream({}), responses_upstream()}) {
    auto message = dialect->write(ask);
    if (message) {
      CHECK(json::Document::parse(message->body).ok(), "a body that is not JSON");
    } else {
      CHECK(message.error().code == Code::kInvalid && !chat_field(message.error().param).empty(),
            "a refusal that names no field");
    }
  }
  return 0;
}
