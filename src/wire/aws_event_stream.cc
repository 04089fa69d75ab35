#include "wire/aws_event_stream.h"

#include <zlib.h>

#include <algorithm>
#include <utility>

#include "wire/json.h"

namespace perdure {
namespace {

constexpr size_t kPrelude = 12, kChecksum = 4, kSmallest = kPrelude + kChecksum;
constexpr size_t kNameMax = 255, kWrittenValueMax = 32767;
constexpr AwsEventStreamLimits kAwsLimits;

Error corrupt(std::string_view what) { return {Code::kCorrupt, "AWS event stream: " + std::string(what)}; }
Error invalid(std::string_view what) { return {Code::kInvalid, "AWS event stream: " + std::string(what)}; }

uint32_t crc_of(std::string_view bytes) {
  return static_cast<uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

uint64_t number_at(std::string_view bytes, size_t at, size_t size) {
  uint64_t out = 0;
  for (size_t i = 0; i < size; ++i) out = out << 8 | static_cast<unsigned char>(bytes[at + i]);
  return out;
}

void append_number(std::string& out, uint64_t value, size_t size) {
  for (size_t i = size; i-- > 0;) out += static_cast<char>(value >> (8 * i) & 0xff);
}

// Bytes that a number takes; 0: not a number.
size_t width_of(AwsHeader::Type type) {
  switch (type) {
    case AwsHeader::Type::kByte:
      return 1;
    case AwsHeader::Type::kShort:
      return 2;
    case AwsHeader::Type::kInteger:
      return 4;
    case AwsHeader::Type::kLong:
    case AwsHeader::Type::kTimestamp:
      return 8;
    default:
      return 0;
  }
}

int64_t signed_of(uint64_t value, size_t width) {
  const size_t spare = 64 - 8 * width;
  return static_cast<int64_t>(value << spare) >> spare;
}

// Takes headers off the front of `bytes`.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view bytes) : bytes_(bytes) {}
  bool done() const { return bytes_.empty(); }

  Result<AwsHeader> next() {
    AwsHeader out;
    TRY(const uint64_t name_size, number(1));
    if (name_size == 0) return corrupt("a header without a name");
    TRY(out.name, take(name_size));
    if (!json::valid_utf8(out.name)) return corrupt("a header's name is not UTF-8");
    TRY(const uint64_t type, number(1));
    if (type > static_cast<uint64_t>(AwsHeader::Type::kUuid)) return corrupt("a header of an unknown type");
    out.type = static_cast<AwsHeader::Type>(type);
    if (const size_t width = width_of(out.type)) {
      TRY(const uint64_t value, number(width));
      out.integer = signed_of(value, width);
    } else if (out.type == AwsHeader::Type::kBytes || out.type == AwsHeader::Type::kString) {
      TRY(const uint64_t size, number(2));
      TRY(out.bytes, take(size));
      if (out.type == AwsHeader::Type::kString && !json::valid_utf8(out.bytes))
        return corrupt("a header's text is not UTF-8");
    } else if (out.type == AwsHeader::Type::kUuid) {
      TRY(out.bytes, take(16));
    }
    return out;
  }

 private:
  Result<std::string_view> take(size_t size) {
    if (size > bytes_.size()) return corrupt("a header is cut off");
    const std::string_view out = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return out;
  }
  Result<uint64_t> number(size_t size) {
    TRY(const std::string_view bytes, take(size));
    return number_at(bytes, 0, size);
  }
  std::string_view bytes_;
};

Result<void> append_header(std::string& out, const AwsHeader& header) {
  if (header.name.empty() || header.name.size() > kNameMax) return invalid("a header's name is empty or too long");
  if (!json::valid_utf8(header.name)) return invalid("a header's name is not UTF-8");
  append_number(out, header.name.size(), 1);
  out += header.name;
  append_number(out, static_cast<uint64_t>(header.type), 1);
  switch (header.type) {
    case AwsHeader::Type::kTrue:
    case AwsHeader::Type::kFalse:
      return {};
    case AwsHeader::Type::kByte:
    case AwsHeader::Type::kShort:
    case AwsHeader::Type::kInteger:
    case AwsHeader::Type::kLong:
    case AwsHeader::Type::kTimestamp: {
      const size_t width = width_of(header.type);
      const auto value = static_cast<uint64_t>(header.integer);
      if (signed_of(value, width) != header.integer) return invalid("a header's number is too large for its type");
      append_number(out, value, width);
      return {};
    }
    case AwsHeader::Type::kBytes:
    case AwsHeader::Type::kString:
      if (header.bytes.size() > kWrittenValueMax) return invalid("a header's value is too long");
      if (header.type == AwsHeader::Type::kString && !json::valid_utf8(header.bytes))
        return invalid("a header's text is not UTF-8");
      append_number(out, header.bytes.size(), 2);
      out += header.bytes;
      return {};
    case AwsHeader::Type::kUuid:
      if (header.bytes.size() != 16) return invalid("a UUID is not 16 bytes");
      out += header.bytes;
      return {};
  }
  return invalid("a header of an unknown type");
}

}  // namespace

std::string_view AwsMessage::text(std::string_view name) const {
  for (const AwsHeader& header : headers) {
    if (header.name == name && header.type == AwsHeader::Type::kString) return header.bytes;
  }
  return {};
}

Result<void> AwsEventStreamParser::feed(std::string_view bytes,
                                        const std::function<Result<void>(const AwsMessage&)>& on_message) {
  // Fills what is held up to `size`, and no further, so that whole messages behind it are read where they lie.
  const auto hold = [&](size_t size) {
    const size_t taken = std::min(bytes.size(), size - std::min(size, held_.size()));
    held_.append(bytes.substr(0, taken));
    bytes.remove_prefix(taken);
    return held_.size() >= size;
  };
  while (!bytes.empty()) {
    if (held_.empty()) {
      TRY(const size_t size, size_of_message(bytes));
      if (size == 0 || size > bytes.size()) {
        held_ = bytes;
        return {};
      }
      TRY_VOID(message(bytes.substr(0, size), on_message));
      bytes.remove_prefix(size);
      continue;
    }
    if (!hold(kPrelude)) return {};
    TRY(const size_t size, size_of_message(held_));
    if (!hold(size)) return {};
    const std::string whole = std::exchange(held_, {});
    TRY_VOID(message(whole, on_message));
  }
  return {};
}

Result<size_t> AwsEventStreamParser::size_of_message(std::string_view bytes) const {
  if (bytes.size() < kPrelude) return size_t{0};
  if (crc_of(bytes.substr(0, 8)) != number_at(bytes, 8, 4)) return corrupt("the checksum of a prelude is wrong");
  const size_t total = number_at(bytes, 0, 4), headers = number_at(bytes, 4, 4);
  if (total < kSmallest || headers > total - kSmallest)
    return corrupt("the lengths of a message contradict each other");
  if (headers > limits_.header_bytes_max) return corrupt("the headers of a message are beyond the limit");
  if (total - kSmallest - headers > limits_.payload_bytes_max) return corrupt("a message is beyond the limit");
  return total;
}

Result<void> AwsEventStreamParser::message(std::string_view bytes,
                                           const std::function<Result<void>(const AwsMessage&)>& on_message) {
  const size_t end = bytes.size() - kChecksum;
  if (crc_of(bytes.substr(0, end)) != number_at(bytes, end, 4)) return corrupt("the checksum of a message is wrong");
  const size_t header_bytes = number_at(bytes, 4, 4);
  headers_.clear();
  for (HeaderReader reader(bytes.substr(kPrelude, header_bytes)); !reader.done();) {
    TRY(const AwsHeader header, reader.next());
    if (headers_.size() == limits_.headers_max) return corrupt("a message has too many headers");
    if (std::ranges::find(headers_, header.name, &AwsHeader::name) != headers_.end())
      return corrupt("a header is there twice");
    headers_.push_back(header);
  }
  return on_message({headers_, bytes.substr(kPrelude + header_bytes, end - kPrelude - header_bytes)});
}

Result<void> append_aws_message(std::string& out, std::span<const AwsHeader> headers, std::string_view payload) {
  std::string written;
  if (headers.size() > kAwsLimits.headers_max) return invalid("too many headers");
  for (size_t i = 0; i < headers.size(); ++i) {
    if (std::ranges::find(headers.first(i), headers[i].name, &AwsHeader::name) != headers.first(i).end())
      return invalid("a header is there twice");
    TRY_VOID(append_header(written, headers[i]));
  }
  if (written.size() > kAwsLimits.header_bytes_max) return invalid("the headers are too long");
  if (payload.size() > kAwsLimits.payload_bytes_max) return invalid("the payload is too long");
  const size_t from = out.size();
  append_number(out, kSmallest + written.size() + payload.size(), 4);
  append_number(out, written.size(), 4);
  append_number(out, crc_of(std::string_view(out).substr(from)), 4);
  out.append(written).append(payload);
  append_number(out, crc_of(std::string_view(out).substr(from)), 4);
  return {};
}

}  // namespace perdure
