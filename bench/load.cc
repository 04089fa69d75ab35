// Load for measuring proxies: one thread, plain sockets, nothing that the proxies themselves are made of. Every mode
// prints one JSON object. Numbers are in microseconds unless they say otherwise.
//
//   load closed PORT CONNECTIONS SECONDS KEY          requests one after another on each connection
//   load rate PORT CONNECTIONS PER_SECOND SECONDS KEY requests at an absolute rate; latency counts from the due moment
//   load streams PORT STREAMS COUNT MS SECONDS LATE KEY  streams of COUNT chunks every MS ms, begun anew until SECONDS;
//                                                     chunks older than LATE microseconds are counted
//   load ask PORT CONNECTIONS DIALECT MODEL STREAM BYTES SECONDS KEY  requests in DIALECT (chat, responses, messages)
//   for
//                                                     MODEL with a context of BYTES, streamed where STREAM is 1
//   load idle PORT CONNECTIONS KEY                    one request on each, then silence until standard input ends
//
// KEY is the bearer token, "-" for none. Words like "name: value" behind it are more headers.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "load: %s\n", why.c_str());
  std::exit(1);
}

std::string request_bytes(const std::string& model, bool stream, const std::string& key, const std::string& more) {
  std::string text;
  while (text.size() < 850) text += "Tell me of the ships that passed the lighthouse. ";
  std::string body = R"({"model":")" + model + R"(","messages":[{"role":"user","content":")" + text +
                     R"("}],"stream":)" + (stream ? "true" : "false") + "}";
  return "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
         (key == "-" ? std::string() : "Authorization: Bearer " + key + "\r\n") + more +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// A conversation of `bytes` in any client's dialect, in turns of about 2 KB; nothing of it is to be stored.
