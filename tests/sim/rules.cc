#include "rules.h"

#include <algorithm>
#include <charconv>

namespace perdure::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kTag = "This is errand ";
constexpr Duration kKeysAreRead = 1s;  // after a change, at the latest
constexpr Duration kCutIsFelt = 1ms;
constexpr Duration kCredentialRests = 60s;  // and its probe
constexpr size_t kBlockMin = 24;            // shorter words of a body are no opaque blocks

bool empty_or_lists(const std::vector<std::string>& list, const std::string& word) {
  return list.empty() || std::ranges::find(list, word) != list.end();
}

bool may_be_opaque(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' || c == '/' ||
         c == '-' || c == '_' || c == '=' || c == '.';
}

}  // namespace

Rules::Rules(const Setup& setup, SimLoop& loop, Report& report)
    : setup_(setup),
      loop_(loop),
      report_(report),
      purses_(setup, loop, [this](std::string what) { violate(std::move(what)); }),
      meters_(setup, loop, [this](std::string what) { violate(std::move(what)); }),
      lifted_(setup.deployments.size(), Instant::min()),
      auth_until_(setup.suppliers.size(), Instant::min()) {
  for (const ApiKey& key : setup.keys) versions_[key.id.value] = {{Instant::min(), key.permits}};
}

void Rules::violate(std::string what) { report_.violations.push_back(std::move(what)); }

Errand& Rules::begin(uint64_t number, Identity who) {
  whose_.emplace(number, who);
  Errand& errand = errands_[number];
  errand = {.number = number, .who = std::move(who), .begun = loop_.now(), .author = {}};
  return errand;
}

Errand* Rules::find(uint64_t number) {
  auto found = errands_.find(number);
  return found == errands_.end() ? nullptr : &found->second;
}

std::optional<Identity> Rules::whose(std::optional<uint64_t> number) const {
  auto found = number ? whose_.find(*number) : whose_.end();
  if (found == whose_.end()) return std::nullopt;
  return found->second;
}

std::optional<uint64_t> Rules::number_in(std::string_view text) {
  size_t at = text.find(kTag);
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + kTag.size());
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  return number;
}

// --- I4

size_t Rules::deployment_of(size_t supplier, const std::string& upstream_model) const {
  for (size_t i = 0; i < setup_.deployments.size(); ++i)
    if (setup_.deployments[i].supplier == supplier && setup_.deployments[i].upstream_model == upstream_model) return i;
  return setup_.deployments.size();
}

bool Rules::permits(const Permits& permits, const DeploymentSetup& deployment) const {
  const SupplierSetup& supplier = setup_.suppliers[deployment.supplier];
  return empty_or_lists(permits.models, deployment.model) && empty_or_lists(permits.parties, supplier.party) &&
         empty_or_lists(permits.regions, supplier.region);
}

bool Rules::key_forbids(const KeyId& key, const DeploymentSetup& deployment, Instant from, Instant to, bool any) const {
  const std::vector<Version>& versions = versions_.at(key.value);
  bool forbidden = false, allowed = false;
  for (size_t i = 0; i < versions.size(); ++i) {
    bool gone = i + 1 < versions.size() && versions[i + 1].from + kKeysAreRead < from;
    if (gone || versions[i].from > to) continue;
    (permits(versions[i].permits, deployment) ? allowed : forbidden) = true;
  }
  return any ? forbidden : forbidden && !allowed;
}

void Rules::dispatched(std::optional<uint64_t> number, size_t supplier, const std::string& upstream_model, bool held,
                       bool summary) {
  ++report_.counts.attempts;
  report_.counts.continuations += held;
  size_t at = deployment_of(supplier, upstream_model);
  Errand* errand = number ? find(*number) : nullptr;
  if (at == setup_.deployments.size())
    return violate("I4: " + setup_.suppliers[supplier].name +
                   " was asked for a model that it does not serve: " + upstream_model);
  const DeploymentSetup& deployment = setup_.deployments[at];
  for (const Word& word : words_)
    if (word.sure && covers(word, deployment))
      violate("I4: an attempt went to " + deployment.name + ", though " + std::string(name_of(word.kind)) + " " +
              word.name + " is withdrawn");
  if (errand == nullptr) return;  // of an answer that its client has given up
  const Workload& workload = setup_.workload_of(errand->who);
  if (!setup_.fits(workload, errand->who, deployment))
    violate("I4: workload " + workload.name + " was served by " + deployment.name + " (" +
            setup_.suppliers[supplier].region + ", " + setup_.suppliers[supplier].party + ")");
  Instant now = loop_.now();
  if (key_forbids(errand->who.key, deployment, now, now, false))
    violate("I4: the key " + errand->who.key.value + " may not use " + deployment.name);
  std::string& author = summary ? errand->summary_author : errand->author;
  if (held && workload.one_author && !author.empty() && deployment.model != author)
    violate("I4: what " + author + " began, " + deployment.name + " goes on with, though one author is asked for");
  if (!held) author = deployment.model;
  if (summary) return;
  ++errand->attempts;
  if (held) errand->phase = Phase::kContinuing;
}

void Rules::new_life() {
  purses_.new_life();
  meters_.new_life();
  for (auto& [number, errand] : errands_) errand.countable = false;
}

