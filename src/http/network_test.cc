// What every Network promises, tried on simulated cables and on real sockets, with and without TLS; then what each has
// alone.

#include "http/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <filesystem>

#include "async/task_group.h"
#include "http/client.h"
#include "http/server.h"
#include "http/sim_network.h"
#include "http/socket_network.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// A key and a certificate for localhost that vouches for itself, written as PEM files.
void make_certificate(const std::string& certificate_file, const std::string& key_file, const char* alternatives) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  static long serial = 1;
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alternatives);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  X509_sign(certificate, key, EVP_sha256());
  FILE* out = std::fopen(certificate_file.c_str(), "w");
  PEM_write_X509(out, certificate);
  std::fclose(out);
  out = std::fopen(key_file.c_str(), "w");
  PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(out);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

enum class Kind { kSim, kSockets, kTls };

// One loop with a Network, and a way to run a coroutine on it to its end.
class Ground {
 public:
  explicit Ground(Kind kind) : kind_(kind) {
    if (kind == Kind::kSim) {
      sim_ = std::make_unique<SimLoop>(4);
      cable_ = std::make_unique<SimCable>(*sim_, 9);
      network_ = std::make_unique<SimNetwork>(*cable_);
      return;
    }
    folder_ = std::filesystem::temp_directory_path() /
              ("perdure_http_" + std::to_string(::getpid()) + "_" + std::to_string(++count_));
    std::filesystem::create_directories(folder_);
    tls = {folder_ / "certificate.pem", folder_ / "key.pem"};
    make_certificate(tls.certificate_file, tls.key_file, "DNS:localhost,IP:127.0.0.1");
    epoll_ = std::make_unique<EpollLoop>();
    resolver_ = thread_runner("resolver");
    network_ = socket_network(*epoll_, *resolver_);
  }
  ~Ground() {
    network_.reset();
    resolver_.reset();
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  Loop& loop() { return sim_ ? static_cast<Loop&>(*sim_) : *epoll_; }
  Network& network() { return *network_; }
  bool is_tls() const { return kind_ == Kind::kTls; }
  std::unique_ptr<Listener> listen() {
    auto made = network_->listen({"127.0.0.1", 0}, is_tls() ? &tls : nullptr, false);
    EXPECT_TRUE(made.ok());
    return std::move(made).value();
  }
  ConnectOptions options() const { return {.tls = is_tls(), .ca_file = tls.certificate_file}; }
  void run(Task<void> task) {
    TaskGroup group(loop());
    if (sim_) {
      sim_->run(std::move(task));
      return;
    }
    group.spawn(then_stop(std::move(task)));
    epoll_->run();
  }

  ServerTls tls;

 private:
  Task<void> then_stop(Task<void> task) {
    co_await std::move(task);
    epoll_->stop();
  }
  static inline int count_ = 0;
  Kind kind_;
  std::unique_ptr<SimLoop> sim_;
  std::unique_ptr<SimCable> cable_;
  std::unique_ptr<EpollLoop> epoll_;
  std::unique_ptr<JobRunner> resolver_;
  std::unique_ptr<Network> network_;
  std::filesystem::path folder_;
};

class AnyNetwork : public testing::TestWithParam<Kind> {
 protected:
  Ground ground{GetParam()};
  Loop& loop = ground.loop();
  Deadline soon() { return deadline_in(loop, 10s); }

