#include "store/seal.h"

#include <openssl/evp.h>

#include <cstring>
#include <memory>

#include "base/check.h"

namespace perdure {
namespace {

constexpr size_t kNonceBytes = 12, kTagBytes = 16, kSaltBytes = 16;
constexpr char kPlainMarker = '\x00';  // begins the body of a session without a key

// Fetched once: OpenSSL 3 otherwise looks the algorithm up, under a lock, for every message.
const EVP_CIPHER* gcm() {
  static const EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  CHECK(cipher != nullptr, "no AES-256-GCM");
  return cipher;
}
const EVP_MD* sha256_method() {
  static const EVP_MD* method = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  CHECK(method != nullptr, "no SHA-256");
  return method;
}

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* c) const { EVP_CIPHER_CTX_free(c); }
  void operator()(EVP_MD_CTX* c) const { EVP_MD_CTX_free(c); }
};

EVP_CIPHER_CTX* cipher_context() {
  thread_local std::unique_ptr<EVP_CIPHER_CTX, FreeContext> context(EVP_CIPHER_CTX_new());
  return context.get();
}

class Hasher {
 public:
  Hasher() { CHECK(EVP_DigestInit_ex(context(), sha256_method(), nullptr) == 1, "digest"); }
  Hasher& add(std::string_view bytes) {
    CHECK(EVP_DigestUpdate(context(), bytes.data(), bytes.size()) == 1, "digest");
    return *this;
  }
  Hasher& add(const Hash256& hash) { return add({reinterpret_cast<const char*>(hash.data()), hash.size()}); }
  Hash256 end() {
    Hash256 out;
    CHECK(EVP_DigestFinal_ex(context(), out.data(), nullptr) == 1, "digest");
    return out;
  }

 private:
  // One hash at a time on a thread: every Hasher here ends before the next begins.
  static EVP_MD_CTX* context() {
    thread_local std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
    return context.get();
  }
};

void put_u64(std::string& out, uint64_t v) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(v >> shift));
}

const unsigned char* bytes_of(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }

std::string record_aad(SessionId session, uint64_t seq, uint8_t kind, uint8_t codec) {
  std::string aad;
  aad.reserve(40);
  put_u64(aad, session.hi);
  put_u64(aad, session.lo);
  put_u64(aad, seq);
  put_u64(aad, kind);
  put_u64(aad, codec);
  return aad;
}

}  // namespace

std::string encrypt(const Key256& key, std::string_view plain, std::string_view aad, Random& random) {
  std::string out(kNonceBytes + plain.size() + kTagBytes, '\0');
  auto* at = reinterpret_cast<unsigned char*>(out.data());
  random.fill({at, kNonceBytes});
  EVP_CIPHER_CTX* context = cipher_context();
  int n = 0;
  bool ok = EVP_EncryptInit_ex(context, gcm(), nullptr, key.data(), at) == 1 &&
            EVP_EncryptUpdate(context, nullptr, &n, bytes_of(aad), static_cast<int>(aad.size())) == 1 &&
            EVP_EncryptUpdate(context, at + kNonceBytes, &n, bytes_of(plain), static_cast<int>(plain.size())) == 1 &&
            EVP_EncryptFinal_ex(context, at + kNonceBytes + plain.size(), &n) == 1 &&
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, kTagBytes, at + kNonceBytes + plain.size()) == 1;
  CHECK(ok, "AES-256-GCM failed to encrypt");
  return out;
}

Result<std::string> decrypt(const Key256& key, std::string_view sealed, std::string_view aad) {
  Error altered{Code::kCorrupt, "sealed bytes were altered or belong to another key"};
  if (sealed.size() < kNonceBytes + kTagBytes) return altered;
  std::string_view body = sealed.substr(kNonceBytes, sealed.size() - kNonceBytes - kTagBytes);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  std::string plain(body.size(), '\0');
  EVP_CIPHER_CTX* context = cipher_context();
  int n = 0;
  unsigned char none[1];
  bool ok = EVP_DecryptInit_ex(context, gcm(), nullptr, key.data(), bytes_of(sealed)) == 1 &&
            EVP_DecryptUpdate(context, nullptr, &n, bytes_of(aad), static_cast<int>(aad.size())) == 1 &&
            EVP_DecryptUpdate(context, reinterpret_cast<unsigned char*>(plain.data()), &n, bytes_of(body),
                              static_cast<int>(body.size())) == 1 &&
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1 &&
            EVP_DecryptFinal_ex(context, none, &n) == 1;
  if (!ok) return altered;
  return plain;
}

