// The places where keys may be.

#include <algorithm>
#include <charconv>
#include <chrono>

#include "provider/aws_credentials.h"
#include "provider/aws_profile.h"
#include "wire/json.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

constexpr size_t kAnswerMax = 64 << 10;
constexpr Duration kCallTime = 2s;
constexpr int kCalls = 3;
constexpr auto kLookAgain = 5min;
constexpr int kTokenSeconds = 21600;

Error denied(std::string message) {
  return {.code = Code::kDenied, .message = std::move(message), .reason = "supplier_denied"};
}

class StaticKeys final : public AwsKeySource {
 public:
  explicit StaticKeys(AwsKeys keys) : keys_(std::move(keys)) {}
  Task<Result<AwsIdentity>> fetch(Deadline) override {
    if (keys_.access_key_id.empty() && keys_.secret_access_key.empty())
      co_return Error{Code::kNotFound, "No AWS access key is given."};
    if (keys_.access_key_id.empty() || keys_.secret_access_key.empty())
      co_return denied("Only one half of an AWS access key is given.");
    co_return AwsIdentity{.keys = keys_, .expires = {}, .look_again = {}};
  }

 private:
  AwsKeys keys_;
};

class ProfileKeys final : public AwsKeySource {
 public:
  ProfileKeys(AwsProfile profile, OffLoopFiles& files, const Clock& clock)
      : profile_(std::move(profile)), files_(files), clock_(clock) {}

  Task<Result<AwsIdentity>> fetch(Deadline deadline) override {
    CO_TRY(const std::string credentials, co_await text_of(profile_.credentials_file, deadline));
    CO_TRY(const std::string config, co_await text_of(profile_.config_file, deadline));
    CO_TRY(AwsKeys keys, aws_profile_keys({credentials, config}, profile_.name));
    co_return AwsIdentity{.keys = std::move(keys), .expires = {}, .look_again = clock_.wall() + kLookAgain};
  }

 private:
  Task<Result<std::string>> text_of(std::string path, Deadline deadline) {
    if (path.empty()) co_return std::string();
    Result<std::string> text = co_await files_.read(path, deadline);
    if (!text.ok() && text.error().code == Code::kNotFound) co_return std::string();
    co_return text;
  }
  AwsProfile profile_;
  OffLoopFiles& files_;
  const Clock& clock_;
};

// --- the services of containers and instances ---

struct Reply {
  int status = 0;
  std::string body;
};

Task<Result<Reply>> call_once(HttpClient& client, HttpCall call, Deadline deadline) {
  CO_TRY(std::unique_ptr<HttpAnswer> answer, co_await client.send(std::move(call), deadline, nullptr));
  Reply out{.status = answer->status, .body = {}};
  for (;;) {
    CO_TRY(const bool more, co_await answer->read(out.body, deadline));
    if (!more) co_return out;
    if (out.body.size() > kAnswerMax)
      co_return Error{Code::kCorrupt, "the answer of a credentials service is too long"};
  }
}

// A few quick tries: these services are near, and are known to be slow to start.
Task<Result<Reply>> call_service(HttpClient& client, const Clock& clock, HttpCall call, Deadline deadline) {
  Result<Reply> reply = Error{Code::kDeadline, "a credentials service was not asked in time"};
  for (int i = 0; i < kCalls && clock.now() < deadline.at; ++i) {
    HttpCall again = call;
    reply = co_await call_once(client, std::move(again), deadline_in(clock, kCallTime).sooner(deadline));
    if (reply.ok() && reply->status < 500 && reply->status != 429) break;
  }
  co_return reply;
}

Error no_answer(std::string_view who, const Result<Reply>& reply) {
  if (!reply.ok())
    return Error{Code::kUnavailable, "The " + std::string(who) + " does not answer: " + reply.error().message};
  return Error{Code::kUnavailable,
               "The " + std::string(who) + " answered with status " + std::to_string(reply->status) + "."};
}

