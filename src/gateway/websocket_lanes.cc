#include "gateway/websocket_lanes.h"

#include <algorithm>

#include "dialect/responses_render.h"
#include "dialect/responses_request.h"
#include "session/turnstile.h"

namespace perdure {
namespace {

constexpr size_t kLaneNameMax = 256;

bool is_lane_name(std::string_view name) {
  return !name.empty() && name.size() <= kLaneNameMax && std::ranges::all_of(name, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-';
  });
}

Error invalid(std::string param, std::string reason, std::string message) {
  return {Code::kInvalid, std::move(message), std::move(param), std::move(reason)};
}

Error not_known_here(const std::string& id) {
  return {Code::kInvalid, "Previous response with id '" + id + "' not found.", "previous_response_id",
          "previous_response_not_found"};
}

Error life_is_over() {
  return {Code::kInvalid, "This connection has reached its limit of time. Open a new one to go on.", "",
          "websocket_connection_limit_reached"};
}

size_t bytes_of(const std::vector<Item>& items) {
  size_t bytes = 0;
  for (const Item& item : items) {
    bytes += sizeof(Item) + item.arguments.size() + item.output.size() + item.encrypted.size();
    for (const Part& part : item.content)
      bytes += sizeof(Part) + part.text.size() + part.url.size() + part.file_data.size();
    for (const Part& part : item.summary) bytes += sizeof(Part) + part.text.size();
  }
  return bytes;
}

// `"stream_id":"x"` behind the last member of an event.
std::string with_lane(std::string data, const std::string& lane) {
  if (lane.empty()) return data;
  data.pop_back();
  return data.append(",\"stream_id\":\"").append(lane).append("\"}");
}

}  // namespace

WebSocketLanes::WebSocketLanes(Loop& loop, Responses& responses, KeyBook& keys, GatewayMetrics& metrics,
                               WebSocketLaneLimits limits, Log log, WebSocket& socket, WebSocketCaller caller)
    : loop_(loop),
      responses_(responses),
      keys_(keys),
      metrics_(metrics),
      limits_(limits),
      log_(std::move(log)),
      socket_(socket),
      caller_(std::move(caller)),
      slots_(loop),
      gone_(loop),
      ends_at_(loop.now() + limits.life),
      tasks_(loop) {}

bool WebSocketLanes::leaving() const { return denied_ || socket_.stopping().requested() || loop_.now() >= ends_at_; }

Error WebSocketLanes::why_leaving() const {
  if (denied_) return {Code::kDenied, "the API key is no longer valid", "", "unauthenticated"};
  return socket_.stopping().requested() ? server_stopping() : life_is_over();
}

Task<void> WebSocketLanes::run() {
  auto wake = [](void* self) { static_cast<WebSocketLanes*>(self)->socket_.wake(); };
  Timer life(loop_, wake, this);
  life.arm(ends_at_);
  Cancellation::Hook on_stop(&socket_.stopping(), [this] { socket_.wake(); });
  bool grace = false;
  for (;;) {
    if (leaving()) {
      if (running_ == 0 && waiting_ == 0) break;
      // What is being made may end. When the server stops, it is the server's deadline that counts.
      if (!grace) life.arm(loop_.now() + limits_.grace);
      if (grace && !socket_.stopping().requested() && !life.armed()) break;
      grace = true;
      slots_.notify_all();
    }
    Result<WebSocketMessage> message = co_await socket_.receive();
    if (message.ok())
      take(*std::move(message));
    else if (message.error().code != Code::kCancelled)
      break;
  }
  co_await leave();
}

// Says goodbye, and lets go of everything.
Task<void> WebSocketLanes::leave() {
  if (socket_.open()) {
    if (!denied_ && !socket_.stopping().requested()) co_await fail(Lane{}, life_is_over());
    const bool stops = socket_.stopping().requested();
    co_await socket_.close(denied_ ? 1008 : stops ? 1001 : 1000, stops ? "the server is stopping" : "");
  }
  gone_.request();
  slots_.notify_all();
  co_await tasks_.join();
}

// A message goes to the end of its lane's line; what is wrong with it is told when its turn comes.
void WebSocketLanes::take(WebSocketMessage message) {
  std::string name;
  Result<Asked> asked = read(message.text, name);
  auto refuse = [this](std::string lane, Error error) {
    auto say = [](WebSocketLanes& lanes, std::string to, Error what) -> Task<void> {
      Lane nowhere{.name = std::move(to), .line = {}, .known = {}};
      co_await lanes.fail(nowhere, std::move(what));
    };
    tasks_.spawn(say(*this, std::move(lane), std::move(error)));
  };
  if (leaving()) return refuse(std::move(name), why_leaving());
  if (waiting_ >= limits_.waiting_max)
    return refuse(std::move(name),
                  {Code::kOverloaded, "too many creates wait on this connection", "", "websocket_queue_full"});
  auto found = lanes_.find(name);
  if (found == lanes_.end()) {
    if (!name.empty() && lanes_.size() >= limits_.lanes_max + (lanes_.contains("") ? 1 : 0))
      return refuse(std::move(name),
                    invalid("stream_id", "websocket_stream_limit_reached",
                            "This connection has " + std::to_string(limits_.lanes_max) + " named streams already."));
    found = lanes_.emplace(name, std::make_unique<Lane>()).first;
    found->second->name = name;
  }
  Lane& lane = *found->second;
  lane.line.push_back({std::move(asked), std::move(message.held)});
  ++waiting_;
  if (!std::exchange(lane.served, true)) tasks_.spawn(serve(lane));
}

