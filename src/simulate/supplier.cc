#include "simulate/supplier.h"

#include <array>
#include <deque>
#include <unordered_map>

#include "simulate/anthropic_surface.h"
#include "simulate/azure_surface.h"
#include "simulate/bedrock_surface.h"
#include "simulate/exchange.h"
#include "simulate/google_surface.h"
#include "simulate/openai_error.h"
#include "simulate/openai_surface.h"
#include "simulate/tokens.h"
#include "wire/json.h"

namespace perdure::simulate {
namespace {

constexpr size_t kRequestsRemembered = 100'000;  // beyond, all counts begin again
constexpr size_t kBodyBytesKept = size_t{64} << 20;

constexpr std::string_view kJson = "application/json";

}  // namespace

struct SimulatedSupplier::Impl {
  Impl(Loop& l, SupplierOptions o, Log log_to)
      : loop(l), log(std::move(log_to)), account(std::move(o)), options(account.options) {}

  Loop& loop;
  Log log;
  Account account;
  SupplierOptions& options;
  Stats stats = {};
  FaultWitness witness = {};
  std::unordered_map<uint64_t, uint32_t> times_seen = {};
  std::deque<std::string> bodies = {};
  size_t body_bytes = 0;
  // Asked in this order; the last one serves whatever is left.
  std::array<std::unique_ptr<Surface>, 5> surfaces = {make_bedrock_surface(account), make_anthropic_surface(account),
                                                      make_google_surface(account), make_azure_surface(account),
                                                      make_openai_surface(account)};

  Surface& surface_of(const HttpRequest& request) const {
    for (const auto& surface : surfaces)
      if (surface->serves(request)) return *surface;
    return *surfaces.back();
  }

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

  Task<void> send(HttpReply& reply, int status, std::string json) {
    const auto sent = co_await reply.send(status, kJson, json);
    static_cast<void>(sent.ok());
  }

  Task<void> refuse(HttpReply& reply, const Surface& surface, const Failure& failure) {
    std::string body = surface.error(failure, reply.headers);
    co_await send(reply, failure.status, std::move(body));
  }

  // What is drawn for a request comes from its bytes and from how often the same ones came.
  uint64_t number_of(const HttpRequest& request) {
    const uint64_t seen_as = hash_of(request.body, options.seed);
    if (times_seen.size() >= kRequestsRemembered) times_seen.clear();
    return hash_of("again", seen_as + 0x9e3779b97f4a7c15ull * times_seen[seen_as]++);
  }

  Task<void> answer_one(HttpRequest& request, HttpReply& reply, Surface& surface) {
    ++stats.requests;
    keep(request.body);
    const uint64_t number = number_of(request);
    SeededRandom stamps(number ^ 1);
    surface.stamp(reply.headers, stamps);
    Outcome outcome = surface.route(request, {number, loop.wall()});
    if (const auto* failure = std::get_if<Failure>(&outcome)) {
      ++stats.refused;
      co_await refuse(reply, surface, *failure);
      co_return;
    }
    std::vector<Fault> for_this_request;
    const std::string_view header = request.header("x-simulate-fault");
    if (!header.empty()) {
      auto parsed = parse_faults(header);
      if (!parsed.ok()) {
        ++stats.refused;
        co_await refuse(reply, surface, {400, "x-simulate-fault: " + parsed.error().message});
        co_return;
      }
      for_this_request = std::move(*parsed);
    }
    const FaultPlan plan = FaultPlan::draw(header.empty() ? options.faults : for_this_request, SeededRandom(number));
    Call& call = *std::get<std::unique_ptr<Call>>(outcome);
    co_await run_exchange({loop, log, account, stats, surface, reply, witness}, call, plan);
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

  // Faults and statistics are the supplier's own; true: it was about them.
  Task<bool> own(HttpRequest& request, HttpReply& reply) {
    const bool get = request.method == "GET", post = request.method == "POST";
    if (request.path == "/__faults" && (get || post)) {
      const Result<void> done = get ? Result<void>() : set(request.body);
      if (done.ok())
        co_await send(reply, 200, what_is_set());
      else
        co_await send(reply, 400, openai_error(400, done.error().message, done.error().param));
    } else if (request.path == "/__stats" && get) {
      const auto bodies_asked = request.query.find("bodies");
      const bool with_bodies = bodies_asked != request.query.end() && bodies_asked->second == "1";
      co_await send(reply, 200, what_was_seen(with_bodies));
    } else if (request.path == "/__faults" || request.path == "/__stats") {
      co_await send(reply, 405, openai_error(405, "Not allowed to " + request.method + " on " + request.path + "."));
    } else {
      co_return false;
    }
    co_return true;
  }

  Task<void> route(HttpRequest& request, HttpReply& reply) {
    const bool was_own = co_await own(request, reply);
    if (was_own) co_return;
    Surface& surface = surface_of(request);
    if (const auto failure = surface.stranger(request, loop.wall())) {
      co_await refuse(reply, surface, *failure);
      co_return;
    }
    if (surface.asks_for_answer(request)) {
      co_await answer_one(request, reply, surface);
      co_return;
    }
    Outcome outcome = surface.route(request, {hash_of(request.body, options.seed), loop.wall()});
    if (auto* plain = std::get_if<Plain>(&outcome))
      co_await send(reply, 200, std::move(plain->json));
    else
      co_await refuse(reply, surface, std::get<Failure>(outcome));
  }
};

SimulatedSupplier::SimulatedSupplier(Loop& loop, SupplierOptions options, Log log)
    : impl_(std::make_unique<Impl>(loop, std::move(options), std::move(log))) {}
SimulatedSupplier::~SimulatedSupplier() = default;

Task<void> SimulatedSupplier::handle(HttpRequest& request, HttpReply& reply) { co_await impl_->route(request, reply); }

std::string SimulatedSupplier::refuse(const HttpRequest& request, int status, std::string_view message) {
  Headers headers;
  return impl_->surface_of(request).error({status, std::string(message)}, headers);
}

void SimulatedSupplier::set_faults(std::vector<Fault> faults) { impl_->options.faults = std::move(faults); }
void SimulatedSupplier::set_continuation(Continuation how) { impl_->options.continuation = how; }
void SimulatedSupplier::set_witness(FaultWitness witness) { impl_->witness = std::move(witness); }
const SimulatedSupplier::Stats& SimulatedSupplier::stats() const { return impl_->stats; }

}  // namespace perdure::simulate
