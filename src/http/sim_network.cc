#include "http/sim_network.h"

#include <algorithm>
#include <coroutine>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/check.h"

namespace perdure {
namespace {

constexpr size_t kBufferBytes = 64 << 10;

// A place where at most one coroutine waits. Either side may vanish first: a destroyed coroutine leaves the spot, and a
// spot that is forgotten or destroyed drops its coroutine without resuming it.
class Spot {
 public:
  explicit Spot(Loop& loop) : loop_(loop) {}
  Spot(const Spot&) = delete;
  Spot& operator=(const Spot&) = delete;
  ~Spot() { forget(); }

  class Wait {
   public:
    Wait(Spot& spot, Deadline deadline) : spot_(&spot), timer_(spot.loop_, &Wait::late, this), deadline_(deadline) {}
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    ~Wait() {
      if (spot_ != nullptr && spot_->wait_ == this) spot_->wait_ = nullptr;
    }
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      CHECK(spot_->wait_ == nullptr, "a second operation of a kind on a stream");
      handle_ = handle;
      spot_->wait_ = this;
      timer_.arm(deadline_.at);
    }
    bool await_resume() const { return !late_; }  // false: the deadline came

   private:
    friend class Spot;
    static void late(void* context) {
      auto* self = static_cast<Wait*>(context);
      self->late_ = true;
      self->leave_and_resume();
    }
    void leave_and_resume() {
      if (spot_ != nullptr && spot_->wait_ == this) spot_->wait_ = nullptr;
      spot_ = nullptr;
      handle_.resume();
    }
    Spot* spot_;
    Timer timer_;
    Deadline deadline_;
    std::coroutine_handle<> handle_;
    bool late_ = false;
  };

  Wait wait(Deadline deadline) { return Wait(*this, deadline); }
  bool taken() const { return wait_ != nullptr; }
  // Resumes the waiter soon. A timer at this very moment does it: unlike a posted resumption it can be withdrawn when
  // the coroutine is destroyed or its process is killed meanwhile.
  void wake() {
    if (wait_ == nullptr) return;
    wait_->timer_.cancel();
    waking_.arm(loop_.now());
  }
  void forget() {
    waking_.cancel();
    if (wait_ == nullptr) return;
    wait_->timer_.cancel();
    wait_->spot_ = nullptr;
    wait_ = nullptr;
  }

 private:
  static void woken(void* context) {
    auto* self = static_cast<Spot*>(context);
    if (self->wait_ != nullptr) self->wait_->leave_and_resume();
  }
  Loop& loop_;
  Wait* wait_ = nullptr;
  Timer waking_{loop_, &Spot::woken, this};
};

}  // namespace

struct SimCable::Impl {
  struct Port;
  SimLoop& loop;
  SeededRandom random;
  SimFaults* faults = nullptr;
  std::map<int, std::vector<std::weak_ptr<Port>>> ports;
  int next_port = 40'000;
  size_t connections = 0;
  uint64_t made = 0;  // streams and ports: they are gone through in this order, never in that of their addresses
  Impl(SimLoop& l, uint64_t seed) : loop(l), random(seed) {}

  void struck(SimStrike strike, int port) {
    if (faults != nullptr) faults->struck(strike, port);
  }
  Duration latency(const SimConnection& plan) {
    int64_t spread = (plan.latency_max - plan.latency_min).count();
    if (spread <= 0) return plan.latency_min;
    return plan.latency_min + Duration(static_cast<int64_t>(random.below(static_cast<uint64_t>(spread) + 1)));
  }
};