void Rules::heard_from(size_t deployment, std::optional<uint64_t> number, size_t bytes, bool by_the_dead) {
  if (deployment >= setup_.deployments.size()) return;
  const DeploymentSetup& from = setup_.deployments[deployment];
  if (Errand* errand = number ? find(*number) : nullptr)
    errand->heard[{setup_.suppliers[from.supplier].name, from.upstream_model}] += bytes;
  if (by_the_dead) return;
  for (const Word& word : words_)
    if (word.sure && word.mode == WithdrawalMode::kCut && covers(word, setup_.deployments[deployment]) &&
        loop_.now() > word.since + kCutIsFelt)
      violate("I4: " + setup_.deployments[deployment].name + " is still listened to, though it was cut");
}

bool Rules::may_have_been_stranded(const Errand& errand) const {
  if (purses_.may_be_short(errand.who, errand.begun)) return true;
  const Workload& workload = setup_.workload_of(errand.who);
  Instant now = loop_.now();
  for (size_t i = 0; i < setup_.deployments.size(); ++i) {
    const DeploymentSetup& deployment = setup_.deployments[i];
    if (!setup_.fits(workload, errand.who, deployment)) continue;
    bool out = lifted_[i] >= errand.begun || auth_until_[deployment.supplier] >= errand.begun ||
               key_forbids(errand.who.key, deployment, errand.begun, now, true);
    for (const Word& word : words_) out = out || covers(word, deployment);
    // With one author the other models are of no use once something was shown.
    auto by_another = [&](const std::string& author) { return !author.empty() && deployment.model != author; };
    bool of_no_use = workload.one_author && (by_another(errand.author) || by_another(errand.summary_author));
    if (!out && !of_no_use) return false;
  }
  return true;
}

bool Rules::may_be_denied(const Identity& who, Instant since) const {
  const Workload& workload = setup_.workload_of(who);
  for (const DeploymentSetup& deployment : setup_.deployments)
    if (setup_.fits(workload, who, deployment) && !key_forbids(who.key, deployment, since, loop_.now(), true))
      return false;
  return true;
}

// --- the operator

bool Rules::covers(const Word& word, const DeploymentSetup& deployment) const {
  const SupplierSetup& supplier = setup_.suppliers[deployment.supplier];
  switch (word.kind) {
    case WithdrawalKind::kProvider:
      return supplier.name == word.name;
    case WithdrawalKind::kRegion:
      return supplier.region == word.name;
    case WithdrawalKind::kParty:
      return supplier.party == word.name;
    case WithdrawalKind::kDeployment:
      return deployment.name == word.name;
  }
  return false;
}

void Rules::lift(const Word& word) {
  for (size_t i = 0; i < setup_.deployments.size(); ++i)
    if (covers(word, setup_.deployments[i])) lifted_[i] = loop_.now();
  std::erase_if(words_, [&](const Word& w) { return w.kind == word.kind && w.name == word.name; });
}

void Rules::settle(const std::vector<Withdrawal>& listed) {
  for (size_t i = words_.size(); i-- > 0;) {
    Word& word = words_[i];
    auto found =
        std::ranges::find_if(listed, [&](const Withdrawal& w) { return w.kind == word.kind && w.name == word.name; });
    if (found == listed.end()) {
      if (word.sure) violate("I4: the withdrawal of " + word.name + " was forgotten by a restart");
      lift(Word(word));
      continue;
    }
    if (word.sure && word.mode == WithdrawalMode::kCut && found->mode != WithdrawalMode::kCut)
      violate("I4: the cut of " + word.name + " became a drain in a restart");
    word.id = found->id;
    word.mode = found->mode;
    if (!std::exchange(word.sure, true)) word.since = loop_.now();
  }
  for (const Withdrawal& w : listed)
    if (std::ranges::none_of(words_, [&](const Word& word) { return word.kind == w.kind && word.name == w.name; }))
      violate("I4: " + w.name + " is withdrawn, though it was restored, or nobody said so");
}

void Rules::auth_failed(size_t supplier) { auth_until_[supplier] = loop_.now() + kCredentialRests; }

void Rules::key_changed(const KeyId& key, Permits permits) {
  versions_[key.value].push_back({loop_.now(), std::move(permits)});
}

// --- I5

void Rules::issued(size_t supplier, std::string_view block) {
  if (block.size() < kBlockMin) return;
  ++report_.counts.opaque_seen;
  issuers_.emplace(block, supplier);
}

void Rules::received(size_t supplier, std::string_view body) {
  for (size_t at = 0; at < body.size();) {
    if (!may_be_opaque(body[at])) {
      ++at;
      continue;
    }
    size_t end = at;
    while (end < body.size() && may_be_opaque(body[end])) ++end;
    if (end - at >= kBlockMin) {
      auto found = issuers_.find(std::string(body.substr(at, end - at)));
      if (found != issuers_.end()) {
        ++report_.counts.opaque_returned;
        if (found->second != supplier)
          violate("I5: " + setup_.suppliers[supplier].name + " was given a block of " +
                  setup_.suppliers[found->second].name);
      }
    }
    at = end;
  }
}

}  // namespace perdure::sim
