#pragma once
// Structured logs: an event name and fields, never prose, never content of conversations, never credentials.
//
//   log.info("session.recovered", {{"session", id}, {"responses", n}});
//
// A Log is cheap to copy and thread-safe; its sink is JSON lines in production and readable text on a terminal.

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace perdure {

enum class Level { kDebug, kInfo, kWarn, kError };

struct Field {
  enum class Kind { kText, kInteger, kReal, kBool };
  std::string_view key;
  Kind kind;
  std::string text;
  int64_t integer = 0;
  double real = 0;

  Field(std::string_view k, std::string_view v) : key(k), kind(Kind::kText), text(v) {}
  Field(std::string_view k, const char* v) : key(k), kind(Kind::kText), text(v) {}
  Field(std::string_view k, const std::string& v) : key(k), kind(Kind::kText), text(v) {}
  Field(std::string_view k, bool v) : key(k), kind(Kind::kBool), integer(v) {}
  Field(std::string_view k, int v) : key(k), kind(Kind::kInteger), integer(v) {}
  Field(std::string_view k, long v) : key(k), kind(Kind::kInteger), integer(v) {}
  Field(std::string_view k, long long v) : key(k), kind(Kind::kInteger), integer(v) {}
  Field(std::string_view k, unsigned v) : key(k), kind(Kind::kInteger), integer(v) {}
  Field(std::string_view k, unsigned long v) : key(k), kind(Kind::kInteger), integer(static_cast<int64_t>(v)) {}
  Field(std::string_view k, double v) : key(k), kind(Kind::kReal), real(v) {}
};

class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(Level level, std::string_view event, std::initializer_list<Field> fields) = 0;
};

enum class LogFormat { kText, kJson };
std::shared_ptr<LogSink> stderr_log(Level least, LogFormat format, Clock& clock);

class Log {
 public:
  Log() = default;  // drops everything
  explicit Log(std::shared_ptr<LogSink> sink) : sink_(std::move(sink)) {}
  void debug(std::string_view event, std::initializer_list<Field> fields = {}) const {
    write(Level::kDebug, event, fields);
  }
  void info(std::string_view event, std::initializer_list<Field> fields = {}) const {
    write(Level::kInfo, event, fields);
  }
  void warn(std::string_view event, std::initializer_list<Field> fields = {}) const {
    write(Level::kWarn, event, fields);
  }
  void error(std::string_view event, std::initializer_list<Field> fields = {}) const {
    write(Level::kError, event, fields);
  }

 private:
  void write(Level level, std::string_view event, std::initializer_list<Field> fields) const {
    if (sink_) sink_->write(level, event, fields);
  }
  std::shared_ptr<LogSink> sink_;
};

}  // namespace perdure
