#include "simulate/anthropic_surface.h"

#include "base/ids.h"
#include "simulate/messages_reply.h"
#include "wire/json.h"

namespace perdure::simulate {
namespace {

constexpr std::string_view kMessages = "/v1/messages";
constexpr std::string_view kCount = "/v1/messages/count_tokens";
constexpr std::string_view kModels = "/v1/models";

class AnthropicSurface final : public Surface {
 public:
  explicit AnthropicSurface(Account& account) : account_(account) {}

  // OpenAI lists its models under the same path; a header tells them apart.
  bool serves(const HttpRequest& request) const override {
    if (request.path == kMessages || request.path.starts_with("/v1/messages/")) return true;
    const bool models = request.path == kModels || request.path.starts_with("/v1/models/");
    return models && (request.headers.has("anthropic-version") || request.headers.has("x-api-key"));
  }

  std::optional<Failure> stranger(const HttpRequest& request, WallTime) const override {
    std::string_view key = request.header("x-api-key");
    const std::string_view bearer = request.header("authorization");
    if (key.empty() && bearer.starts_with("Bearer ")) key = bearer.substr(7);
    if (key.empty()) return Failure{401, "x-api-key header is required"};
    if (!account_.options.api_key.empty() && key != account_.options.api_key) return Failure{401, "invalid x-api-key"};
    const std::string_view version = request.header("anthropic-version");
    if (version.empty()) return Failure{400, "anthropic-version: header is required"};
    if (version != "2023-06-01" && version != "2023-01-01" && version != "2026-10-21")
      return Failure{400, "anthropic-version: \"" + std::string(version) + "\" is not a valid version"};
    return std::nullopt;
  }

  bool asks_for_answer(const HttpRequest& request) const override {
    return request.method == "POST" && request.path == kMessages;
  }

  Outcome route(HttpRequest& request, const Origin& origin) override {
    if (request.path == kMessages || request.path == kCount) {
      if (request.method != "POST") return Failure{405, "Method Not Allowed"};
      return request.path == kMessages ? messages(request, origin) : count(request);
    }
    if (request.path.starts_with(kModels) && request.method == "GET") return models(request);
    return Failure{404, "Not found"};
  }

  std::string error(const Failure& failure, Headers& headers) const override {
    return messages_error(failure.status, failure.message, headers.get("request-id"));
  }

  void stamp(Headers& headers, Random& random) const override {
    headers.set("request-id", make_id(random, "req_", 12));
    headers.set("anthropic-organization-id", "00000000-0000-4000-8000-000000000000");
  }

 private:
  std::optional<Failure> unknown_model(const std::string& model) const {
    if (account_.has_model(model)) return std::nullopt;
    return Failure{404, "model: " + model};
  }

  Outcome messages(HttpRequest& request, const Origin& origin) {
    auto parsed = parse_messages_request(request.body, account_.signer, {.prefill = account_.options.prefill});
    if (!parsed.ok()) return Failure::of(parsed.error());
    if (auto unknown = unknown_model(parsed->model)) return *unknown;
    return make_messages_call(std::move(*parsed), account_.signer, origin);
  }

  Outcome count(HttpRequest& request) {
    auto parsed =
        parse_messages_request(request.body, account_.signer, {.counting = true, .prefill = account_.options.prefill});
    if (!parsed.ok()) return Failure::of(parsed.error());
    if (auto unknown = unknown_model(parsed->model)) return *unknown;
    json::Writer json;
    json.begin_object().field("input_tokens", prompt_tokens(*parsed)).end_object();
    return Plain{json.take()};
  }

  Outcome models(const HttpRequest& request) {
    const auto append = [](json::Writer& json, std::string_view name) {
      json.begin_object().field("type", "model").field("id", name).field("display_name", name);
      json.field("created_at", "2025-01-01T00:00:00Z").key("capabilities").null();
      json.field("max_input_tokens", 200'000).field("max_tokens", 64'000).end_object();
    };
    json::Writer json;
    if (request.path != kModels) {
      const std::string_view only = std::string_view(request.path).substr(kModels.size() + 1);
      if (!account_.has_model(only)) return Failure{404, "model: " + std::string(only)};
      append(json, only);
      return Plain{json.take()};
    }
    std::vector<std::string_view> names = account_.model_names();
    std::erase(names, "*");
    json.begin_object().key("data").begin_array();
    for (const std::string_view name : names) append(json, name);
    json.end_array().field("has_more", false);
    for (const char* end : {"first_id", "last_id"}) {
      json.key(end);
      if (names.empty())
        json.null();
      else
        json.string(*end == 'f' ? names.front() : names.back());
    }
    json.end_object();
    return Plain{json.take()};
  }

  Account& account_;
};

}  // namespace

std::unique_ptr<Surface> make_anthropic_surface(Account& account) {
  return std::make_unique<AnthropicSurface>(account);
}

}  // namespace perdure::simulate