Result<WebSocketLanes::Asked> WebSocketLanes::read(const std::string& text, std::string& lane) const {
  TRY(json::Document document, json::Document::parse(text));
  json::Value root = document.root();
  if (!root.is_object()) return invalid("", "invalid_type", "A message must be a JSON object.");
  json::Value stream_id = root["stream_id"];
  if (!stream_id.absent()) {
    if (!is_lane_name(stream_id.text()))
      return invalid("stream_id", "invalid_value",
                     "Invalid 'stream_id': expected 1 to 256 characters of A-Z, a-z, 0-9, '_', '.', '-'.");
    lane = stream_id.text();
  }
  json::Value type = root["type"];
  if (type.text() != "response.create") {
    std::string_view shown = type.text().substr(0, 64);
    return invalid("type", "unsupported_event",
                   "Messages are of type 'response.create'; '" + std::string(shown) + "' is not to be had here.");
  }
  Asked asked;
  if (json::Value generate = root["generate"]; !generate.absent()) {
    if (!generate.boolean())
      return invalid("generate", "invalid_type", "Invalid type for 'generate': expected a boolean.");
    asked.generate = *generate.boolean();
  }
  // Told by the form of the connection: what says otherwise is refused, what says the same is taken.
  struct Implied {
    std::string_view name;
    bool value;
  };
  for (Implied implied : {Implied{"stream", true}, Implied{"background", false}}) {
    json::Value value = root[implied.name];
    if (!value.absent() && value.boolean() != implied.value)
      return invalid(std::string(implied.name), "unsupported_parameter",
                     "'" + std::string(implied.name) + "' is not to be given over a WebSocket.");
  }
  if (!root["stream_options"].absent())
    return invalid("stream_options", "unsupported_parameter", "'stream_options' is not to be given over a WebSocket.");
  json::Writer body;
  body.begin_object();
  for (const auto& [key, value] : root.members()) {
    static constexpr std::string_view kOfTheMessage[] = {"type",   "stream_id",  "generate",
                                                         "stream", "background", "stream_options"};
    if (std::ranges::find(kOfTheMessage, key) == std::ranges::end(kOfTheMessage)) body.key(key).raw(value.raw());
  }
  TRY(json::Document create, json::Document::parse(body.end_object().take()));
  ResponsesRules rules{.references = &asked.references, .input_needed = asked.generate};
  TRY(asked.request, parse_responses_request(create.root(), rules));
  asked.request.stream = true;
  asked.request.lenient = caller_.lenient;
  return asked;
}

Task<void> WebSocketLanes::serve(Lane& lane) {
  while (!lane.line.empty() && !gone_.requested()) {
    if (leaving()) {
      co_await fail(lane, why_leaving());
      lane.line.pop_front();
      --waiting_;
      continue;
    }
    if (running_ >= limits_.running_max) {
      (void)co_await slots_.wait();
      continue;
    }
    Waiting next = std::move(lane.line.front());
    lane.line.pop_front();
    --waiting_;
    ++running_;
    if (!next.asked.ok()) {
      co_await fail(lane, next.asked.error());
    } else {
      next.held = {};
      co_await turn(lane, *std::move(next.asked));
    }
    --running_;
    slots_.notify_all();
  }
  lane.served = false;
  if (leaving() && !gone_.requested()) socket_.wake();
}

