#include "app/provider_config.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "provider/aws_profile.h"

namespace perdure {
namespace {

// The one place where a wish meets the catalogue. Steps run in order; each may complain.
class Completion {
 public:
  Completion(ProviderWish& wish, const Catalogue& catalogue, const Environment& environment,
             std::vector<WishProblem>& problems)
      : wish_(wish), catalogue_(catalogue), environment_(environment), problems_(problems) {}

  ProviderConfig run() {
    find_supplier();
    choose_dialect();
    choose_auth();
    prepare_credential();
    choose_address();
    check_blocks();
    check_headers();
    out_.name = std::move(wish_.name);
    out_.issuer = std::move(wish_.issuer);
    out_.region = std::move(wish_.region);
    out_.account = std::move(wish_.account);
    out_.party = wish_.party.empty() && supplier_ != nullptr ? supplier_->party : std::move(wish_.party);
    out_.ca_file = std::move(wish_.ca_file);
    out_.headers = std::move(wish_.headers);
    out_.chat = chat_variant_of(supplier_);
    out_.responses.counts = supplier_ != nullptr && supplier_->name == "openai";
    return std::move(out_);
  }

 private:
  void wrong(std::string field, std::string message) { problems_.push_back({std::move(field), std::move(message)}); }
  std::string variable(const std::string& name) const { return environment_(name).value_or(""); }
  std::string first_set(std::initializer_list<const char*> names) const {
    for (const char* name : names)
      if (std::string value = variable(name); !value.empty()) return value;
    return {};
  }

  void find_supplier() {
    if (!wish_.supplier.empty()) {
      supplier_ = catalogue_.supplier(wish_.supplier);
      if (supplier_ == nullptr)
        wrong("supplier", "the catalogue has no supplier named \"" + wish_.supplier +
                              "\"; `perdure catalogue list` shows them, and base_url and dialect reach one it has not");
    } else if (!wish_.base_url.empty()) {
      // A server on this machine is not known by its port.
      Result<Url> url = parse_url(wish_.base_url);
      if (url.ok() && url->address.host != "localhost" && !url->address.host.starts_with("127.") &&
          url->address.host != "::1")
        supplier_ = catalogue_.supplier_at(without_slash(wish_.base_url));
    }
    if (supplier_ != nullptr) out_.supplier = supplier_->name;
  }

  static std::string without_slash(std::string text) {
    while (text.ends_with('/')) text.pop_back();
    return text;
  }

  void choose_dialect() {
    out_.dialect = wish_.dialect.value_or(WireDialect::kChat);
    if (supplier_ == nullptr) return;
    if (!wish_.dialect) {
      out_.dialect = supplier_->endpoint.dialect;
      // An address of its own says which of the supplier's dialects is meant.
      if (!wish_.base_url.empty() && !matches_placeholders(supplier_->endpoint.base_url, without_slash(wish_.base_url)))
        for (const OtherEndpoint& other : supplier_->also)
          if (!other.base_url.empty() && matches_placeholders(other.base_url, without_slash(wish_.base_url))) {
            out_.dialect = other.dialect;
            break;
          }
    }
    endpoint_ = supplier_->endpoint_for(out_.dialect);
    if (endpoint_ || wish_.supplier.empty()) return;
    std::string spoken(name_of(supplier_->endpoint.dialect));
    for (const OtherEndpoint& other : supplier_->also) spoken.append(", ").append(name_of(other.dialect));
    if (wish_.base_url.empty()) wrong("dialect", supplier_->name + " does not speak it; it speaks " + spoken);
  }

  void choose_auth() {
    struct Usual {
      AuthKind auth;
      std::string_view header;
    };
    auto usual = [](WireDialect dialect) -> Usual {
      switch (dialect) {
        case WireDialect::kMessages:
          return {AuthKind::kHeader, "x-api-key"};
        case WireDialect::kConverse:
          return {AuthKind::kAws, ""};
        case WireDialect::kGemini:
          return {AuthKind::kHeader, "x-goog-api-key"};
        case WireDialect::kChat:
        case WireDialect::kResponses:
          break;
      }
      return {AuthKind::kBearer, ""};
    };
    Usual at = endpoint_ ? Usual{endpoint_->auth, endpoint_->auth_header} : usual(out_.dialect);
    if (!endpoint_ && wish_.aws) at = {AuthKind::kAws, ""};
    if (!endpoint_ && wish_.google) at = {AuthKind::kGoogle, ""};
    if (!endpoint_ && wish_.azure) at = {AuthKind::kAzure, ""};
    // A server that wants no key may be given one all the same.
    if (at.auth == AuthKind::kNone && !wish_.api_key.empty()) at = {AuthKind::kBearer, ""};
    out_.auth = wish_.auth.value_or(at.auth);
    out_.auth_header = wish_.auth_header;
    if (out_.auth == AuthKind::kHeader && out_.auth_header.empty()) {
      out_.auth_header = at.auth == AuthKind::kHeader ? at.header : usual(out_.dialect).header;
      if (out_.auth_header.empty()) wrong("auth_header", "is missing: auth: header needs the name of one");
    }
    if (out_.auth != AuthKind::kHeader && !wish_.auth_header.empty())
      wrong("auth_header", "stands here without auth: header");
    if (out_.auth == AuthKind::kNone && !wish_.api_key.empty()) wrong("api_key", "stands here with auth: none");
  }

