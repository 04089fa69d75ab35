// The contract for SqliteStore, on a real file with threads and on MemVfs in virtual time; and what only a file can do:
// open again, refuse, run full, be damaged. Crashes are in crash_test.cc.

#include "store/sqlite/sqlite_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "async/asio_loop.h"
#include "store/sqlite/mem_vfs.h"
#include "store/testing/store_contract.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

class TempFolder {
 public:
  TempFolder() {
    std::string name = testing::TempDir() + "perdure-store-XXXXXX";
    CHECK(::mkdtemp(name.data()) != nullptr, "mkdtemp");
    path_ = name;
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  std::string file() const { return path_ + "/journal.db"; }

 private:
  std::string path_;
};

// A real file, a thread for writing, one for reading, and one for the loop.
class FileHost final : public StoreHost {
 public:
  FileHost() : thread_([this] { loop_.run(); }) { open(); }
  ~FileHost() override {
    store_.reset();
    loop_.stop();
    thread_.join();
  }
  Store& store() override { return *store_; }
  bool reopen() override {
    store_.reset();
    open();
    return true;
  }
  void close() { store_.reset(); }
  void open() {
    auto opened = SqliteStore::open(options(), *writer_, *reader_, system_clock(), Log());
    if (!opened.ok()) throw std::runtime_error(opened.error().message);
    store_ = std::move(*opened);
  }
  SqliteOptions options() const { return {.path = folder_.file(), .head_key = head_key()}; }
  std::string path() const { return folder_.file(); }
  void run_to_end(Task<void> task) override {
    std::promise<void> done;
    auto handle = fulfil(std::move(task), done).handle;
    loop_.post([handle] { handle.resume(); });
    done.get_future().get();
  }
  Result<std::unique_ptr<Store>> open_another(bool read_only) {
    SqliteOptions another = options();
    another.read_only = read_only;
    return SqliteStore::open(another, *writer_, *reader_, system_clock(), Log());
  }

 private:
  static detail::RootTask fulfil(Task<void> task, std::promise<void>& done) {
    co_await std::move(task);
    done.set_value();
  }
  TempFolder folder_;
  AsioLoop loop_;
  std::thread thread_;
  std::unique_ptr<JobRunner> writer_ = thread_runner("writer"), reader_ = thread_runner("reader");
  std::unique_ptr<Store> store_;
};

class VirtualHost final : public SimHost {
 public:
  VirtualHost() { open(); }
  Store& store() override { return *store_; }
  bool reopen() override {
    store_.reset();
    open();
    return true;
  }

 private:
  void open() {
    SqliteOptions options{.path = "journal.db", .vfs = vfs_.name(), .head_key = head_key()};
    auto opened = SqliteStore::open(options, *writer_, *reader_, loop_, Log());
    if (!opened.ok()) throw std::runtime_error(opened.error().message);
    store_ = std::move(*opened);
  }
  MemVfs vfs_{"contract"};
  std::unique_ptr<JobRunner> writer_ = loop_.make_runner(2ms), reader_ = loop_.make_runner(1ms);
  std::unique_ptr<Store> store_;
};

INSTANTIATE_TEST_SUITE_P(Stores, StoreContract,
                         testing::Values(HostKind{"sqlite_file", [] { return std::make_unique<FileHost>(); }},
                                         HostKind{"sqlite_virtual", [] { return std::make_unique<VirtualHost>(); }}),
                         name_of_kind);

}  // namespace
}  // namespace perdure
