#include "app/signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>

#include "base/check.h"

namespace perdure {

Signals::Signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, signal);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  signals_ = ::signalfd(-1, &set, SFD_CLOEXEC);
  woken_ = ::eventfd(0, EFD_CLOEXEC);
  CHECK(signals_ >= 0 && woken_ >= 0, "no file descriptors for signals");
}

Signals::~Signals() {
  ::close(signals_);
  ::close(woken_);
}

std::optional<int> Signals::wait() {
  for (;;) {
    pollfd fds[2] = {{signals_, POLLIN, 0}, {woken_, POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0) {
      CHECK(errno == EINTR, "poll on signals");
      continue;
    }
    if (fds[0].revents & POLLIN) {
      signalfd_siginfo info{};
      if (::read(signals_, &info, sizeof info) == sizeof info) return static_cast<int>(info.ssi_signo);
    }
    if (fds[1].revents & POLLIN) return std::nullopt;
  }
}

void Signals::wake() {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t n = ::write(woken_, &one, sizeof one);
}

}  // namespace perdure
