#include "base/metrics.h"

#include <cstdio>
#include <variant>

namespace perdure {

size_t Counter::stripe() {
  static std::atomic<size_t> next{0};
  thread_local size_t mine = next.fetch_add(1, std::memory_order_relaxed) % 8;
  return mine;
}

int64_t Counter::value() const {
  int64_t sum = 0;
  for (const Cell& cell : cells_) sum += cell.value.load(std::memory_order_relaxed);
  return sum;
}

void Histogram::observe(double seconds) {
  size_t i = 0;
  while (i < kBounds.size() && seconds > kBounds[i]) ++i;
  buckets_[i].add();
  sum_microseconds_.add(static_cast<int64_t>(seconds * 1e6));
}

struct Registry::Entry {
  std::string name, help, labels;
  std::variant<std::unique_ptr<Counter>, std::unique_ptr<Gauge>, std::unique_ptr<Histogram>> metric;
};

Registry::Registry() = default;
Registry::~Registry() = default;

Counter& Registry::counter(std::string name, std::string help, std::string labels) {
  entries_.push_back(
      std::make_unique<Entry>(Entry{std::move(name), std::move(help), std::move(labels), std::make_unique<Counter>()}));
  return *std::get<0>(entries_.back()->metric);
}

Gauge& Registry::gauge(std::string name, std::string help, std::string labels) {
  entries_.push_back(
      std::make_unique<Entry>(Entry{std::move(name), std::move(help), std::move(labels), std::make_unique<Gauge>()}));
  return *std::get<1>(entries_.back()->metric);
}

Histogram& Registry::histogram(std::string name, std::string help, std::string labels) {
  entries_.push_back(std::make_unique<Entry>(
      Entry{std::move(name), std::move(help), std::move(labels), std::make_unique<Histogram>()}));
  return *std::get<2>(entries_.back()->metric);
}

std::string Registry::render() const {
  std::string out;
  std::string_view last_name;
  for (const auto& entry : entries_) {
    static constexpr const char* kTypes[] = {"counter", "gauge", "histogram"};
    if (entry->name != last_name) {
      out += "# HELP " + entry->name + " " + entry->help + "\n# TYPE " + entry->name + " " +
             kTypes[entry->metric.index()] + "\n";
      last_name = entry->name;
    }
    auto line = [&](std::string_view suffix, const std::string& labels, const std::string& value) {
      out += entry->name;
      out += suffix;
      if (!labels.empty()) out += "{" + labels + "}";
      out += " " + value + "\n";
    };
    if (auto* counter = std::get_if<0>(&entry->metric)) {
      line("", entry->labels, std::to_string((*counter)->value()));
    } else if (auto* gauge = std::get_if<1>(&entry->metric)) {
      line("", entry->labels, std::to_string((*gauge)->value()));
    } else {
      const Histogram& histogram = *std::get<2>(entry->metric);
      std::string prefix = entry->labels.empty() ? "" : entry->labels + ",";
      int64_t total = 0;
      for (size_t i = 0; i < histogram.buckets_.size(); ++i) {
        total += histogram.buckets_[i].value();
        char bound[32] = "+Inf";
        if (i < Histogram::kBounds.size()) std::snprintf(bound, sizeof bound, "%g", Histogram::kBounds[i]);
        line("_bucket", prefix + "le=\"" + bound + "\"", std::to_string(total));
      }
      char sum[40];
      std::snprintf(sum, sizeof sum, "%.6f", static_cast<double>(histogram.sum_microseconds_.value()) / 1e6);
      line("_sum", entry->labels, sum);
      line("_count", entry->labels, std::to_string(total));
    }
  }
  return out;
}

}  // namespace perdure