// "2026-01-02T03:04:05Z", with or without a fraction.
std::optional<WallTime> time_of(std::string_view text) {
  constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:dd";
  if (text.size() <= kForm.size() || text.back() != 'Z') return std::nullopt;
  int parts[6] = {};
  size_t part = 0;
  for (size_t i = 0; i < kForm.size(); ++i) {
    if (kForm[i] != 'd') {
      if (text[i] != kForm[i]) return std::nullopt;
      ++part;
    } else {
      if (text[i] < '0' || text[i] > '9') return std::nullopt;
      parts[part] = parts[part] * 10 + (text[i] - '0');
    }
  }
  const std::chrono::year_month_day date{std::chrono::year(parts[0]),
                                         std::chrono::month(static_cast<unsigned>(parts[1])),
                                         std::chrono::day(static_cast<unsigned>(parts[2]))};
  if (!date.ok() || parts[3] > 23 || parts[4] > 59 || parts[5] > 60) return std::nullopt;
  const auto at = std::chrono::sys_days(date) + std::chrono::hours(parts[3]) + std::chrono::minutes(parts[4]) +
                  std::chrono::seconds(parts[5]);
  return WallTime(std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()));
}

Result<AwsIdentity> identity_of(std::string body, std::string_view who) {
  const auto corrupt = [&](std::string_view what) {
    return Error{Code::kCorrupt, "The " + std::string(who) + " gave no keys: " + std::string(what) + "."};
  };
  auto document = json::Document::parse(std::move(body));
  if (!document) return corrupt("its answer is not JSON");
  json::Value root = document->root();
  if (json::Value code = root["Code"]; code.is_string() && code.text() != "Success")
    return corrupt("it reports an error");
  AwsIdentity out;
  out.keys = {std::string(root["AccessKeyId"].text()), std::string(root["SecretAccessKey"].text()),
              std::string(root["Token"].text())};
  if (out.keys.access_key_id.empty() || out.keys.secret_access_key.empty()) return corrupt("a part is missing");
  if (json::Value expiration = root["Expiration"]; !expiration.absent()) {
    out.expires = time_of(expiration.text());
    if (!out.expires) return corrupt("their expiration is no time");
  }
  return out;
}

class ContainerKeys final : public AwsKeySource {
 public:
  ContainerKeys(AwsContainer container, HttpClient& client, OffLoopFiles& files, const Clock& clock)
      : container_(std::move(container)), client_(client), files_(files), clock_(clock) {}

  Task<Result<AwsIdentity>> fetch(Deadline deadline) override {
    if (container_.relative_uri.empty() && container_.full_uri.empty())
      co_return Error{Code::kNotFound, "No service of a container is named."};
    HttpCall call;
    call.method = "GET";
    CO_TRY(call.url, address());
    std::string token = container_.token;
    if (!container_.token_file.empty()) {
      CO_TRY(token, co_await files_.read(container_.token_file, deadline));
      while (token.ends_with('\n') || token.ends_with('\r')) token.pop_back();
    }
    if (token.find_first_of("\r\n") != std::string::npos)
      co_return denied("The token for the container's credentials service holds a line break.");
    if (!token.empty()) call.headers.add("Authorization", std::move(token));
    call.headers.add("Accept", "application/json");
    Result<Reply> reply = co_await call_service(client_, clock_, std::move(call), deadline);
    if (!reply.ok() || reply->status != 200) co_return no_answer(kWho, reply);
    co_return identity_of(std::move(reply->body), kWho);
  }

 private:
  static constexpr std::string_view kWho = "container's credentials service";

  Result<Url> address() const {
    if (!container_.relative_uri.empty()) {
      if (!container_.relative_uri.starts_with('/'))
        return denied("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is no path.");
      return parse_url("http://169.254.170.2" + container_.relative_uri);
    }
    auto url = parse_url(container_.full_uri);
    if (!url.ok()) return denied("AWS_CONTAINER_CREDENTIALS_FULL_URI is no URL.");
    constexpr std::string_view kTrusted[] = {"localhost", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"};
    const std::string& host = url->address.host;
    const bool here = std::ranges::find(kTrusted, host) != std::end(kTrusted) || is_loopback(host);
    if (!url->tls && !here) return denied("AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or lead to this machine.");
    return url;
  }

  // 127.0.0.0/8, as numbers and nothing else.
  static bool is_loopback(std::string_view host) {
    return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos &&
           std::ranges::count(host, '.') == 3;
  }

  AwsContainer container_;
  HttpClient& client_;
  OffLoopFiles& files_;
  const Clock& clock_;
};

class InstanceKeys final : public AwsKeySource {
 public:
  InstanceKeys(AwsInstance instance, HttpClient& client, const Clock& clock)
      : instance_(std::move(instance)), client_(client), clock_(clock) {}

