#include "simulate/signer.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

#include "base/check.h"
#include "simulate/media.h"

namespace perdure::simulate {
namespace {

constexpr size_t kMacBytes = 32;

std::string hmac(std::string_view key, std::string_view bytes) {
  std::array<unsigned char, kMacBytes> out;
  unsigned int length = 0;
  const auto* done = ::HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                            reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), out.data(), &length);
  CHECK(done != nullptr && length == kMacBytes, "HMAC-SHA256");
  return {reinterpret_cast<const char*>(out.data()), out.size()};
}

}  // namespace

Signer::Signer(uint64_t seed, std::string_view account)
    : key_(hmac("simulated supplier", std::to_string(seed) + "/" + std::string(account))) {}

std::string Signer::mac(std::string_view purpose, std::string_view bytes) const {
  return hmac(hmac(key_, purpose), bytes);
}

std::string Signer::sign(std::string_view purpose, std::string_view bytes) const {
  return encode_base64(mac(purpose, bytes));
}

bool Signer::signed_here(std::string_view purpose, std::string_view bytes, std::string_view signature) const {
  return sign(purpose, bytes) == signature;
}

void Signer::mask(std::string_view seed, std::string& bytes) const {
  std::string block;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i % kMacBytes == 0) block = hmac(key_, std::string(seed) + std::to_string(i));
    bytes[i] = static_cast<char>(bytes[i] ^ block[i % kMacBytes]);
  }
}

std::string Signer::seal(std::string_view purpose, std::string_view bytes) const {
  const std::string tag = mac(purpose, bytes);
  std::string hidden(bytes);
  mask(tag, hidden);
  return encode_base64(tag + hidden);
}

std::optional<std::string> Signer::open(std::string_view purpose, std::string_view sealed) const {
  auto whole = decode_base64(sealed);
  if (!whole || whole->size() < kMacBytes) return std::nullopt;
  const std::string tag = whole->substr(0, kMacBytes);
  std::string bytes = whole->substr(kMacBytes);
  mask(tag, bytes);
  if (mac(purpose, bytes) != tag) return std::nullopt;
  return bytes;
}

}  // namespace perdure::simulate
