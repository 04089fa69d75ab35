#include "simulate/signer.h"

#include <gtest/gtest.h>

namespace perdure::simulate {
namespace {

TEST(Signer, KnowsItsOwnAndNothingElse) {
  const Signer ours(1, "a"), same(1, "a"), other_account(1, "b"), other_seed(2, "a");
  const std::string signature = ours.sign("thinking", "I think.");
  EXPECT_TRUE(same.signed_here("thinking", "I think.", signature));
  EXPECT_FALSE(ours.signed_here("thinking", "I think!", signature));
  EXPECT_FALSE(ours.signed_here("other", "I think.", signature));
  EXPECT_FALSE(other_account.signed_here("thinking", "I think.", signature));
  EXPECT_FALSE(other_seed.signed_here("thinking", "I think.", signature));
  EXPECT_FALSE(ours.signed_here("thinking", "I think.", ""));
}

TEST(Signer, SealsSoThatAChangedByteShows) {
  const Signer ours(1, "a"), other(1, "b");
  for (const std::string& text : {std::string(), std::string("secret"), std::string(1000, 'x')}) {
    const std::string sealed = ours.seal("redacted", text);
    EXPECT_EQ(ours.open("redacted", sealed), text);
    EXPECT_EQ(sealed.find("secret"), std::string::npos);
    EXPECT_FALSE(other.open("redacted", sealed));
    EXPECT_FALSE(ours.open("other", sealed));
    for (size_t i = 0; i < sealed.size(); ++i) {
      std::string changed = sealed;
      changed[i] = changed[i] == 'A' ? 'B' : 'A';
      EXPECT_FALSE(ours.open("redacted", changed)) << i;
    }
  }
  EXPECT_FALSE(ours.open("redacted", ""));
}

}  // namespace
}  // namespace perdure::simulate