  Task<Result<AwsIdentity>> fetch(Deadline deadline) override {
    Result<Reply> roles = co_await get("", deadline);
    if (roles.ok() && roles->status == 404) co_return Error{Code::kNotFound, "The instance has no role."};
    if (!roles.ok()) co_return roles.error();
    if (roles->status != 200) co_return no_answer(kWho, roles);
    const std::string role = roles->body.substr(0, roles->body.find_first_of("\r\n"));
    if (role.empty() || role.find_first_of(" ?#/") != std::string::npos)
      co_return Error{Code::kCorrupt, "The instance's metadata service names no role."};
    Result<Reply> reply = co_await get(role, deadline);
    if (!reply.ok()) co_return reply.error();
    if (reply->status != 200) co_return no_answer(kWho, reply);
    CO_TRY(AwsIdentity identity, identity_of(std::move(reply->body), kWho));
    // While the service cannot reach its own source it gives keys that have expired, and AWS goes on taking them.
    if (identity.expires && *identity.expires <= clock_.wall()) {
      identity.expires.reset();
      identity.look_again = clock_.wall() + kLookAgain;
    }
    co_return identity;
  }

 private:
  static constexpr std::string_view kWho = "instance's metadata service";
  static constexpr std::string_view kRoles = "/latest/meta-data/iam/security-credentials/";

  Task<Result<Reply>> get(std::string role, Deadline deadline) {
    for (int i = 0;; ++i) {
      CO_TRY_VOID(co_await renew_token(deadline));
      HttpCall call;
      call.method = "GET";
      CO_TRY(call.url, parse_url(instance_.endpoint + std::string(kRoles) + role));
      call.headers.add("X-aws-ec2-metadata-token", token_);
      Result<Reply> reply = co_await call_service(client_, clock_, std::move(call), deadline);
      if (!reply.ok()) co_return no_answer(kWho, reply);
      if (reply->status != 401 || i == 1) co_return reply;
      token_.clear();  // it was given up there
    }
  }

  Task<Result<void>> renew_token(Deadline deadline) {
    if (!token_.empty() && clock_.now() < token_until_) co_return Result<void>();
    HttpCall call;
    call.method = "PUT";
    CO_TRY(call.url, parse_url(instance_.endpoint + "/latest/api/token"));
    call.headers.add("X-aws-ec2-metadata-token-ttl-seconds", std::to_string(kTokenSeconds));
    const Instant asked = clock_.now();
    Result<Reply> reply = co_await call_service(client_, clock_, std::move(call), deadline);
    if (reply.ok() && (reply->status == 403 || reply->status == 404 || reply->status == 405))
      co_return Error{Code::kNotFound, "The instance's metadata service is switched off."};
    if (!reply.ok() || reply->status != 200) co_return no_answer(kWho, reply);
    token_ = reply->body;
    token_until_ = asked + std::chrono::seconds(kTokenSeconds) - 1min;
    if (token_.empty() || token_.find_first_of("\r\n") != std::string::npos)
      co_return Error{Code::kCorrupt, "The instance's metadata service gave no token."};
    co_return Result<void>();
  }

  AwsInstance instance_;
  HttpClient& client_;
  const Clock& clock_;
  std::string token_;  // secret
  Instant token_until_{};
};

class FirstKeys final : public AwsKeySource {
 public:
  explicit FirstKeys(std::vector<std::unique_ptr<AwsKeySource>> sources) : sources_(std::move(sources)) {}

  Task<Result<AwsIdentity>> fetch(Deadline deadline) override {
    if (chosen_ != nullptr) co_return co_await chosen_->fetch(deadline);
    std::optional<Error> silent;  // a place that could not be asked
    for (const auto& source : sources_) {
      Result<AwsIdentity> identity = co_await source->fetch(deadline);
      if (identity.ok()) {
        chosen_ = source.get();
        co_return identity;
      }
      if (identity.error().code == Code::kDenied) co_return identity;
      if (identity.error().code != Code::kNotFound) silent = identity.error();
    }
    if (silent) co_return *silent;
    co_return denied(
        "There are no AWS credentials: not given, not in the environment, a profile, a container or an instance.");
  }