  void prepare_credential() {
    out_.api_key = wish_.api_key;
    switch (out_.auth) {
      case AuthKind::kNone:
        return;
      case AuthKind::kBearer:
      case AuthKind::kHeader:
        return take_key(true);
      case AuthKind::kAws:
        return prepare_aws();
      case AuthKind::kGoogle:
        return prepare_google();
      case AuthKind::kAzure:
        return prepare_azure();
    }
  }

  // The key, or what the variables hold that usually have it.
  void take_key(bool wanted) {
    if (!out_.api_key.empty() || supplier_ == nullptr) return;
    for (const std::string& name : supplier_->key_env)
      if (out_.api_key.empty()) out_.api_key = variable(name);
    bool optional = supplier_->endpoint.auth == AuthKind::kNone;
    if (!out_.api_key.empty() || !wanted || optional) return;
    std::string where;
    for (const std::string& name : supplier_->key_env) where += (where.empty() ? "" : " nor ") + name;
    wrong("api_key", "is missing: " + supplier_->name + " wants one" +
                         (where.empty() ? std::string() : ", and the environment has not " + where));
  }

  void prepare_aws() {
    AwsWish aws = wish_.aws.value_or(AwsWish{});
    AwsEnvironment found = aws_environment([&](const char* name) { return variable(name); });
    AwsEnvironment& places = out_.aws.places;
    if (!aws.bearer.empty()) {
      if (!out_.api_key.empty()) wrong("aws.bearer", "is the same as api_key; one of them is enough");
      out_.api_key = aws.bearer;
    }
    if (aws.access_key.empty() != aws.secret_key.empty())
      wrong(aws.access_key.empty() ? "aws.access_key" : "aws.secret_key", "is missing: the two belong together");
    if (!aws.session_token.empty() && aws.access_key.empty())
      wrong("aws.session_token", "stands here without access_key and secret_key");
    if (!aws.profile.empty() && !aws.access_key.empty()) wrong("aws.profile", "stands here beside keys");
    places.instance_disabled = true;
    if (!aws.access_key.empty()) {
      places.keys = {aws.access_key, aws.secret_key, aws.session_token};
    } else if (!aws.profile.empty()) {
      places.profile = found.profile;
      places.profile.name = aws.profile;
      places.profile_named = true;
    } else {
      places = found;
      if (out_.api_key.empty()) out_.api_key = found.bearer_token;
    }
    out_.aws.region = aws.region;
    if (out_.aws.region.empty() && !wish_.base_url.empty())
      if (Result<Url> url = parse_url(wish_.base_url); url.ok()) out_.aws.region = aws_region_of(url->address.host);
    if (out_.aws.region.empty() && !aws.profile.empty()) out_.aws.region = region_in(places.profile);
    if (out_.aws.region.empty()) out_.aws.region = found.region;
    if (out_.aws.region.empty() && aws.profile.empty()) out_.aws.region = region_in(found.profile);
    if (!out_.aws.region.empty()) wish_.placeholders.try_emplace("region", out_.aws.region);
    if (out_.aws.region.empty() && out_.api_key.empty())
      wrong("aws.region", "is missing: neither the address nor AWS_REGION says it, and calls are signed for one");
  }

  static std::string region_in(const AwsProfile& profile) {
    auto read = [](const std::string& path) {
      std::ostringstream text;
      if (std::ifstream file(path, std::ios::binary); file) text << file.rdbuf();
      return std::move(text).str();
    };
    std::string credentials = read(profile.credentials_file), config = read(profile.config_file);
    return aws_profile_region({credentials, config}, profile.name);
  }