  struct Pair {
    std::unique_ptr<Listener> listener;
    std::unique_ptr<Stream> near, far;
  };
  Task<Pair> connect() {
    Pair pair;
    pair.listener = ground.listen();
    TaskGroup group(loop);
    Task<void> accepting = accept(pair);
    group.spawn(std::move(accepting));
    auto near = co_await ground.network().connect({"localhost", pair.listener->port()}, ground.options(), soon());
    EXPECT_TRUE(near.ok()) << (near.ok() ? "" : near.error().message);
    pair.near = std::move(near).value();
    co_await group.join();
    co_return pair;
  }
  // TLS handshakes within the first read or write, so the accepted side says something first.
  Task<void> accept(Pair& pair) {
    auto far = co_await pair.listener->accept();
    EXPECT_TRUE(far.ok());
    pair.far = std::move(far).value();
    if (ground.is_tls()) EXPECT_TRUE((co_await pair.far->write_all("", soon())).ok());
  }
  Task<std::string> read(Stream& stream, size_t n) {
    std::string out;
    char piece[64 << 10];
    while (out.size() < n) {
      auto got = co_await stream.read_some(std::span(piece, std::min(sizeof piece, n - out.size())), soon());
      if (!got.ok()) co_return out + "<" + std::string(to_string(got.error().code)) + ">";
      if (got.value() == 0) co_return out + "<end>";
      out.append(piece, got.value());
    }
    co_return out;
  }
  Task<void> write_later(Stream& stream, std::string bytes, Duration after) {
    co_await sleep_for(loop, after);
    EXPECT_TRUE((co_await stream.write_all(bytes, soon())).ok());
  }
  Task<void> interrupt_later(Stream& stream, Duration after) {
    co_await sleep_for(loop, after);
    stream.interrupt();
  }
  // True: the peer has left within that time.
  Task<bool> peer_left(Stream& stream, Duration within) {
    Cancellation gone(loop);
    stream.watch_peer(&gone);
    bool left = co_await gone.wait(deadline_in(loop, within));
    stream.watch_peer(nullptr);
    co_return left;
  }
  Task<void> abort_later(Stream& stream, Duration after) {
    co_await sleep_for(loop, after);
    stream.abort();
  }
};

TEST_P(AnyNetwork, CarriesBytesBothWaysAndEnds) {
  auto body = [](AnyNetwork& t) -> Task<void> {
    auto& self = static_cast<AnyNetwork_CarriesBytesBothWaysAndEnds_Test&>(t);
    Pair pair = co_await self.connect();
    std::string large(3 << 20, 'x');
    TaskGroup group(self.loop);
    group.spawn(self.write_later(*pair.far, large, 0s));
    group.spawn(self.write_later(*pair.near, "from near", 0s));
    std::string got = co_await self.read(*pair.near, large.size());
    EXPECT_TRUE(got == large) << got.size();
    EXPECT_EQ(co_await self.read(*pair.far, 9), "from near");
    co_await group.join();
    group.spawn(pair.near->shutdown(self.soon()));
    EXPECT_EQ(co_await self.read(*pair.far, 1), "<end>");
    // The other direction is still open.
    if (!self.ground.is_tls()) EXPECT_TRUE((co_await pair.far->write_all("dropped", self.soon())).ok());
    co_await pair.far->shutdown(self.soon());
    co_await group.join();
  };
  ground.run(body(*this));
}

TEST_P(AnyNetwork, DeadlinesAndInterruptionsLeaveTheStreamWritable) {
  auto body = [](AnyNetwork& t) -> Task<void> {
    auto& self = static_cast<AnyNetwork_DeadlinesAndInterruptionsLeaveTheStreamWritable_Test&>(t);
    Pair pair = co_await self.connect();
    char piece[100];
    auto late = co_await pair.near->read_some(piece, deadline_in(self.loop, 20ms));
    EXPECT_EQ(late.error().code, Code::kDeadline);
    TaskGroup group(self.loop);
    group.spawn(self.interrupt_later(*pair.near, 20ms));
    auto interrupted = co_await pair.near->read_some(piece, self.soon());
    EXPECT_EQ(interrupted.error().code, Code::kCancelled);
    EXPECT_TRUE((co_await pair.near->write_all("still", self.soon())).ok());
    EXPECT_EQ(co_await self.read(*pair.far, 5), "still");
    EXPECT_TRUE((co_await pair.far->write_all("back", self.soon())).ok());
    EXPECT_EQ(co_await self.read(*pair.near, 4), "back");
    // A peer that takes nothing.
    auto stuck = co_await pair.near->write_all(std::string(32 << 20, 'x'), deadline_in(self.loop, 50ms));
    EXPECT_EQ(stuck.error().code, Code::kDeadline);
    pair.near->abort();
    EXPECT_EQ((co_await pair.near->write_all("x", self.soon())).error().code, Code::kCancelled);
    co_await group.join();
    pair.far->abort();
  };
  ground.run(body(*this));
}

TEST_P(AnyNetwork, AbortEndsWhatIsPendingAndThePeerSeesAReset) {
  auto body = [](AnyNetwork& t) -> Task<void> {
    auto& self = static_cast<AnyNetwork_AbortEndsWhatIsPendingAndThePeerSeesAReset_Test&>(t);
    Pair pair = co_await self.connect();
    TaskGroup group(self.loop);
    group.spawn(self.abort_later(*pair.near, 20ms));
    EXPECT_EQ(co_await self.read(*pair.near, 1), "<cancelled>");
    EXPECT_EQ(co_await self.read(*pair.far, 1), "<unavailable>");
    EXPECT_TRUE(co_await self.peer_left(*pair.far, 10s));
    co_await group.join();
  };
  ground.run(body(*this));
}

TEST_P(AnyNetwork, WatchingThePeerTakesNoBytes) {
  auto body = [](AnyNetwork& t) -> Task<void> {
    auto& self = static_cast<AnyNetwork_WatchingThePeerTakesNoBytes_Test&>(t);
    Pair pair = co_await self.connect();
    TaskGroup group(self.loop);
    EXPECT_FALSE(co_await self.peer_left(*pair.far, 20ms));
    group.spawn(self.write_later(*pair.near, "kept", 10ms));
    EXPECT_FALSE(co_await self.peer_left(*pair.far, 100ms));
    EXPECT_EQ(co_await self.read(*pair.far, 4), "kept");
    EXPECT_TRUE((co_await pair.near->write_all("before the end", self.soon())).ok());
    group.spawn(pair.near->shutdown(self.soon()));
    EXPECT_TRUE(co_await self.peer_left(*pair.far, 10s));
    EXPECT_EQ(co_await self.read(*pair.far, 14), "before the end");
    EXPECT_EQ(co_await self.read(*pair.far, 1), "<end>");
    co_await pair.far->shutdown(self.soon());
    co_await group.join();
    // What the peer has broken is told of, also after the fact; what was broken here is not.
    Pair other = co_await self.connect();
    group.spawn(self.abort_later(*other.near, 10ms));
    EXPECT_TRUE(co_await self.peer_left(*other.far, 10s));
    EXPECT_TRUE(co_await self.peer_left(*other.far, 10s));
    co_await group.join();
    Pair own = co_await self.connect();
    group.spawn(self.abort_later(*own.far, 10ms));
    EXPECT_FALSE(co_await self.peer_left(*own.far, 100ms));
    co_await group.join();
  };
  ground.run(body(*this));
}

TEST_P(AnyNetwork, RefusalsAndCancelledConnects) {
  auto body = [](AnyNetwork& t) -> Task<void> {
    auto& self = static_cast<AnyNetwork_RefusalsAndCancelledConnects_Test&>(t);
    auto listener = self.ground.listen();
    int port = listener->port();
    TaskGroup group(self.loop);
    auto closing = [](Listener& l) -> Task<void> {
      l.close();
      co_return;
    };
    group.spawn(closing(*listener));
    EXPECT_EQ((co_await listener->accept()).error().code, Code::kCancelled);
    EXPECT_EQ((co_await self.ground.network().connect({"127.0.0.1", port}, {}, self.soon())).error().code,
              Code::kUnavailable);
    Cancellation cancel(self.loop);
    cancel.request();
    EXPECT_EQ(
        (co_await self.ground.network().connect({"127.0.0.1", port}, {.cancel = &cancel}, self.soon())).error().code,
        Code::kCancelled);
    co_await group.join();
  };
  ground.run(body(*this));
}

class Echo final : public HttpHandler {
 public:
  bool told = false;
  Task<void> handle(HttpRequest& request, HttpReply& reply) override {
    if (request.path == "/stream") {
      (void)co_await reply.begin(200, "text/plain");
      for (int i = 0; i < 100; ++i)
        if (!(co_await reply.write("piece " + std::to_string(i) + "\n")).ok()) co_return;
      (void)co_await reply.finish();
    } else if (request.path == "/wait") {
      (void)co_await reply.begin(200, "text/plain");
      (void)co_await reply.write("begun");
      told = co_await reply.gone().wait(deadline_in(*Loop::current(), 10s));
    } else {
      (void)co_await reply.send(200, "text/plain", request.body);
    }
  }
  std::string refuse(const HttpRequest&, int status, std::string_view) override { return std::to_string(status); }
};

TEST_P(AnyNetwork, HttpFromEndToEnd) {
  auto body = [](AnyNetwork& t) -> Task<void> {
    auto& self = static_cast<AnyNetwork_HttpFromEndToEnd_Test&>(t);
    Echo echo;
    HttpServer server(self.loop, self.ground.listen(), echo, {}, Log());
    server.start();
    HttpClient client(self.loop, self.ground.network(), {});
    auto call = [&](std::string path, std::string payload) {
      HttpCall made;
      made.url.tls = self.ground.is_tls();
      made.url.address = {"localhost", server.port()};
      made.url.path = std::move(path);
      made.ca_file = self.ground.options().ca_file;
      made.body = std::move(payload);
      return made;
    };
    std::string large(1 << 20, 'y');
    for (int i = 0; i < 3; ++i) {
      auto answer = co_await client.send(call("/", large), self.soon(), nullptr);
      EXPECT_TRUE(answer.ok()) << (answer.ok() ? "" : answer.error().message);
      if (!answer.ok()) break;
      std::string got;
      for (bool more = true; more;) {
        auto read = co_await answer.value()->read(got, self.soon());
        EXPECT_TRUE(read.ok());
        more = read.ok() && read.value();
      }
      EXPECT_TRUE(got == large);
    }
    EXPECT_EQ(server.connections(), 1u);
    {
      auto answer = co_await client.send(call("/stream", ""), self.soon(), nullptr);
      std::string got;
      while ((co_await answer.value()->read(got, self.soon())).value()) {
      }
      EXPECT_THAT(got, HasSubstr("piece 99\n"));
    }
    {
      auto answer = co_await client.send(call("/wait", ""), self.soon(), nullptr);
      std::string got;
      EXPECT_TRUE((co_await answer.value()->read(got, self.soon())).value());
    }
    for (int i = 0; i < 100 && !echo.told; ++i) co_await sleep_for(self.loop, 20ms);
    EXPECT_TRUE(echo.told);
    client.close_idle();
    co_await server.stop(deadline_in(self.loop, 5s));
  };
  ground.run(body(*this));
}

INSTANTIATE_TEST_SUITE_P(
    All, AnyNetwork, testing::Values(Kind::kSim, Kind::kSockets, Kind::kTls), [](const auto& info) {
      return std::string(info.param == Kind::kSim ? "Sim" : info.param == Kind::kSockets ? "Sockets" : "Tls");
    });

class Tls : public testing::Test {
 protected:
  Ground ground{Kind::kTls};
  Loop& loop = ground.loop();

