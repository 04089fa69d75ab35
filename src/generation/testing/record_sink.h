#pragma once
// RecordSink: a GenerationSink that makes records of what it is told, as a journal would have them.

#include "generation/generation.h"
#include "model/record.h"

namespace perdure {

class RecordSink : public GenerationSink {
 public:
  explicit RecordSink(Loop& loop) : loop_(loop) {}
  Task<Result<void>> attempt_started(AttemptStarted attempt) final { return put({.body = std::move(attempt)}); }
  Task<Result<void>> deltas(std::vector<Delta> deltas) final { return put({.body = Deltas{std::move(deltas)}}); }
  Task<Result<void>> attempt_ended(AttemptEnded attempt) final { return put({.body = std::move(attempt)}); }
  // With the next number, and the time.
  void add(Record record) {
    record.seq = ++seq_;
    record.time = loop_.wall();
    take(record);
  }

 protected:
  virtual void take(const Record& record) = 0;

 private:
  Task<Result<void>> put(Record record) {
    add(std::move(record));
    co_return Result<void>();
  }
  Loop& loop_;
  uint64_t seq_ = 0;
};

}  // namespace perdure
