#include "simulate/bedrock_surface.h"

#include <algorithm>
#include <array>

#include "base/ids.h"
#include "simulate/converse_reply.h"
#include "simulate/converse_request.h"
#include "wire/json.h"
#include "wire/sigv4.h"

namespace perdure::simulate {
namespace {

constexpr std::string_view kRoot = "/model/";
constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256 ";

struct Target {
  std::string model;
  std::string_view operation;
};
std::optional<Target> target_of(std::string_view path) {
  if (!path.starts_with(kRoot)) return std::nullopt;
  path.remove_prefix(kRoot.size());
  for (const std::string_view operation : {"/converse", "/converse-stream", "/count-tokens"})
    if (path.size() > operation.size() && path.ends_with(operation))
      return Target{std::string(path.substr(0, path.size() - operation.size())), operation.substr(1)};
  return std::nullopt;
}

std::string_view exception_of(int status) {
  switch (status) {
    case 403:
      return "AccessDeniedException";
    case 404:
      return "ResourceNotFoundException";
    case 408:
      return "ModelTimeoutException";
    case 424:
      return "ModelErrorException";
    case 429:
      return "ThrottlingException";
    case 503:
      return "ServiceUnavailableException";
    default:
      return status >= 500 ? "InternalServerException" : "ValidationException";
  }
}

// The n-th part of the credential that a request is signed with: id/date/region/service/aws4_request.
std::string credential_part(std::string_view authorization, int part) {
  const size_t at = authorization.find("Credential=");
  if (at == std::string_view::npos) return {};
  std::string_view rest = authorization.substr(at + 11);
  rest = rest.substr(0, rest.find_first_of(", "));
  for (; part > 0 && !rest.empty(); --part) {
    const size_t slash = rest.find('/');
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  }
  return std::string(rest.substr(0, rest.find('/')));
}

class BedrockSurface final : public Surface {
 public:
  explicit BedrockSurface(Account& account) : account_(account) {}

  bool serves(const HttpRequest& request) const override { return request.path.starts_with(kRoot); }

  std::optional<Failure> stranger(const HttpRequest& request, WallTime now) const override {
    const std::string_view authorization = request.header("authorization");
    const SupplierOptions& options = account_.options;
    if (authorization.starts_with("Bearer ")) {
      const bool known = authorization.substr(7) == options.api_key;
      if (known || (options.api_key.empty() && options.aws_key.empty())) return std::nullopt;
      return Failure{
          403, "Authentication failed: Please make sure your API Key is valid.", {}, "AccessDeniedException"};
    }
    if (!authorization.starts_with(kAlgorithm))
      return Failure{403, "Missing Authentication Token", {}, "MissingAuthenticationTokenException"};
    if (options.aws_key.empty()) {
      if (options.api_key.empty()) return std::nullopt;
      return Failure{403, "The security token included in the request is invalid.", {}, "UnrecognizedClientException"};
    }
    return check_signature(request, authorization, now);
  }

  bool asks_for_answer(const HttpRequest& request) const override {
    const auto target = target_of(request.path);
    return request.method == "POST" && target && target->operation != "count-tokens";
  }

  Outcome route(HttpRequest& request, const Origin& origin) override {
    const auto target = target_of(request.path);
    if (!target) return Failure{404, "Could not resolve the operation.", {}, "UnknownOperationException"};
    if (request.method != "POST") return Failure{405, "Method Not Allowed", {}, "UnknownOperationException"};
    const bool counting = target->operation == "count-tokens";
    auto parsed = parse_converse_request(request.body, target->model, account_.signer,
                                         {.counting = counting, .prefill = account_.options.prefill});
    if (!parsed.ok()) return Failure::of(parsed.error());
    if (!account_.has_model(target->model)) return Failure{400, "The provided model identifier is invalid."};
    if (!counting)
      return make_converse_call(std::move(*parsed), target->operation == "converse-stream", account_.signer, origin);
    json::Writer json;
    json.begin_object().field("inputTokens", prompt_tokens(*parsed)).end_object();
    return Plain{json.take()};
  }

  std::string error(const Failure& failure, Headers& headers) const override {
    const std::string_view known = exception_of(failure.status);
    headers.set("x-amzn-errortype", (failure.code.empty() ? std::string(known) : failure.code) +
                                        ":http://internal.amazon.com/coral/com.amazon.bedrock/");
    json::Writer json;
    json.begin_object().field("message", failure.message).end_object();
    return json.take();
  }

  void stamp(Headers& headers, Random& random) const override {
    headers.set("x-amzn-requestid", make_id(random, "", 16));
  }

 private:
  std::optional<Failure> check_signature(const HttpRequest& request, std::string_view authorization,
                                         WallTime now) const {
    const std::string& set = account_.options.aws_key;  // id:secret, or id:secret:session token
    const size_t first = set.find(':'), second = set.find(':', first + 1);
    const AwsKeys keys{
        .access_key_id = set.substr(0, first),
        .secret_access_key = set.substr(first + 1, second == std::string::npos ? second : second - first - 1),
        .session_token = second == std::string::npos ? "" : set.substr(second + 1)};
    const std::string& region = account_.options.aws_region;
    const SigV4Scope scope{.region = region.empty() ? credential_part(authorization, 2) : region, .service = "bedrock"};
    const auto fields = request.headers.pairs();
    const SigV4Request signed_request{
        .method = request.method, .target = request.target, .headers = fields, .body = request.body};
    const Result<void> verified = verify_v4(signed_request, keys, scope, now);
    if (verified.ok()) return std::nullopt;
    const Error& error = verified.error();
    return Failure{error.code == Code::kInvalid ? 400 : 403, error.message, {}, error.reason};
  }

  Account& account_;
};

}  // namespace

std::unique_ptr<Surface> make_bedrock_surface(Account& account) { return std::make_unique<BedrockSurface>(account); }

}  // namespace perdure::simulate