namespace {

// One direction of a connection: bytes in flight, bytes arrived, who waits for either.
struct Pipe {
  struct Segment {
    Instant at;
    std::string bytes;
    bool end = false;
  };
  SimCable::Impl& cable;
  SimLoop& loop;
  const SimConnection& plan;
  const SimDirection& faults;
  const int port;
  std::deque<Segment> flying;
  std::string arrived;
  size_t arrived_from = 0;
  size_t held = 0;     // bytes in flight and arrived
  size_t written = 0;  // since the beginning
  bool end_sent = false, ended = false, broken = false, reader_gone = false, stalled = false, garbled = false;
  Spot reader, writer;
  Cancellation* watch = nullptr;  // of who reads here, for the end of the other side
  Timer delivery, telling;

  Pipe(SimCable::Impl& c, const SimConnection& p, const SimDirection& f, int to)
      : cable(c),
        loop(c.loop),
        plan(p),
        faults(f),
        port(to),
        reader(loop),
        writer(loop),
        delivery(
            loop, [](void* self) { static_cast<Pipe*>(self)->deliver(); }, this),
        telling(loop, [](void* self) { static_cast<Pipe*>(self)->tell(); }, this) {}

  void tell_soon() {
    if (watch != nullptr && (ended || broken)) telling.arm(loop.now());
  }
  void tell() {
    if (watch != nullptr) std::exchange(watch, nullptr)->request();
  }
  void watch_with(Cancellation* gone) {
    watch = gone;
    telling.cancel();
    tell_soon();
  }
  size_t available() const { return arrived.size() - arrived_from; }
  Instant next_moment() {
    Instant at = loop.now() + cable.latency(plan);
    return flying.empty() ? at : std::max(at, flying.back().at);
  }
  void fly(std::string bytes, bool end) {
    flying.push_back({next_moment(), std::move(bytes), end});
    if (!delivery.armed()) delivery.arm(flying.front().at);
  }
  // Takes what fits; how much. May break the connection by plan: the caller looks at `broken` afterwards.
  size_t accept(std::string_view bytes, bool& reset) {
    size_t n = std::min(bytes.size(), kBufferBytes - held);
    if (written + n > faults.reset_after) {
      n = faults.reset_after - written;
      reset = true;
      cable.struck(SimStrike::kReset, port);
    }
    for (size_t at = 0; at < n;) {
      size_t piece = n - at;
      if (!plan.whole && piece > 1 && cable.random.below(3) == 0) piece = 1 + cable.random.below(piece);
      size_t begin = written, stop = std::min(faults.stall_after, faults.end_after);
      written += piece;
      size_t live = begin >= stop ? 0 : std::min(piece, stop - begin);
      if (live > 0) {
        held += live;
        std::string sent(bytes.substr(at, live));
        if (begin + live > faults.garble_after) {
          size_t sound = begin >= faults.garble_after ? 0 : faults.garble_after - begin;
          std::fill(sent.begin() + static_cast<ptrdiff_t>(sound), sent.end(), '\xff');
          if (!std::exchange(garbled, true)) cable.struck(SimStrike::kGarbled, port);
        }
        fly(std::move(sent), false);
      }
      if (written > faults.stall_after && !std::exchange(stalled, true)) cable.struck(SimStrike::kStalled, port);
      if (written > faults.end_after && !end_sent) {
        cable.struck(SimStrike::kEnded, port);
        end_sent = true;
        fly({}, true);
      }
      at += piece;
    }
    return n;
  }
  void deliver() {
    while (!flying.empty() && flying.front().at <= loop.now()) {
      Segment segment = std::move(flying.front());
      flying.pop_front();
      if (reader_gone) {
        held -= segment.bytes.size();
        writer.wake();
      } else {
        arrived += segment.bytes;
      }
      if (segment.end) ended = true;
    }
    if (!flying.empty()) delivery.arm(flying.front().at);
    reader.wake();
    tell_soon();
  }
  size_t take(std::span<char> into) {
    size_t n = std::min(into.size(), available());
    if (!plan.whole && n > 1 && cable.random.below(3) == 0) n = 1 + cable.random.below(n);
    std::memcpy(into.data(), arrived.data() + arrived_from, n);
    arrived_from += n;
    held -= n;
    if (arrived_from == arrived.size()) {
      arrived.clear();
      arrived_from = 0;
    }
    writer.wake();
    return n;
  }
  void stop_reading() {
    reader_gone = true;
    held -= available();
    arrived.clear();
    arrived_from = 0;
    writer.wake();
  }
  void send_end() {
    if (end_sent || broken) return;
    end_sent = true;
    if (written <= faults.stall_after || faults.stall_after == SimDirection::kNever) fly({}, true);
  }
  void break_now() {
    if (broken) return;
    broken = true;
    delivery.cancel();
    flying.clear();
    // What had arrived is lost with a reset, as it is on a real socket.
    arrived.clear();
    arrived_from = held = 0;
    reader.wake();
    writer.wake();
    tell_soon();
  }
};

struct Wire {
  std::shared_ptr<SimCable::Impl> cable;
  SimConnection plan;
  Pipe to_listener, to_connector;
  Wire(std::shared_ptr<SimCable::Impl> c, SimConnection p, int port)
      : cable(std::move(c)),
        plan(p),
        to_listener(*cable, plan, plan.to_listener, port),
        to_connector(*cable, plan, plan.to_connector, port) {
    ++cable->connections;
  }
  ~Wire() { --cable->connections; }
  void break_now() {
    to_listener.break_now();
    to_connector.break_now();
  }
};

class SimStream;

}  // namespace

