#include "gateway/gateway.h"

#include <algorithm>
#include <charconv>

#include "dialect/request_reader.h"
#include "dialect/responses_render.h"
#include "gateway/exchange.h"
#include "gateway/rate_limits.h"

namespace perdure {
namespace {

constexpr uint8_t kNoKey = 0;
constexpr uint8_t kUse = static_cast<uint8_t>(Scope::kUse);
constexpr uint8_t kOperate = static_cast<uint8_t>(Scope::kOperate);
constexpr uint8_t kRead = static_cast<uint8_t>(Scope::kOperate) | static_cast<uint8_t>(Scope::kAudit);

bool printable(std::string_view text) {
  for (char c : text)
    if (c < 0x21 || c > 0x7e) return false;
  return !text.empty();
}

}  // namespace

std::string_view bearer_token(const HttpRequest& request) {
  std::string_view value = request.header("authorization");
  constexpr std::string_view kScheme = "bearer ";
  if (value.size() > kScheme.size() && equal_ignoring_case(value.substr(0, kScheme.size()), kScheme)) {
    value.remove_prefix(kScheme.size());
    while (value.starts_with(' ')) value.remove_prefix(1);
    return value;
  }
  for (std::string_view name : {"x-api-key", "api-key"})
    if (request.headers.has(name)) return request.header(name);
  return {};
}

namespace {

// Error classes for statuses that the HTTP layer or the routes decide on.
Error error_for(int status, std::string message) {
  Code code = status == 404   ? Code::kNotFound
              : status == 503 ? Code::kOverloaded
              : status >= 500 ? Code::kInternal
                              : Code::kInvalid;
  return {code, std::move(message), "", status == 503 ? "server_overloaded" : ""};
}

}  // namespace

struct Route {
  std::string_view method, pattern;
  uint8_t scopes;  // any of them will do; none: no key is asked for
  Task<void> (Gateway::*serve)(Exchange&);
  std::string_view query = "*";  // the names that its query may have, with spaces between; "*": it looks by itself
  bool asks_suppliers = false;   // counts against the limits of the caller's key
  size_t fixed = std::min(pattern.find('{'), pattern.size());  // of the pattern, before its first name

