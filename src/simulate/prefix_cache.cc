#include "simulate/prefix_cache.h"

#include <algorithm>
#include <chrono>

#include "simulate/tokens.h"

namespace perdure::simulate {

CacheUse PrefixCache::use(const std::vector<PrefixMark>& marks, int64_t minimum, Instant now) {
  CacheUse out;
  const auto asked = [](const PrefixMark& m) { return m.ttl_s > 0; };
  const auto known = [&](const PrefixMark& m) {
    const auto found = entries_.find(m.hash);
    return m.tokens >= minimum && found != entries_.end() && found->second.until > now;
  };
  // The furthest place that is known and near enough to one that was asked for.
  size_t hit = marks.size();
  size_t next_asked = marks.size();
  for (size_t i = marks.size(); i-- > 0 && hit == marks.size();) {
    if (asked(marks[i])) next_asked = i;
    if (next_asked != marks.size() && next_asked - i <= kMarksBack && known(marks[i])) hit = i;
  }
  const auto keep = [&](uint64_t hash, int64_t ttl_s) {
    Entry& entry = entries_[hash];
    entry.ttl_s = std::max(entry.ttl_s, ttl_s);
    entry.until = now + std::chrono::seconds(entry.ttl_s);
  };
  if (hit != marks.size()) {
    out.read = marks[hit].tokens;
    keep(marks[hit].hash, 0);
  }
  if (entries_.size() > kEntriesMax) entries_.clear();
  int64_t counted = out.read;
  for (const PrefixMark& mark : marks) {
    if (!asked(mark) || mark.tokens < minimum) continue;
    keep(mark.hash, mark.ttl_s);
    if (mark.tokens <= counted) continue;
    if (!mark.automatic) (mark.ttl_s > 300 ? out.write_1h : out.write_5m) += mark.tokens - counted;
    counted = mark.tokens;
  }
  return out;
}

void PrefixBuilder::start(std::string_view model) { at_.hash = hash_of(model, 0); }

void PrefixBuilder::block(std::string_view kind, std::initializer_list<std::string_view> content, int64_t tokens) {
  at_.hash = hash_of(kind, at_.hash);
  for (const std::string_view one : content) at_.hash = hash_of(one, at_.hash);
  at_.tokens += tokens;
  marks_.push_back(at_);
}

void PrefixBuilder::ask(int64_t ttl_s) {
  if (!marks_.empty()) marks_.back().ttl_s = ttl_s;
}

std::vector<PrefixMark> automatic_marks(const Prompt& prompt) {
  constexpr int64_t kTtlSeconds = 300;
  std::vector<PrefixMark> marks;
  PrefixMark mark{.hash = hash_of(prompt.model, 0), .tokens = 3, .ttl_s = kTtlSeconds, .automatic = true};
  const auto add = [&](std::string_view text) {
    mark.hash = hash_of(text, mark.hash);
    mark.tokens += count_tokens(text);
  };
  for (const Tool& tool : prompt.tools) {
    add(tool.name);
    add(tool.parameters);
  }
  for (const Message& message : prompt.messages) {
    mark.tokens += 4;
    mark.hash = hash_of(name_of(message.role), mark.hash);
    add(message.text);
    for (const ToolCall& call : message.calls) {
      add(call.name);
      add(call.arguments);
    }
    for (const std::string& one : message.media) mark.hash = hash_of(one, mark.hash);
    marks.push_back(mark);
  }
  return marks;
}

}  // namespace perdure::simulate