// Everything of one life of a process that the network can resume.
struct SimNetwork::Life {
  std::map<uint64_t, SimStream*> streams;
  std::map<uint64_t, SimCable::Impl::Port*> ports;
  std::set<Spot*> connecting;
  bool dead = false;
};

namespace {

class SimStream final : public Stream {
 public:
  SimStream(std::shared_ptr<SimNetwork::Life> life, std::shared_ptr<Wire> wire, bool is_connector, std::string peer)
      : life_(std::move(life)),
        wire_(std::move(wire)),
        in_(is_connector ? wire_->to_connector : wire_->to_listener),
        out_(is_connector ? wire_->to_listener : wire_->to_connector),
        peer_(std::move(peer)),
        number_(++wire_->cable->made) {
    life_->streams.emplace(number_, this);
  }
  ~SimStream() override {
    if (life_->dead) return;
    life_->streams.erase(number_);
    CHECK(!in_.reader.taken() && !out_.writer.taken(), "a stream died under a pending operation");
    in_.watch_with(nullptr);
    if (!closed_) close();
  }

  Task<Result<size_t>> read_some(std::span<char> into, Deadline deadline) override {
    interrupted_ = false;
    for (;;) {
      if (aborted_) co_return aborted();
      if (in_.available() > 0) co_return in_.take(into);
      if (in_.broken) co_return reset();
      if (in_.ended) co_return size_t{0};
      if (interrupted_) co_return Error{Code::kCancelled, "the operation was ended"};
      bool woken = co_await in_.reader.wait(deadline);
      if (!woken && !aborted_) co_return Error{Code::kDeadline, "the connection took too long"};
    }
  }
  Task<Result<void>> write_all(std::string_view bytes, Deadline deadline) override {
    const size_t all = bytes.size();
    for (;;) {
      if (aborted_) co_return aborted();
      if (out_.broken) {
        Error error = reset();
        if (bytes.size() == all) error.reason = kNothingWritten;
        co_return error;
      }
      if (out_.end_sent && closed_) co_return Error{Code::kUnavailable, "written after the end"};
      bool broke = false;
      bytes.remove_prefix(out_.accept(bytes, broke));
      if (broke) {
        wire_->break_now();
        co_return reset();
      }
      if (bytes.empty()) co_return Result<void>();
      bool woken = co_await out_.writer.wait(deadline);
      if (!woken && !aborted_) co_return Error{Code::kDeadline, "the connection took too long"};
    }
  }
  Task<void> shutdown(Deadline deadline) override {
    if (aborted_ || closed_) co_return;
    out_.send_end();
    while (!aborted_ && !in_.ended && !in_.broken && in_.loop.now() < deadline.at) {
      in_.held -= in_.available();
      in_.arrived.clear();
      in_.arrived_from = 0;
      in_.writer.wake();
      if (!co_await in_.reader.wait(deadline)) break;
    }
    if (!aborted_) close();
    aborted_ = true;
  }
  void abort() override {
    if (aborted_) return;
    aborted_ = true;
    closed_ = true;
    in_.watch_with(nullptr);
    wire_->break_now();
  }
  void interrupt() override {
    interrupted_ = true;
    in_.reader.wake();
  }
  void watch_peer(Cancellation* gone) override { in_.watch_with(aborted_ ? nullptr : gone); }
  std::string peer() const override { return peer_; }

