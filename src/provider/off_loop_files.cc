#include "provider/off_loop_files.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>

#include "async/wait.h"

namespace perdure {
namespace {

Result<std::string> read_blocking(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) return Error{Code::kNotFound, "there is no file " + path};
  std::ifstream in(path, std::ios::binary);
  std::string out(OffLoopFiles::kBytesMax + 1, '\0');
  if (!in || std::filesystem::is_directory(path, error))
    return Error{Code::kUnavailable, "the file " + path + " cannot be read"};
  in.read(out.data(), static_cast<std::streamsize>(out.size()));
  if (in.bad()) return Error{Code::kUnavailable, "the file " + path + " cannot be read"};
  out.resize(static_cast<size_t>(in.gcount()));
  if (out.size() > OffLoopFiles::kBytesMax) return Error{Code::kUnavailable, "the file " + path + " is too long"};
  return out;
}

// Outlives a reader who has given up.
struct Reading {
  explicit Reading(Loop& loop) : changed(loop) {}
  Notifier changed;
  std::optional<Result<std::string>> result;
};

}  // namespace

Task<Result<std::string>> OffLoopFiles::read(std::string path, Deadline deadline) {
  auto reading = std::make_shared<Reading>(loop_);
  runner_.submit([&loop = loop_, reading, path] {
    loop.post([reading, result = read_blocking(path)]() mutable {
      reading->result.emplace(std::move(result));
      reading->changed.notify_all();
    });
  });
  while (!reading->result) {
    if (!co_await reading->changed.wait(deadline))
      co_return Error{Code::kDeadline, "reading " + path + " took too long"};
  }
  co_return std::move(*reading->result);
}

}  // namespace perdure