std::string ask_bytes(const std::string& dialect, const std::string& model, bool stream, size_t bytes,
                      const std::string& key, const std::string& more) {
  size_t turns = std::max<size_t>(1, bytes / 2000) | 1;
  std::string list = "[";
  for (size_t i = 0; i < turns; ++i) {
    std::string text;
    while (text.size() < bytes / turns) text += "Tell me of the ships that passed the lighthouse. ";
    list += std::string(i > 0 ? "," : "") + R"({"role":")" + (i % 2 == 0 ? "user" : "assistant") + R"(","content":")" +
            text + R"("})";
  }
  list += "]";
  std::string body = R"({"model":")" + model + R"(","stream":)" + (stream ? "true" : "false");
  std::string path = "/v1/chat/completions";
  if (dialect == "responses") {
    path = "/v1/responses";
    body += R"(,"store":false,"input":)" + list + "}";
  } else if (dialect == "messages") {
    path = "/v1/messages";
    body += R"(,"max_tokens":4096,"messages":)" + list + "}";
  } else {
    body += R"(,"messages":)" + list + "}";
  }
  return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
         (key == "-" ? std::string() : "Authorization: Bearer " + key + "\r\n") + more +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// An answer's body without its framing; enough HTTP for servers that are known.
class Answer {
 public:
  // Takes bytes; true when the answer is whole. Body bytes are appended to `body`.
  bool take(std::string_view bytes, std::string& body) {
    while (true) {
      if (state_ == State::kHead) {
        head_ += bytes;
        size_t end = head_.find("\r\n\r\n");
        if (end == std::string::npos) return false;
        rest_ = head_.substr(end + 4);
        head_.resize(end + 2);
        bytes = rest_;
        if (!head_.starts_with("HTTP/1.1 200")) fail("the answer was " + head_ + rest_);
        std::transform(head_.begin(), head_.end(), head_.begin(), [](unsigned char c) { return std::tolower(c); });
        size_t length = head_.find("\r\ncontent-length:");
        chunked_ = length == std::string::npos;
        left_ = chunked_ ? 0 : std::strtoull(head_.c_str() + length + 17, nullptr, 10);
        state_ = chunked_ ? State::kSize : State::kData;
        line_.clear();
      } else if (state_ == State::kSize) {
        size_t end = bytes.find('\n');
        if (end == std::string_view::npos) {
          line_ += bytes;
          return false;
        }
        line_ += bytes.substr(0, end);
        bytes.remove_prefix(end + 1);
        left_ = std::strtoull(line_.c_str(), nullptr, 16);
        line_.clear();
        last_ = left_ == 0;
        state_ = last_ ? State::kGap : State::kData;
        gap_ = 2;
      } else if (state_ == State::kData) {
        size_t n = std::min<size_t>(left_, bytes.size());
        body += bytes.substr(0, n);
        bytes.remove_prefix(n);
        left_ -= n;
        if (left_ > 0) return false;
        if (!chunked_) return over();
        state_ = State::kGap;
        gap_ = 2;
      } else {
        size_t n = std::min<size_t>(gap_, bytes.size());
        bytes.remove_prefix(n);
        gap_ -= n;
        if (gap_ > 0) return false;
        if (last_) return over();
        state_ = State::kSize;
      }
    }
  }

 private:
  enum class State { kHead, kSize, kData, kGap };
  bool over() {
    *this = Answer();
    return true;
  }
  State state_ = State::kHead;
  std::string head_, rest_, line_;
  uint64_t left_ = 0;
  size_t gap_ = 0;
  bool chunked_ = false, last_ = false;
};

struct Connection {
  int socket = -1;
  bool busy = false;
  int64_t due = 0;
  Answer answer;
  std::string body;
  size_t scanned = 0;  // of the body, for streams
  int64_t chunks = 0;
};

class Load {
 public:
  Load(int port, size_t connections, std::string request) : request_(std::move(request)), connections_(connections) {
    poll_ = ::epoll_create1(0);
    for (Connection& connection : connections_) {
      connection.socket = ::socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(static_cast<uint16_t>(port));
      to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      if (::connect(connection.socket, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
        fail(std::string("connect: ") + std::strerror(errno));
      int on = 1;
      ::setsockopt(connection.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      ::fcntl(connection.socket, F_SETFL, O_NONBLOCK);
      epoll_event event{.events = EPOLLIN, .data = {.ptr = &connection}};
      ::epoll_ctl(poll_, EPOLL_CTL_ADD, connection.socket, &event);
    }
  }
  std::vector<Connection>& connections() { return connections_; }

  void send(Connection& connection, int64_t due) {
    connection.busy = true;
    connection.due = due;
    connection.body.clear();
    connection.scanned = 0;
    connection.chunks = 0;
    for (size_t at = 0; at < request_.size();) {
      ssize_t n = ::send(connection.socket, request_.data() + at, request_.size() - at, MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN) fail(std::string("send: ") + std::strerror(errno));
      if (n > 0) at += static_cast<size_t>(n);
      pollfd room{connection.socket, POLLOUT, 0};
      if (at < request_.size()) ::poll(&room, 1, 1000);
    }
  }

  // Waits at most `wait_ns` and calls `body(connection, whole)` for each connection that brought bytes.
  template <class Body>
  void turn(int64_t wait_ns, Body body) {
    epoll_event events[256];
    timespec wait{.tv_sec = wait_ns / 1'000'000'000, .tv_nsec = wait_ns % 1'000'000'000};
    int n = ::epoll_pwait2(poll_, events, 256, &wait, nullptr);
    char bytes[64 << 10];
    for (int i = 0; i < n; ++i) {
      Connection& connection = *static_cast<Connection*>(events[i].data.ptr);
      ssize_t got = ::read(connection.socket, bytes, sizeof bytes);
      if (got < 0 && errno == EAGAIN) continue;
      if (got <= 0) fail(connection.busy ? "a connection ended within an answer" : "an idle connection ended");
      bool whole = connection.answer.take({bytes, static_cast<size_t>(got)}, connection.body);
      if (whole) connection.busy = false;
      body(connection, whole);
    }
  }

 private:
  int poll_;
  std::string request_;
  std::vector<Connection> connections_;
};

double percentile(std::vector<int64_t>& ns, double share) {
  if (ns.empty()) return 0;
  size_t at = std::min(ns.size() - 1, static_cast<size_t>(share * static_cast<double>(ns.size())));
  std::nth_element(ns.begin(), ns.begin() + static_cast<ptrdiff_t>(at), ns.end());
  return static_cast<double>(ns[at]) / 1000;
}

void print_requests(std::vector<int64_t>& latencies, int64_t began) {
  double seconds = static_cast<double>(now_ns() - began) / 1e9;
  std::printf("{\"requests\":%zu,\"seconds\":%.3f,\"p50\":%.1f,\"p99\":%.1f}\n", latencies.size(), seconds,
              percentile(latencies, 0.5), percentile(latencies, 0.99));
}

void closed(Load& load, double seconds) {
  std::vector<int64_t> latencies;
  int64_t began = now_ns(), end = began + static_cast<int64_t>(seconds * 1e9);
  for (Connection& connection : load.connections()) load.send(connection, now_ns());
  size_t busy = load.connections().size();
  while (busy > 0)
    load.turn(1'000'000'000, [&](Connection& connection, bool whole) {
      if (!whole) return;
      int64_t now = now_ns();
      latencies.push_back(now - connection.due);
      if (now < end)
        load.send(connection, now);
      else
        --busy;
    });
  print_requests(latencies, began);
}

void at_rate(Load& load, double per_second, double seconds) {
  std::vector<int64_t> latencies;
  std::vector<Connection*> free;
  for (Connection& connection : load.connections()) free.push_back(&connection);
  int64_t began = now_ns(), gap = static_cast<int64_t>(1e9 / per_second),
          count = static_cast<int64_t>(per_second * seconds);
  int64_t sent = 0;
  while (sent < count || free.size() < load.connections().size()) {
    int64_t now = now_ns();
    while (sent < count && !free.empty() && began + sent * gap <= now) {
      load.send(*free.back(), began + sent * gap);
      free.pop_back();
      ++sent;
    }
    int64_t wait = sent < count && !free.empty() ? std::max<int64_t>(0, began + sent * gap - now_ns()) : 1'000'000'000;
    load.turn(wait, [&](Connection& connection, bool whole) {
      if (!whole) return;
      latencies.push_back(now_ns() - connection.due);
      free.push_back(&connection);
    });
  }
  print_requests(latencies, began);
}

// Counts the chunks of a stream's body that are whole and notes how old each is.
void scan(Connection& connection, std::vector<int64_t>& ages) {
  int64_t now = now_ns();
  for (;;) {
    size_t end = connection.body.find("\n\n", connection.scanned);
    if (end == std::string::npos) break;
    std::string_view event = std::string_view(connection.body).substr(connection.scanned, end - connection.scanned);
    connection.scanned = end + 2;
    size_t at = event.rfind("\"at\":");
    if (at == std::string_view::npos) continue;
    int64_t written = 0;
    std::from_chars(event.data() + at + 5, event.data() + event.size(), written);
    ages.push_back(now - written);
    ++connection.chunks;
  }
  if (connection.scanned > (1 << 20)) {
    connection.body.erase(0, connection.scanned);
    connection.scanned = 0;
  }
}

void streams(Load& load, int64_t count, double seconds, double late_us) {
  std::vector<int64_t> ages;
  int64_t began = now_ns(), end = began + static_cast<int64_t>(seconds * 1e9), lost = 0, done = 0;
  for (Connection& connection : load.connections()) load.send(connection, now_ns());
  size_t busy = load.connections().size();
  while (busy > 0)
    load.turn(1'000'000'000, [&](Connection& connection, bool whole) {
      scan(connection, ages);
      if (!whole) return;
      lost += count - connection.chunks;
      ++done;
      if (now_ns() < end)
        load.send(connection, now_ns());
      else
        --busy;
    });
  double took = static_cast<double>(now_ns() - began) / 1e9;
  size_t chunks = ages.size();
  auto late = std::ranges::count_if(ages, [late_us](int64_t ns) { return static_cast<double>(ns) > late_us * 1000; });
  std::printf(
      "{\"streams\":%ld,\"chunks\":%zu,\"lost\":%ld,\"late\":%ld,\"seconds\":%.3f,\"p50\":%.1f,\"p99\":%.1f,\"p999\":%."
      "1f,"
      "\"max\":%.1f}\n",
      static_cast<long>(done), chunks, static_cast<long>(lost), static_cast<long>(late), took, percentile(ages, 0.5),
      percentile(ages, 0.99), percentile(ages, 0.999), percentile(ages, 1.0));
}

// Whole answers only; streams by the event that ends them.
void ask(Load& load, const std::string& dialect, bool stream, double seconds) {
  std::string_view mark = !stream                  ? "}"
                          : dialect == "chat"      ? "data: [DONE]"
                          : dialect == "responses" ? "event: response.completed"
                                                   : "event: message_stop";
  std::vector<int64_t> latencies;
  int64_t began = now_ns(), end = began + static_cast<int64_t>(seconds * 1e9);
  for (Connection& connection : load.connections()) load.send(connection, now_ns());
  size_t busy = load.connections().size();
  while (busy > 0)
    load.turn(1'000'000'000, [&](Connection& connection, bool whole) {
      if (!whole) return;
      if (connection.body.rfind(mark) == std::string::npos) fail("an answer has no ending: " + connection.body);
      int64_t now = now_ns();
      latencies.push_back(now - connection.due);
      if (now < end)
        load.send(connection, now);
      else
        --busy;
    });
  print_requests(latencies, began);
}

void idle(Load& load) {
  // A few at a time: this is about connections, not about a burst of requests.
  for (Connection& connection : load.connections()) {
    load.send(connection, now_ns());
    while (connection.busy) load.turn(1'000'000'000, [](Connection&, bool) {});
    connection.body = std::string();
  }
  std::printf("{\"idle\":%zu}\n", load.connections().size());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}

}  // namespace

int main(int argc, char** argv) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  std::vector<std::string> words(argv + 1, argv + argc);
  std::string more;
  while (!words.empty() && words.back().find(": ") != std::string::npos) {
    more += words.back() + "\r\n";
    words.pop_back();
  }
  auto number = [&](size_t i) { return std::atof(words[i].c_str()); };
  if (words.size() < 4) fail("what, PORT, CONNECTIONS, ...: see the head of load.cc");
  int port = static_cast<int>(number(1));
  auto connections = static_cast<size_t>(number(2));
  const std::string& key = words.back();
  if (words[0] == "streams" && words.size() == 8) {
    Load load(port, connections, request_bytes("stream-" + words[3] + "-" + words[4], true, key, more));
    streams(load, static_cast<int64_t>(number(3)), number(5), number(6));
    return 0;
  }
  if (words[0] == "ask" && words.size() == 9) {
    bool stream = words[5] == "1";
    Load load(port, connections, ask_bytes(words[3], words[4], stream, static_cast<size_t>(number(6)), key, more));
    ask(load, words[3], stream, number(7));
    return 0;
  }
  Load load(port, connections, request_bytes("fixed", false, key, more));
  if (words[0] == "closed" && words.size() == 5)
    closed(load, number(3));
  else if (words[0] == "rate" && words.size() == 6)
    at_rate(load, number(3), number(4));
  else if (words[0] == "idle")
    idle(load);
  else
    fail("no such measurement: see the head of load.cc");
  return 0;
}
