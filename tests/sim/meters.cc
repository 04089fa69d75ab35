#include "meters.h"

#include <algorithm>
#include <chrono>

namespace perdure::sim {
namespace {

using namespace std::chrono_literals;

double minutes(Duration span) { return std::chrono::duration<double>(span).count() / 60; }

}  // namespace

Meters::Meters(const Setup& setup, SimLoop& loop, std::function<void(std::string)> violate)
    : setup_(setup), loop_(loop), violate_(std::move(violate)) {}

size_t Meters::asked(const KeyId& key) {
  if (!setup_.key_of(key).rates.any()) return 0;
  requests_.push_back({.key = key, .sent = loop_.now(), .life = life_});
  return requests_.size();
}

void Meters::let_in(size_t number, bool reserves) {
  if (number == 0) return;
  Request& request = requests_[number - 1];
  const Instant now = request.answered = loop_.now();
  if (request.life != life_) return;  // it was sent to a life that is over
  const KeyRates& limits = setup_.key_of(request.key).rates;
  // Windows that end now and begin where something was sent, from the last one on. Within the window is what was sent
  // and answered in it.
  int64_t requests = 0;
  double used = 0;
  for (auto first = requests_.rbegin(); first != requests_.rend(); ++first) {
    if (first->key != request.key || !certain(*first)) continue;
    ++requests;
    const double span = minutes(now - first->sent);
    const double most = static_cast<double>(limits.requests_per_minute) * (1 + span);
    if (limits.requests_per_minute > 0 && static_cast<double>(requests) > most + 1e-6)
      violate_("limits: " + std::to_string(requests) + " requests of " + request.key.value + " were let in within " +
               std::to_string(span * 60) + " s, and its limit is " + std::to_string(limits.requests_per_minute));
    // What was let in last has used nothing yet; every other one had to flow back before it.
    if (&*first != &request && first->answered <= request.sent) used += static_cast<double>(first->tokens);
    const bool whole = reserves && limits.tokens_per_minute > 0 && limits.tokens_per_minute <= kTokensAssumed;
    if (whole && used > static_cast<double>(limits.tokens_per_minute) * span + 1)
      violate_("limits: a request of " + request.key.value + " was let in though " + std::to_string(used) +
               " tokens were used within " + std::to_string(span * 60) + " s, and its limit is " +
               std::to_string(limits.tokens_per_minute) + ": " + told(*first) + ", then " + told(request));
  }
}

std::string Meters::told(const Request& request) const {
  auto seconds = [](Instant at) {
    return std::to_string(std::chrono::duration<double>(at.time_since_epoch()).count());
  };
  return "sent at " + seconds(request.sent) + " in life " + std::to_string(request.life) + ", answered at " +
         seconds(request.answered) + (request.durable ? ", durable, " : ", ") + std::to_string(request.tokens) +
         " tokens";
}

void Meters::refused(size_t number, std::string_view body, std::optional<int64_t> retry_after_s) {
  if (number == 0) return violate_("limits: a key without any was refused for one: " + std::string(body));
  const Request& request = requests_[number - 1];
  const KeyRates& limits = setup_.key_of(request.key).rates;
  if (!retry_after_s || *retry_after_s < 1 || *retry_after_s > 600)
    violate_("limits: a refusal says to come again after " +
             (retry_after_s ? std::to_string(*retry_after_s) : "nothing"));
  const bool of_requests = body.find("on requests per minute") != std::string_view::npos;
  const bool of_tokens = body.find("on tokens per minute") != std::string_view::npos;
  if (of_requests == of_tokens || (of_requests ? limits.requests_per_minute : limits.tokens_per_minute) == 0)
    violate_("limits: " + request.key.value + " has no such limit: " + std::string(body));
  // What was restored counts from its end on.
  if (!of_requests || loop_.now() < life_began_ + 61s) return;
  // Each may have been counted twice: a client's connection was dead, and it sent its request again.
  int64_t most = 0;
  for (const Request& each : requests_) {
    const bool long_ago = each.answered != Instant::max() && each.answered + 61s < request.sent;
    if (each.key == request.key && !long_ago) most += 2;
  }
  if (most < limits.requests_per_minute)
    violate_("limits: " + request.key.value + " was refused after " + std::to_string(most) + " requests at the most");
}

void Meters::seen(size_t number, int64_t tokens, bool stored) {
  if (number == 0) return;
  Request& request = requests_[number - 1];
  request.tokens = tokens;
  request.durable = stored && request.life == life_ && request.sent > clock_moved_;
}

void Meters::new_life() {
  ++life_;
  life_began_ = loop_.now();
}

void Meters::clock_moved() {
  clock_moved_ = loop_.now();
  for (Request& each : requests_) each.durable = false;
}

}  // namespace perdure::sim