Task<void> WebSocketLanes::turn(Lane& lane, Asked asked) {
  const Instant began = loop_.now();
  const std::string previous = asked.request.previous_response_id;
  const bool stored = asked.request.store;
  Known next;
  Created created;
  std::optional<Error> error;
  bool failed = false;

  Result<Caller> caller = keys_.identify(caller_.token);
  if (!caller.ok() || caller->tenant != caller_.caller.tenant || caller->key != caller_.caller.key) {
    denied_ = true;
    error = why_leaving();
  }
  if (!error && caller_.rates != nullptr) {
    const KeyId& key = caller_.caller.key;
    error = caller_.rates->admit(key, keys_.rates(key), loop_.now()).refused;
    if (error) metrics_.rate_limited.add();
  }
  CreateCall call{.tenant = caller_.caller.tenant, .key = caller_.caller.key};
  call.generate = asked.generate;
  if (!error && !previous.empty()) {
    const Known* known = find(previous);
    if (known == nullptr && !stored) error = not_known_here(previous);
    if (known != nullptr && known->stored != previous) {
      call.remembered = Remembered{known->stored, known->items};
      next.stored = known->stored;
      next.items = known->items;
    } else if (known != nullptr) {
      next.stored = previous;
    }
  }
  if (!error) {
    call.request = std::move(asked.request);
    call.references = std::move(asked.references);
    Result<Created> made = co_await responses_.create(std::move(call));
    if (made.ok())
      created = *std::move(made);
    else
      error = std::move(made).error();
    if (error && error->reason == "previous_response_not_found") error = not_known_here(previous);
  }
  if (!error) {
    Result<void> told = co_await tell(lane, created, stored, next, failed);
    if (!told.ok()) error = std::move(told).error();
  }
  if (error || failed) {
    forget(previous);
  } else if (!next.id.empty()) {
    remember(lane, std::move(next));
  }
  if (error && !gone_.requested()) co_await fail(lane, *error);
  log_.info("websocket.turn", {{"response", created.id.value},
                               {"tenant", caller_.caller.tenant.value},
                               {"key", caller_.caller.key.value},
                               {"request", caller_.request_id},
                               {"class", error    ? to_string(error->code)
                                         : failed ? "failed"
                                                  : "ok"},
                               {"ms", std::chrono::duration<double, std::milli>(loop_.now() - began).count()}});
}

// Every event of a response, as it comes. `next` gets what must be remembered of it, `failed` whether it ended so.
Task<Result<void>> WebSocketLanes::tell(Lane& lane, Created& created, bool stored, Known& next, bool& failed) {
  const ResponseId& id = created.id;
  const TenantId& tenant = caller_.caller.tenant;
  auto abandon = [](Responses& responses, TenantId whose, ResponseId which) -> Task<void> {
    co_await responses.abandon(std::move(whose), std::move(which));
  };
  // What is not stored ends with the socket.
  std::optional<Cancellation::Hook> on_leaving;
  if (!stored) on_leaving.emplace(&gone_, [&] { tasks_.spawn(abandon(responses_, tenant, id)); });
  auto rendering = std::make_unique<EventRenderer>(caller_.reasoning_events);
  Result<std::unique_ptr<EventReader>> reader =
      co_await responses_.follow(tenant, id, std::move(rendering), std::move(created.run));
  Result<void> outcome;
  if (!reader.ok()) outcome = std::move(reader).error();
  std::vector<RenderedEvent> events;
  while (outcome.ok() && !(*reader)->finished() && !gone_.requested()) {
    events.clear();
    outcome = co_await (*reader)->next(events, deadline_in(loop_, limits_.poll));
    for (size_t i = 0; i < events.size() && !gone_.requested(); ++i) {
      std::string text = with_lane(std::move(events[i].data), lane.name);
      Result<void> sent = co_await socket_.send(text);
      metrics_.events.add();
      if (!sent.ok()) gone_.request();
    }
  }
  if (outcome.ok() && (*reader)->finished()) {
    const Response& response = (*reader)->response();
    failed = response.status == ResponseStatus::kFailed;
    next.id = id.value;
    if (stored) {
      next.stored = id.value;
      next.items.clear();
    } else {
      next.items.insert(next.items.end(), response.request->input.begin(), response.request->input.end());
      next.items.insert(next.items.end(), response.output().begin(), response.output().end());
    }
  }
  if (reader.ok()) reader->reset();
  on_leaving.reset();
  if (!stored) co_await responses_.abandon(tenant, id);
  co_return outcome;
}

Task<void> WebSocketLanes::fail(const Lane& lane, Error error) {
  std::string text = with_lane(render_websocket_error(error), lane.name);
  (void)co_await socket_.send(text);
}

const WebSocketLanes::Known* WebSocketLanes::find(const std::string& id) const {
  for (const auto& [name, lane] : lanes_)
    if (lane->known.id == id) return &lane->known;
  return nullptr;
}

void WebSocketLanes::forget(const std::string& id) {
  if (id.empty()) return;
  for (auto& [name, lane] : lanes_) {
    if (lane->known.id != id) continue;
    remembered_bytes_ -= lane->known.bytes;
    lane->known = {};
  }
}

// In the place of what the lane knew before. Where there is too much, the lanes that were quiet for longest forget.
void WebSocketLanes::remember(Lane& lane, Known known) {
  known.bytes = bytes_of(known.items);
  known.age = ++clock_;
  remembered_bytes_ += known.bytes - lane.known.bytes;
  lane.known = std::move(known);
  while (remembered_bytes_ > limits_.remembered_bytes_max) {
    Lane* oldest = nullptr;
    for (auto& [name, one] : lanes_)
      if (one->known.bytes > 0 && (oldest == nullptr || one->known.age < oldest->known.age)) oldest = one.get();
    remembered_bytes_ -= oldest->known.bytes;
    oldest->known = {};
  }
}

}  // namespace perdure
