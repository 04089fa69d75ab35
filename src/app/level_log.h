#pragma once
// LevelLog: drops what is below a level that can be changed while it is used. Thread-safe.

#include <atomic>
#include <memory>

#include "base/log.h"

namespace perdure {

class LevelLog final : public LogSink {
 public:
  LevelLog(Level least, std::shared_ptr<LogSink> to) : least_(least), to_(std::move(to)) {}
  void set(Level least) { least_.store(least, std::memory_order_relaxed); }
  void write(Level level, std::string_view event, std::initializer_list<Field> fields) override {
    if (level >= least_.load(std::memory_order_relaxed)) to_->write(level, event, fields);
  }

 private:
  std::atomic<Level> least_;
  const std::shared_ptr<LogSink> to_;
};

}  // namespace perdure