  // Accepts and handshakes until the listener closes.
  Task<void> serve(Listener& listener) {
    for (;;) {
      auto stream = co_await listener.accept();
      if (!stream.ok()) co_return;
      char piece[10];
      (void)co_await stream.value()->read_some(piece, deadline_in(loop, 2s));
      stream.value()->abort();
    }
  }
  Task<Code> connect(Listener& listener, std::string host, std::string ca_file) {
    auto made = co_await ground.network().connect({std::move(host), listener.port()},
                                                  {.tls = true, .ca_file = std::move(ca_file)}, deadline_in(loop, 5s));
    if (!made.ok()) {
      last_error = made.error().message;
      co_return made.error().code;
    }
    made.value()->abort();
    last_error.clear();
    co_return Code::kInternal;  // stands for success here
  }
  std::string last_error;
};

TEST_F(Tls, VerifiesChainAndName) {
  auto body = [](Tls_VerifiesChainAndName_Test& t) -> Task<void> {
    std::string other = t.ground.tls.certificate_file + ".other";
    make_certificate(other, other + ".key", "DNS:elsewhere");
    auto listener = t.ground.listen();
    ServerTls wrong{other, other + ".key"};
    auto misnamed = t.ground.network().listen({"127.0.0.1", 0}, &wrong, false).value();
    TaskGroup group(t.loop);
    group.spawn(t.serve(*listener));
    group.spawn(t.serve(*misnamed));
    EXPECT_EQ(co_await t.connect(*listener, "localhost", t.ground.tls.certificate_file), Code::kInternal)
        << t.last_error;
    EXPECT_EQ(co_await t.connect(*listener, "127.0.0.1", t.ground.tls.certificate_file), Code::kInternal)
        << t.last_error;
    EXPECT_EQ(co_await t.connect(*listener, "localhost", ""), Code::kUnavailable);
    EXPECT_EQ(co_await t.connect(*listener, "localhost", other), Code::kUnavailable);
    EXPECT_EQ(co_await t.connect(*misnamed, "localhost", other), Code::kUnavailable);
    EXPECT_THAT(t.last_error, HasSubstr("mismatch"));
    EXPECT_EQ(co_await t.connect(*listener, "localhost", "/nonexistent"), Code::kInvalid);
    listener->close();
    misnamed->close();
    co_await group.join();
  };
  ground.run(body(*this));
}

TEST_F(Tls, ReadsACertificateAgainWhenItChanges) {
  auto body = [](Tls_ReadsACertificateAgainWhenItChanges_Test& t) -> Task<void> {
    auto listener = t.ground.listen();
    TaskGroup group(t.loop);
    group.spawn(t.serve(*listener));
    std::string old = t.ground.tls.certificate_file + ".old";
    std::filesystem::copy_file(t.ground.tls.certificate_file, old);
    EXPECT_EQ(co_await t.connect(*listener, "localhost", old), Code::kInternal) << t.last_error;
    make_certificate(t.ground.tls.certificate_file, t.ground.tls.key_file, "DNS:localhost");
    co_await sleep_for(t.loop, 1100ms);
    EXPECT_EQ(co_await t.connect(*listener, "localhost", t.ground.tls.certificate_file), Code::kInternal)
        << t.last_error;
    EXPECT_EQ(co_await t.connect(*listener, "localhost", old), Code::kUnavailable);
    listener->close();
    co_await group.join();
  };
  ground.run(body(*this));
}

TEST(Sockets, ResolvesNamesAndSaysWhenThereAreNone) {
  Ground ground(Kind::kSockets);
  auto body = [](Ground& g) -> Task<void> {
    auto missing = co_await g.network().connect({"no-such-host.invalid", 80}, {}, deadline_in(g.loop(), 20s));
    EXPECT_TRUE(missing.error().code == Code::kUnavailable || missing.error().code == Code::kDeadline);
    EXPECT_THAT(missing.error().message, HasSubstr("no-such-host.invalid"));
    EXPECT_FALSE(g.network().listen({"256.1.1.1", 0}, nullptr, false).ok());
    auto first = g.network().listen({"127.0.0.1", 0}, nullptr, true).value();
    EXPECT_TRUE(g.network().listen({"127.0.0.1", first->port()}, nullptr, true).ok());
    EXPECT_FALSE(g.network().listen({"127.0.0.1", first->port()}, nullptr, false).ok());
    EXPECT_TRUE(g.network().listen({"", 0}, nullptr, false).ok());
    ServerTls nothing{"/nonexistent", "/nonexistent"};
    EXPECT_FALSE(g.network().listen({"127.0.0.1", 0}, &nothing, false).ok());
  };
  ground.run(body(ground));
}

struct PlannedFaults final : SimFaults {
  SimConnection plan;
  SimConnection on_connect(const Address&, const ConnectOptions&) override { return plan; }
};

class Sim : public testing::Test {
 protected:
  SimLoop loop{21};
  SimCable cable{loop, 22};
  SimNetwork there{cable}, here{cable};
  PlannedFaults faults;
  std::unique_ptr<Listener> listener = there.listen({"", 80}, nullptr, false).value();
  std::unique_ptr<Stream> near, far;
  void connect() {
    cable.set_faults(&faults);
    near = loop.run(here.connect({"x", 80}, {}, Deadline::never())).value();
    far = loop.run(listener->accept()).value();
  }
  std::string read(Stream& stream) {
    auto all = [](Stream& from, Loop& l) -> Task<std::string> {
      std::string out;
      char piece[100];
      Deadline deadline = deadline_in(l, 10s);
      for (;;) {
        auto n = co_await from.read_some(piece, deadline);
        if (!n.ok()) co_return out + "<" + std::string(to_string(n.error().code)) + ">";
        if (n.value() == 0) co_return out + "<end>";
        out.append(piece, n.value());
      }
    };
    return loop.run(all(stream, loop));
  }
};

TEST_F(Sim, StallsAndEndsWhereItIsTold) {
  faults.plan.to_listener.stall_after = 3;
  faults.plan.to_connector.end_after = 4;
  connect();
  EXPECT_TRUE(loop.run(near->write_all("abcdef", Deadline::never())).ok());
  EXPECT_TRUE(loop.run(far->write_all("abcdef", Deadline::never())).ok());
  EXPECT_EQ(read(*far), "abc<deadline>");
  EXPECT_EQ(read(*near), "abcd<end>");
}

TEST_F(Sim, ResetsWhereItIsTold) {
  faults.plan.to_listener.reset_after = 3;
  connect();
  EXPECT_FALSE(loop.run(near->write_all("abcdef", Deadline::never())).ok());
  EXPECT_EQ(read(*far), "<unavailable>");
}

TEST_F(Sim, AKilledProcessIsNeverResumedWhateverBecomesOfItsObjects) {
  connect();
  bool resumed = false;
  auto pending = [](Stream& stream, bool& flag) -> Task<void> {
    char piece[10];
    (void)co_await stream.read_some(piece, Deadline::never());
    flag = true;
  };
  auto destroyed = std::make_optional(pending(*far, resumed));
  // Started by hand: its frame is then destroyed while it waits.
  auto start = [](Task<void>& task) -> detail::RootTask { co_await std::move(task); };
  auto root = start(*destroyed);
  loop.resume_soon(root.handle);
  loop.run_until_idle();
  TaskGroup group(loop);
  there.kill_all();
  root.handle.destroy();
  destroyed.reset();
  far.reset();
  listener.reset();
  EXPECT_EQ(read(*near), "<unavailable>");
  EXPECT_FALSE(resumed);
  near.reset();
  EXPECT_EQ(cable.connections(), 0u);
}

}  // namespace
}  // namespace perdure
