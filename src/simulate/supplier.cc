#include "simulate/supplier.h"

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "base/ids.h"
#include "simulate/chat_reply.h"
#include "simulate/fault_plan.h"
#include "simulate/scripted_model.h"
#include "simulate/tokens.h"
#include "wire/json.h"
#include "wire/sse.h"

namespace perdure::simulate {
namespace {

using Kind = Fault::Kind;

constexpr size_t kRequestsRemembered = 100'000;  // beyond, all counts begin again
constexpr Duration kArrivalTime = std::chrono::milliseconds(20);
constexpr size_t kBodyBytesKept = size_t{64} << 20;

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kInvalidRequest = "invalid_request_error";

struct State {
  Loop& loop;
  SupplierOptions options;
  Log log;
  SimulatedSupplier::Stats stats = {};
  std::unordered_map<uint64_t, uint32_t> times_seen = {};
  std::deque<std::string> bodies = {};
  size_t body_bytes = 0;

  void keep(const std::string& body) {
    if (options.bodies_kept > 0) {
      bodies.push_back(body);
      body_bytes += body.size();
    }
    while (!bodies.empty() && (bodies.size() > options.bodies_kept || body_bytes > kBodyBytesKept)) {
      body_bytes -= bodies.front().size();
      bodies.pop_front();
    }
  }

  std::vector<std::string_view> model_names() const {
    std::vector<std::string_view> names;
    for (std::string_view rest = options.model; !rest.empty();) {
      const size_t comma = std::min(rest.find(','), rest.size());
      if (comma > 0) names.push_back(rest.substr(0, comma));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    return names;
  }
  bool has_model(std::string_view name) const {
    return std::ranges::any_of(model_names(), [&](std::string_view known) { return known == name || known == "*"; });
  }
};

// One body on its way out: the place of what happens to bytes. When put() or finish() says false the exchange is over.
class Body {
 public:
  enum class End { kNone, kGone, kFault };

  Body(State& state, HttpReply& reply, const FaultPlan& plan)
      : state_(state), reply_(reply), cut_(plan.find(Kind::kCutAfterBytes)), trickle_(plan.find(Kind::kTrickle)) {}

  End end = End::kNone;

  Task<bool> begin(std::string_view content_type) {
    const auto begun = co_await reply_.begin(200, content_type);
    if (!begun.ok()) end = End::kGone;
    if (begun.ok() && trickle_ != nullptr) ++state_.stats.faults;
    co_return begun.ok();
  }

  // `bytes` must live until the Task ends.
  Task<bool> put(std::string_view bytes) {
    const bool cuts = cut_ != nullptr && sent_ + static_cast<int64_t>(bytes.size()) >= cut_->after;
    if (cuts) bytes = bytes.substr(0, static_cast<size_t>(std::max<int64_t>(0, cut_->after - sent_)));
    sent_ += static_cast<int64_t>(bytes.size());
    const size_t step = trickle_ != nullptr ? 1 : bytes.size();
    for (size_t at = 0; at < bytes.size(); at += step) {
      const auto written = co_await reply_.write(bytes.substr(at, step));
      if (!written.ok()) {
        end = End::kGone;
        co_return false;
      }
      if (trickle_ == nullptr || trickle_->fault.time.count() <= 0) continue;
      const bool stays = co_await wait_until(state_.loop.now() + trickle_->fault.time);
      if (!stays) co_return false;
    }
    if (cuts) co_await cut();
    co_return !cuts;
  }

  Task<bool> finish() {
    const auto finished = co_await reply_.finish();
    if (!finished.ok()) end = End::kGone;
    co_return finished.ok();
  }

  // What was written before gets a moment to arrive: a reset overtakes it otherwise, and the cut would not be where it
  // was asked for.
  Task<void> cut() {
    ++state_.stats.faults;
    if (reply_.begun()) static_cast<void>(co_await reply_.gone().wait(deadline_in(state_.loop, kArrivalTime)));
    reply_.abort();
    end = End::kFault;
  }

  // False: the client left first.
  Task<bool> wait_until(Instant at) {
    if (at <= state_.loop.now()) co_return true;
    const bool left = co_await reply_.gone().wait(Deadline{at});
    if (left) {
      reply_.abort();
      end = End::kGone;
    }
    co_return !left;
  }