Hash256 keyed_hash(const Key256& key, std::string_view message) {
  std::string inner(64, '\x36'), outer(64, '\x5c');
  for (size_t i = 0; i < key.size(); ++i) {
    inner[i] = static_cast<char>(0x36 ^ key[i]);
    outer[i] = static_cast<char>(0x5c ^ key[i]);
  }
  Hash256 middle = Hasher().add(inner).add(message).end();
  return Hasher().add(outer).add(middle).end();
}

Key256 make_key(Random& random) {
  Key256 key;
  random.fill(key);
  return key;
}

std::string wrap_key(const Key256& outer, const Key256& inner, std::string_view aad, Random& random) {
  return encrypt(outer, {reinterpret_cast<const char*>(inner.data()), inner.size()}, aad, random);
}

Result<Key256> unwrap_key(const Key256& outer, std::string_view wrapped, std::string_view aad) {
  TRY(std::string plain, decrypt(outer, wrapped, aad));
  Key256 key;
  if (plain.size() != key.size()) return Error{Code::kCorrupt, "a wrapped key has the wrong length"};
  std::memcpy(key.data(), plain.data(), key.size());
  return key;
}

SealedRecord seal(const Key256* key, SessionId session, uint64_t seq, uint8_t kind, uint8_t codec, WallTime time,
                  std::string_view plain, Random& random) {
  return seal(key, session, seq, kind, codec, time, plain, plain, random);
}

SealedRecord seal(const Key256* key, SessionId session, uint64_t seq, uint8_t kind, uint8_t codec, WallTime time,
                  std::string_view plain, std::string_view stored, Random& random) {
  SealedRecord record{.seq = seq, .kind = kind, .codec = codec, .time = time};
  record.salt = random.bytes(kSaltBytes);
  record.hash = Hasher().add(record.salt).add(plain).end();
  if (key != nullptr) {
    record.body = encrypt(*key, stored, record_aad(session, seq, kind, codec), random);
  } else {
    record.body.reserve(stored.size() + 1);
    record.body.push_back(kPlainMarker);
    record.body.append(stored);
  }
  return record;
}

Error erased_record() { return {Code::kNotFound, "the record's content was erased", {}, "erased"}; }

Result<std::string> unseal(const Key256* key, SessionId session, const SealedRecord& record) {
  if (record.salt.empty() && record.body.empty()) return erased_record();
  if (key != nullptr) return decrypt(*key, record.body, record_aad(session, record.seq, record.kind, record.codec));
  if (record.body.empty() || record.body[0] != kPlainMarker)
    return Error{Code::kCorrupt, "the record is sealed and its key is not at hand"};
  return record.body.substr(1);
}

bool is_content_of(const SealedRecord& record, std::string_view plain) {
  return record.salt.size() == kSaltBytes && Hasher().add(record.salt).add(plain).end() == record.hash;
}

Result<std::string> open(const Key256* key, SessionId session, const SealedRecord& record) {
  TRY(std::string plain, unseal(key, session, record));
  if (!is_content_of(record, plain)) return Error{Code::kCorrupt, "the record's content does not match its hash"};
  return plain;
}

Hash256 chain_after(const Hash256& previous, SessionId session, const SealedRecord& record) {
  std::string text;
  text.reserve(112);
  text.append(reinterpret_cast<const char*>(previous.data()), previous.size());
  put_u64(text, session.hi);
  put_u64(text, session.lo);
  put_u64(text, record.seq);
  put_u64(text, record.kind);
  put_u64(text, static_cast<uint64_t>(record.time.time_since_epoch().count()));
  put_u64(text, record.codec);
  text.append(reinterpret_cast<const char*>(record.hash.data()), record.hash.size());
  return sha256(text);
}

Hash256 head_mac(const Key256& head_key, SessionId session, uint64_t head, const Hash256& chain) {
  std::string text;
  text.reserve(56);
  put_u64(text, session.hi);
  put_u64(text, session.lo);
  put_u64(text, head);
  text.append(reinterpret_cast<const char*>(chain.data()), chain.size());
  return keyed_hash(head_key, text);
}

void add_mod_2_256(Hash256& sum, const Hash256& term) {
  unsigned carry = 0;
  for (size_t i = sum.size(); i-- > 0;) {
    carry += sum[i] + unsigned{term[i]};
    sum[i] = static_cast<unsigned char>(carry);
    carry >>= 8;
  }
}

void subtract_mod_2_256(Hash256& sum, const Hash256& term) {
  int borrow = 0;
  for (size_t i = sum.size(); i-- > 0;) {
    int digit = int{sum[i]} - int{term[i]} - borrow;
    borrow = digit < 0;
    sum[i] = static_cast<unsigned char>(digit);
  }
}

Hash256 sha256(std::string_view bytes) { return Hasher().add(bytes).end(); }

}  // namespace perdure
