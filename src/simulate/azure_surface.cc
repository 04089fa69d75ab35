#include "simulate/azure_surface.h"

#include "base/ids.h"
#include "simulate/chat_reply.h"
#include "simulate/embeddings.h"
#include "simulate/openai_error.h"
#include "simulate/openai_surface.h"
#include "simulate/responses_reply.h"
#include "wire/json.h"

namespace perdure::simulate {
namespace {

constexpr std::string_view kRoot = "/openai/";
constexpr std::string_view kDeployments = "/openai/deployments/";

// Where a path leads: to a deployment that it names, or to one that the body names.
struct Target {
  std::string deployment, operation;  // "chat/completions", "embeddings", "responses", "models"
  bool versioned = true;              // wants an api-version
};

std::optional<Target> target_of(std::string_view path) {
  if (path.starts_with(kDeployments)) {
    path.remove_prefix(kDeployments.size());
    const size_t slash = path.find('/');
    if (slash == std::string_view::npos || slash == 0) return std::nullopt;
    return Target{std::string(path.substr(0, slash)), std::string(path.substr(slash + 1))};
  }
  if (path.starts_with("/openai/v1/")) return Target{"", std::string(path.substr(11)), false};
  if (path.starts_with(kRoot)) return Target{"", std::string(path.substr(kRoot.size()))};
  return std::nullopt;
}

bool good_version(std::string_view version) {  // 2024-10-21, 2025-04-01-preview
  if (version == "preview" || version == "latest" || version == "v1") return true;
  if (version.ends_with("-preview")) version.remove_suffix(8);
  if (version.size() != 10 || version[4] != '-' || version[7] != '-') return false;
  return version.find_first_not_of("0123456789-") == std::string_view::npos;
}

class AzureSurface final : public Surface {
 public:
  explicit AzureSurface(Account& account) : account_(account) {}

  bool serves(const HttpRequest& request) const override { return request.path.starts_with(kRoot); }

  std::optional<Failure> stranger(const HttpRequest& request, WallTime) const override {
    std::string_view key = request.header("api-key");
    const std::string_view authorization = request.header("authorization");
    if (key.empty() && authorization.starts_with("Bearer ")) key = authorization.substr(7);
    const std::string& set = account_.options.api_key;
    if (!key.empty() && (set.empty() || key == set)) return std::nullopt;
    return Failure{401,
                   "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid "
                   "key for an active subscription and use a correct regional API endpoint for your resource.",
                   {},
                   "401"};
  }

  bool asks_for_answer(const HttpRequest& request) const override {
    const auto target = target_of(request.path);
    return request.method == "POST" && target &&
           (target->operation == "chat/completions" ||
            (target->operation == "responses" && target->deployment.empty()));
  }

  Outcome route(HttpRequest& request, const Origin& origin) override {
    const auto target = target_of(request.path);
    if (!target) return nothing_there();
    if (target->versioned) {
      const auto version = request.query.find("api-version");
      if (version == request.query.end()) return nothing_there();
      if (!good_version(version->second)) return Failure{400, "API version not supported", {}, "BadRequest"};
    }
    const bool post = request.method == "POST";
    if (post && target->operation == "chat/completions") return chat(request, *target, origin);
    if (post && target->operation == "responses" && target->deployment.empty()) return responses(request, origin);
    if (post && target->operation == "embeddings") return embeddings(request, *target);
    if (request.method == "GET" && target->operation == "models") return Plain{openai_models(account_, "")};
    return nothing_there();
  }

  std::string error(const Failure& failure, Headers& headers) const override {
    if (failure.code == kFiltered) return filtered(failure);
    if (failure.status == 429) headers.set("x-ratelimit-remaining-requests", "0");
    const bool azure_own = failure.status == 401 || failure.status == 429 || failure.status >= 500 ||
                           failure.code == "404" || failure.code == "DeploymentNotFound" ||
                           failure.code == "BadRequest";
    if (!azure_own) return openai_error(failure.status, failure.message, failure.param, failure.code);
    json::Writer json;
    json.begin_object().key("error").begin_object();
    json.field("code", failure.code.empty() ? std::to_string(failure.status) : failure.code);
    json.field("message", failure.message).end_object().end_object();
    return json.take();
  }

  void stamp(Headers& headers, Random& random) const override {
    headers.set("apim-request-id", make_id(random, "", 16));
    headers.set("x-ms-region", "Simulated");
  }

 private:
  static constexpr std::string_view kFiltered = "content_filter";

  static Failure nothing_there() { return {404, "Resource not found", {}, "404"}; }

  std::optional<Failure> unknown(const std::string& deployment) const {
    if (account_.has_model(deployment)) return std::nullopt;
    return Failure{404,
                   "The API deployment for this resource does not exist. If you created the deployment within the last "
                   "5 minutes, please wait a moment and try again.",
                   {},
                   "DeploymentNotFound"};
  }

  // The filter looks at the prompt: it knows what the scripted model is about to be stopped for.
  std::optional<Failure> filter(const Prompt& prompt) const {
    const Answer made = answer(prompt, account_.options.seed, {.prefill = account_.options.prefill});
    if (made.finish != Finish::kFilter || !made.text.empty()) return std::nullopt;
    return Failure{400,
                   "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. "
                   "Please modify your prompt and retry. To learn more about our content filtering policies please "
                   "read our documentation: https://go.microsoft.com/fwlink/?linkid=2198766",
                   "prompt", std::string(kFiltered)};
  }

  static std::string filtered(const Failure& failure) {
    json::Writer json;
    json.begin_object().key("error").begin_object().field("message", failure.message).key("type").null();
    json.field("param", failure.param).field("code", failure.code).field("status", failure.status);
    json.key("innererror").begin_object().field("code", "ResponsibleAIPolicyViolation");
    json.key("content_filter_result").begin_object().key("violence").begin_object();
    json.field("filtered", true).field("severity", "high").end_object().end_object();
    json.end_object().end_object().end_object();
    return json.take();
  }

  Outcome chat(HttpRequest& request, const Target& target, const Origin& origin) {
    auto parsed = parse_chat_request(request.body, {.model_elsewhere = !target.deployment.empty()});
    if (!parsed.ok()) return Failure::of(parsed.error());
    if (!target.deployment.empty()) parsed->model = target.deployment;
    if (auto failure = unknown(parsed->model)) return *failure;
    if (parsed->store && !account_.options.state) return state_refused();
    if (auto failure = filter(*parsed)) return *failure;
    return make_chat_call(std::move(*parsed), origin, true);
  }

  Outcome responses(HttpRequest& request, const Origin& origin) {
    ResponseShelf* shelf = account_.options.state ? &shelf_ : nullptr;
    auto parsed = parse_responses_request(request.body, account_.signer, shelf);
    if (!parsed.ok()) return Failure::of(parsed.error());
    if (auto failure = unknown(parsed->model)) return *failure;
    if (auto failure = filter(*parsed)) return *failure;
    return make_responses_call(std::move(*parsed), account_.signer, shelf, origin);
  }

  Outcome embeddings(HttpRequest& request, const Target& target) {
    auto parsed = parse_embeddings_request(request.body, !target.deployment.empty());
    if (!parsed.ok()) return Failure::of(parsed.error());
    if (!target.deployment.empty()) parsed->model = target.deployment;
    if (auto failure = unknown(parsed->model)) return *failure;
    return Plain{render_embeddings(*parsed)};
  }

  Account& account_;
  ResponseShelf shelf_;
};

}  // namespace

std::unique_ptr<Surface> make_azure_surface(Account& account) { return std::make_unique<AzureSurface>(account); }

}  // namespace perdure::simulate