  void prepare_google() {
    GoogleWish google = wish_.google.value_or(GoogleWish{});
    std::string project = google.project, key_file = google.credentials;
    if (!out_.api_key.empty()) wrong("api_key", "stands here with auth: google, which takes google.credentials");
    if (std::string path = variable("GOOGLE_APPLICATION_CREDENTIALS"); key_file.empty() && !path.empty()) {
      std::ostringstream text;
      if (std::ifstream file(path, std::ios::binary); file && (text << file.rdbuf()))
        key_file = std::move(text).str();
      else
        wrong("google.credentials", "the file that GOOGLE_APPLICATION_CREDENTIALS names cannot be read, or is empty");
    }
    if (!key_file.empty()) {
      Result<GoogleServiceAccount> account = read_google_service_account(std::move(key_file));
      if (account.ok()) {
        if (project.empty()) project = account->project;
        out_.google.account = *std::move(account);
      } else {
        wrong("google.credentials", account.error().message);
      }
    }
    if (project.empty()) project = first_set({"GOOGLE_CLOUD_PROJECT", "GOOGLE_VERTEX_PROJECT"});
    std::string location = google.location;
    if (location.empty())
      location = first_set({"GOOGLE_CLOUD_LOCATION", "GOOGLE_VERTEX_LOCATION", "GOOGLE_CLOUD_REGION"});
    if (!project.empty()) wish_.placeholders.try_emplace("project", project);
    if (!location.empty()) wish_.placeholders.try_emplace("location", location);
  }

  void prepare_azure() {
    AzureWish azure = wish_.azure.value_or(AzureWish{});
    AzureSettings& to = out_.azure;
    to.address.surface = azure.style.value_or(AzureSurface::kV1);
    to.address.api_version = azure.api_version;
    if (to.address.surface == AzureSurface::kDeployments && azure.api_version.empty())
      wrong("azure.api_version", "is missing: style: deployments needs one, like 2024-10-21");
    to.tenant = azure.tenant;
    to.identity.client_id = azure.client_id;
    to.identity.endpoint = variable("IDENTITY_ENDPOINT");
    to.identity.header = variable("IDENTITY_HEADER");
    to.client_secret = azure.client_secret;
    to.managed_identity = azure.managed_identity;
    if (!azure.resource.empty()) wish_.placeholders.try_emplace("resource", azure.resource);
    bool application = !azure.tenant.empty() || !azure.client_secret.empty();
    if (application && azure.managed_identity)
      return wrong("azure.managed_identity", "stands here beside a tenant or a client_secret");
    if (application) {
      for (const auto& [key, value] : {std::pair("tenant", &azure.tenant),
                                       {"client_id", &azure.client_id},
                                       {"client_secret", &azure.client_secret}})
        if (value->empty())
          wrong(std::string("azure.") + key, "is missing: tenant, client_id and client_secret go together");
    }
    if (!application && !azure.client_id.empty() && !azure.managed_identity)
      wrong("azure.client_id", "stands here without tenant and client_secret, or managed_identity: true");
    if ((application || azure.managed_identity) && !out_.api_key.empty())
      wrong("api_key", "stands here beside an identity of Entra; one of them is enough");
    if (!application && !azure.managed_identity) take_key(true);
    if (!application && !azure.managed_identity && supplier_ == nullptr && out_.api_key.empty())
      wrong("api_key", "is missing: Azure takes a key, or an identity of Entra under `azure`");
  }

  void choose_address() {
    std::string address = without_slash(wish_.base_url);
    if (address.empty() && endpoint_) address = endpoint_->base_url;
    if (address.empty()) {
      if (wish_.supplier.empty()) wrong("base_url", "is missing; or name a supplier that the catalogue knows");
      return;
    }
    std::vector<std::string> names = placeholders_of(address);
    Result<std::string> filled = fill_placeholders(address, wish_.placeholders);
    if (!filled.ok()) return wrong(place_of(filled.error().param), filled.error().message);
    // Vertex AI's global endpoint has no location before its name.
    if (constexpr std::string_view kGlobal = "https://global-aiplatform."; filled->starts_with(kGlobal))
      filled->replace(0, kGlobal.size(), "https://aiplatform.");
    Result<Url> url = parse_url(*filled);
    if (!url.ok()) return wrong("base_url", url.error().message);
    out_.base_url = *url;
    if (out_.auth == AuthKind::kAzure) {  // its paths begin at the resource
      std::string& path = out_.base_url.path;
      for (std::string_view tail : {"/openai/v1", "/openai"})
        if (path.ends_with(tail)) {
          path.resize(path.size() - tail.size());
          break;
        }
      if (path.empty()) path = "/";
    }
    for (const auto& [name, value] : wish_.placeholders)
      if (std::ranges::find(names, name) == names.end() && name != "region" && name != "project" &&
          name != "location" && name != "resource")
        wrong("placeholders." + name, "the address has no place for it");
  }

