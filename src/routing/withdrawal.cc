#include "routing/withdrawal.h"

#include "wire/json.h"

namespace perdure {
namespace {

constexpr std::string_view kKinds[] = {"provider", "region", "deployment", "party"};
constexpr std::string_view kModes[] = {"drain", "cut"};

template <class T, size_t N>
Result<T> parse(const std::string_view (&names)[N], std::string_view word) {
  std::string known;
  for (size_t i = 0; i < N; ++i) {
    if (names[i] == word) return static_cast<T>(i);
    known += (known.empty() ? "" : ", ") + std::string(names[i]);
  }
  return Error{Code::kInvalid, "must be one of " + known};
}

Result<Withdrawal> read_withdrawal(json::Value value) {
  Withdrawal out;
  out.id = value["id"].text();
  out.name = value["target"]["name"].text();
  out.reason = value["reason"].text();
  out.by = value["by"].text();
  TRY(out.kind, parse_withdrawal_kind(value["target"]["kind"].text()));
  TRY(out.mode, parse_withdrawal_mode(value["mode"].text()));
  out.at = WallTime(std::chrono::milliseconds(value["at_ms"].integer().value_or(0)));
  if (out.id.empty() || out.name.empty()) return Error{Code::kCorrupt, "a withdrawal without id or name"};
  return out;
}

}  // namespace

std::string_view name_of(WithdrawalKind kind) { return kKinds[static_cast<size_t>(kind)]; }
std::string_view name_of(WithdrawalMode mode) { return kModes[static_cast<size_t>(mode)]; }
Result<WithdrawalKind> parse_withdrawal_kind(std::string_view word) { return parse<WithdrawalKind>(kKinds, word); }
Result<WithdrawalMode> parse_withdrawal_mode(std::string_view word) { return parse<WithdrawalMode>(kModes, word); }

bool Withdrawal::covers(const Deployment& deployment) const {
  switch (kind) {
    case WithdrawalKind::kProvider:
      return deployment.provider_name == name;
    case WithdrawalKind::kRegion:
      return deployment.region == name;
    case WithdrawalKind::kDeployment:
      return deployment.name == name;
    case WithdrawalKind::kParty:
      return deployment.party == name;
  }
  return false;
}

void write_withdrawal_fields(json::Writer& out, const Withdrawal& withdrawal) {
  out.field("id", withdrawal.id).field("object", "x_withdrawal").key("target").begin_object();
  out.field("kind", name_of(withdrawal.kind)).field("name", withdrawal.name).end_object();
  out.field("mode", name_of(withdrawal.mode))
      .field("reason", withdrawal.reason)
      .field("by", withdrawal.by)
      .field("at_ms", withdrawal.at.time_since_epoch().count());
}

void write_withdrawal(json::Writer& out, const Withdrawal& withdrawal) {
  out.begin_object();
  write_withdrawal_fields(out, withdrawal);
  out.end_object();
}

std::string encode_withdrawals(const WithdrawalSet& set) {
  json::Writer out;
  out.begin_object().field("version", 1).field("revision", set.revision).key("withdrawals").begin_array();
  for (const Withdrawal& withdrawal : set.withdrawals) write_withdrawal(out, withdrawal);
  out.end_array().end_object();
  return out.take();
}

Result<WithdrawalSet> decode_withdrawals(std::string text) {
  const Error corrupt{Code::kCorrupt, "the stored withdrawals make no sense"};
  Result<json::Document> document = json::Document::parse(std::move(text));
  if (!document.ok()) return corrupt;
  json::Value root = document->root();
  WithdrawalSet out;
  out.revision = root["revision"].integer().value_or(0);
  if (root["version"].integer() != 1 || out.revision <= 0 || !root["withdrawals"].is_array()) return corrupt;
  for (json::Value each : root["withdrawals"].elements()) {
    Result<Withdrawal> withdrawal = read_withdrawal(each);
    if (!withdrawal.ok()) return corrupt;
    out.withdrawals.push_back(*std::move(withdrawal));
  }
  return out;
}

}  // namespace perdure