  static const Route kAll[];
  // The first name of the query that the route does not know; empty: it knows all. Versions of others' APIs ("beta",
  // "api-version") ask for nothing. A list's name may have brackets behind it.
  std::string unknown_in(const HttpRequest& request) const {
    if (query == "*" || request.query.empty()) return {};
    const std::string known = " beta api-version " + std::string(query) + " ";
    for (const auto& [name, value] : request.query)
      if (known.find(" " + name.substr(0, name.find('[')) + " ") == std::string::npos) return name;
    return {};
  }
  // The route whose pattern is the path itself, as most are that are asked for; null: look among the others.
  static const Route* of(std::string_view method, std::string_view path);
  // Whether `path` has this pattern's form; `id` and `item` are what stands for {id} or {rest}, and {item}.
  bool matches(std::string_view path, std::string& id, std::string& item) const {
    if (fixed == pattern.size()) return path == pattern;
    if (path.size() <= fixed || !path.starts_with(pattern.substr(0, fixed))) return false;
    std::string_view shape = pattern.substr(fixed), rest = path.substr(fixed), found[2];
    for (std::string_view& name : found) {
      // A name of a model may have slashes.
      name = rest.substr(0, shape == "{rest}" ? rest.size() : rest.find('/'));
      rest.remove_prefix(name.size());
      shape.remove_prefix(shape.find('}') + 1);
      size_t brace = std::min(shape.find('{'), shape.size());
      if (name.empty() || !rest.starts_with(shape.substr(0, brace))) return false;
      rest.remove_prefix(brace);
      shape.remove_prefix(brace);
      if (shape.empty()) break;
    }
    if (!rest.empty()) return false;
    id = found[0];
    item = found[1];
    return true;
  }
};

constexpr Route Route::kAll[] = {
    {"POST", "/v1/responses", kUse, &Gateway::create, "", true},
    {"GET", "/v1/responses", kUse, &Gateway::websocket, ""},
    {"POST", "/v1/responses/compact", kUse, &Gateway::compact, "", true},
    {"POST", "/v1/responses/input_tokens", kUse, &Gateway::input_tokens, "", true},
    {"GET", "/v1/responses/{id}", kUse, &Gateway::fetch, "stream starting_after include include_obfuscation"},
    {"DELETE", "/v1/responses/{id}", kUse, &Gateway::remove, ""},
    {"POST", "/v1/responses/{id}/cancel", kUse, &Gateway::cancel, ""},
    {"GET", "/v1/responses/{id}/input_items", kUse, &Gateway::input_items, "limit order after include"},
    {"POST", "/v1/conversations", kUse, &Gateway::create_conversation, ""},
    {"GET", "/v1/conversations/{id}", kUse, &Gateway::fetch_conversation, ""},
    {"POST", "/v1/conversations/{id}", kUse, &Gateway::update_conversation, ""},
    {"DELETE", "/v1/conversations/{id}", kUse, &Gateway::remove_conversation, ""},
    {"POST", "/v1/conversations/{id}/items", kUse, &Gateway::add_conversation_items, "include"},
    {"GET", "/v1/conversations/{id}/items", kUse, &Gateway::list_conversation_items, "limit order after include"},
    {"GET", "/v1/conversations/{id}/items/{item}", kUse, &Gateway::fetch_conversation_item, "include"},
    {"DELETE", "/v1/conversations/{id}/items/{item}", kUse, &Gateway::remove_conversation_item, ""},
    {"POST", "/v1/chat/completions", kUse, &Gateway::create, "", true},
    {"GET", "/v1/chat/completions", kUse, &Gateway::list_chats, "limit after order model metadata"},
    {"GET", "/v1/chat/completions/{id}", kUse, &Gateway::fetch_chat, ""},
    {"POST", "/v1/chat/completions/{id}", kUse, &Gateway::update_chat, ""},
    {"DELETE", "/v1/chat/completions/{id}", kUse, &Gateway::remove_chat, ""},
    {"GET", "/v1/chat/completions/{id}/messages", kUse, &Gateway::chat_messages, "limit after order"},
    {"POST", "/v1/embeddings", kUse, &Gateway::embeddings, "", true},
    {"POST", "/v1/messages", kUse, &Gateway::create, "*", true},
    {"POST", "/v1/messages/count_tokens", kUse, &Gateway::count_tokens, "*", true},
    {"GET", "/v1/x/responses/{id}/stream", kUse, &Gateway::resume, "dialect after"},
    {"GET", "/v1/models", kUse, &Gateway::list_models},
    {"GET", "/v1/models/{rest}", kUse, &Gateway::fetch_model, ""},
    {"GET", "/v1/x/responses", kRead, &Gateway::list_responses},
    {"GET", "/v1/x/responses/{id}", kRead, &Gateway::account},
    {"POST", "/v1/x/withdrawals", kOperate, &Gateway::withdraw},
    {"GET", "/v1/x/withdrawals", kRead, &Gateway::list_withdrawals},
    {"DELETE", "/v1/x/withdrawals/{id}", kOperate, &Gateway::restore},
    {"GET", "/v1/x/deployments", kRead, &Gateway::list_deployments},
    {"GET", "/v1/x/spending", kRead, &Gateway::show_spending},
    {"GET", "/healthz", kNoKey, &Gateway::healthz},
    {"GET", "/readyz", kNoKey, &Gateway::readyz},
    {"GET", "/metrics", kRead, &Gateway::show_metrics},
};

const Route* Route::of(std::string_view method, std::string_view path) {
  for (const Route& route : kAll)
    if (route.fixed == path.size() && route.pattern == path && route.method == method) return &route;
  return nullptr;
}

Task<void> Exchange::send(int status_code, std::string_view content_type, std::string_view body) {
  status = status_code;
  bytes = body.size();
  Result<void> sent = co_await reply.send(status_code, content_type, body);
  cut = !sent.ok();
}

void Exchange::say_what_was_left_out(const Response& answer) {
  std::vector<std::string> fields = left_out;
  if (!answer.placements.empty()) {
    const std::vector<std::string>& dropped = answer.placements.front().started.dropped;
    fields.insert(fields.end(), dropped.begin(), dropped.end());
  }
  std::string text;
  for (const std::string& field : fields) text.append(text.empty() ? "" : ", ").append(field);
  if (!text.empty()) reply.headers.set("x-perdure-dropped", text);
}

Task<void> Exchange::fail(Error error) { return fail_as(face->status(error), std::move(error)); }

Task<void> Exchange::fail_as(int status_code, Error error) {
  if (error.retry_after_ms >= 0)
    reply.headers.set("Retry-After", std::to_string((error.retry_after_ms + 999) / 1000));
  else if (error.code == Code::kOverloaded)
    reply.headers.set("Retry-After", "1");
  std::string body = face->error(error, status_code, request_id);
  co_await send(status_code, "application/json", body);
}

Result<int64_t> query_number(const HttpRequest& request, const std::string& name, int64_t missing, int64_t least,
                             int64_t most) {
  auto found = request.query.find(name);
  if (found == request.query.end()) return missing;
  const std::string& text = found->second;
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
    return Error{Code::kInvalid,
                 name + " must be a whole number from " + std::to_string(least) +
                     (most == INT64_MAX ? " up" : " to " + std::to_string(most)),
                 name};
  return value;
}

Result<bool> query_flag(const HttpRequest& request, const std::string& name) {
  auto found = request.query.find(name);
  if (found == request.query.end() || found->second == "false") return false;
  if (found->second == "true") return true;
  return Error{Code::kInvalid, name + " must be true or false", name};
}

Gateway::Gateway(Loop& loop, Responses& responses, KeyBook& keys, GatewayMetrics& metrics, ModelNames models,
                 const std::atomic<Readiness>& readiness, GatewayOptions options, Log log)
    : loop_(loop),
      responses_(responses),
      conversations_(responses),
      keys_(keys),
      metrics_(metrics),
      models_(std::move(models)),
      readiness_(readiness),
      options_(options),
      log_(std::move(log)),
      leaving_(loop) {}

Task<void> Gateway::handle(HttpRequest& request, HttpReply& reply) {
  Exchange x{request, reply, loop_.now(), &face_of_path(request.path, options_.reasoning_events)};
  if (request.path.starts_with("/v1/models") && request.headers.has("anthropic-version"))
    x.face = &face_of(ClientDialect::kMessages);
  std::string_view given = request.header("x-request-id");
  x.request_id = given.size() <= 128 && printable(given) ? std::string(given) : make_id(loop_.random(), "req_", 12);
  reply.headers.set("x-request-id", x.request_id);
  if (x.face->id_header() != "x-request-id") reply.headers.set(std::string(x.face->id_header()), x.request_id);
  metrics_.in_flight.add(1);
  co_await serve(x);
  metrics_.in_flight.add(-1);
  Duration took = loop_.now() - x.began;
  metrics_.seconds.observe(std::chrono::duration<double>(took).count());
  size_t kind = x.cut ? 3 : x.status < 400 ? 0 : x.status < 500 ? 1 : 2;
  metrics_.requests[kind]->add();
  log_.info("http.request", {{"method", request.method.size() <= 16 ? request.method : "-"},
                             {"route", x.route},
                             {"status", x.status},
                             {"ms", std::chrono::duration<double, std::milli>(took).count()},
                             {"bytes", x.bytes},
                             {"cut", x.cut},
                             {"tenant", x.caller.tenant.value},
                             {"key", x.caller.key.value},
                             {"request", x.request_id},
                             {"response", x.response.value}});
}

Task<void> Gateway::serve(Exchange& x) {
  const Route* route = Route::of(x.request.method, x.request.path);
  std::string allowed;
  if (route == nullptr) {
    for (const Route& candidate : Route::kAll) {
      if (!candidate.matches(x.request.path, x.id, x.item)) continue;
      if (!allowed.empty()) allowed += ", ";
      allowed += candidate.method;
      if (candidate.method == x.request.method) route = &candidate;
    }
  }
  if (route == nullptr && allowed.empty()) {
    co_await x.fail_as(
        404, {Code::kNotFound, "there is no such route; docs/reference/api.md lists them all", "", "unknown_url"});
    co_return;
  }
  if (route == nullptr) {
    x.reply.headers.set("Allow", allowed);
    co_await x.fail_as(405, {Code::kInvalid, "this route takes " + allowed, "", "method_not_allowed"});
    co_return;
  }
  x.route = route->pattern;
  if (route->scopes != kNoKey && readiness_.load() == Readiness::kStarting) {
    co_await x.fail(
        {Code::kOverloaded, "the server is starting: it looks for unfinished responses", "", "server_starting"});
    co_return;
  }
  if (route->scopes != kNoKey) {
    Result<Caller> caller = keys_.identify(bearer_token(x.request));
    if (!caller.ok()) {
      x.reply.headers.set("WWW-Authenticate", "Bearer realm=\"perdure\"");
      co_await x.fail(std::move(caller).error());
      co_return;
    }
    x.caller = *std::move(caller);
    if ((x.caller.scopes.bits & route->scopes) == 0) {
      co_await x.fail({Code::kDenied,
                       "this API key has the scopes \"" + x.caller.scopes.to_string() + "\" and this route needs " +
                           (route->scopes == kUse       ? "use"
                            : route->scopes == kOperate ? "operate"
                                                        : "operate or audit"),
                       "", "insufficient_scope"});
      co_return;
    }
  }
  if (std::string unknown = route->unknown_in(x.request); !unknown.empty()) {
    const std::string shown = quoted(unknown);
    co_await x.fail({Code::kInvalid, "Unknown parameter of the query: " + shown + ".",
                     shown.front() == '\'' ? unknown : std::string(), "unknown_parameter"});
    co_return;
  }
  if (route->asks_suppliers && options_.rates != nullptr) {
    Admission admission = options_.rates->admit(x.caller.key, keys_.rates(x.caller.key), loop_.now());
    for (auto& [name, value] : rate_headers(x.face->dialect(), admission, loop_.wall()))
      x.reply.headers.set(std::move(name), std::move(value));
    if (admission.refused) {
      metrics_.rate_limited.add();
      co_await x.fail(*std::move(admission.refused));
      co_return;
    }
  }
  Task<void> served = (this->*route->serve)(x);
  co_await std::move(served);
}

std::string Gateway::refuse(const HttpRequest& request, int status, std::string_view message) {
  return face_of_path(request.path).error(error_for(status, std::string(message)), status, "");
}

Task<void> Gateway::stop() { return leaving_.join(); }

}  // namespace perdure