  // Where a placeholder's value is written.
  static std::string place_of(const std::string& placeholder) {
    if (placeholder == "region") return "aws.region";
    if (placeholder == "project" || placeholder == "location") return "google." + placeholder;
    if (placeholder == "resource") return "azure.resource";
    return "placeholders." + placeholder;
  }

  void check_blocks() {
    if (wish_.aws && out_.auth != AuthKind::kAws) wrong("aws", "stands here without auth: aws");
    if (wish_.google && out_.auth != AuthKind::kGoogle) wrong("google", "stands here without auth: google");
    if (wish_.azure && out_.auth != AuthKind::kAzure) wrong("azure", "stands here without auth: azure");
    if (wish_.azure && out_.dialect != WireDialect::kChat && out_.dialect != WireDialect::kResponses)
      wrong("dialect", "Azure's addresses have places for chat and responses only");
  }

  void check_headers() {
    constexpr std::string_view kOurs[] = {"host",       "content-length",   "content-type", "transfer-encoding",
                                          "connection", "accept-encoding",  "accept",       "te",
                                          "upgrade",    "proxy-connection", "expect",       "trailer",
                                          "keep-alive", "content-encoding", "traceparent"};
    auto token = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
             std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    };
    auto check_name = [&](const std::string& field, const std::string& name) {
      if (name.empty() || !std::ranges::all_of(name, token)) return wrong(field, "is no name of a header");
      for (std::string_view ours : kOurs)
        if (equal_ignoring_case(name, ours)) wrong(field, "this header is the program's own business");
    };
    if (!out_.auth_header.empty()) check_name("auth_header", out_.auth_header);
    for (const auto& [name, value] : wish_.headers) {
      check_name("headers." + name, name);
      if (equal_ignoring_case(name, "authorization") && out_.auth != AuthKind::kNone && out_.auth != AuthKind::kHeader)
        wrong("headers." + name, "stands here beside auth: " + std::string(name_of(out_.auth)) + ", which sends it");
      if (!std::ranges::all_of(value, [](unsigned char c) { return c == '\t' || (c >= 32 && c != 127); }))
        wrong("headers." + name, "its value holds control characters");
    }
    if (!std::ranges::all_of(out_.api_key, [](unsigned char c) { return c > 32 && c < 127; }))
      wrong("api_key", "the key holds white space or control characters");
  }

  ProviderWish& wish_;
  const Catalogue& catalogue_;
  const Environment& environment_;
  std::vector<WishProblem>& problems_;
  const Supplier* supplier_ = nullptr;
  std::optional<SupplierEndpoint> endpoint_;
  ProviderConfig out_;
};

}  // namespace

std::string_view name_of(WireDialect dialect) {
  return word_of(std::span<const Name<WireDialect>>(kWireDialectNames), dialect);
}

std::string_view name_of(AuthKind auth) { return word_of(std::span<const Name<AuthKind>>(kAuthKindNames), auth); }

const std::array<Name<ChatPrefill>, 4> kChatPrefillNames = {{{ChatPrefill::kNone, "none"},
                                                             {ChatPrefill::kPlain, "plain"},
                                                             {ChatPrefill::kContinueFinal, "continue_final_message"},
                                                             {ChatPrefill::kPrefixOfMessage, "prefix"}}};

ChatVariant chat_variant_of(const Supplier* supplier) {
  ChatVariant out;
  if (supplier == nullptr) {
    out.max_completion_tokens = false;
    out.developer_role = out.system_in_place = false;
    return out;
  }
  out.max_completion_tokens = !supplier->has(ChatHabit::kMaxTokens);
  // Templates of those that have no developers often take no system but in front.
  out.developer_role = out.system_in_place = !supplier->has(ChatHabit::kNoDeveloperRole);
  out.stream_usage = !supplier->has(ChatHabit::kNoStreamOptions);
  switch (supplier->prefill) {
    case PrefillForm::kPlain:
      out.prefill = ChatPrefill::kPlain;
      break;
    case PrefillForm::kPrefix:
      out.prefill = ChatPrefill::kPrefixOfMessage;
      break;
    case PrefillForm::kContinueFinalMessage:
      out.prefill = ChatPrefill::kContinueFinal;
      break;
    case PrefillForm::kPartial:
    case PrefillForm::kUnsaid:
      break;
  }
  const SupplierLimits& limits = supplier->limits;
  if (limits.call_id_exact)
    out.call_ids_of_nine = limits.call_id_chars == 9;
  else if (limits.call_id_chars)
    out.call_id_max = static_cast<size_t>(*limits.call_id_chars);
  return out;
}

ProviderConfig complete(ProviderWish wish, const Catalogue& catalogue, const Environment& environment,
                        std::vector<WishProblem>& problems) {
  return Completion(wish, catalogue, environment, problems).run();
}

}  // namespace perdure
