#pragma once
// The Network of deterministic simulation: connections in memory, over a SimLoop, with seeded latency, seeded cutting
// of the bytes, and faults on request. A SimCable joins SimNetworks, one per simulated process; connect() reaches
// whoever listens on the port, whatever the host. TLS is not spoken: it is only handed to SimFaults.
//
// Each direction of a connection holds at most 64 KiB, so backpressure is real.
//
// A process crashes by SimNetwork::kill_all(): peers see resets, and nothing of the process is resumed by the network
// again, neither then nor later. Its coroutines may then be destroyed or leaked, its Streams and Listeners destroyed or
// leaked, in any order.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>

#include "async/sim_loop.h"
#include "http/network.h"

namespace perdure {

// What happens to one direction of a connection after so many bytes went into it.
struct SimDirection {
  static constexpr size_t kNever = std::numeric_limits<size_t>::max();
  size_t reset_after = kNever;   // both sides then see a broken connection
  size_t stall_after = kNever;   // later bytes never arrive
  size_t end_after = kNever;     // the reader sees the end there, later bytes vanish
  size_t garble_after = kNever;  // later bytes arrive as 0xff: wrong framing, in whatever framing there is
};

struct SimConnection {
  bool refuse = false;
  bool black_hole = false;  // connect() hears nothing until its deadline
  Duration latency_min = std::chrono::microseconds(20), latency_max = std::chrono::milliseconds(2);
  bool whole = false;  // bytes are not cut beyond what buffers do
  SimDirection to_listener, to_connector;
};

enum class SimStrike : uint8_t { kRefused, kBlackHole, kReset, kStalled, kEnded, kGarbled };

// Asked once for each connect(). May draw from a Random of its own.
class SimFaults {
 public:
  virtual ~SimFaults() = default;
  // A fault of the plan has taken effect on a connection to that port.
  virtual void struck(SimStrike, int /*port*/) {}
  virtual SimConnection on_connect(const Address& to, const ConnectOptions& options) = 0;
};

class SimCable {
 public:
  SimCable(SimLoop& loop, uint64_t seed);
  ~SimCable();
  // May be null; lives until replaced.
  void set_faults(SimFaults* faults);
  // Live connections, for tests of leaks.
  size_t connections() const;

  struct Impl;

 private:
  friend class SimNetwork;
  std::shared_ptr<Impl> impl_;
};

class SimNetwork final : public Network {
 public:
  explicit SimNetwork(SimCable& cable);
  ~SimNetwork() override;
  Task<Result<std::unique_ptr<Stream>>> connect(Address to, ConnectOptions options, Deadline deadline) override;
  Task<Result<std::unique_ptr<Stream>>> start_tls(std::unique_ptr<Stream> stream, ConnectOptions options,
                                                  Deadline deadline) override;
  Result<std::unique_ptr<Listener>> listen(Address at, const ServerTls* tls, bool shared) override;

  // Breaks every connection and closes every listener of this process, and forgets its pending operations. The object
  // may go on being used, as the next life of the process.
  void kill_all();
  // Breaks every connection, as a failing switch would; listeners stay, pending operations end with errors.
  void reset_all();

  struct Life;

 private:
  std::shared_ptr<SimCable::Impl> cable_;
  std::shared_ptr<Life> life_;
};

}  // namespace perdure
