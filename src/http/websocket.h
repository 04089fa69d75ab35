#pragma once
// WebSocket: the server's end of one connection after its handshake (RFC 6455). Whole text messages in both directions;
// pings and closes are its own affair. A peer that is silent is pinged, and one that does not answer is given up.
//
// One coroutine receives. Any number may send: each waits for its turn, and with it for the peer, which is the
// backpressure. It borrows the connection from the server: it must be destroyed before the handler returns. Lives on
// one Loop.
//
// Bounds: a message's size, and the bytes of all requests and messages that the server holds together. What is too
// large, binary, or breaks the protocol closes the connection with the code that says so.

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "async/wait.h"
#include "base/result.h"

namespace perdure {

struct WebSocketLimits {
  size_t message_bytes_max = 64 << 20;
  Duration ping_after = std::chrono::seconds(30);   // of silence
  Duration pong_within = std::chrono::seconds(30);  // then the peer is gone
  Duration write_time = std::chrono::seconds(60);   // one write that the peer does not take
  Duration close_time = std::chrono::seconds(5);    // for the peer's answer to our close
};

// Bytes counted in a total that others see, as long as this lives.
class BytesHeld {
 public:
  BytesHeld() = default;
  explicit BytesHeld(size_t& total) : total_(&total) {}
  BytesHeld(BytesHeld&& other) noexcept
      : total_(std::exchange(other.total_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  BytesHeld& operator=(BytesHeld&& other) noexcept {
    if (this == &other) return *this;
    set(0);
    total_ = std::exchange(other.total_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }
  ~BytesHeld() { set(0); }
  void set(size_t bytes) {
    if (total_ == nullptr) return;
    *total_ += bytes - bytes_;
    bytes_ = bytes;
  }

 private:
  size_t* total_ = nullptr;
  size_t bytes_ = 0;
};

struct WebSocketMessage {
  std::string text;
  BytesHeld held;  // keep it as long as the text
};

class WebSocket {
 public:
  virtual ~WebSocket() = default;
  // The next message. kCancelled: wake() was called, and the socket is as good as before. Any other error: nothing more
  // will come; the connection is closed or broken.
  virtual Task<Result<WebSocketMessage>> receive() = 0;
  // A text message. Errors mean that the peer is gone.
  virtual Task<Result<void>> send(std::string_view text) = 0;
  // Ends the receive() that waits, or the next one.
  virtual void wake() = 0;
  // Says goodbye and waits a little for the peer to do the same. By the coroutine that receives.
  virtual Task<void> close(int code, std::string_view reason) = 0;
  virtual void abort() = 0;
  virtual bool open() const = 0;  // neither side has closed it
  // Requested when the server stops: what runs may end until its deadline, then the connection is cut.
  virtual Cancellation& stopping() = 0;
};

}  // namespace perdure
