// Routes of OpenAI Responses: fetch, cancel, delete, input items. Creating is in create.cc.

#include <algorithm>

#include "dialect/request_reader.h"
#include "dialect/responses_render.h"
#include "gateway/exchange.h"
#include "gateway/gateway.h"
#include "gateway/item_list.h"

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
  Result<bool> obfuscated = query_flag(x.request, "include_obfuscation");
  Result<std::vector<std::string>> include = query_include(x.request);
  if (!stream_wanted.ok() || !after.ok()) {
    co_await x.fail(!stream_wanted.ok() ? stream_wanted.error() : after.error());
    co_return;
  }
  if (!obfuscated.ok() || !include.ok()) {
    co_await x.fail(!obfuscated.ok() ? obfuscated.error() : include.error());
    co_return;
  }
  if (*obfuscated) {
    co_await x.fail(not_supported("include_obfuscation", "obfuscated streams"));
    co_return;
  }
  const bool encrypted = std::ranges::find(*include, "reasoning.encrypted_content") != include->end();
  if (*stream_wanted && encrypted) {
    co_await x.fail({Code::kInvalid, "a stream is repeated as it was: what it includes was said when it was created",
                     "include", "invalid_value"});
    co_return;
  }
  if (*stream_wanted) {
    co_await stream(x, {.id = id}, *after);
    co_return;
  }
  if (*after >= 0) {
    co_await x.fail({Code::kInvalid, "starting_after needs stream=true", "starting_after"});
    co_return;
  }
  Result<Response> response = co_await responses_.get(x.caller.tenant, id);
  if (response.ok() && encrypted && !shows_encrypted(*response->request)) {
    Request asked = *response->request;
    asked.include.emplace_back("reasoning.encrypted_content");
    response->request = std::move(asked);
  }
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
  Result<ItemListAsk> ask = item_list_ask(x.request);
  if (!ask.ok()) {
    co_await x.fail(std::move(ask).error());
    co_return;
  }
  Result<std::vector<Item>> items = co_await responses_.input_items(x.caller.tenant, id);
  if (!items.ok()) {
    co_await x.fail(std::move(items).error());
    co_return;
  }
  x.about(id);
  Result<std::string> body = item_list(*std::move(items), *ask, "this response");
  if (!body.ok()) {
    co_await x.fail(std::move(body).error());
    co_return;
  }
  co_await x.json(*body);
}

}  // namespace perdure
