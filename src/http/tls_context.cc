#include "http/tls_context.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

namespace perdure {
namespace {

constexpr unsigned char kProtocols[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

int select_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
                    void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kProtocols, sizeof kProtocols, in, in_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

Error ssl_failure(std::string what) { return {Code::kInvalid, std::move(what) + ": " + last_ssl_error()}; }

}  // namespace

void SslContextDeleter::operator()(SSL_CTX* context) const { SSL_CTX_free(context); }

std::string last_ssl_error() {
  unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "no reason given";
  char text[256];
  ERR_error_string_n(code, text, sizeof text);
  return text;
}

FileStamp FileStamp::of(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return {};
  return {info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_size, info.st_ino};
}

Result<SslContext> make_server_context(const ServerTls& tls) {
  ERR_clear_error();
  SslContext context(SSL_CTX_new(TLS_server_method()));
  if (!context) return ssl_failure("TLS");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context.get(), select_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context.get(), tls.certificate_file.c_str()) != 1)
    return ssl_failure("certificate " + tls.certificate_file);
  if (SSL_CTX_use_PrivateKey_file(context.get(), tls.key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    return ssl_failure("key " + tls.key_file);
  if (SSL_CTX_check_private_key(context.get()) != 1)
    return ssl_failure("key " + tls.key_file + " does not fit its certificate");
  return context;
}

Result<SslContext> make_client_context(const std::string& ca_file) {
  ERR_clear_error();
  SslContext context(SSL_CTX_new(TLS_client_method()));
  if (!context) return ssl_failure("TLS");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_alpn_protos(context.get(), kProtocols, sizeof kProtocols);
  int loaded = ca_file.empty() ? SSL_CTX_set_default_verify_paths(context.get())
                               : SSL_CTX_load_verify_locations(context.get(), ca_file.c_str(), nullptr);
  if (loaded != 1) return ssl_failure("authorities " + (ca_file.empty() ? std::string("of the system") : ca_file));
  return context;
}

Result<void> expect_server(SSL* ssl, const std::string& name) {
  unsigned char binary[16];
  bool is_address = ::inet_pton(AF_INET, name.c_str(), binary) == 1 || ::inet_pton(AF_INET6, name.c_str(), binary) == 1;
  if (is_address) {
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) != 1) return ssl_failure("address " + name);
    return {};
  }
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (name.empty() || SSL_set1_host(ssl, name.c_str()) != 1 || SSL_set_tlsext_host_name(ssl, name.c_str()) != 1)
    return ssl_failure("server name " + name);
  return {};
}

Result<ReloadingServerContext> ReloadingServerContext::make(ServerTls tls, Instant now) {
  ReloadingServerContext made;
  made.tls_ = std::move(tls);
  // Stamps first: a change between stamp and reading is then seen at the next look.
  made.certificate_ = FileStamp::of(made.tls_.certificate_file);
  made.key_ = FileStamp::of(made.tls_.key_file);
  TRY(made.context_, make_server_context(made.tls_));
  made.next_look_ = now + std::chrono::seconds(1);
  return made;
}

SSL_CTX* ReloadingServerContext::get(Instant now) {
  if (now < next_look_) return context_.get();
  next_look_ = now + std::chrono::seconds(1);
  FileStamp certificate = FileStamp::of(tls_.certificate_file), key = FileStamp::of(tls_.key_file);
  if (certificate == certificate_ && key == key_) return context_.get();
  // While only one of the two files has been replaced they do not fit each other; the stamps are kept only on success,
  // so that the next look tries again.
  if (auto made = make_server_context(tls_); made.ok()) {
    context_ = std::move(made).value();
    certificate_ = certificate;
    key_ = key;
  }
  return context_.get();
}

}  // namespace perdure