  void forget() {
    in_.reader.forget();
    in_.watch_with(nullptr);
    out_.writer.forget();
    aborted_ = closed_ = true;
    in_.reader_gone = true;
  }
  void break_wire() { wire_->break_now(); }

 private:
  void close() {
    closed_ = true;
    out_.send_end();
    in_.stop_reading();
  }
  static Error aborted() { return {Code::kCancelled, "the connection was aborted"}; }
  static Error reset() { return {Code::kUnavailable, "the connection was reset"}; }
  std::shared_ptr<SimNetwork::Life> life_;
  std::shared_ptr<Wire> wire_;
  Pipe& in_;
  Pipe& out_;
  std::string peer_;
  uint64_t number_;
  bool aborted_ = false, closed_ = false, interrupted_ = false;
};

}  // namespace

struct SimCable::Impl::Port {
  std::shared_ptr<SimNetwork::Life> life;
  int number;
  bool closed = false;
  std::deque<std::unique_ptr<SimStream>> backlog;
  uint64_t made;
  Spot acceptor;
  Port(Impl& cable, std::shared_ptr<SimNetwork::Life> l, int n)
      : life(std::move(l)), number(n), made(++cable.made), acceptor(cable.loop) {}
};

namespace {

class SimListener final : public Listener {
 public:
  SimListener(std::shared_ptr<SimNetwork::Life> life, std::shared_ptr<SimCable::Impl::Port> port)
      : life_(std::move(life)), port_(std::move(port)) {}
  ~SimListener() override {
    if (life_->dead) return;
    CHECK(!port_->acceptor.taken(), "a listener died under a pending accept");
    close();
    life_->ports.erase(port_->made);
  }
  Task<Result<std::unique_ptr<Stream>>> accept() override {
    for (;;) {
      if (port_->closed) co_return Error{Code::kCancelled, "the listener is closed"};
      if (!port_->backlog.empty()) {
        std::unique_ptr<Stream> stream = std::move(port_->backlog.front());
        port_->backlog.pop_front();
        co_return std::move(stream);
      }
      (void)co_await port_->acceptor.wait(Deadline::never());
    }
  }
  void close() override {
    if (port_->closed) return;
    port_->closed = true;
    for (auto& stream : port_->backlog) stream->abort();
    port_->backlog.clear();
    port_->acceptor.wake();
  }
  int port() const override { return port_->number; }

 private:
  std::shared_ptr<SimNetwork::Life> life_;
  std::shared_ptr<SimCable::Impl::Port> port_;
};

}  // namespace

SimCable::SimCable(SimLoop& loop, uint64_t seed) : impl_(std::make_shared<Impl>(loop, seed)) {}
SimCable::~SimCable() = default;
void SimCable::set_faults(SimFaults* faults) { impl_->faults = faults; }
size_t SimCable::connections() const { return impl_->connections; }

SimNetwork::SimNetwork(SimCable& cable) : cable_(cable.impl_), life_(std::make_shared<Life>()) {}
SimNetwork::~SimNetwork() = default;

