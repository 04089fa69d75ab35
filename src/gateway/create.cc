// POST of a request in any client's dialect: it is read, passed on as it is where that will do, or made a response of,
// and answered.

#include <algorithm>

#include "gateway/exchange.h"
#include "gateway/gateway.h"
#include "gateway/lost_replies.h"
#include "gateway/relay.h"
#include "store/seal.h"

namespace perdure {
namespace {

constexpr size_t kIdempotencyKeyMax = 255;
constexpr std::string_view kRetryCount = "x-stainless-retry-count";

// Names a request, so that the very same one is known again.
std::string repeatable_as(const Exchange& x, std::string_view body) {
  Hash256 hash = sha256(body);
  return x.caller.tenant.value + "\n" + x.caller.key.value + "\n" + std::string(x.route) + "\n" +
         std::string(reinterpret_cast<const char*>(hash.data()), hash.size());
}

bool is_json(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
  return equal_ignoring_case(type, "application/json");
}

// W3C trace context, version 00: 00-<32 hex>-<16 hex>-<2 hex>, neither id all zero.
bool valid_traceparent(std::string_view text) {
  if (text.size() != 55 || !text.starts_with("00-") || text[35] != '-' || text[52] != '-') return false;
  auto hex = [&](size_t from, size_t count, bool zero_allowed) {
    bool zero = true;
    for (char c : text.substr(from, count)) {
      if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
      zero = zero && c == '0';
    }
    return zero_allowed || !zero;
  };
  return hex(3, 32, false) && hex(36, 16, false) && hex(53, 2, true);
}

// Thinking that nobody vouched for was shown here with an empty signature, which Anthropic refuses.
bool has_unsigned_thinking(std::string_view body) {
  constexpr std::string_view kName = "\"signature\"", kSpace = " \t\r\n";
  for (size_t at = body.find(kName); at != std::string_view::npos; at = body.find(kName, at)) {
    at = body.find_first_not_of(kSpace, at + kName.size());
    if (at == std::string_view::npos || body[at] != ':') continue;
    at = body.find_first_not_of(kSpace, at + 1);
    if (at != std::string_view::npos && body.substr(at).starts_with("\"\"")) return true;
  }
  return false;
}

// Whether nothing of it is left here: no state, and no block that only we can open.
bool needs_nothing_of_ours(ClientDialect dialect, json::Value root) {
  switch (dialect) {
    case ClientDialect::kResponses:
      return root["store"].boolean() == false && root["background"].boolean().value_or(false) == false &&
             root["previous_response_id"].absent() && root["conversation"].absent() &&
             root["context_management"].absent() && root.raw().find("\"item_reference\"") == std::string_view::npos &&
             root.raw().find("\"pd1.") == std::string_view::npos &&
             root.raw().find("\"pdc1.") == std::string_view::npos &&
             root.raw().find("\"x_perdure.") == std::string_view::npos;
    case ClientDialect::kChat:
      // Reasoning that was shown here comes back in a field that OpenAI refuses.
      return root["store"].boolean().value_or(false) == false &&
             root.raw().find("\"reasoning_content\"") == std::string_view::npos;
    case ClientDialect::kMessages:
      return root["thread"].absent() && root.raw().find("\"pd1.") == std::string_view::npos &&
             !has_unsigned_thinking(root.raw());
  }
  return false;
}

}  // namespace

std::string traceparent_of(const HttpRequest& request) {
  std::string_view trace = request.header("traceparent");
  return valid_traceparent(trace) ? std::string(trace) : std::string();
}

Result<Request> read_to_go_on(const ClientDialectFace& face, std::string_view body) {
  TRY(json::Document document, json::Document::parse(std::string(body)));
  TRY(ParsedRequest parsed, face.parse(document.root(), true));
  for (std::string_view form : {"n", "logprobs", "top_logprobs", "audio"})
    if (std::ranges::find(parsed.left_out, form) != parsed.left_out.end())
      return Error{Code::kInvalid, "nobody else can go on with an answer of that form", std::string(form),
                   "unsupported"};
  return std::move(parsed.request);
}

Result<std::string> idempotency_key_of(const HttpRequest& request) {
  std::string_view key = request.header("idempotency-key");
  bool good =
      key.size() <= kIdempotencyKeyMax && std::ranges::all_of(key, [](char c) { return c >= 0x20 && c <= 0x7e; });
  if (!good || (request.headers.has("idempotency-key") && key.empty()))
    return Error{Code::kInvalid, "Idempotency-Key must be 1 to 255 printable ASCII characters", "Idempotency-Key"};
  return std::string(key);
}

std::optional<Error> refuse_idempotency_key(const HttpRequest& request) {
  if (!request.headers.has("idempotency-key")) return std::nullopt;
  return Error{Code::kInvalid, "Idempotency-Key is not to be had here: a repeat could not be answered as the first was",
               "Idempotency-Key", "unsupported_parameter"};
}

Result<bool> header_flag(const HttpRequest& request, std::string_view name) {
  std::string_view value = request.header(name);
  if (value == "1" || value == "true") return true;
  if (value.empty() || value == "0" || value == "false") return false;
  return Error{Code::kInvalid, std::string(name) + " must be 1 or 0", std::string(name), "invalid_value"};
}

Result<void> check_headers(const Exchange& x) {
  if (!is_json(x.request.header("content-type")))
    return Error{Code::kInvalid, "send Content-Type: application/json", "", "unsupported_media_type"};
  // A version is a date; since this one a stream has the events that are spoken here.
  constexpr std::string_view kOldest = "2023-06-01";
  std::string_view version = x.request.header("anthropic-version");
  bool date = version.size() == kOldest.size();
  for (size_t i = 0; date && i < version.size(); ++i)
    date = kOldest[i] == '-' ? version[i] == '-' : version[i] >= '0' && version[i] <= '9';
  if (x.face->dialect() == ClientDialect::kMessages && !version.empty() && (!date || version < kOldest))
    return Error{Code::kInvalid, "the versions that are spoken here begin with 2023-06-01", "anthropic-version",
                 "invalid_value"};
  return {};
}

Task<bool> Gateway::relay_as_it_is(Exchange& x, json::Value root, std::string_view traceparent) {
  const std::string_view dialect = name_of(x.face->dialect());
  const Traffic traffic{.tenant = x.caller.tenant, .key = x.caller.key};
  if (options_.router == nullptr || !options_.router->relays(traffic, root["model"].text(), dialect)) co_return false;
  if (!needs_nothing_of_ours(x.face->dialect(), root)) co_return false;
  Result<RelayInput> input = relay_input(root, std::string(dialect));
  if (!input.ok()) co_return false;  // who reads it says what is wrong
  input->traceparent = traceparent;
  for (std::string_view header : {"anthropic-version", "anthropic-beta"}) {
    if (x.face->dialect() == ClientDialect::kMessages && x.request.headers.has(header))
      input->headers.emplace_back(header, x.request.header(header));
  }
  const ClientDialectFace& face = *x.face;
  RelayTurn turn;
  turn.passed = PassedOn(face.dialect());
  turn.read = [&face](std::string_view body) { return read_to_go_on(face, body); };
  turn.stream = [&face] { return face.stream(); };
  turn.input = *std::move(input);
  co_return co_await relay(x, std::move(turn));
}

// What a thread of the Messages API was created with.
Task<Result<void>> Gateway::inherit(CreateCall& call) {
  const std::string& id = call.request.previous_response_id;
  Result<Response> previous = co_await responses_.get(call.tenant, ResponseId(id));
  if (!previous.ok() && previous.error().code == Code::kNotFound)
    co_return Error{Code::kNotFound, "there is no message with this id that could be continued", "previous_response_id",
                    "previous_response_not_found"};
  if (!previous.ok()) co_return std::move(previous).error();
  call.request.instructions = previous->request->instructions;
  call.request.tools = previous->request->tools;
  const ToolChoice& choice = call.request.tool_choice;
  if (choice.mode == ToolChoice::Mode::kFunction &&
      std::ranges::find(call.request.tools, choice.function, &Tool::name) == call.request.tools.end())
    co_return Error{Code::kInvalid, "the thread has no tool of this name", "tool_choice.name", "invalid_value"};
  co_return Result<void>();
}

Task<void> Gateway::create(Exchange& x) {
  if (Result<void> checked = check_headers(x); !checked.ok()) {
    co_await x.fail_as(checked.error().param.empty() ? 415 : 400, std::move(checked).error());
    co_return;
  }
  Result<std::string> key = idempotency_key_of(x.request);
  if (!key.ok()) {
    co_await x.fail(std::move(key).error());
    co_return;
  }
  Result<bool> lenient = header_flag(x.request, "x-perdure-lenient");
  Result<bool> kept = header_flag(x.request, "x-perdure-store");
  if (!lenient.ok() || !kept.ok()) {
    co_await x.fail(!lenient.ok() ? lenient.error() : kept.error());
    co_return;
  }
  CreateHeaders headers{
      .idempotency_key = *std::move(key), .traceparent = traceparent_of(x.request), .lenient = *lenient, .kept = *kept};
  // Only a repeat is compared with it.
  if (!headers.idempotency_key.empty()) headers.body_hash = sha256(x.request.body);
  Result<json::Document> document = json::Document::parse(std::move(x.request.body));
  if (!document.ok()) {
    co_await x.fail(std::move(document).error());
    co_return;
  }
  if (headers.idempotency_key.empty() && !headers.kept) {
    bool answered = co_await relay_as_it_is(x, document->root(), headers.traceparent);
    if (answered) co_return;
  }
  co_await create_response(x, *std::move(document), std::move(headers));
}

// Apart from create(), so that what is passed on as it is does not carry what only a response needs.
Task<void> Gateway::create_response(Exchange& x, json::Document body, CreateHeaders headers) {
  CreateCall call;
  bool stream_wanted = false, background = false;
  std::string repeatable;  // by an SDK, after a lost reply
  {
    const json::Document document = std::move(body);
    call.tenant = x.caller.tenant;
    call.key = x.caller.key;
    call.route = name_of(x.face->dialect());
    call.idempotency_key = std::move(headers.idempotency_key);
    call.body_hash = headers.body_hash;
    call.traceparent = std::move(headers.traceparent);
    Result<ParsedRequest> parsed = x.face->parse(document.root(), headers.lenient);
    if (!parsed.ok()) {
      co_await x.fail(std::move(parsed).error());
      co_return;
    }
    x.left_out = std::move(parsed->left_out);
    call.request = std::move(parsed->request);
    call.references = std::move(parsed->references);
    // Messages has no field of its own to ask for storage.
    if (headers.kept) call.request.store = true;
    stream_wanted = call.request.stream, background = call.request.background;
    bool kept_here = call.request.store || background;
    if (kept_here && call.idempotency_key.empty() && options_.lost_replies != nullptr &&
        x.request.headers.has(kRetryCount))
      repeatable = repeatable_as(x, document.root().raw());
  }
  std::optional<ResponseId> known;
  if (!repeatable.empty() && x.request.header(kRetryCount) != "0")
    known = options_.lost_replies->found(repeatable, loop_.now());
  if (!known && x.face->dialect() == ClientDialect::kMessages && !call.request.previous_response_id.empty()) {
    Result<void> inherited = co_await inherit(call);
    if (!inherited.ok()) {
      co_await x.fail(std::move(inherited).error());
      co_return;
    }
  }
  std::optional<Created> created;
  if (known) {
    created.emplace();
    created->id = *known;
    created->stored = true;  // others are not remembered
  } else {
    Result<Created> made = co_await responses_.create(std::move(call));
    if (!made.ok()) {
      // Clients try a 409 again by themselves; here that would never help.
      if (made.error().param == "Idempotency-Key") x.reply.headers.set("x-should-retry", "false");
      co_await x.fail(std::move(made).error());
      co_return;
    }
    created = *std::move(made);
  }
  // At the moment when the client leaves: what it repeats may come before this response has ended. Once a stream has
  // begun, its client knows what it reads, and no SDK repeats it.
  std::optional<Cancellation::Hook> on_leaving;
  if (!repeatable.empty())
    on_leaving.emplace(&x.reply.gone(), [&] {
      if (!stream_wanted || !x.reply.begun()) options_.lost_replies->lost(repeatable, created->id, loop_.now());
    });
  co_await reply_to_create(x, *created, stream_wanted, background);
}

Task<void> Gateway::reply_to_create(Exchange& x, Created created, bool stream_wanted, bool background) {
  x.about(created.id);
  if (stream_wanted) {
    co_await stream(x, std::move(created), -1, true);
    co_return;
  }
  if (!created.stored) {
    co_await answer_unstored(x, std::move(created.id));
    co_return;
  }
  Task<Result<Response>> asked =
      background ? responses_.get(x.caller.tenant, created.id, std::move(created.run))
                 : responses_.wait(x.caller.tenant, created.id, &x.reply.gone(), std::move(created.run));
  Result<Response> response = co_await std::move(asked);
  if (!response.ok()) {
    co_await x.fail(std::move(response).error());
    co_return;
  }
  co_await answer_with(x, *response);
}

}  // namespace perdure