 private:
  std::vector<std::unique_ptr<AwsKeySource>> sources_;
  AwsKeySource* chosen_ = nullptr;
};

// A profile that was asked for by its name must be there.
class NamedProfile final : public AwsKeySource {
 public:
  explicit NamedProfile(std::unique_ptr<AwsKeySource> profile) : profile_(std::move(profile)) {}
  Task<Result<AwsIdentity>> fetch(Deadline deadline) override {
    Result<AwsIdentity> identity = co_await profile_->fetch(deadline);
    if (!identity.ok() && identity.error().code == Code::kNotFound) co_return denied(identity.error().message);
    co_return identity;
  }

 private:
  std::unique_ptr<AwsKeySource> profile_;
};

}  // namespace

std::unique_ptr<AwsKeySource> static_aws_keys(AwsKeys keys) { return std::make_unique<StaticKeys>(std::move(keys)); }

std::unique_ptr<AwsKeySource> profile_aws_keys(AwsProfile profile, OffLoopFiles& files, const Clock& clock) {
  return std::make_unique<ProfileKeys>(std::move(profile), files, clock);
}

std::unique_ptr<AwsKeySource> container_aws_keys(AwsContainer container, HttpClient& client, OffLoopFiles& files,
                                                 const Clock& clock) {
  return std::make_unique<ContainerKeys>(std::move(container), client, files, clock);
}

std::unique_ptr<AwsKeySource> instance_aws_keys(AwsInstance instance, HttpClient& client, const Clock& clock) {
  return std::make_unique<InstanceKeys>(std::move(instance), client, clock);
}

std::unique_ptr<AwsKeySource> first_aws_keys(std::vector<std::unique_ptr<AwsKeySource>> sources) {
  return std::make_unique<FirstKeys>(std::move(sources));
}

AwsEnvironment aws_environment(const std::function<std::string(const char*)>& variable) {
  const auto either = [&](const char* first, const char* second) {
    std::string value = variable(first);
    return value.empty() ? variable(second) : value;
  };
  AwsEnvironment out;
  out.bearer_token = variable("AWS_BEARER_TOKEN_BEDROCK");
  out.keys = {variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"), variable("AWS_SESSION_TOKEN")};
  out.region = either("AWS_REGION", "AWS_DEFAULT_REGION");
  const std::string profile = either("AWS_PROFILE", "AWS_DEFAULT_PROFILE"), home = variable("HOME");
  out.profile_named = !profile.empty();
  if (out.profile_named) out.profile.name = profile;
  out.profile.credentials_file = variable("AWS_SHARED_CREDENTIALS_FILE");
  out.profile.config_file = variable("AWS_CONFIG_FILE");
  if (!home.empty() && out.profile.credentials_file.empty()) out.profile.credentials_file = home + "/.aws/credentials";
  if (!home.empty() && out.profile.config_file.empty()) out.profile.config_file = home + "/.aws/config";
  out.container = {variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
                   variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"), variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")};
  std::string disabled = variable("AWS_EC2_METADATA_DISABLED");
  out.instance_disabled = disabled == "true" || disabled == "True" || disabled == "TRUE";
  if (std::string endpoint = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT"); !endpoint.empty()) {
    while (endpoint.ends_with('/')) endpoint.pop_back();
    out.instance.endpoint = std::move(endpoint);
  }
  return out;
}

std::unique_ptr<AwsKeySource> aws_key_sources(const AwsEnvironment& environment, HttpClient& client,
                                              OffLoopFiles& files, const Clock& clock) {
  std::vector<std::unique_ptr<AwsKeySource>> sources;
  sources.push_back(static_aws_keys(environment.keys));
  sources.push_back(profile_aws_keys(environment.profile, files, clock));
  if (environment.profile_named) sources.back() = std::make_unique<NamedProfile>(std::move(sources.back()));
  sources.push_back(container_aws_keys(environment.container, client, files, clock));
  if (!environment.instance_disabled) sources.push_back(instance_aws_keys(environment.instance, client, clock));
  return first_aws_keys(std::move(sources));
}

}  // namespace perdure
