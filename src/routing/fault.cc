#include "routing/fault.h"

namespace perdure {

std::string_view name_of(Fault fault) {
  switch (fault) {
    case Fault::kNone:
      return "none";
    case Fault::kSupplier:
      return "supplier";
    case Fault::kBusy:
      return "busy";
    case Fault::kCredential:
      return "credential";
    case Fault::kDeployment:
      return "deployment";
  }
  return "?";
}

Fault fault_of(const Error& error) {
  switch (error.code) {
    case Code::kUnavailable:
    case Code::kUnknown:
    case Code::kDeadline:
    case Code::kCorrupt:
      return Fault::kSupplier;
    case Code::kOverloaded:
      return Fault::kBusy;
    case Code::kDenied:
      if (error.upstream_status == 403) return Fault::kDeployment;
      return error.reason == "supplier_denied" || error.upstream_status != 0 ? Fault::kCredential : Fault::kNone;
    case Code::kNotFound:
      return error.upstream_status != 0 ? Fault::kDeployment : Fault::kNone;
    case Code::kInvalid:
    case Code::kConflict:
    case Code::kCancelled:
    case Code::kInternal:
      return Fault::kNone;
  }
  return Fault::kNone;
}

}  // namespace perdure
