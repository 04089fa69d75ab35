// Routes for whoever decides where answers may come from: withdrawals, restorations, the state of the deployments.

#include <set>

#include "gateway/exchange.h"
#include "gateway/gateway.h"
#include "routing/withdrawal_desk.h"

namespace perdure {
namespace {

constexpr size_t kListMax = 1000;

int64_t ms_of(Duration d) { return std::chrono::ceil<std::chrono::milliseconds>(d).count(); }

struct WithdrawalCall {
  WithdrawalAsk ask;
  bool preview = false;
};

Error wrong(std::string param, std::string message) {
  return {Code::kInvalid, param + ": " + message, std::move(param)};
}

// {"target": {"provider"|"region"|"deployment"|"party"|"name": NAME}, "mode", "reason", "preview"}
Result<WithdrawalCall> read_call(json::Value root) {
  if (!root.is_object()) return Error{Code::kInvalid, "the body must be a JSON object"};
  WithdrawalCall out;
  bool has_target = false;
  for (const auto& [key, value] : root.members()) {
    if (key == "target") {
      std::vector<json::Value::Member> target = value.members();
      if (target.size() != 1 || !target[0].value.is_string() || target[0].value.text().empty())
        return wrong("target", "must be an object with one of provider, region, deployment, party, name");
      has_target = true;
      out.ask.name = target[0].value.text();
      if (target[0].key != "name") {
        Result<WithdrawalKind> kind = parse_withdrawal_kind(target[0].key);
        if (!kind.ok()) return wrong("target", kind.error().message + ", name");
        out.ask.kind = *kind;
      }
    } else if (key == "mode") {
      Result<WithdrawalMode> mode = parse_withdrawal_mode(value.text());
      if (!mode.ok()) return wrong("mode", mode.error().message);
      out.ask.mode = *mode;
    } else if (key == "reason") {
      if (!value.is_string()) return wrong("reason", "must be text");
      out.ask.reason = value.text();
    } else if (key == "preview") {
      std::optional<bool> preview = value.boolean();
      if (!preview) return wrong("preview", "must be true or false");
      out.preview = *preview;
    } else {
      return wrong(std::string(key), "there is no such field; here may stand: target, mode, reason, preview");
    }
  }
  if (!has_target) return wrong("target", "is missing");
  return out;
}

void write_touch(json::Writer& out, const WithdrawalTouch& touch) {
  out.key("touches").begin_object().field("running", touch.running);
  out.field("models_left_with_none", static_cast<int64_t>(touch.models_left_with_none));
  out.key("deployments").begin_array();
  for (const WithdrawalTouch::AtDeployment& each : touch.deployments)
    out.begin_object()
        .field("name", each.deployment)
        .field("running", each.running)
        .field("waiting", each.waiting)
        .end_object();
  out.end_array().key("models").begin_array();
  for (const WithdrawalTouch::ForModel& each : touch.models)
    out.begin_object()
        .field("model", each.model)
        .field("workload", each.workload)
        .field("remaining", static_cast<int64_t>(each.remaining))
        .end_object();
  out.end_array().end_object();
}

void write_state(json::Writer& out, const DeploymentState& state) {
  const Deployment& deployment = state.deployment;
  auto text_or_null = [&](std::string_view key, const std::string& text) {
    out.key(key);
    text.empty() ? out.null() : out.string(text);
  };
  auto ms_or_null = [&](std::string_view key, Duration d) {
    out.key(key);
    d == Duration::zero() ? out.null() : out.number(std::chrono::duration<double, std::milli>(d).count());
  };
  std::string_view word = !state.withdrawn_by.empty()                  ? "withdrawn"
                          : state.credential_refused                   ? "credential_refused"
                          : state.breaker == Breaker::State::kOpen     ? "open"
                          : state.breaker == Breaker::State::kHalfOpen ? "half_open"
                          : state.resting > Duration::zero()           ? "resting"
                                                                       : "able";
  out.begin_object().field("name", deployment.name).field("object", "x_deployment").field("state", word);
  out.field("model", deployment.model).field("provider", deployment.provider_name);
  text_or_null("upstream_model", deployment.upstream_model);
  text_or_null("party", deployment.party);
  text_or_null("region", deployment.region);
  text_or_null("account", deployment.account);
  out.field("priority", deployment.priority).field("weight", static_cast<int64_t>(deployment.weight));
  out.key("withdrawn_by").begin_array();
  for (const std::string& id : state.withdrawn_by) out.string(id);
  out.end_array().field("breaker", name_of(state.breaker)).key("cause");
  state.cause == Fault::kNone ? out.null() : out.string(name_of(state.cause));
  out.field("credential_refused", state.credential_refused)
      .field("able_in_ms", ms_of(state.able_in))
      .field("resting_ms", ms_of(state.resting))
      .field("in_flight", state.in_flight)
      .field("waiting", state.waiting)
      .key("concurrency_max");
  deployment.concurrency_max == 0 ? out.null() : out.integer(deployment.concurrency_max);
  out.field("attempts", state.attempts).field("failures", state.failures);
  out.key("error_average").number(state.error_average);
  ms_or_null("first_piece_ms", state.first_piece);
  ms_or_null("piece_gap_ms", state.gap);
  out.end_object();
}

std::string label(std::string_view value) {
  std::string out;
  for (char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    c == '\n' ? out += "\\n" : out += c;
  }
  return out;
}

Error no_desk() { return {Code::kUnavailable, "this server has no deployments to withdraw", "", "no_routing"}; }

}  // namespace

Task<void> Gateway::withdraw(Exchange& x) {
  if (options_.desk == nullptr) {
    co_await x.fail(no_desk());
    co_return;
  }
  Result<json::Document> document = json::Document::parse(std::move(x.request.body));
  if (!document.ok()) {
    co_await x.fail(std::move(document).error());
    co_return;
  }
  Result<WithdrawalCall> call = read_call(document->root());
  if (!call.ok()) {
    co_await x.fail(std::move(call).error());
    co_return;
  }
  call->ask.by = x.caller.key.value;
  Task<Result<WithdrawalResult>> asked =
      call->preview ? options_.desk->preview(std::move(call->ask)) : options_.desk->withdraw(std::move(call->ask));
  Result<WithdrawalResult> done = co_await std::move(asked);
  if (!done.ok()) {
    co_await x.fail(std::move(done).error());
    co_return;
  }
  json::Writer out;
  out.begin_object();
  if (call->preview) {
    out.field("object", "x_withdrawal_preview").key("target").begin_object();
    out.field("kind", name_of(done->withdrawal.kind)).field("name", done->withdrawal.name).end_object();
    out.field("mode", name_of(done->withdrawal.mode));
  } else {
    write_withdrawal_fields(out, done->withdrawal);
  }
  write_touch(out, done->touch);
  out.end_object();
  co_await x.json(out.text());
}

Task<void> Gateway::list_withdrawals(Exchange& x) {
  if (options_.desk == nullptr) {
    co_await x.fail(no_desk());
    co_return;
  }
  std::vector<Withdrawal> all = co_await options_.desk->list();
  json::Writer out;
  out.begin_object().field("object", "list").key("data").begin_array();
  for (const Withdrawal& withdrawal : all) write_withdrawal(out, withdrawal);
  out.end_array().field("has_more", false).end_object();
  co_await x.json(out.text());
}

Task<void> Gateway::restore(Exchange& x) {
  if (options_.desk == nullptr) {
    co_await x.fail(no_desk());
    co_return;
  }
  Result<Withdrawal> gone = co_await options_.desk->restore(x.id);
  if (!gone.ok()) {
    co_await x.fail(std::move(gone).error());
    co_return;
  }
  json::Writer out;
  out.begin_object();
  write_withdrawal_fields(out, *gone);
  out.field("restored", true).end_object();
  co_await x.json(out.text());
}

Task<std::string> Gateway::deployment_metrics() {
  if (options_.desk == nullptr) co_return std::string();
  std::vector<DeploymentState> all = co_await options_.desk->deployments();
  if (all.size() > kListMax) all.resize(kListMax);
  std::string out;
  auto family = [&](std::string_view name, std::string_view type, std::string_view help, auto value) {
    out.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ").append(name).append(" ");
    out.append(type).append("\n");
    for (const DeploymentState& state : all)
      out.append(name)
          .append("{deployment=\"")
          .append(label(state.deployment.name))
          .append("\",provider=\"")
          .append(label(state.deployment.provider_name))
          .append("\"} ")
          .append(std::to_string(value(state)))
          .append("\n");
  };
  family("perdure_deployment_able", "gauge", "1 when new attempts may be placed there.", [](const DeploymentState& s) {
    bool able = s.withdrawn_by.empty() && !s.credential_refused && s.able_in == Duration::zero();
    return int64_t{able};
  });
  family("perdure_deployment_withdrawn", "gauge", "1 while an operator has withdrawn it.",
         [](const DeploymentState& s) { return int64_t{!s.withdrawn_by.empty()}; });
  family("perdure_deployment_credential_refused", "gauge",
         "1 while its provider does not accept the server's credential.",
         [](const DeploymentState& s) { return int64_t{s.credential_refused}; });
  family("perdure_deployment_attempts_running", "gauge", "Attempts that run there.",
         [](const DeploymentState& s) { return s.in_flight; });
  family("perdure_deployment_attempts_total", "counter", "Attempts that have ended there.",
         [](const DeploymentState& s) { return s.attempts; });
  family("perdure_deployment_failures_total", "counter", "Of those, how many failed by its fault.",
         [](const DeploymentState& s) { return s.failures; });
  co_return out;
}

// Providers whose credential is refused, for a place that anybody may look at: how many, not which.
Task<size_t> Gateway::credentials_refused() {
  std::set<std::string> providers;
  if (options_.desk == nullptr) co_return providers.size();
  std::vector<DeploymentState> all = co_await options_.desk->deployments();
  for (const DeploymentState& state : all)
    if (state.credential_refused) providers.insert(state.deployment.provider_name);
  co_return providers.size();
}

Task<void> Gateway::list_deployments(Exchange& x) {
  if (options_.desk == nullptr) {
    co_await x.fail(no_desk());
    co_return;
  }
  std::vector<DeploymentState> all = co_await options_.desk->deployments();
  size_t shown = std::min(all.size(), kListMax);
  json::Writer out;
  out.begin_object().field("object", "list").key("data").begin_array();
  for (size_t i = 0; i < shown; ++i) write_state(out, all[i]);
  out.end_array().field("has_more", shown < all.size()).end_object();
  co_await x.json(out.text());
}

}  // namespace perdure
