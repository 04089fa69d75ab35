#pragma once
// Fault: who is to blame for an attempt that failed, and therefore what must rest because of it. The one place that
// decides.

#include <string_view>

#include "base/result.h"

namespace perdure {

enum class Fault : uint8_t {
  kNone,        // the client's request, the server's own doing, a wish to stop: nothing trips
  kSupplier,    // cut, timeout, 5xx, nonsense: counts against the deployment
  kBusy,        // 429, overloaded: the deployment rests for as long as it asked for
  kCredential,  // 401, 402: the provider's credential or account is refused; every deployment of it is out
  kDeployment,  // 403, 404: this model is not to be had there under this name or credential
};
std::string_view name_of(Fault fault);

Fault fault_of(const Error& error);

}  // namespace perdure
