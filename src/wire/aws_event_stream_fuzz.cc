// Any bytes as a stream: cut anywhere it gives the messages of the whole, and those messages written give themselves,
// byte for byte. The first four bytes choose the cuts, the limit, and how many checksums are put right first (or hardly
// anything would get beyond them).

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "wire/aws_event_stream.h"

namespace perdure {
namespace {

struct Outcome {
  std::vector<std::string> messages;  // as our writer writes them
  bool ok = true, at_rest = true, writable = true;
  bool operator==(const Outcome&) const = default;
};

template <class NextSize>
Outcome feed(std::string_view bytes, AwsEventStreamLimits limits, NextSize next_size) {
  Outcome out;
  AwsEventStreamParser parser(limits);
  while (!bytes.empty() && out.ok) {
    const size_t size = std::min(next_size(), bytes.size());
    const std::string piece(bytes.substr(0, size));  // a copy of its own, so that a read beyond it is seen
    bytes.remove_prefix(size);
    auto fed = parser.feed(piece, [&](const AwsMessage& message) -> Result<void> {
      CHECK(message.payload.size() <= limits.payload_bytes_max, "a payload beyond the limit");
      CHECK(message.headers.size() <= limits.headers_max, "headers beyond the limit");
      std::string written;
      // Values from 32768 bytes are read but not written.
      out.writable = append_aws_message(written, message.headers, message.payload).ok() && out.writable;
      out.messages.push_back(std::move(written));
      return {};
    });
    out.ok = fed.ok();
  }
  out.at_rest = !out.ok || parser.at_rest();
  return out;
}

void put(std::string& bytes, size_t at, uint32_t value) {
  for (size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(value >> (24 - 8 * i) & 0xff);
}
uint32_t get(const std::string& bytes, size_t at) {
  uint32_t out = 0;
  for (size_t i = 0; i < 4; ++i) out = out << 8 | static_cast<unsigned char>(bytes[at + i]);
  return out;
}
uint32_t crc(const std::string& bytes, size_t from, size_t to) {
  return static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(bytes.data() + from), static_cast<uInt>(to - from)));
}

void put_checksums_right(std::string& bytes, int messages) {
  for (size_t at = 0; messages > 0 && bytes.size() - at >= 16; --messages) {
    put(bytes, at + 8, crc(bytes, at, at + 8));
    const size_t total = get(bytes, at);
    if (total < 16 || total > bytes.size() - at) return;
    put(bytes, at + total - 4, crc(bytes, at, at + total - 4));
    at += total;
  }
}

}  // namespace
}  // namespace perdure

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace perdure;
  if (size < 4) return 0;
  SeededRandom random(data[0]);
  const size_t piece_max = data[1] % 16 + 1;
  AwsEventStreamLimits limits;
  if (data[2] >= 128) limits = {.header_bytes_max = 64, .headers_max = 3, .payload_bytes_max = data[2] - 128u};
  std::string bytes(reinterpret_cast<const char*>(data + 4), size - 4);
  put_checksums_right(bytes, data[3]);

  const Outcome whole = feed(bytes, limits, [&] { return bytes.size(); });
  CHECK(whole == feed(bytes, limits, [] { return size_t{1}; }), "byte by byte differs from whole");
  CHECK(whole == feed(bytes, limits, [&] { return static_cast<size_t>(random.below(piece_max + 1)); }),
        "pieces differ from whole");

  std::string written;
  for (const std::string& message : whole.messages) written += message;
  if (whole.writable) CHECK(bytes.starts_with(written), "what was written differs from what was read");
  if (whole.writable && whole.ok && whole.at_rest) CHECK(bytes == written, "something was read and not written");
  return 0;
}
