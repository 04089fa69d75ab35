#include "simulate/openai_surface.h"

#include "base/ids.h"
#include "simulate/chat_reply.h"
#include "simulate/embeddings.h"
#include "simulate/openai_error.h"
#include "simulate/responses_reply.h"
#include "simulate/scripted_model.h"
#include "wire/json.h"

namespace perdure::simulate {
namespace {

constexpr std::string_view kModels = "/v1/models";

class OpenAiSurface final : public Surface {
 public:
  explicit OpenAiSurface(Account& account) : account_(account) {}

  bool serves(const HttpRequest&) const override { return true; }

  std::optional<Failure> stranger(const HttpRequest& request, WallTime) const override {
    if (account_.options.api_key.empty() || !request.path.starts_with("/v1/")) return std::nullopt;
    const std::string_view header = request.header("authorization");
    if (header.starts_with("Bearer ") && header.substr(7) == account_.options.api_key) return std::nullopt;
    return Failure{401, "Incorrect API key provided.", {}, "invalid_api_key"};
  }

  bool asks_for_answer(const HttpRequest& request) const override {
    return request.method == "POST" && (request.path == "/v1/chat/completions" || request.path == "/v1/responses");
  }

  Outcome route(HttpRequest& request, const Origin& origin) override {
    const bool get = request.method == "GET", post = request.method == "POST";
    if (post && request.path == "/v1/chat/completions") return chat(request, origin);
    if (post && request.path == "/v1/responses") return responses(request, origin);
    if (post && request.path == "/v1/responses/input_tokens") return count(request);
    if (request.path.starts_with("/v1/responses/")) return kept(request);
    if (post && request.path == "/v1/embeddings") return embeddings(request);
    if (get && request.path == kModels) return Plain{openai_models(account_, "")};
    if (get && request.path.starts_with("/v1/models/"))
      if (std::string one = openai_models(account_, request.path.substr(kModels.size() + 1)); !one.empty())
        return Plain{std::move(one)};
    for (const char* known : {"/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/models"})
      if (request.path == known) return Failure{405, "Not allowed to " + request.method + " on " + request.path + "."};
    return Failure{404, "Unknown request URL: " + request.path + ".", {}, "unknown_url"};
  }

  std::string error(const Failure& failure, Headers&) const override {
    return openai_error(failure.status, failure.message, failure.param, failure.code);
  }

  void stamp(Headers& headers, Random& random) const override {
    headers.set("x-request-id", make_id(random, "req_", 12));
  }

 private:
  std::optional<Failure> unknown_model(const std::string& model) const {
    if (account_.has_model(model)) return std::nullopt;
    return Failure{
        404, "The model '" + model + "' does not exist or you do not have access to it.", {}, "model_not_found"};
  }

  Outcome chat(HttpRequest& request, const Origin& origin) {
    auto parsed = parse_chat_request(request.body);
    if (!parsed.ok()) return Failure::of(parsed.error());
    if (auto unknown = unknown_model(parsed->model)) return *unknown;
    if (parsed->store && !account_.options.state) return state_refused();
    return make_chat_call(std::move(*parsed), origin);
  }

  Outcome responses(HttpRequest& request, const Origin& origin) {
    ResponseShelf* shelf = account_.options.state ? &shelf_ : nullptr;
    auto parsed = parse_responses_request(request.body, account_.signer, shelf);
    if (!parsed.ok()) return Failure::of(parsed.error());
    if (auto unknown = unknown_model(parsed->model)) return *unknown;
    return make_responses_call(std::move(*parsed), account_.signer, shelf, origin);
  }

  Outcome count(HttpRequest& request) {
    auto parsed = parse_input_tokens_request(request.body, account_.signer);
    if (!parsed.ok()) return Failure::of(parsed.error());
    if (auto unknown = unknown_model(parsed->model)) return *unknown;
    json::Writer json;
    json.begin_object().field("object", "response.input_tokens").field("input_tokens", prompt_tokens(*parsed));
    return Plain{json.end_object().take()};
  }

  Outcome kept(const HttpRequest& request) {
    const std::string id = request.path.substr(std::string_view("/v1/responses/").size());
    const ResponseShelf::Kept* found = shelf_.find(id);
    if (found == nullptr || (request.method != "GET" && request.method != "DELETE"))
      return Failure{404, "Response with id '" + id + "' not found.", "id"};
    if (request.method == "GET") return Plain{found->json};
    shelf_.remove(id);
    return Plain{R"({"id":")" + id + R"(","object":"response.deleted","deleted":true})"};
  }

  Outcome embeddings(HttpRequest& request) {
    auto parsed = parse_embeddings_request(request.body);
    if (!parsed.ok()) return Failure::of(parsed.error());
    if (auto unknown = unknown_model(parsed->model)) return *unknown;
    return Plain{render_embeddings(*parsed)};
  }

  Account& account_;
  ResponseShelf shelf_;
};

}  // namespace

Failure state_refused() {
  return {400, "This supplier keeps no state: 'store' must be false (simulated; see --state).", "store",
          "unsupported_value"};
}

std::string openai_models(const Account& account, std::string_view only) {
  json::Writer json;
  if (only.empty()) json.begin_object().field("object", "list").key("data").begin_array();
  for (const std::string_view name : account.model_names()) {
    if (name == "*" || (!only.empty() && name != only)) continue;
    json.begin_object().field("id", name).field("object", "model").field("created", 0);
    json.field("owned_by", "simulated").end_object();
  }
  if (only.empty()) json.end_array().end_object();
  return json.take();
}

std::unique_ptr<Surface> make_openai_surface(Account& account) { return std::make_unique<OpenAiSurface>(account); }

}  // namespace perdure::simulate