 private:
  State& state_;
  HttpReply& reply_;
  const FaultPlan::Drawn* cut_;
  const FaultPlan::Drawn* trickle_;
  int64_t sent_ = 0;
};

// A token on its way: of the reasoning, of the text, or of a call's arguments.
struct Piece {
  enum class Of { kReasoning, kText, kCall };
  Of of;
  size_t call = 0;
  bool first = false;  // of its call
  std::string_view text = {};
};

std::vector<Piece> pieces_of(const Answer& answer) {
  std::vector<Piece> pieces;
  const auto add = [&](Piece piece, std::string_view text) {
    piece.first = true;
    for (; !text.empty(); piece.first = false) {
      piece.text = text.substr(0, token_length(text));
      text.remove_prefix(piece.text.size());
      pieces.push_back(piece);
    }
  };
  add({Piece::Of::kReasoning}, answer.reasoning);
  add({Piece::Of::kText}, answer.text);
  for (size_t i = 0; i < answer.calls.size(); ++i) add({Piece::Of::kCall, i}, answer.calls[i].arguments);
  return pieces;
}

// One chat request, from what is drawn for it to the end of its reply.
class Exchange {
 public:
  Exchange(State& state, HttpReply& reply, const ChatRequest& request, const FaultPlan& plan, uint64_t number)
      : state_(state), reply_(reply), request_(request), plan_(plan), body_(state, reply, plan) {
    SeededRandom random(number);
    head_ = {.id = make_id(random, "chatcmpl-", 12),
             .model = request.model,
             .created = unix_seconds(state.loop.wall()),
             .include_usage = request.include_usage};
    reply.headers.set("x-request-id", make_id(random, "req_", 12));
  }

  Task<void> run() {
    const bool whole = co_await answer_or_fault();
    if (whole) {
      ++state_.stats.completed;
    } else if (body_.end == Body::End::kGone) {
      ++state_.stats.abandoned;
    }
    state_.log.debug("simulate.answered", {{"id", head_.id}, {"whole", whole}, {"tokens", answer_.tokens}});
  }

 private:
  Task<bool> answer_or_fault() {
    if (const auto* status = plan_.find(Kind::kStatus)) {
      co_await refuse_by_fault(status->fault);
      co_return false;
    }
    if (const auto* slow = plan_.find(Kind::kSlowHeaders)) {
      ++state_.stats.faults;
      const bool stays = co_await body_.wait_until(state_.loop.now() + slow->fault.time);
      if (!stays) co_return false;
    }
    if (plan_.find(Kind::kClose) != nullptr) {
      co_await body_.cut();
      co_return false;
    }
    answer_ = answer(request_, state_.options.seed,
                     {.continuation = state_.options.continuation, .reasoning = state_.options.reasoning});
    usage_ = {.prompt = prompt_tokens(request_), .completion = answer_.tokens, .reasoning = answer_.reasoning_tokens};
    if (request_.stream) {
      const bool whole = co_await stream();
      co_return whole;
    }
    const bool whole = co_await send_whole();
    co_return whole;
  }

  Task<void> refuse_by_fault(const Fault& fault) {
    ++state_.stats.faults;
    if (fault.retry_after_s >= 0) reply_.headers.set("retry-after", std::to_string(fault.retry_after_s));
    const bool limit = fault.status == 429;
    const std::string error =
        limit ? render_error("Rate limit reached (simulated).", "requests", "", "rate_limit_exceeded")
              : render_error("The request failed with status " + std::to_string(fault.status) + " (simulated).",
                             fault.status >= 500 ? "server_error" : kInvalidRequest, "", "");
    const auto sent = co_await reply_.send(fault.status, kJson, error);
    if (!sent.ok()) body_.end = Body::End::kGone;
  }

