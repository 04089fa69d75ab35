#pragma once
// Withdrawal: an operator's word that a provider, region, deployment or party is not to be used. Values and their
// codec; withdrawal_desk.h keeps them durable and tells every loop.

#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "routing/deployment.h"

namespace perdure {

enum class WithdrawalKind : uint8_t { kProvider, kRegion, kDeployment, kParty };
std::string_view name_of(WithdrawalKind kind);  // "provider", ...
Result<WithdrawalKind> parse_withdrawal_kind(std::string_view word);

// kDrain: no new attempts. kCut: running ones end at once as well, and their answers go on elsewhere.
enum class WithdrawalMode : uint8_t { kDrain, kCut };
std::string_view name_of(WithdrawalMode mode);
Result<WithdrawalMode> parse_withdrawal_mode(std::string_view word);

struct Withdrawal {
  std::string id;  // "wd_..."
  WithdrawalKind kind = WithdrawalKind::kProvider;
  std::string name;
  WithdrawalMode mode = WithdrawalMode::kDrain;
  std::string reason;  // the operator's words
  std::string by;      // id of the API key; empty: there are none
  WallTime at{};
  bool covers(const Deployment& deployment) const;
  bool same_target(const Withdrawal& other) const { return kind == other.kind && name == other.name; }
  bool operator==(const Withdrawal&) const = default;
};

inline constexpr size_t kWithdrawalsMax = 1000;
inline constexpr size_t kWithdrawalReasonMax = 500;

// All that is withdrawn. `revision` grows with every change, so that nobody takes an older set for a newer one.
struct WithdrawalSet {
  int64_t revision = 0;
  std::vector<Withdrawal> withdrawals;
  bool operator==(const WithdrawalSet&) const = default;
};

void write_withdrawal(json::Writer& out, const Withdrawal& withdrawal);
void write_withdrawal_fields(json::Writer& out, const Withdrawal& withdrawal);  // within an object
// The set as it rests in the store. kCorrupt.
std::string encode_withdrawals(const WithdrawalSet& set);
Result<WithdrawalSet> decode_withdrawals(std::string text);

}  // namespace perdure
