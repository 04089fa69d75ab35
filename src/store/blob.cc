#include "store/blob.h"

#include <algorithm>
#include <cstring>

namespace perdure {
namespace {

std::string_view view(const Hash256& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

Hash256 id_of(const Key256& content_key) { return sha256("perdure blob " + std::string(view(content_key))); }

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

bool take_varint(std::string_view& in, uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 63 && !in.empty(); shift += 7) {
    auto byte = static_cast<uint8_t>(in.front());
    in.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

Error damaged(std::string what) { return {Code::kCorrupt, "a record's blob " + std::move(what)}; }

struct Part {
  uint64_t before = 0, size = 0;
  Key256 content_key{};
};

// What a body that has blobs says; `rest` is the payload without them.
Result<std::vector<Part>> read_parts(std::string_view& rest) {
  uint64_t count = 0;
  std::vector<Part> parts;
  if (!take_varint(rest, count)) return damaged("list does not end");
  for (uint64_t i = 0; i < count; ++i) {
    Part part;
    if (!take_varint(rest, part.before) || !take_varint(rest, part.size) || rest.size() < sizeof(Key256))
      return damaged("list does not end");
    std::memcpy(part.content_key.data(), rest.data(), sizeof(Key256));
    rest.remove_prefix(sizeof(Key256));
    parts.push_back(part);
  }
  return parts;
}

}  // namespace

std::vector<BlobSpan> blob_spans(std::string_view json) {
  std::vector<BlobSpan> out;
  for (size_t i = 0; i < json.size(); ++i) {
    if (json[i] != '"') continue;
    size_t end = i + 1;
    while (end < json.size() && json[end] != '"') end += json[end] == '\\' ? 2 : 1;
    if (end < json.size() && end - i - 1 >= kBlobBytes) out.push_back({i + 1, end - i - 1});
    i = end;
  }
  return out;
}

Key256 blob_key_of(const Key256* tenant_key, const TenantId& tenant) {
  return tenant_key != nullptr ? keyed_hash(*tenant_key, "blobs") : sha256("blobs in the clear of " + tenant.value);
}

SealedRecord seal_apart(const Key256* key, const Key256& blob_key, SessionId session, uint64_t seq, uint8_t kind,
                        uint8_t codec, WallTime time, std::string_view plain, const std::vector<BlobSpan>& spans,
                        Random& random, std::vector<BlobPut>& blobs) {
  if (spans.empty()) return seal(key, session, seq, kind, codec, time, plain, random);
  std::string stored, rest;
  std::vector<Hash256> ids;
  put_varint(stored, spans.size());
  size_t at = 0;
  for (const BlobSpan& span : spans) {
    std::string_view content = plain.substr(span.at, span.size);
    Key256 content_key = keyed_hash(blob_key, content);
    put_varint(stored, span.at - at);
    put_varint(stored, span.size);
    stored += view(content_key);
    rest += plain.substr(at, span.at - at);
    at = span.at + span.size;
    Hash256 id = id_of(content_key);
    if (std::ranges::find(ids, id) != ids.end()) continue;
    ids.push_back(id);
    if (std::ranges::find(blobs, id, &BlobPut::id) == blobs.end())
      blobs.push_back({id, encrypt(content_key, content, view(id), random)});
  }
  stored += rest;
  stored += plain.substr(at);
  SealedRecord record = seal(key, session, seq, kind, codec, time, plain, stored, random);
  record.blobs = std::move(ids);
  return record;
}

Task<Result<std::string>> open_whole(Store& store, const Key256* key, SessionId session, const SealedRecord& record) {
  if (record.blobs.empty()) co_return open(key, session, record);
  CO_TRY(std::string stored, unseal(key, session, record));
  std::string_view rest = stored;
  CO_TRY(std::vector<Part> parts, read_parts(rest));
  std::vector<std::string> contents;  // of record.blobs
  contents.resize(record.blobs.size());
  std::string plain;
  for (const Part& part : parts) {
    Hash256 id = id_of(part.content_key);
    auto known = std::ranges::find(record.blobs, id);
    if (known == record.blobs.end()) co_return damaged("is not among those that it refers to");
    std::string& content = contents[static_cast<size_t>(known - record.blobs.begin())];
    if (content.empty()) {
      CO_TRY(std::optional<std::string> sealed, co_await store.blob(id));
      if (!sealed) {
        // Erased after the record was read, perhaps.
        CO_TRY(std::vector<SealedRecord> now, co_await store.read(session, record.seq, record.seq, 1));
        if (!now.empty() && now[0].body.empty()) co_return erased_record();
        co_return damaged("is missing");
      }
      Result<std::string> opened = decrypt(part.content_key, *sealed, view(id));
      if (!opened.ok()) co_return damaged("is altered");
      content = std::move(*opened);
    }
    if (part.before > rest.size() || content.size() != part.size) co_return damaged("does not fit");
    plain += rest.substr(0, part.before);
    plain += content;
    rest.remove_prefix(part.before);
  }
  plain += rest;
  if (!is_content_of(record, plain)) co_return Error{Code::kCorrupt, "the record's content does not match its hash"};
  co_return plain;
}

}  // namespace perdure
