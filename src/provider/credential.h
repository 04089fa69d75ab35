#pragma once
// Credential: puts what proves who is calling onto an outgoing call. Lives on one Loop. Secrets go into the call and
// nowhere else: never into a log, an error or an event.

#include <memory>
#include <string>

#include "async/wait.h"
#include "base/result.h"
#include "http/client.h"

namespace perdure {

class Credential {
 public:
  virtual ~Credential() = default;
  // Called last: url, headers and body of `call` are final but for what it adds. May fetch or refresh a token first.
  // kDenied, reason supplier_denied: there is no credential to be had. kUnavailable: its source did not answer.
  virtual Task<Result<void>> sign(HttpCall& call, Deadline deadline) = 0;
  // Whether every call is signed alike, whatever it says and whenever: such calls may share what was signed once.
  virtual bool fixed() const { return false; }
  // The supplier refused what was signed (401, 403): a cached token is given up.
  virtual void refused() {}
};

// `header`: value with `secret` behind `prefix`: "Authorization", "Bearer "; "x-api-key", "". No secret: nothing.
std::unique_ptr<Credential> header_credential(std::string header, std::string prefix, std::string secret);

}  // namespace perdure
