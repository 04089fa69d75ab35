#pragma once
// Sealing: how a record's payload is encrypted, hashed and chained. Pure; OpenSSL stays in seal.cc.
//
//   payload hash   H(salt | plain)                               SHA-256, 16 bytes of salt for each record
//   chain          H(previous | sid | seq | kind | time | codec | payload hash)      never tenant, epoch, row or place
//   body           nonce(12) | AES-256-GCM(session key, plain, aad = sid | seq | kind | codec) | tag(16)
//   session key    random, wrapped by the tenant key: nonce | AES-256-GCM | tag, aad = sid
//   tenant key     random, wrapped by the master key likewise, aad = tenant
//
// Integers in hashes are big-endian 8 bytes, time is in milliseconds. Thread-safe: values in, values out.

#include <span>
#include <string>
#include <string_view>

#include "base/random.h"
#include "store/store.h"

namespace perdure {

using Key256 = std::array<unsigned char, 32>;  // a secret: never printed, logged or compared with ==

Key256 make_key(Random& random);
std::string wrap_key(const Key256& outer, const Key256& inner, std::string_view aad, Random& random);
Result<Key256> unwrap_key(const Key256& outer, std::string_view wrapped, std::string_view aad);  // kCorrupt

// `key` may be null when the owner has switched encryption off: the body is then the plain payload behind one marker
// byte.
SealedRecord seal(const Key256* key, SessionId session, uint64_t seq, uint8_t kind, uint8_t codec, WallTime time,
                  std::string_view plain, Random& random);
// The same where the body holds `stored` in the place of the payload; the hash is the payload's all the same.
SealedRecord seal(const Key256* key, SessionId session, uint64_t seq, uint8_t kind, uint8_t codec, WallTime time,
                  std::string_view plain, std::string_view stored, Random& random);
Error erased_record();  // kNotFound
// What the body holds, and whether a payload is the record's.
Result<std::string> unseal(const Key256* key, SessionId session, const SealedRecord& record);
bool is_content_of(const SealedRecord& record, std::string_view plain);
// The plain payload of a record without blobs. kCorrupt: altered. kNotFound: erased.
Result<std::string> open(const Key256* key, SessionId session, const SealedRecord& record);

Hash256 chain_after(const Hash256& previous, SessionId session, const SealedRecord& record);
Hash256 head_mac(const Key256& head_key, SessionId session, uint64_t head, const Hash256& chain);
void add_mod_2_256(Hash256& sum, const Hash256& term);
void subtract_mod_2_256(Hash256& sum, const Hash256& term);
Hash256 sha256(std::string_view bytes);
Hash256 keyed_hash(const Key256& key, std::string_view message);  // HMAC-SHA256
// nonce(12) | AES-256-GCM | tag(16)
std::string encrypt(const Key256& key, std::string_view plain, std::string_view aad, Random& random);
Result<std::string> decrypt(const Key256& key, std::string_view sealed, std::string_view aad);  // kCorrupt

}  // namespace perdure