Task<Result<std::unique_ptr<Stream>>> SimNetwork::connect(Address to, ConnectOptions options, Deadline deadline) {
  auto cable = cable_;
  auto life = life_;
  SimConnection plan = cable->faults != nullptr ? cable->faults->on_connect(to, options) : SimConnection{};
  Spot spot(cable->loop);
  life->connecting.insert(&spot);
  struct Leave {
    SimNetwork::Life& life;
    Spot& spot;
    ~Leave() { life.connecting.erase(&spot); }
  } leave{*life, spot};
  Cancellation::Hook hook(options.cancel, [&spot] { spot.wake(); });
  auto cancelled = [&options] { return options.cancel != nullptr && options.cancel->requested(); };
  Deadline arrival = plan.black_hole ? Deadline::never() : Deadline{cable->loop.now() + cable->latency(plan) * 2};
  if (!cancelled()) (void)co_await spot.wait(arrival.sooner(deadline));
  if (cancelled()) co_return Error{Code::kCancelled, "connecting was cancelled"};
  if (plan.black_hole) cable->struck(SimStrike::kBlackHole, to.port);
  if (cable->loop.now() < arrival.at) co_return Error{Code::kDeadline, "connecting took too long"};
  auto& ports = cable->ports[to.port];
  std::erase_if(ports, [](const auto& weak) {
    auto port = weak.lock();
    return !port || port->closed;
  });
  if (plan.refuse) cable->struck(SimStrike::kRefused, to.port);
  if (plan.refuse || ports.empty()) co_return Error{Code::kUnavailable, "connection refused"};
  auto port = ports[ports.size() == 1 ? 0 : cable->random.below(ports.size())].lock();
  auto wire = std::make_shared<Wire>(cable, plan, to.port);
  std::string number = std::to_string(cable->next_port++);
  port->backlog.push_back(std::make_unique<SimStream>(port->life, wire, false, "sim:" + number));
  port->acceptor.wake();
  co_return std::unique_ptr<Stream>(std::make_unique<SimStream>(life, wire, true, "sim:" + std::to_string(to.port)));
}

Task<Result<std::unique_ptr<Stream>>> SimNetwork::start_tls(std::unique_ptr<Stream> stream, ConnectOptions options,
                                                            Deadline) {
  if (options.server_name.empty()) co_return Error{Code::kInvalid, "TLS without a server name"};
  co_return std::move(stream);
}

Result<std::unique_ptr<Listener>> SimNetwork::listen(Address at, const ServerTls*, bool shared) {
  int number = at.port != 0 ? at.port : cable_->next_port++;
  auto& ports = cable_->ports[number];
  std::erase_if(ports, [](const auto& weak) {
    auto port = weak.lock();
    return !port || port->closed;
  });
  if (!ports.empty() && !shared) return Error{Code::kInvalid, "listen: the address is already in use"};
  auto port = std::make_shared<SimCable::Impl::Port>(*cable_, life_, number);
  ports.push_back(port);
  life_->ports.emplace(port->made, port.get());
  return std::unique_ptr<Listener>(std::make_unique<SimListener>(life_, port));
}

void SimNetwork::kill_all() {
  auto life = std::exchange(life_, std::make_shared<Life>());
  // The dead side first, so that breaking the wires wakes only peers.
  life->dead = true;
  for (auto& [number, stream] : life->streams) stream->forget();
  for (auto& [number, port] : life->ports) {
    port->acceptor.forget();
    port->closed = true;
  }
  for (Spot* spot : life->connecting) spot->forget();
  for (auto& [number, stream] : life->streams) stream->break_wire();
  life->streams.clear();
  for (auto& [number, port] : life->ports) port->backlog.clear();
  life->ports.clear();
}

void SimNetwork::reset_all() {
  for (auto& [number, stream] : life_->streams) stream->break_wire();
}

}  // namespace perdure
