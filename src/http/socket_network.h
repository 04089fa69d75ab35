#pragma once
// The production Network: TCP and TLS sockets of the machine, over an EpollLoop.
//
// The loop and the resolver outlive the Network and its Streams; the resolver's jobs end (the runner is destroyed)
// before the loop does. TLS handshakes of accepted connections happen within their first read or write, so that a slow
// client holds up only itself.

#include <memory>

#include "async/epoll_loop.h"
#include "async/job_runner.h"
#include "http/network.h"

namespace perdure {

std::unique_ptr<Network> socket_network(EpollLoop& loop, JobRunner& resolver);

}  // namespace perdure
