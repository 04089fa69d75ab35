#pragma once
// Bench: a simulated supplier behind the real HTTP server and client, over a network in memory and in virtual time.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "async/sim_loop.h"
#include "http/client.h"
#include "http/sim_network.h"
#include "simulate/supplier.h"
#include "wire/json.h"

namespace perdure::simulate {

struct Reply {
  int status = 0;
  Headers headers;
  std::string body;
  bool whole = false;       // the body came to its end
  Duration first{}, all{};  // until the first byte of the body and until the last
  size_t reads = 0;
};

using HeaderList = std::vector<std::pair<std::string, std::string>>;

Task<Reply> fetch(Loop& loop, HttpClient& client, std::string method, std::string url, std::string body,
                  HeaderList headers, Duration patience);

class Bench {
 public:
  explicit Bench(SupplierOptions options = {}) : supplier_(loop, std::move(options), Log()) {
    server_ = std::make_unique<HttpServer>(loop, *network_.listen({"supplier", 80}, nullptr, false), supplier_,
                                           HttpServerLimits{}, Log());
    server_->start();
  }
  ~Bench() {
    client_.close_idle();
    loop.run(server_->stop(deadline_in(loop, std::chrono::seconds(1))));
    server_.reset();
    loop.run_until_idle();
  }

  Reply get(std::string path, HeaderList headers = {}) {
    return loop.run(
        fetch(loop, client_, "GET", "http://supplier" + path, "", std::move(headers), std::chrono::hours(1)));
  }
  Reply post(std::string path, std::string body, HeaderList headers = {}, Duration patience = std::chrono::hours(1)) {
    return loop.run(
        fetch(loop, client_, "POST", "http://supplier" + path, std::move(body), std::move(headers), patience));
  }
  Reply chat(std::string_view prompt, bool stream, std::string fault = {}, Duration patience = std::chrono::hours(1)) {
    HeaderList headers;
    if (!fault.empty()) headers.emplace_back("x-simulate-fault", fault);
    return post("/v1/chat/completions", body_of(prompt, stream), headers, patience);
  }
  static std::string body_of(std::string_view prompt, bool stream) {
    json::Writer json;
    json.begin_object().field("model", "simulated-1").key("messages").begin_array();
    json.begin_object().field("role", "user").field("content", prompt).end_object().end_array();
    if (stream)
      json.field("stream", true).key("stream_options").begin_object().field("include_usage", true).end_object();
    json.end_object();
    return json.take();
  }
  const SimulatedSupplier::Stats& stats() const { return supplier_.stats(); }

  SimLoop loop{1};

 private:
  SimCable cable_{loop, 1};
  SimNetwork network_{cable_};
  SimulatedSupplier supplier_;
  std::unique_ptr<HttpServer> server_;
  HttpClient client_{loop, network_, ProxyRules{}};
};

// The events of a stream: name and data, as they came.
std::vector<std::pair<std::string, std::string>> events_of(std::string_view body);

// One document; the test fails where it is none.
json::Document parsed(std::string_view json);

// As a JSON string.
std::string json_text(std::string_view text);

}  // namespace perdure::simulate
