#pragma once
// Metrics: counters, gauges and histograms, declared in each module's metrics.h with unit and meaning, rendered by
// Registry::render() in the Prometheus text format (0.0.4). Cells are per thread stripe, so counting never contends.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace perdure {

class Counter {
 public:
  void add(int64_t n = 1) { cells_[stripe()].value.fetch_add(n, std::memory_order_relaxed); }
  int64_t value() const;

 private:
  friend class Gauge;
  struct alignas(64) Cell {
    std::atomic<int64_t> value{0};
  };
  static size_t stripe();
  std::array<Cell, 8> cells_;
};

class Gauge {
 public:
  void add(int64_t n) { sum_.add(n); }
  int64_t value() const { return sum_.value(); }

 private:
  Counter sum_;
};

// Seconds, in buckets from 0.5 ms to 120 s.
class Histogram {
 public:
  static constexpr std::array<double, 16> kBounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                     0.25,   0.5,   1,      2.5,   5,    10,    30,   120};
  void observe(double seconds);

 private:
  friend class Registry;
  std::array<Counter, kBounds.size() + 1> buckets_;
  Counter sum_microseconds_;
};

// Owns every metric of a process. Registration happens at construction time on one thread; references stay valid.
class Registry {
 public:
  Registry();
  ~Registry();
  Counter& counter(std::string name, std::string help, std::string labels = {});
  Gauge& gauge(std::string name, std::string help, std::string labels = {});
  Histogram& histogram(std::string name, std::string help, std::string labels = {});
  std::string render() const;

 private:
  struct Entry;
  std::vector<std::unique_ptr<Entry>> entries_;
};

}  // namespace perdure
