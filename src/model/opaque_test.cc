#include "model/opaque.h"

#include <gtest/gtest.h>

namespace perdure {
namespace {

TEST(Opaque, comes_back_whole) {
  for (std::string issuer : {"", "a", "ab", "abc", "abcd", "anthropic/team 7", "\xc3\xa9."}) {
    for (OpaqueKind kind : {OpaqueKind::kEncrypted, OpaqueKind::kSignature, OpaqueKind::kRedacted}) {
      OpaqueBlock block = unpack_opaque(pack_opaque(kind, issuer, "gAAAA.b==\n"));
      EXPECT_EQ(block.kind, kind);
      EXPECT_EQ(block.issuer, issuer);
      EXPECT_EQ(block.block, "gAAAA.b==\n");
    }
  }
}

TEST(Opaque, what_we_did_not_pack_has_no_issuer) {
  for (std::string_view text : {"gAAAAABo", "pd1.", "pd1.9.YQ.x", "pd1.1.!!.x", "pd1.1.YQ", "pd1.1.Y.x", "pd1.1._w.x", ""}) {
    OpaqueBlock block = unpack_opaque(text, OpaqueKind::kSignature);
    EXPECT_EQ(block.kind, OpaqueKind::kSignature) << text;
    EXPECT_EQ(block.issuer, "") << text;
    EXPECT_EQ(block.block, text);
  }
}

}  // namespace
}  // namespace perdure
