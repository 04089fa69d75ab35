#pragma once
// SilentProvider: a Provider with a name and nothing behind it, for tests of placements that nobody dispatches.

#include <string>
#include <utility>

#include "provider/provider.h"

namespace perdure {

class SilentProvider final : public Provider {
 public:
  explicit SilentProvider(std::string name, std::string_view relays = {}) : name_(std::move(name)), relays_(relays) {}
  const std::string& name() const override { return name_; }
  std::string_view relays() const override { return relays_; }
  Task<Result<std::unique_ptr<UpstreamAnswer>>> open(UpstreamCall, Deadline, Cancellation&) override {
    co_return Error{Code::kUnavailable, "never"};
  }

 private:
  std::string name_;
  std::string_view relays_;
};

}  // namespace perdure
