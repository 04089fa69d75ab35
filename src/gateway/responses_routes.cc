// Routes of OpenAI Responses: create, fetch, cancel, delete, input items.

#include <algorithm>

#include "dialect/responses_render.h"
#include "dialect/responses_request.h"
#include "gateway/exchange.h"
#include "gateway/gateway.h"
#include "store/seal.h"

namespace perdure {
namespace {

constexpr size_t kIdempotencyKeyMax = 255;

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

std::string render(const Response& response) {
  json::Writer out;
  write_response(out, response);
  return out.take();
}

// The resource, or why there is none.
Task<void> reply_with(Exchange& x, const ResponseId& id, Result<Response> response) {
  if (!response.ok()) {
    co_await x.fail(std::move(response).error());
    co_return;
  }
  x.about(id);
  std::string body = render(*response);
  co_await x.json(body);
}

}  // namespace

Task<void> Gateway::create(Exchange& x) {
  if (!is_json(x.request.header("content-type"))) {
    co_await x.fail_as(415, {Code::kInvalid, "send Content-Type: application/json", "", "unsupported_media_type"});
    co_return;
  }
  CreateCall call;
  call.tenant = x.caller.tenant;
  call.key = x.caller.key;
  call.idempotency_key = x.request.header("idempotency-key");
  bool key_is_good = call.idempotency_key.size() <= kIdempotencyKeyMax &&
                     std::ranges::all_of(call.idempotency_key, [](char c) { return c >= 0x20 && c <= 0x7e; });
  if (!key_is_good || (x.request.headers.has("idempotency-key") && call.idempotency_key.empty())) {
    co_await x.fail({Code::kInvalid, "Idempotency-Key must be 1 to 255 printable ASCII characters", "Idempotency-Key"});
    co_return;
  }
  call.body_hash = sha256(x.request.body);
  if (std::string_view trace = x.request.header("traceparent"); valid_traceparent(trace)) call.traceparent = trace;

  bool stream_wanted = false, background = false, stored = true;
  {
    Result<json::Document> document = json::Document::parse(std::move(x.request.body));
    if (!document.ok()) {
      co_await x.fail(std::move(document).error());
      co_return;
    }
    Result<Request> request = parse_responses_request(document->root());
    if (!request.ok()) {
      co_await x.fail(std::move(request).error());
      co_return;
    }
    stream_wanted = request->stream, background = request->background, stored = request->store;
    call.request = *std::move(request);
  }
  if (!stored && !call.idempotency_key.empty()) {
    co_await x.fail({Code::kInvalid,
                     "Idempotency-Key needs store: true: what is not stored cannot be given a second time",
                     "Idempotency-Key"});
    co_return;
  }
  Result<Created> created = co_await responses_.create(std::move(call));
  if (!created.ok()) {
    co_await x.fail(std::move(created).error());
    co_return;
  }
  ResponseId id = created->id;
  x.about(id);
  if (stream_wanted) {
    co_await stream(x, id, -1, stored);
    co_return;
  }
  if (!stored) {
    co_await answer_unstored(x, id);
    co_return;
  }
  Task<Result<Response>> asked =
      background ? responses_.get(x.caller.tenant, id) : responses_.wait(x.caller.tenant, id, &x.reply.gone());
  Result<Response> response = co_await std::move(asked);
  if (!response.ok()) {
    co_await x.fail(std::move(response).error());
    co_return;
  }
  std::string body = render(*response);
  co_await x.json(body);
}

Task<void> Gateway::fetch(Exchange& x) {
  ResponseId id(x.id);
  Result<bool> stream_wanted = query_flag(x.request, "stream");
  Result<int64_t> after = query_number(x.request, "starting_after", -1, 0, INT64_MAX);
  if (!stream_wanted.ok() || !after.ok()) {
    co_await x.fail(!stream_wanted.ok() ? stream_wanted.error() : after.error());
    co_return;
  }
  if (*stream_wanted) {
    co_await stream(x, id, *after, true);
    co_return;
  }
  if (*after >= 0) {
    co_await x.fail({Code::kInvalid, "starting_after needs stream=true", "starting_after"});
    co_return;
  }
  Result<Response> response = co_await responses_.get(x.caller.tenant, id);
  co_await reply_with(x, id, std::move(response));
}

Task<void> Gateway::cancel(Exchange& x) {
  ResponseId id(x.id);
  Result<Response> response = co_await responses_.cancel(x.caller.tenant, id);
  co_await reply_with(x, id, std::move(response));
}

Task<void> Gateway::remove(Exchange& x) {
  ResponseId id(x.id);
  Result<void> removed = co_await responses_.remove(x.caller.tenant, id);
  if (!removed.ok()) {
    co_await x.fail(std::move(removed).error());
    co_return;
  }
  x.about(id);
  json::Writer out;
  out.begin_object().field("id", id.value).field("object", "response").field("deleted", true).end_object();
  co_await x.json(out.text());
}

Task<void> Gateway::input_items(Exchange& x) {
  ResponseId id(x.id);
  Result<int64_t> limit = query_number(x.request, "limit", 20, 1, 100);
  auto order = x.request.query.find("order");
  bool ascending = order != x.request.query.end() && order->second == "asc";
  if (!limit.ok()) {
    co_await x.fail(std::move(limit).error());
    co_return;
  }
  if (order != x.request.query.end() && !ascending && order->second != "desc") {
    co_await x.fail({Code::kInvalid, "order must be asc or desc", "order"});
    co_return;
  }
  Result<std::vector<Item>> items = co_await responses_.input_items(x.caller.tenant, id);
  if (!items.ok()) {
    co_await x.fail(std::move(items).error());
    co_return;
  }
  x.about(id);
  if (!ascending) std::ranges::reverse(*items);
  size_t from = 0;
  if (auto after = x.request.query.find("after"); after != x.request.query.end()) {
    auto found = std::ranges::find(*items, after->second, &Item::id);
    if (found == items->end()) {
      co_await x.fail({Code::kInvalid, "after names no item of this response", "after"});
      co_return;
    }
    from = static_cast<size_t>(found - items->begin()) + 1;
  }
  size_t to = std::min(items->size(), from + static_cast<size_t>(*limit));
  json::Writer out;
  out.begin_object().field("object", "list").key("data").begin_array();
  for (size_t i = from; i < to; ++i) write_public_item(out, (*items)[i]);
  out.end_array();
  for (auto [name, index] : {std::pair("first_id", from), std::pair("last_id", to - 1)}) {
    out.key(name);
    if (from < to)
      out.string((*items)[index].id);
    else
      out.null();
  }
  out.field("has_more", to < items->size()).end_object();
  co_await x.json(out.text());
}

}  // namespace perdure
