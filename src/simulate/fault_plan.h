#pragma once
// FaultPlan: which faults one request meets, drawn from what is set.

#include <array>
#include <optional>
#include <vector>

#include "base/random.h"
#include "simulate/fault.h"

namespace perdure::simulate {

class FaultPlan {
 public:
  struct Drawn {
    Fault fault;
    int64_t after = 0;  // drawn from the fault's range
  };

  // The first fault of each kind that comes up. Takes from `fault.times` of those; draws the same number of times
  // whatever comes up.
  static FaultPlan draw(std::vector<Fault>& faults, SeededRandom random) {
    FaultPlan plan;
    for (Fault& fault : faults) {
      const double drawn = static_cast<double>(random.next() >> 11) * 0x1p-53;
      const auto width = static_cast<uint64_t>(fault.after_max - fault.after_min) + 1;
      const int64_t after = fault.after_min + static_cast<int64_t>(random.below(width));
      auto& slot = plan.drawn_[static_cast<size_t>(fault.kind)];
      if (slot || fault.times == 0 || drawn >= fault.probability) continue;
      if (fault.times > 0) --fault.times;
      slot = Drawn{fault, after};
    }
    return plan;
  }

  const Drawn* find(Fault::Kind kind) const {
    const auto& slot = drawn_[static_cast<size_t>(kind)];
    return slot ? &*slot : nullptr;
  }
  // The fault of that kind, if it comes after exactly that many tokens.
  const Fault* at(Fault::Kind kind, int64_t tokens) const {
    const Drawn* drawn = find(kind);
    return drawn != nullptr && drawn->after == tokens ? &drawn->fault : nullptr;
  }

 private:
  std::array<std::optional<Drawn>, 10> drawn_;
};

}  // namespace perdure::simulate
