#pragma once
// Opaque blocks on their way through clients. A client that keeps its own history gives reasoning back to us; what it
// holds says whose the block is, so that a server that stored nothing still never shows it to another.
//
//   pd1.<kind>.<issuer, base64url>.<the block, byte for byte>
//
// It is not a secret and not signed: a client that forges an issuer fools only the supplier that it is a client of.

#include <string>
#include <string_view>

#include "model/item.h"

namespace perdure {

std::string pack_opaque(OpaqueKind kind, std::string_view issuer, std::string_view block);

struct OpaqueBlock {
  OpaqueKind kind = OpaqueKind::kNone;
  std::string issuer;  // empty: unknown
  std::string block;
};
// What is not in the form above is a block of unknown issuer and the kind `otherwise`.
OpaqueBlock unpack_opaque(std::string_view text, OpaqueKind otherwise = OpaqueKind::kEncrypted);

}  // namespace perdure
