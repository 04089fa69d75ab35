#pragma once
// Client: the public API over HTTP, for commands. Blocking towards its user; a loop of its own works behind it.

#include <functional>
#include <memory>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "wire/sse.h"

namespace perdure::cli {

class Client {
 public:
  // By PERDURE_URL and PERDURE_API_KEY. kInvalid: the URL is none.
  static Result<std::unique_ptr<Client>> from_environment();
  ~Client();

  // The body of a good answer. Other answers are Errors, classed by status, with the server's words.
  Result<std::string> call(std::string method, std::string path, std::string body = {});

  struct Streamed {
    bool whole = false;       // [DONE] came; else the connection broke
    std::string response_id;  // x-perdure-response-id, when there was one
    std::string cause;        // why it broke
  };
  // Calls `on_event` for every event as it comes, from another thread while this call waits. An Error: the server
  // refused, or cannot be reached (kUnavailable).
  Result<Streamed> stream(std::string method, std::string path, std::string body, std::string idempotency_key,
                          std::function<void(const SseEvent&)> on_event,
                          std::function<void(const std::string&)> on_response_id = {});

 private:
  struct Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Goes on after a broken connection: follows response `id` (or what `create_body` makes) to its end, asking again for
// what is missing for up to a minute. `on_event` gets each event once.
struct Followed {
  std::string response_id;
};
Result<Followed> follow(Client& client, std::string id, int64_t after, std::string create_body,
                        std::function<void(const SseEvent&)> on_event,
                        std::function<void(const std::string&)> on_response_id = {});

}  // namespace perdure::cli