  // Faults and pace before token number `index`, which is also how many there were; false: it is over.
  Task<bool> before_token(int64_t index, bool is_end) {
    if (plan_.at(Kind::kCutAfterTokens, index) != nullptr) {
      co_await body_.cut();
      co_return false;
    }
    if (const Fault* stall = plan_.at(Kind::kStallAfterTokens, index)) {
      ++state_.stats.faults;
      const Instant until = stall->time.count() < 0 ? Instant::max() : state_.loop.now() + stall->time;
      const bool stays = co_await body_.wait_until(until);
      if (!stays) co_return false;
      if (stall->time.count() > 0) start_ += stall->time;
    }
    if (is_end) co_return true;
    Instant due = start_ + state_.options.first_token;
    if (state_.options.tokens_per_second > 0)
      due += Duration(
          static_cast<int64_t>(std::min(static_cast<double>(index) / state_.options.tokens_per_second, 1e8) * 1e9));
    const bool stays = co_await body_.wait_until(due);
    co_return stays;
  }

  Task<bool> event(std::string json) {
    std::string out;
    append_sse(out, "", json);
    const bool goes_on = co_await body_.put(out);
    co_return goes_on;
  }

  Task<bool> malformed_event() {
    ++state_.stats.faults;
    const std::string sound = render_text_chunk(head_, "broken");
    const bool goes_on = co_await event(sound.substr(0, sound.size() * 2 / 3));
    co_return goes_on;
  }

  // The faults that put something else into the stream; false: it is over.
  Task<bool> other_events(int64_t index) {
    if (plan_.at(Kind::kMalformedAfterTokens, index) != nullptr) {
      const bool goes_on = co_await malformed_event();
      if (!goes_on) co_return false;
    }
    const bool error = plan_.at(Kind::kErrorAfterTokens, index) != nullptr;
    const bool end = plan_.at(Kind::kEndAfterTokens, index) != nullptr;
    if (!error && !end) co_return true;
    ++state_.stats.faults;
    if (error) {
      const bool goes_on = co_await event(render_error("The server had an error (simulated).", "server_error", "", ""));
      if (!goes_on) co_return false;
    }
    const bool finished = co_await body_.finish();
    if (finished) body_.end = Body::End::kFault;
    co_return false;
  }

  Task<bool> piece(const Piece& one) {
    if (one.of == Piece::Of::kCall && one.first) {
      const bool goes_on = co_await event(render_call_chunk(head_, one.call, answer_.calls[one.call]));
      if (!goes_on) co_return false;
    }
    std::string json = one.of == Piece::Of::kReasoning ? render_reasoning_chunk(head_, one.text)
                       : one.of == Piece::Of::kText    ? render_text_chunk(head_, one.text)
                                                       : render_arguments_chunk(head_, one.call, one.text);
    const bool goes_on = co_await event(std::move(json));
    if (goes_on) ++state_.stats.tokens;
    co_return goes_on;
  }

  Task<bool> stream() {
    const std::vector<Piece> pieces = pieces_of(answer_);
    reply_.headers.set("cache-control", "no-cache");
    bool goes_on = co_await body_.begin("text/event-stream; charset=utf-8");
    if (!goes_on) co_return false;
    start_ = state_.loop.now();
    goes_on = co_await event(render_first_chunk(head_));
    for (size_t i = 0; goes_on && i <= pieces.size(); ++i) {
      const bool is_end = i == pieces.size();
      goes_on = co_await before_token(static_cast<int64_t>(i), is_end);
      if (goes_on) goes_on = co_await other_events(static_cast<int64_t>(i));
      if (goes_on && !is_end) goes_on = co_await piece(pieces[i]);
    }
    if (goes_on) goes_on = co_await event(render_finish_chunk(head_, answer_.finish));
    if (goes_on && request_.include_usage) goes_on = co_await event(render_usage_chunk(head_, usage_));
    if (goes_on) goes_on = co_await event("[DONE]");
    if (goes_on) goes_on = co_await body_.finish();
    co_return goes_on;
  }

