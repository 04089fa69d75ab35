#pragma once
// AsioLoop: the production Loop, one io_context and one thread each. Asio itself is seen only by the .cc files that
// need it (asio_loop.cc, http/asio_network.cc), through context().

#include <memory>
#include <thread>

#include "async/loop.h"

namespace boost::asio {
class io_context;
}

namespace perdure {

class AsioLoop final : public Loop {
 public:
  AsioLoop();
  ~AsioLoop() override;

  Instant now() const override;
  WallTime wall() const override;
  Random& random() override;
  void post(std::move_only_function<void()> work) override;

  // Runs on the calling thread until stop(). Work that is still queued then is destroyed with the loop.
  void run();
  void stop();  // thread-safe

  boost::asio::io_context& context();

 protected:
  void timers_changed() override;

 private:
  struct Impl;
  void arm();
  std::unique_ptr<Impl> impl_;
};

}  // namespace perdure
