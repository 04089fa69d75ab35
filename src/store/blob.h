#pragma once
// Blobs: long strings of records' payloads (pictures, files, long texts), stored once for each tenant however many of
// its records have them.
//
//   content key   HMAC-SHA256(the tenant's blob key, content)
//   blob          nonce(12) | AES-256-GCM(content key, content, aad = id) | tag(16)
//   its id        SHA-256("perdure blob " | content key)
//   a record      refers to ids (SealedRecord::blobs); its body is sealed as ever, but not of its payload. Of this:
//                   count, then for each string: how many bytes of the payload are before it since the last one, how
//                   long it is (LEB128 all), its content key
//                   the payload without those strings
//
// Equal content has one id for one tenant and another id for every other, so tenants share nothing and learn nothing of
// each other. Who can open a record can open its blobs, and nobody else can: the content keys are in sealed bodies. The
// record's hash, and with it the chain, is that of the whole payload, so it does not show how the payload is stored.
//
// A Store counts references and destroys a blob with its last one.

#include <string>
#include <string_view>
#include <vector>

#include "async/task.h"
#include "store/seal.h"
#include "store/store.h"

namespace perdure {

inline constexpr size_t kBlobBytes = 16 << 10;  // strings as long as that are stored apart

struct BlobSpan {
  size_t at = 0, size = 0;
  bool operator==(const BlobSpan&) const = default;
};
// The long strings of a JSON text: what is between their quotes, as it is written there.
std::vector<BlobSpan> blob_spans(std::string_view json);

// The key that a tenant's content keys come from; without one (encryption off) they come from the tenant's name.
Key256 blob_key_of(const Key256* tenant_key, const TenantId& tenant);

// As seal(), with the spans of the payload put apart into `blobs`, ready to be committed together with the record.
SealedRecord seal_apart(const Key256* key, const Key256& blob_key, SessionId session, uint64_t seq, uint8_t kind,
                        uint8_t codec, WallTime time, std::string_view plain, const std::vector<BlobSpan>& spans,
                        Random& random, std::vector<BlobPut>& blobs);

// The plain payload, with its blobs where they belong. As open(); kCorrupt too when a blob is missing or altered, but
// kNotFound when it is missing because the record was erased since it was read.
Task<Result<std::string>> open_whole(Store& store, const Key256* key, SessionId session, const SealedRecord& record);

}  // namespace perdure
