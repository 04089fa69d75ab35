#include "catalogue/capabilities.h"

#include <gtest/gtest.h>

namespace perdure {
namespace {

// Every combination of what the three sources say of one capability.
TEST(Capabilities, MeasuredBeatsOwnerBeatsCatalogue) {
  constexpr Known kAll[] = {Known::kUnknown, Known::kNo, Known::kYes};
  for (Known catalogue : kAll)
    for (Known owner : kAll)
      for (Known measured : kAll) {
        CapabilityEvidence evidence;
        evidence.catalogue[Capability::kPrefill] = catalogue;
        evidence.owner[Capability::kPrefill] = owner;
        evidence.measured[Capability::kPrefill] = measured;
        Known want = measured != Known::kUnknown ? measured : owner != Known::kUnknown ? owner : catalogue;
        Evidence by = measured != Known::kUnknown    ? Evidence::kMeasured
                      : owner != Known::kUnknown     ? Evidence::kOwner
                      : catalogue != Known::kUnknown ? Evidence::kCatalogue
                                                     : Evidence::kNone;
        EXPECT_EQ(evidence.merged()[Capability::kPrefill], want);
        EXPECT_EQ(evidence.of(Capability::kPrefill), by);
        EXPECT_EQ(evidence.merged()[Capability::kImages], Known::kUnknown);
      }
}

TEST(Capabilities, SizesMergeOneByOne) {
  CapabilityEvidence evidence;
  evidence.catalogue.context_tokens = 1000;
  evidence.catalogue.output_tokens_max = 100;
  evidence.measured.context_tokens = 800;
  EXPECT_EQ(evidence.merged().context_tokens, 800);
  EXPECT_EQ(evidence.merged().output_tokens_max, 100);
  EXPECT_EQ(evidence.of_context_tokens(), Evidence::kMeasured);
  EXPECT_EQ(evidence.of_output_tokens_max(), Evidence::kCatalogue);
}

TEST(Capabilities, WithoutToolsThereAreNoParallelTools) {
  CapabilityEvidence evidence;
  evidence.catalogue[Capability::kTools] = Known::kYes;
  evidence.catalogue[Capability::kParallelTools] = Known::kYes;
  evidence.measured[Capability::kTools] = Known::kNo;
  EXPECT_EQ(evidence.merged()[Capability::kParallelTools], Known::kNo);
  EXPECT_EQ(evidence.of(Capability::kParallelTools), Evidence::kMeasured);
}

TEST(Capabilities, EveryOneHasAWord) {
  for (size_t i = 0; i < kCapabilities; ++i) EXPECT_EQ(static_cast<size_t>(kCapabilityNames[i].value), i);
}

}  // namespace
}  // namespace perdure