  Task<bool> send_whole() {
    std::string json = render_completion(head_, answer_, usage_);
    bool broken = false;
    start_ = state_.loop.now();
    for (int64_t i = 0; i <= answer_.tokens; ++i) {
      const bool goes_on = co_await before_token(i, i == answer_.tokens);
      if (!goes_on) co_return false;
      if (plan_.at(Kind::kErrorAfterTokens, i) != nullptr) {
        co_await refuse_by_fault({.kind = Kind::kStatus, .status = 500});
        co_return false;
      }
      broken = broken || plan_.at(Kind::kMalformedAfterTokens, i) != nullptr ||
               plan_.at(Kind::kEndAfterTokens, i) != nullptr;
    }
    if (broken) {
      ++state_.stats.faults;
      json.resize(json.size() / 2);
    }
    bool goes_on = false;
    if (plan_.find(Kind::kCutAfterBytes) != nullptr || plan_.find(Kind::kTrickle) != nullptr) {
      goes_on = co_await body_.begin(kJson);
      if (goes_on) goes_on = co_await body_.put(json);
      if (goes_on) goes_on = co_await body_.finish();
    } else {
      const auto sent = co_await reply_.send(200, kJson, json);
      goes_on = sent.ok();
      if (!goes_on) body_.end = Body::End::kGone;
    }
    if (goes_on) state_.stats.tokens += answer_.tokens;
    co_return goes_on && !broken;
  }

  State& state_;
  HttpReply& reply_;
  const ChatRequest& request_;
  const FaultPlan& plan_;
  Body body_;
  ReplyHead head_;
  Answer answer_;
  Usage usage_;
  Instant start_{};
};

}  // namespace

struct SimulatedSupplier::Impl : State {
  Task<void> send_error(HttpReply& reply, int status, std::string error) {
    const auto sent = co_await reply.send(status, kJson, error);
    static_cast<void>(sent.ok());
  }

  Task<void> send_json(HttpReply& reply, std::string json) {
    const auto sent = co_await reply.send(200, kJson, json);
    static_cast<void>(sent.ok());
  }

  Task<void> chat(HttpRequest& request, HttpReply& reply) {
    ++stats.requests;
    keep(request.body);
    const uint64_t seen_as = hash_of(request.body, options.seed);
    if (times_seen.size() >= kRequestsRemembered) times_seen.clear();
    const uint64_t number = hash_of("again", seen_as + 0x9e3779b97f4a7c15ull * times_seen[seen_as]++);

    auto chat_request = parse_chat_request(request.body);
    if (!chat_request.ok()) {
      ++stats.refused;
      const Error& error = chat_request.error();
      co_await send_error(reply, 400, render_error(error.message, kInvalidRequest, error.param, error.reason));
      co_return;
    }
    if (!has_model(chat_request->model)) {
      ++stats.refused;
      co_await send_error(
          reply, 404,
          render_error("The model '" + chat_request->model + "' does not exist or you do not have access to it.",
                       kInvalidRequest, "", "model_not_found"));
      co_return;
    }
    std::vector<Fault> for_this_request;
    const std::string_view header = request.header("x-simulate-fault");
    if (!header.empty()) {
      auto parsed = parse_faults(header);
      if (!parsed.ok()) {
        ++stats.refused;
        co_await send_error(reply, 400,
                            render_error("x-simulate-fault: " + parsed.error().message, kInvalidRequest, "", ""));
        co_return;
      }
      for_this_request = std::move(*parsed);
    }
    const FaultPlan plan = FaultPlan::draw(header.empty() ? options.faults : for_this_request, SeededRandom(number));
    Exchange exchange(*this, reply, *chat_request, plan, number);
    co_await exchange.run();
  }

  std::string models(std::string_view only) const {
    json::Writer json;
    if (only.empty()) json.begin_object().field("object", "list").key("data").begin_array();
    for (const std::string_view name : model_names()) {
      if (name == "*" || (!only.empty() && name != only)) continue;
      json.begin_object().field("id", name).field("object", "model").field("created", 0);
      json.field("owned_by", "simulated").end_object();
    }
    if (only.empty()) json.end_array().end_object();
    return json.take();
  }

  std::string what_is_set() const {
    json::Writer json;
    json.begin_object().field("faults", to_string(options.faults));
    json.field("bodies_kept", static_cast<int64_t>(options.bodies_kept)).end_object();
    return json.take();
  }

  std::string what_was_seen(bool with_bodies) const {
    json::Writer json;
    json.begin_object().field("requests", stats.requests).field("refused", stats.refused);
    json.field("completed", stats.completed).field("abandoned", stats.abandoned).field("faults", stats.faults);
    json.field("tokens", stats.tokens);
    if (with_bodies) {
      json.key("bodies").begin_array();
      for (const std::string& body : bodies) json.string(body);
      json.end_array();
    }
    json.end_object();
    return json.take();
  }

