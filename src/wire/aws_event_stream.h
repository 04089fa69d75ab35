#pragma once
// AWS event stream (application/vnd.amazon.eventstream): a push parser for upstream streams and a writer for the
// simulated supplier. A message is: total length, length of the headers, CRC-32 of these two; headers; payload; CRC-32
// of everything before it. Numbers are big-endian.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace perdure {

struct AwsHeader {
  enum class Type : uint8_t { kTrue, kFalse, kByte, kShort, kInteger, kLong, kBytes, kString, kTimestamp, kUuid };
  std::string_view name;
  Type type = Type::kString;
  std::string_view bytes = {};  // kBytes, kString (UTF-8), kUuid (16 bytes)
  int64_t integer = 0;          // kByte, kShort, kInteger, kLong, kTimestamp (milliseconds since 1970)
  bool operator==(const AwsHeader&) const = default;
};

struct AwsMessage {
  std::span<const AwsHeader> headers;  // in order of appearance, no name twice
  std::string_view payload;
  // A header that is a string; empty when it is not there.
  std::string_view text(std::string_view name) const;
};

struct AwsEventStreamLimits {
  size_t header_bytes_max = 128 << 10;  // what AWS itself allows
  size_t headers_max = 256;
  size_t payload_bytes_max = 24 << 20;  // what AWS itself allows
};

// Feed bytes cut anywhere; messages come out whole and checked. Holds at most one message.
class AwsEventStreamParser {
 public:
  explicit AwsEventStreamParser(AwsEventStreamLimits limits = {}) : limits_(limits) {}
  // Calls `on_message` for each whole message; its error stops the parse and is returned. What a message refers to
  // lives until `on_message` returns. kCorrupt: a checksum, a length or a header is wrong, or a limit is passed: known
  // from the first twelve bytes where these say so. After an error nothing more is to be fed.
  Result<void> feed(std::string_view bytes, const std::function<Result<void>(const AwsMessage&)>& on_message);
  bool at_rest() const { return held_.empty(); }  // nothing half-read

 private:
  Result<size_t> size_of_message(std::string_view bytes) const;  // 0: the prelude is not there yet
  Result<void> message(std::string_view bytes, const std::function<Result<void>(const AwsMessage&)>& on_message);
  AwsEventStreamLimits limits_;
  std::string held_;
  std::vector<AwsHeader> headers_;
};

// Appends one message with both checksums right. kInvalid, and nothing is appended: a name that is empty, longer than
// 255 bytes or there twice; a value longer than 32767 bytes, or a number its type does not hold; text that is not
// UTF-8; more than AWS allows.
Result<void> append_aws_message(std::string& out, std::span<const AwsHeader> headers, std::string_view payload);

}  // namespace perdure
