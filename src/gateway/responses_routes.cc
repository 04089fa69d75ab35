// Routes of OpenAI Responses: fetch, cancel, delete, input items. Creating is in create.cc.

#include <algorithm>

#include "dialect/responses_render.h"
#include "gateway/exchange.h"
#include "gateway/gateway.h"

namespace perdure {
namespace {

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
  for (size_t i = from; i < to; ++i) write_public_item(out, (*items)[i], true);
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
