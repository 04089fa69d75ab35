#include "base/log.h"

#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <ctime>
#include <mutex>

namespace perdure {
namespace {

constexpr std::string_view kLevels[] = {"debug", "info", "warn", "error"};

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(static_cast<char>(c));
    } else if (c < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
      out += escaped;
    } else {
      out.push_back(static_cast<char>(c));
    }
  }
  out.push_back('"');
}

void append_value(std::string& out, const Field& field, LogFormat format) {
  char number[40];
  switch (field.kind) {
    case Field::Kind::kText:
      if (format == LogFormat::kJson || field.text.find_first_of(" \"\n\t=") != std::string::npos || field.text.empty())
        append_json_string(out, field.text);
      else
        out += field.text;
      return;
    case Field::Kind::kInteger:
      std::snprintf(number, sizeof number, "%" PRId64, field.integer);
      out += number;
      return;
    case Field::Kind::kReal:
      std::snprintf(number, sizeof number, "%.6g", field.real);
      out += number;
      return;
    case Field::Kind::kBool:
      out += field.integer != 0 ? "true" : "false";
      return;
  }
}

std::string timestamp(WallTime wall) {
  int64_t ms = wall.time_since_epoch().count();
  time_t seconds = static_cast<time_t>(ms / 1000);
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[40];
  size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + n, sizeof text - n, ".%03dZ", static_cast<int>(ms % 1000));
  return text;
}

class StderrSink final : public LogSink {
 public:
  StderrSink(Level least, LogFormat format, Clock& clock) : least_(least), format_(format), clock_(clock) {}

  void write(Level level, std::string_view event, std::initializer_list<Field> fields) override {
    if (level < least_) return;
    std::string line;
    if (format_ == LogFormat::kJson) {
      line = R"({"time":")" + timestamp(clock_.wall()) + R"(","level":")" +
             std::string(kLevels[static_cast<int>(level)]) + R"(","event":")" + std::string(event) + "\"";
      for (const Field& field : fields) {
        line += ",";
        append_json_string(line, field.key);
        line += ":";
        append_value(line, field, format_);
      }
      line += "}\n";
    } else {
      line = timestamp(clock_.wall()) + " " + std::string(kLevels[static_cast<int>(level)]) + " " + std::string(event);
      for (const Field& field : fields) {
        line += " ";
        line += field.key;
        line += "=";
        append_value(line, field, format_);
      }
      line += "\n";
    }
    std::lock_guard lock(mutex_);
    [[maybe_unused]] ssize_t n = ::write(STDERR_FILENO, line.data(), line.size());
  }

 private:
  Level least_;
  LogFormat format_;
  Clock& clock_;
  std::mutex mutex_;
};

}  // namespace

std::shared_ptr<LogSink> stderr_log(Level least, LogFormat format, Clock& clock) {
  return std::make_shared<StderrSink>(least, format, clock);
}

}  // namespace perdure
