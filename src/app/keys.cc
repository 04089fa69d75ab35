#include "app/keys.h"

#include <fcntl.h>
#include <openssl/hmac.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace perdure {
namespace {

constexpr std::string_view kHeadLabel = "perdure store heads v1";

Result<Key256> from_text(std::string text, const std::string& place) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  Result<std::string> bytes = from_hex(text);
  Key256 key;
  if (!bytes.ok() || bytes->size() != key.size()) return Error{Code::kCorrupt, place + " does not hold 64 hex digits"};
  std::memcpy(key.data(), bytes->data(), key.size());
  return key;
}

Error failed(const char* what, const std::string& path) {
  return {Code::kUnavailable, std::string("cannot ") + what + " " + path + ": " + std::strerror(errno)};
}

// Written whole under another name and linked into place, so that a crash leaves no half key and, of two processes that
// start at once, the second takes the key of the first.
Result<void> create(const std::string& data_folder, const std::string& path, Random& random) {
  Key256 key = make_key(random);
  std::string text = to_hex({reinterpret_cast<const char*>(key.data()), key.size()}) + "\n";
  std::string fresh = path + "." + std::to_string(::getpid());
  int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return failed("write", fresh);
  bool good = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
  ::close(fd);
  good = good && (::link(fresh.c_str(), path.c_str()) == 0 || errno == EEXIST);
  Error error = failed("write", path);
  ::unlink(fresh.c_str());
  if (!good) return error;
  int folder = ::open(data_folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return failed("open", data_folder);
  bool synced = ::fsync(folder) == 0;
  ::close(folder);
  if (!synced) return failed("sync", data_folder);
  return {};
}

}  // namespace

Result<Key256> master_key(const std::string& data_folder, const std::string& hex, MissingKey missing, Random& random) {
  if (!hex.empty()) return from_text(hex, "encryption.key");
  std::string path = data_folder + "/master.key";
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT && missing == MissingKey::kCreate) {
    TRY_VOID(create(data_folder, path, random));
    fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  }
  if (fd < 0 && errno == ENOENT)
    return Error{Code::kNotFound,
                 "the master key " + path + " is missing: without it nothing in this journal can be read"};
  if (fd < 0) return failed("read", path);
  char text[256];
  ssize_t n = ::read(fd, text, sizeof text);
  ::close(fd);
  if (n < 0) return failed("read", path);
  return from_text(std::string(text, static_cast<size_t>(n)), path);
}

Key256 head_key(const Key256& master) {
  Key256 out;
  unsigned int size = out.size();
  ::HMAC(EVP_sha256(), master.data(), static_cast<int>(master.size()),
         reinterpret_cast<const unsigned char*>(kHeadLabel.data()), kHeadLabel.size(), out.data(), &size);
  return out;
}

}  // namespace perdure
