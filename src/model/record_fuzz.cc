// Any bytes as a payload: decoding is total, and what was decoded is encoded and decoded to itself. The first byte is
// the kind.

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "model/response.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace perdure;
  if (size == 0) return 0;
  const auto kind = static_cast<RecordKind>(data[0] % 14);
  auto record = decode_payload(2, {}, kind, kRecordCodec, {reinterpret_cast<const char*>(data + 1), size - 1});
  if (!record) {
    CHECK(record.error().code == Code::kCorrupt, "another error than corrupt");
    return 0;
  }
  CHECK(record->kind() == kind, "a record of another kind");
  const std::string encoded = encode_payload(*record);
  auto again = decode_payload(2, {}, kind, kRecordCodec, encoded);
  CHECK(again.ok(), "what was encoded is not readable");
  CHECK(encode_payload(*again) == encoded, "encoding is not stable");

  Response response;
  if (kind != RecordKind::kResponseCreated) {
    CHECK(apply(response, {.seq = 0, .body = ResponseCreated{ResponseId("r"), {}, {}}}).ok(), "created");
    if (kind != RecordKind::kAttemptStarted)
      CHECK(apply(response, {.seq = 1, .body = AttemptStarted{}}).ok(), "started");
  }
  (void)apply(response, *record).ok();
  return 0;
}
