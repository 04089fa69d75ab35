// What OpenAI's API has beside creating responses: counting the tokens of an input, compacting a conversation,
// embeddings.

#include "dialect/ended_error.h"
#include "dialect/responses_render.h"
#include "dialect/responses_side_requests.h"
#include "gateway/exchange.h"
#include "gateway/gateway.h"
#include "gateway/relay.h"
#include "session/window.h"

namespace perdure {
Task<void> Gateway::input_tokens(Exchange& x) {
  std::optional<json::Document> document = co_await body_of(x);
  if (!document) co_return;
  Result<ParsedRequest> parsed = parse_input_tokens_request(document->root());
  if (!parsed.ok()) {
    co_await x.fail(std::move(parsed).error());
    co_return;
  }
  const Request& request = parsed->request;
  Result<std::vector<Item>> context =
      co_await responses_.context_of(x.caller.tenant, request, std::move(parsed->references));
  if (!context.ok()) {
    co_await x.fail(std::move(context).error());
    co_return;
  }
  std::vector<Item> shown = shown_context(*std::move(context), false);
  Result<int64_t> counted = co_await count_input(x, request, shown);
  if (!counted.ok()) {
    co_await x.fail(std::move(counted).error());
    co_return;
  }
  std::string body = render_input_tokens(*counted);
  co_await x.json(body);
}

// The whole context goes in, the window to go on from comes out: the user's own messages and one readable summary.
Task<void> Gateway::compact(Exchange& x) {
  if (std::optional<Error> refused = refuse_idempotency_key(x.request)) {
    co_await x.fail(*std::move(refused));
    co_return;
  }
  std::optional<json::Document> document = co_await body_of(x);
  if (!document) co_return;
  Result<ParsedRequest> parsed = parse_compact_request(document->root());
  if (!parsed.ok()) {
    co_await x.fail(std::move(parsed).error());
    co_return;
  }
  Result<std::vector<Item>> context =
      co_await responses_.context_of(x.caller.tenant, parsed->request, std::move(parsed->references));
  if (!context.ok()) {
    co_await x.fail(std::move(context).error());
    co_return;
  }
  CreateCall call{.tenant = x.caller.tenant, .key = x.caller.key};
  call.route = "compact";
  call.compact = true;
  call.request = std::move(parsed->request);
  call.request.input = *std::move(context);
  call.request.previous_response_id.clear();
  call.request.store = false;
  call.traceparent = traceparent_of(x.request);
  Result<Created> created = co_await responses_.create(std::move(call));
  if (!created.ok()) {
    co_await x.fail(std::move(created).error());
    co_return;
  }
  ResponseId id = created->id;
  x.about(id);
  Result<Response> response = co_await responses_.wait(x.caller.tenant, id, &x.reply.gone());
  co_await abandon(x.caller.tenant, id);
  std::optional<Error> failed;
  if (!response.ok())
    failed = std::move(response).error();
  else
    failed = ended_error(*response);
  if (failed) {
    co_await x.fail(*std::move(failed));
    co_return;
  }
  std::vector<Item> window;
  for (const Item& item : response->request->input)
    if (is_kept(item)) window.push_back(item);
  window.insert(window.end(), response->output().begin(), response->output().end());
  json::Writer out;
  write_compacted(out, *response, window);
  co_await x.json(out.text());
}

Task<void> Gateway::embeddings(Exchange& x) {
  if (std::optional<Error> refused = refuse_idempotency_key(x.request)) {
    co_await x.fail(*std::move(refused));
    co_return;
  }
  // What is passed on refers to it.
  std::optional<json::Document> document = co_await body_of(x);
  if (!document) co_return;
  Result<RelayInput> input = relay_input(document->root(), std::string(kEmbeddings));
  if (!input.ok()) {
    co_await x.fail(std::move(input).error());
    co_return;
  }
  RelayTurn turn;
  turn.input = *std::move(input);
  turn.input.stream = false;
  turn.input.needs = {};  // each of many texts has the model's whole context
  turn.input.traceparent = traceparent_of(x.request);
  const std::string model = turn.input.model;
  bool answered = co_await relay(x, std::move(turn));
  if (!answered) co_await x.fail(nobody_embeds(model));
}

}  // namespace perdure
