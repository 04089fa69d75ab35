// What Anthropic's API has beside creating messages: counting tokens, and its list of models.

#include "dialect/messages_client_request.h"
#include "dialect/messages_render.h"
#include "gateway/exchange.h"
#include "gateway/gateway.h"
#include "routing/router.h"

namespace perdure {
namespace {

constexpr Duration kCountTime = std::chrono::seconds(30);

// Models have no dates here; that API wants one.
constexpr WallTime kNoDate{};

}  // namespace

Task<Result<int64_t>> Gateway::count_input(Exchange& x, const Request& request, std::span<const Item> context) {
  Error nobody{Code::kInvalid,
               "no supplier of the model \"" + request.model + "\" counts tokens, and a guess would not be a count",
               "model", "cannot_count"};
  if (options_.router == nullptr) co_return nobody;
  PlacementAsk ask{.model = request.model,
                   .traffic = {.tenant = x.caller.tenant, .key = x.caller.key},
                   .needs = needs_of(request, context),
                   .tried = {},
                   .author = {}};
  Deadline deadline = deadline_in(loop_, kCountTime);
  std::vector<Tried> tried;
  for (;;) {
    ask.tried = tried;
    Result<std::unique_ptr<AttemptLease>> begun = co_await options_.router->begin(ask, deadline, x.reply.gone());
    if (!begun.ok() && !tried.empty()) co_return nobody;
    if (!begun.ok()) co_return std::move(begun).error();
    AttemptLease& lease = **begun;
    if (!lease.provider().counts()) {
      tried.push_back({.deployment = lease.number(), .failures = 1, .never = true});
      continue;
    }
    CO_TRY_VOID(lease.dispatch());
    UpstreamCall call{.request = request, .context = context, .model = lease.model()};
    Result<int64_t> counted = co_await lease.provider().count(std::move(call), deadline, lease.cancel());
    Result<void> outcome;
    if (!counted.ok()) outcome = counted.error();
    (void)lease.settle({});  // counting costs nothing
    lease.ended(outcome);
    co_return counted;
  }
}

Task<void> Gateway::count_tokens(Exchange& x) {
  if (Result<void> checked = check_headers(x); !checked.ok()) {
    co_await x.fail_as(checked.error().param.empty() ? 415 : 400, std::move(checked).error());
    co_return;
  }
  Result<bool> lenient = header_flag(x.request, "x-perdure-lenient");
  if (!lenient.ok()) {
    co_await x.fail(std::move(lenient).error());
    co_return;
  }
  Result<json::Document> document = json::Document::parse(std::move(x.request.body));
  if (!document.ok()) {
    co_await x.fail(std::move(document).error());
    co_return;
  }
  Result<ParsedRequest> parsed = parse_messages_count_request(document->root(), *lenient);
  if (!parsed.ok()) {
    co_await x.fail(std::move(parsed).error());
    co_return;
  }
  Result<int64_t> counted = co_await count_input(x, parsed->request, parsed->request.input);
  if (!counted.ok()) {
    co_await x.fail(std::move(counted).error());
    co_return;
  }
  x.left_out = std::move(parsed->left_out);
  x.say_what_was_left_out({});
  std::string body = render_messages_count(*counted);
  co_await x.json(body);
}

Task<void> Gateway::list_models_for_messages(Exchange& x) {
  x.face = &face_of(ClientDialect::kMessages);
  Result<int64_t> limit = query_number(x.request, "limit", 20, 1, 1000);
  if (!limit.ok()) {
    co_await x.fail(std::move(limit).error());
    co_return;
  }
  std::vector<std::string> names = co_await models_();
  const auto position = [&](const std::string& name) -> Result<size_t> {
    auto asked = x.request.query.find(name);
    if (asked == x.request.query.end()) return std::string::npos;
    for (size_t i = 0; i < names.size(); ++i)
      if (names[i] == asked->second) return i;
    return Error{Code::kInvalid, "there is no model \"" + asked->second + "\"", name};
  };
  Result<size_t> after = position("after_id"), before = position("before_id");
  if (!after.ok() || !before.ok()) {
    co_await x.fail(!after.ok() ? after.error() : before.error());
    co_return;
  }
  size_t from = *after == std::string::npos ? 0 : *after + 1, to = names.size();
  const auto most = static_cast<size_t>(*limit);
  bool more = false;
  if (*before != std::string::npos) {  // those right before it
    to = *before;
    more = to > from + most;
    if (more) from = to - most;
  } else {
    more = to > from + most;
    to = std::min(to, from + most);
  }
  std::vector<MessagesModel> models;
  for (size_t i = from; i < to; ++i)
    models.push_back(
        {.id = names[i], .display_name = names[i], .created = kNoDate, .max_input_tokens = {}, .max_tokens = {}});
  std::string body = render_messages_models(models, more);
  co_await x.json(body);
}

}  // namespace perdure
