#pragma once
// TLS settings as OpenSSL contexts: the client's per file of authorities, the server's per certificate. Both are made
// again when the files have changed. One per Loop.

#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "http/network.h"

typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_st SSL;

namespace perdure {

struct SslContextDeleter {
  void operator()(SSL_CTX* context) const;
};
using SslContext = std::unique_ptr<SSL_CTX, SslContextDeleter>;

// What stat() says of a file; a change of it means other content.
struct FileStamp {
  int64_t seconds = 0, nanoseconds = 0, size = -1;
  uint64_t inode = 0;
  bool operator==(const FileStamp&) const = default;
  static FileStamp of(const std::string& path);
};

Result<SslContext> make_server_context(const ServerTls& tls);
// Authorities from `ca_file`, the system's when empty.
Result<SslContext> make_client_context(const std::string& ca_file);

// The verification of one connection: chain and name (or address), and the name sent in the clear for virtual hosts.
Result<void> expect_server(SSL* ssl, const std::string& name);

// A context that follows its files. A changed file that cannot be used leaves the context that works in place.
class ReloadingServerContext {
 public:
  static Result<ReloadingServerContext> make(ServerTls tls, Instant now);
  SSL_CTX* get(Instant now);  // looks at the files at most once a second

 private:
  ServerTls tls_;
  SslContext context_;
  FileStamp certificate_, key_;
  Instant next_look_{};
};

std::string last_ssl_error();

}  // namespace perdure
