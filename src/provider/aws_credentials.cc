#include "provider/aws_credentials.h"

#include <algorithm>
#include <chrono>

namespace perdure {
namespace {

using namespace std::chrono_literals;

constexpr auto kEarly = 5min;            // before they expire, new keys are looked for
constexpr Duration kEarlyTime = 3s;      // and this long, while the present ones hold
constexpr Duration kFetchTime = 20s;     // a fetch that everybody waits for
constexpr Duration kRetryAfter = 30s;    // a source that failed, while the keys hold
constexpr Duration kRetryWithout = 5s;   // one that failed, and there are no keys
constexpr Duration kRefusedAfter = 60s;  // keys younger than this are not fetched anew for having been refused

class AwsCredential final : public Credential {
 public:
  AwsCredential(SigV4Scope scope, std::unique_ptr<AwsKeyRing> keys, const Clock& clock)
      : scope_(std::move(scope)), keys_(std::move(keys)), clock_(clock) {}

  Task<Result<void>> sign(HttpCall& call, Deadline deadline) override {
    SigV4Scope scope = scope_;
    if (scope.region.empty()) scope.region = aws_region_of(call.url.address.host);
    if (scope.region.empty()) {
      co_return Error{.code = Code::kDenied,
                      .message = "No AWS region is given, and the supplier's address names none.",
                      .reason = "supplier_denied"};
    }
    Result<AwsKeys> keys = co_await keys_->keys(deadline);
    if (!keys.ok() && keys.error().code == Code::kNotFound) {
      co_return Error{.code = Code::kDenied, .message = std::move(keys.error().message), .reason = "supplier_denied"};
    }
    if (!keys.ok()) co_return std::move(keys).error();
    for (const char* name : {"Authorization", "X-Amz-Date", "X-Amz-Security-Token"}) call.headers.remove(name);
    if (!call.headers.has("Host")) call.headers.add("Host", call.url.authority());
    auto added = sign_v4({call.method, call.url.path, call.headers.pairs(), call.body}, *keys, scope, clock_.wall());
    if (!added) {
      co_return Error{.code = Code::kDenied,
                      .message = "The call cannot be signed: " + added.error().message + ".",
                      .reason = "supplier_denied"};
    }
    for (auto& [name, value] : *added) call.headers.add(std::move(name), std::move(value));
    co_return Result<void>();
  }

  void refused() override { keys_->refused(); }

 private:
  SigV4Scope scope_;
  std::unique_ptr<AwsKeyRing> keys_;
  const Clock& clock_;
};

}  // namespace

AwsKeyRing::AwsKeyRing(Loop& loop, std::unique_ptr<AwsKeySource> source, Log log)
    : loop_(loop), source_(std::move(source)), log_(std::move(log)), fetched_(loop) {}

bool AwsKeyRing::due(WallTime now) const {
  if (refused_) return true;
  if (held_->look_again && now >= *held_->look_again) return true;
  return held_->expires && now >= *held_->expires - kEarly;
}

Task<Result<AwsKeys>> AwsKeyRing::keys(Deadline deadline) {
  for (;;) {
    const bool good = usable(loop_.wall());
    const bool too_soon = retry_at_ && loop_.now() < *retry_at_;
    if (good && (!due(loop_.wall()) || fetching_ || too_soon)) co_return held_->keys;
    if (too_soon && failure_) co_return *failure_;
    if (fetching_) {
      const uint64_t before = fetches_;
      if (!co_await fetched_.wait(deadline))
        co_return Error{Code::kDeadline, "waiting for AWS credentials took too long"};
      // One fetch, one answer for all.
      if (fetches_ != before && failure_ && !usable(loop_.wall())) co_return *failure_;
      continue;
    }
    Result<void> refreshed = co_await refresh(good, deadline);
    if (!refreshed.ok() && !usable(loop_.wall())) co_return std::move(refreshed).error();
    if (!refreshed.ok()) co_return held_->keys;
  }
}

Task<Result<void>> AwsKeyRing::refresh(bool good, Deadline callers) {
  // Others must not wait for ever for a fetch that was given up.
  struct Fetching {
    AwsKeyRing& ring;
    ~Fetching() {
      ring.fetching_ = false;
      ring.fetched_.notify_all();
    }
  };
  fetching_ = true;
  const Fetching fetching{*this};
  const Deadline ours = deadline_in(loop_, good ? kEarlyTime : kFetchTime);
  Result<AwsIdentity> identity = co_await source_->fetch(ours.sooner(callers));
  ++fetches_;
  if (identity.ok() && identity->expires && *identity->expires <= loop_.wall())
    identity = Error{Code::kUnavailable, "The AWS credentials that are to be had have expired."};
  if (!identity.ok()) {
    good = usable(loop_.wall());
    log_.warn("aws.credentials_not_renewed", {{"error", identity.error().message}, {"held", good}});
    // What one caller had no time for says nothing to the others.
    const bool cut_short = callers.at < ours.at && loop_.now() >= callers.at;
    failure_.reset();
    retry_at_.reset();
    if (!cut_short) failure_ = identity.error();
    if (good || !cut_short) retry_at_ = loop_.now() + (good ? kRetryAfter : kRetryWithout);
    co_return std::move(identity).error();
  }
  held_ = *std::move(identity);
  fetched_at_ = loop_.now();
  retry_at_.reset();
  failure_.reset();
  refused_ = false;
  co_return Result<void>();
}

void AwsKeyRing::refused() {
  if (held_ && (!fetched_at_ || loop_.now() - *fetched_at_ >= kRefusedAfter)) refused_ = true;
}

std::unique_ptr<Credential> aws_credential(SigV4Scope scope, std::unique_ptr<AwsKeyRing> keys, const Clock& clock) {
  return std::make_unique<AwsCredential>(std::move(scope), std::move(keys), clock);
}

std::unique_ptr<Credential> aws_credential_of(const AwsEnvironment& environment, SigV4Scope scope, Loop& loop,
                                              HttpClient& client, OffLoopFiles& files, Log log) {
  if (!environment.bearer_token.empty()) return header_credential("Authorization", "Bearer ", environment.bearer_token);
  if (scope.region.empty()) scope.region = environment.region;
  auto ring = std::make_unique<AwsKeyRing>(loop, aws_key_sources(environment, client, files, loop), std::move(log));
  return aws_credential(std::move(scope), std::move(ring), loop);
}

std::string aws_region_of(std::string_view host) {
  // The label behind the service's, wherever a VPC endpoint's own name stands before it.
  for (std::string_view service : {"bedrock-runtime.", "bedrock-runtime-fips.", "bedrock."}) {
    const size_t at = host.find(service);
    if (at == std::string_view::npos || (at > 0 && host[at - 1] != '.')) continue;
    const std::string_view rest = host.substr(at + service.size());
    const size_t dot = rest.find('.');
    if (dot == std::string_view::npos || host.find(".amazonaws.com") == std::string_view::npos) continue;
    return std::string(rest.substr(0, dot));
  }
  return {};
}

}  // namespace perdure
