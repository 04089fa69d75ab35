// Routes for whoever runs the server: models, lists, the account of a response, health, metrics.

#include <algorithm>

#include "dialect/messages_render.h"
#include "gateway/exchange.h"
#include "gateway/gateway.h"
#include "session/cost_sum.h"

namespace perdure {
namespace {

void write_usage(json::Writer& out, const Usage& usage) {
  out.key("usage");
  if (!usage.known) {
    out.null();
    return;
  }
  out.begin_object()
      .field("input_tokens", usage.input_tokens)
      .field("cached_tokens", usage.cached_tokens)
      .field("cache_write_tokens", usage.cache_write_tokens)
      .field("output_tokens", usage.output_tokens)
      .field("reasoning_tokens", usage.reasoning_tokens)
      .end_object();
}

void write_attempt_cost(json::Writer& out, const AttemptCost& cost) {
  out.key("cost").begin_object().key("amount");
  if (cost.amount.empty())
    out.null();
  else
    out.string(cost.amount);
  for (const auto& [name, text] : {std::pair("currency", &cost.currency), std::pair("unknown", &cost.unknown),
                                   std::pair("estimate", &cost.estimate)})
    if (!text->empty()) out.field(name, *text);
  if (!cost.price_origin.empty()) {
    out.key("price").begin_object();
    if (!cost.price_date.empty()) out.field("date", cost.price_date);
    out.field("origin", cost.price_origin).end_object();
  }
  out.end_object();
}

void write_cost_sum(json::Writer& out, const CostSum& sum) {
  out.key("cost").begin_object().field("exact", sum.exact()).key("totals").begin_array();
  for (const CostSum::Total& total : sum.totals())
    out.begin_object()
        .field("currency", total.amount.currency().code())
        .field("amount", total.amount.amount())
        .field("with_estimates", total.with_estimates.amount())
        .end_object();
  out.end_array()
      .field("attempts", sum.attempts())
      .field("attempts_estimated", sum.estimated())
      .field("attempts_unknown", sum.unknown())
      .end_object();
}

int64_t characters(std::string_view utf8) {
  return std::ranges::count_if(utf8, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

// Who wrote what: for each output item that the attempt wrote of, from which character of its text to which.
void write_written(json::Writer& out, const Placement& placement, const std::vector<Item>& output) {
  out.key("wrote").begin_array();
  for (const WrittenRange& range : placement.wrote) {
    const Item& item = output[range.item];
    std::string text = text_of(item);
    int64_t from = characters(std::string_view(text).substr(0, range.from));
    int64_t length = characters(std::string_view(text).substr(range.from, range.to - range.from));
    out.begin_object()
        .field("item_id", item.id)
        .field("type", name_of(item.kind))
        .field("from_character", from)
        .field("to_character", from + length)
        .end_object();
  }
  out.end_array();
}

void write_placement(json::Writer& out, const Placement& placement, const std::vector<Item>& output) {
  const AttemptStarted& started = placement.started;
  out.begin_object()
      .field("attempt", started.number)
      .field("provider", started.provider)
      .field("model", started.model)
      .field("continuation", started.continuation);
  if (started.beside != 0) out.field("beside", started.beside);
  out.field("reason", started.reason)
      .field("workload", started.workload)
      .field("began_ms", placement.began.time_since_epoch().count())
      .field("output_from_bytes", static_cast<int64_t>(placement.output_from));
  write_written(out, placement, output);
  if (placement.ended) {
    const AttemptEnded& ended = *placement.ended;
    if (!ended.seam.empty()) out.field("seam", ended.seam);
    out.field("ended_ms", placement.finished.time_since_epoch().count())
        .field("outcome", ended.outcome)
        .field("finish_reason", ended.finish_reason)
        .field("upstream_id", ended.upstream_id)
        .field("upstream_status", ended.upstream_status)
        .field("error", ended.error)
        .field("trimmed_bytes", ended.trimmed_bytes);
    if (!ended.seam.empty()) out.field("seam", ended.seam);
    write_usage(out, ended.usage);
    write_attempt_cost(out, account_cost(placement));
  } else {
    out.key("outcome").null();
    write_attempt_cost(out, account_cost(placement));
  }
  out.end_object();
}

void write_model(json::Writer& out, const std::string& name) {
  out.begin_object().field("id", name).field("object", "model").field("created", 0).field("owned_by", "perdure");
  out.end_object();
}

}  // namespace

Task<void> Gateway::fetch_model(Exchange& x) {
  std::vector<std::string> names = co_await models_();
  if (std::ranges::find(names, x.id) == names.end()) {
    co_await x.fail({Code::kNotFound, "The model '" + x.id + "' does not exist.", "model", "model_not_found"});
    co_return;
  }
  if (x.face->dialect() == ClientDialect::kMessages) {
    std::string body = render_messages_model({.id = x.id, .display_name = x.id});
    co_await x.json(body);
    co_return;
  }
  json::Writer out;
  write_model(out, x.id);
  co_await x.json(out.text());
}

Task<void> Gateway::list_models(Exchange& x) {
  if (x.request.headers.has("anthropic-version")) {
    co_await list_models_for_messages(x);
    co_return;
  }
  std::vector<std::string> names = co_await models_();
  json::Writer out;
  out.begin_object().field("object", "list").key("data").begin_array();
  for (const std::string& name : names) write_model(out, name);
  out.end_array().end_object();
  co_await x.json(out.text());
}

Task<void> Gateway::list_responses(Exchange& x) {
  Result<int64_t> limit = query_number(x.request, "limit", 20, 1, 1000);
  Result<int64_t> before = query_number(x.request, "before", 0, 0, INT64_MAX);
  if (!limit.ok() || !before.ok()) {
    co_await x.fail(!limit.ok() ? limit.error() : before.error());
    co_return;
  }
  // One more than asked for tells whether there are more.
  Result<std::vector<ResponseSummary>> found =
      co_await responses_.list(x.caller.tenant, static_cast<uint64_t>(*before), static_cast<size_t>(*limit) + 1);
  if (!found.ok()) {
    co_await x.fail(std::move(found).error());
    co_return;
  }
  bool more = found->size() > static_cast<size_t>(*limit);
  if (more) found->pop_back();
  json::Writer out;
  out.begin_object().field("object", "list").key("data").begin_array();
  for (const ResponseSummary& summary : *found)
    out.begin_object()
        .field("id", summary.id.value)
        .field("object", "x_response_summary")
        .field("model", summary.model)
        .field("status", summary.status)
        .field("created_at", unix_seconds(summary.created))
        .field("cursor", static_cast<int64_t>(summary.cursor))
        .end_object();
  out.end_array().field("has_more", more).end_object();
  co_await x.json(out.text());
}

Task<void> Gateway::account(Exchange& x) {
  ResponseId id(x.id);
  Result<Response> response = co_await responses_.get(x.caller.tenant, id);
  if (!response.ok()) {
    co_await x.fail(std::move(response).error());
    co_return;
  }
  x.about(id);
  json::Writer out;
  out.begin_object()
      .field("id", id.value)
      .field("object", "x_response_account")
      .field("model", response->request->model)
      .field("status", name_of(response->status))
      .field("key", response->key.value)
      .field("created_ms", response->created.time_since_epoch().count());
  if (response->ended) out.field("ended_ms", response->ended_at.time_since_epoch().count());
  if (!response->request->previous_response_id.empty())
    out.field("previous_response_id", response->request->previous_response_id);
  out.key("placements").begin_array();
  for (const Placement& placement : response->placements) write_placement(out, placement, response->output());
  out.end_array();
  write_usage(out, response->ended ? response->ended->usage : Usage{});
  CostSum sum;
  for (const Placement& placement : response->placements) sum.add(account_cost(placement));
  write_cost_sum(out, sum);
  out.end_object();
  co_await x.json(out.text());
}

Task<void> Gateway::healthz(Exchange& x) { return x.send(200, "text/plain; charset=utf-8", "ok\n"); }

Task<void> Gateway::readyz(Exchange& x) {
  Readiness now = readiness_.load();
  if (now != Readiness::kReady) {
    co_await x.send(503, "text/plain; charset=utf-8", now == Readiness::kStarting ? "starting\n" : "draining\n");
    co_return;
  }
  std::string text = "ready\n";
  size_t refused = co_await credentials_refused();
  if (refused > 0)
    text += "credential refused by " + std::to_string(refused) + (refused == 1 ? " provider" : " providers") +
            ": perdure deployments says which\n";
  co_await x.send(200, "text/plain; charset=utf-8", text);
}

Task<void> Gateway::show_metrics(Exchange& x) {
  std::string deployments = co_await deployment_metrics();
  std::string text = metrics_.registry.render() + deployments;
  co_await x.send(200, "text/plain; version=0.0.4; charset=utf-8", text);
}

}  // namespace perdure
