#pragma once
// SilentProvider: a Provider with a name and nothing behind it, for tests of placements that nobody dispatches.

#include <string>
#include <utility>

#include "provider/provider.h"

namespace perdure {

class SilentProvider final : public Provider {
 public:
  explicit SilentProvider(std::string name) : name_(std::move(name)) {}
  const std::string& name() const override { return name_; }
  Task<Result<std::unique_ptr<UpstreamAnswer>>> open(UpstreamCall, Deadline, Cancellation&) override {
    co_return Error{Code::kUnavailable, "never"};
  }

 private:
  std::string name_;
};

}  // namespace perdure
