#include "async/asio_loop.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace perdure {

namespace asio = boost::asio;

struct AsioLoop::Impl {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard{context.get_executor()};
  asio::steady_timer timer{context};
  Instant armed_for = Instant::max();
};

AsioLoop::AsioLoop() : impl_(std::make_unique<Impl>()) {}
AsioLoop::~AsioLoop() = default;

Instant AsioLoop::now() const { return system_clock().now(); }
WallTime AsioLoop::wall() const { return system_clock().wall(); }
Random& AsioLoop::random() { return system_random(); }

void AsioLoop::post(std::move_only_function<void()> work) {
  asio::post(impl_->context, [this, run = std::move(work)]() mutable {
    Enter enter(*this);
    run();
  });
}

void AsioLoop::run() {
  Enter enter(*this);
  impl_->context.run();
}

void AsioLoop::stop() { impl_->context.stop(); }

asio::io_context& AsioLoop::context() { return impl_->context; }

void AsioLoop::timers_changed() { arm(); }

void AsioLoop::arm() {
  Instant next = next_timer();
  if (next == impl_->armed_for) return;
  impl_->armed_for = next;
  if (next == Instant::max()) {
    impl_->timer.cancel();
    return;
  }
  Duration wait = next - now();
  impl_->timer.expires_after(wait < Duration::zero() ? Duration::zero() : wait);
  impl_->timer.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    Enter enter(*this);
    impl_->armed_for = Instant::max();
    fire_timers(now());
    arm();
  });
}

}  // namespace perdure
