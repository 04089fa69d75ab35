#include "simulate/google_surface.h"

#include "simulate/gemini_reply.h"
#include "wire/json.h"

namespace perdure::simulate {
namespace {

// What a path asks for: which model, and what is to be done with it.
struct Target {
  std::string model, method;
};
std::optional<Target> target_of(std::string_view path) {
  const size_t models = path.rfind("/models/");
  if (models == std::string_view::npos) return std::nullopt;
  const std::string_view rest = path.substr(models + 8);
  const size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  return Target{std::string(rest.substr(0, colon)), std::string(rest.substr(colon + 1))};
}

bool is_vertex(std::string_view path) {
  return path.starts_with("/v1/projects/") || path.starts_with("/v1beta1/projects/");
}

class GoogleSurface final : public Surface {
 public:
  explicit GoogleSurface(Account& account) : account_(account) {}

  bool serves(const HttpRequest& request) const override {
    if (is_vertex(request.path) || request.path.starts_with("/v1beta/")) return true;
    return request.path.starts_with("/v1/models/") && request.method == "POST" && target_of(request.path).has_value();
  }

  std::optional<Failure> stranger(const HttpRequest& request, WallTime) const override {
    const std::string_view authorization = request.header("authorization");
    const std::string_view bearer = authorization.starts_with("Bearer ") ? authorization.substr(7) : std::string_view();
    const std::string& set = account_.options.api_key;
    if (is_vertex(request.path)) {
      if (!bearer.empty() && (set.empty() || bearer == set)) return std::nullopt;
      return Failure{401,
                     "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie "
                     "or other valid authentication credential."};
    }
    std::string_view key = request.header("x-goog-api-key");
    if (const auto query = request.query.find("key"); key.empty() && query != request.query.end()) key = query->second;
    if (key.empty()) key = bearer;
    if (key.empty())
      return Failure{403,
                     "Method doesn't allow unregistered callers (callers without established identity). Please "
                     "use API Key or other form of API consumer identity to call this API."};
    if (!set.empty() && key != set) return Failure{400, "API key not valid. Please pass a valid API key."};
    return std::nullopt;
  }

  bool asks_for_answer(const HttpRequest& request) const override {
    const auto target = target_of(request.path);
    return request.method == "POST" && target &&
           (target->method == "generateContent" || target->method == "streamGenerateContent");
  }

  Outcome route(HttpRequest& request, const Origin& origin) override {
    const auto target = target_of(request.path);
    if (!target || request.method != "POST") return models(request);
    const bool counting = target->method == "countTokens";
    if (!counting && !asks_for_answer(request))
      return Failure{404, "models/" + target->model + " is not supported for " + target->method + "."};
    if (!account_.has_model(target->model)) return unknown(target->model);
    auto parsed = parse_gemini_request(request.body, target->model, account_.signer,
                                       {.counting = counting, .prefill = account_.options.prefill});
    if (!parsed.ok()) return Failure::of(parsed.error());
    if (counting) {
      json::Writer json;
      json.begin_object().field("totalTokens", prompt_tokens(*parsed)).end_object();
      return Plain{json.take()};
    }
    GeminiStream stream = GeminiStream::kNone;
    if (target->method == "streamGenerateContent") {
      const auto alt = request.query.find("alt");
      stream = alt != request.query.end() && alt->second == "sse" ? GeminiStream::kEvents : GeminiStream::kArray;
    }
    return make_gemini_call(std::move(*parsed), stream, account_.signer, origin);
  }

  std::string error(const Failure& failure, Headers&) const override {
    return gemini_error(failure.status, failure.message, failure.retry_after_s);
  }

  void stamp(Headers& headers, Random& random) const override {
    headers.set("x-goog-request-id", std::to_string(random.u64()));
  }

 private:
  static Failure unknown(const std::string& model) {
    return {404, "models/" + model +
                     " is not found for API version v1beta, or is not supported for generateContent. "
                     "Call ListModels to see the list of available models and their supported methods."};
  }

  Outcome models(const HttpRequest& request) const {
    constexpr std::string_view kModels = "/v1beta/models";
    const auto append = [](json::Writer& json, std::string_view name) {
      json.begin_object().field("name", "models/" + std::string(name)).field("displayName", name);
      json.field("inputTokenLimit", 1'048'576).field("outputTokenLimit", 65'536);
      json.key("supportedGenerationMethods").begin_array().string("generateContent").string("countTokens").end_array();
      json.end_object();
    };
    json::Writer json;
    if (request.method != "GET" || !request.path.starts_with(kModels)) return Failure{404, "Not found"};
    if (request.path == kModels) {
      json.begin_object().key("models").begin_array();
      for (const std::string_view name : account_.model_names())
        if (name != "*") append(json, name);
      json.end_array().end_object();
      return Plain{json.take()};
    }
    const std::string only = request.path.substr(kModels.size() + 1);
    if (!account_.has_model(only)) return unknown(only);
    append(json, only);
    return Plain{json.take()};
  }

  Account& account_;
};

}  // namespace

std::unique_ptr<Surface> make_google_surface(Account& account) { return std::make_unique<GoogleSurface>(account); }

}  // namespace perdure::simulate