  // {"faults": text or list of texts, "bodies_kept": number}; all of it or nothing.
  Result<void> set(const std::string& body) {
    TRY(auto document, json::Document::parse(body));
    const json::Value root = document.root();
    if (!root.is_object()) return Error{.code = Code::kInvalid, .message = "The body is not a JSON object."};
    std::vector<Fault> faults = options.faults;
    size_t kept = options.bodies_kept;
    for (const auto& [key, value] : root.members()) {
      if (key == "faults" && (value.is_string() || value.is_array())) {
        std::string text(value.text());
        for (const json::Value one : value.elements()) text.append(one.text()).append(";");
        TRY(faults, parse_faults(text));
      } else if (key == "bodies_kept" && value.integer().value_or(-1) >= 0) {
        kept = static_cast<size_t>(*value.integer());
      } else {
        return Error{.code = Code::kInvalid,
                     .message = "\"" + std::string(key) + "\" is not known here or of the wrong type.",
                     .param = std::string(key)};
      }
    }
    options.faults = std::move(faults);
    options.bodies_kept = kept;
    log.info("simulate.faults_set", {{"faults", to_string(options.faults)}});
    return {};
  }

  bool allowed(const HttpRequest& request) const {
    if (options.api_key.empty() || !request.path.starts_with("/v1/")) return true;
    const std::string_view header = request.header("authorization");
    return header.starts_with("Bearer ") && header.substr(7) == options.api_key;
  }

  Task<void> route(HttpRequest& request, HttpReply& reply) {
    if (!allowed(request)) {
      co_await send_error(reply, 401,
                          render_error("Incorrect API key provided.", kInvalidRequest, "", "invalid_api_key"));
      co_return;
    }
    const bool get = request.method == "GET", post = request.method == "POST";
    if (post && request.path == "/v1/chat/completions") {
      co_await chat(request, reply);
    } else if (get && request.path == "/v1/models") {
      co_await send_json(reply, models(""));
    } else if (get && request.path.starts_with("/v1/models/") && !models(request.path.substr(11)).empty()) {
      co_await send_json(reply, models(request.path.substr(11)));
    } else if (get && request.path == "/__faults") {
      co_await send_json(reply, what_is_set());
    } else if (post && request.path == "/__faults") {
      const auto done = set(request.body);
      if (done.ok())
        co_await send_json(reply, what_is_set());
      else
        co_await send_error(reply, 400, render_error(done.error().message, kInvalidRequest, done.error().param, ""));
    } else if (get && request.path == "/__stats") {
      const auto bodies_asked = request.query.find("bodies");
      co_await send_json(reply, what_was_seen(bodies_asked != request.query.end() && bodies_asked->second == "1"));
    } else {
      const bool known = request.path == "/v1/chat/completions" || request.path == "/v1/models" ||
                         request.path == "/__faults" || request.path == "/__stats";
      co_await send_error(
          reply, known ? 405 : 404,
          render_error((known ? "Not allowed to " + request.method + " on " : std::string("Unknown request URL: ")) +
                           request.path + ".",
                       kInvalidRequest, "", known ? "" : "unknown_url"));
    }
  }
};

SimulatedSupplier::SimulatedSupplier(Loop& loop, SupplierOptions options, Log log)
    : impl_(new Impl{{loop, std::move(options), std::move(log)}}) {}
SimulatedSupplier::~SimulatedSupplier() = default;

Task<void> SimulatedSupplier::handle(HttpRequest& request, HttpReply& reply) { co_await impl_->route(request, reply); }

std::string SimulatedSupplier::refuse(const HttpRequest&, int status, std::string_view message) {
  return render_error(message, status >= 500 ? "server_error" : kInvalidRequest, "", "");
}

void SimulatedSupplier::set_faults(std::vector<Fault> faults) { impl_->options.faults = std::move(faults); }
const SimulatedSupplier::Stats& SimulatedSupplier::stats() const { return impl_->stats; }

}  // namespace perdure::simulate
