#include "provider/jwt.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cstdint>
#include <memory>

namespace perdure {
namespace {

constexpr int kBitsLeast = 2048;

std::string base64url(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = std::min<size_t>(3, bytes.size() - i);
    uint32_t word = 0;
    for (size_t k = 0; k < 3; ++k) word = word << 8 | (k < left ? static_cast<uint8_t>(bytes[i + k]) : 0u);
    for (size_t k = 0; k <= left; ++k) out += kAlphabet[word >> (18 - 6 * k) & 63];
  }
  return out;
}

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Key key_of(std::string_view pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                      &BIO_free);
  // Never asks at a terminal.
  const auto no_password = [](char*, int, int, void*) { return -1; };
  return Key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr) : nullptr, &EVP_PKEY_free);
}

}  // namespace

Result<std::string> sign_jwt_rs256(std::string_view header, std::string_view claims, std::string_view private_key) {
  const Key key = key_of(private_key);
  ERR_clear_error();
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA || EVP_PKEY_get_bits(key.get()) < kBitsLeast)
    return Error{Code::kInvalid, "the private key is no RSA key of at least 2048 bits"};
  std::string out = base64url(header) + "." + base64url(claims);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  std::string signature(static_cast<size_t>(EVP_PKEY_get_size(key.get())), '\0');
  size_t size = signature.size();
  const bool done = context && EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
                    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                                   reinterpret_cast<const unsigned char*>(out.data()), out.size()) == 1;
  ERR_clear_error();
  if (!done) return Error{Code::kInvalid, "the private key does not sign"};
  signature.resize(size);
  return out + "." + base64url(signature);
}

}  // namespace perdure
