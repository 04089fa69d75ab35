#include "app/provider_yaml.h"

#include <algorithm>

namespace perdure {
namespace {

template <class E, size_t N>
auto word_in(const std::array<Name<E>, N>& names) {
  return [&names](const std::string& word) -> Result<std::optional<E>> {
    if (auto found = value_of(std::span<const Name<E>>(names), std::string_view(word))) return found;
    std::string all;
    for (const auto& name : names) all.append(all.empty() ? "" : ", ").append(name.word);
    return Error{Code::kInvalid, "must be one of " + all + ", not \"" + word + "\""};
  };
}

constexpr std::array<Name<AzureSurface>, 2> kAzureStyles = {
    {{AzureSurface::kV1, "v1"}, {AzureSurface::kDeployments, "deployments"}}};
constexpr std::array<Name<ConverseFamily>, 8> kFamilies = {{{ConverseFamily::kByName, "by_name"},
                                                            {ConverseFamily::kClaude, "claude"},
                                                            {ConverseFamily::kClaudeBudget, "claude_budget"},
                                                            {ConverseFamily::kClaudePlain, "claude_plain"},
                                                            {ConverseFamily::kNova, "nova"},
                                                            {ConverseFamily::kNovaPlain, "nova_plain"},
                                                            {ConverseFamily::kGptOss, "gpt_oss"},
                                                            {ConverseFamily::kOther, "other"}}};

class ProviderReader {
 public:
  ProviderReader(YamlProblems& problems, const YAML::Node& node, const std::string& path, const Catalogue& catalogue,
                 const Environment& environment)
      : problems_(problems),
        node_(node),
        fields_(problems, node, path),
        catalogue_(catalogue),
        environment_(environment) {}

  ProviderConfig read() {
    if (!fields_.text("name", wish_.name) || wish_.name.empty()) problems_.add(node_, fields_.at("name"), "is missing");
    fields_.text("supplier", wish_.supplier);
    fields_.text("base_url", wish_.base_url);
    fields_.parsed("dialect", wish_.dialect, word_in(kWireDialectNames));
    secret(fields_, "api_key", wish_.api_key);
    fields_.parsed("auth", wish_.auth, word_in(kAuthKindNames));
    fields_.text("auth_header", wish_.auth_header);
    read_headers();
    fields_.parsed("ca_file", wish_.ca_file, existing_file);
    fields_.text("issuer", wish_.issuer);
    fields_.text("party", wish_.party);
    fields_.text("region", wish_.region);
    fields_.text("account", wish_.account);
    YamlFields placeholders(problems_, fields_.take("placeholders"), fields_.at("placeholders"));
    placeholders.each([&](const std::string& name, const YAML::Node& value, const std::string& at) {
      if (value.IsScalar())
        wish_.placeholders[name] = value.Scalar();
      else
        problems_.add(value, at, "must be text, not " + std::string(form_of(value)));
    });
    read_aws();
    read_google();
    read_azure();
    YAML::Node variant = fields_.take("variant");
    fields_.finish();

    std::vector<WishProblem> wrong;
    ProviderConfig out = complete(std::move(wish_), catalogue_, environment_, wrong);
    for (WishProblem& problem : wrong) report(std::move(problem));
    read_variant(variant, out);
    return out;
  }

 private:
  void secret(YamlFields& fields, std::string_view key, std::string& out) {
    fields.parsed(key, out, [&](const std::string& word) { return read_secret(word, environment_); });
  }

  // A header's value may be a secret: then it is a reference.
  void read_headers() {
    YamlFields headers(problems_, fields_.take("headers"), fields_.at("headers"));
    headers.each([&](const std::string& name, const YAML::Node& value, const std::string& at) {
      if (!value.IsScalar()) return problems_.add(value, at, "must be text, not " + std::string(form_of(value)));
      const std::string& text = value.Scalar();
      if (!text.starts_with("env:") && !text.starts_with("file:")) {
        wish_.headers.emplace_back(name, text);
        return;
      }
      Result<std::string> read = read_secret(text, environment_);
      if (read.ok())
        wish_.headers.emplace_back(name, *std::move(read));
      else
        problems_.add(value, at, read.error().message);
    });
  }

  void read_aws() {
    YAML::Node node = fields_.take("aws");
    if (!node.IsDefined()) return;
    AwsWish& aws = wish_.aws.emplace();
    YamlFields fields(problems_, node, fields_.at("aws"));
    fields.text("region", aws.region);
    fields.text("profile", aws.profile);
    secret(fields, "access_key", aws.access_key);
    secret(fields, "secret_key", aws.secret_key);
    secret(fields, "session_token", aws.session_token);
    secret(fields, "bearer", aws.bearer);
    fields.finish();
  }

  void read_google() {
    YAML::Node node = fields_.take("google");
    if (!node.IsDefined()) return;
    GoogleWish& google = wish_.google.emplace();
    YamlFields fields(problems_, node, fields_.at("google"));
    secret(fields, "credentials", google.credentials);
    fields.text("project", google.project);
    fields.text("location", google.location);
    fields.finish();
  }

  void read_azure() {
    YAML::Node node = fields_.take("azure");
    if (!node.IsDefined()) return;
    AzureWish& azure = wish_.azure.emplace();
    YamlFields fields(problems_, node, fields_.at("azure"));
    fields.text("resource", azure.resource);
    fields.parsed("style", azure.style, word_in(kAzureStyles));
    fields.text("api_version", azure.api_version);
    fields.text("tenant", azure.tenant);
    fields.text("client_id", azure.client_id);
    secret(fields, "client_secret", azure.client_secret);
    fields.boolean("managed_identity", azure.managed_identity);
    fields.finish();
  }

  // The owner's word over what the catalogue says of how the dialect is spoken there.
  void read_variant(const YAML::Node& node, ProviderConfig& out) {
    if (!node.IsDefined()) return;
    YamlFields fields(problems_, node, fields_.at("variant"));
    switch (out.dialect) {
      case WireDialect::kChat: {
        ChatVariant& chat = out.chat;
        fields.boolean("max_completion_tokens", chat.max_completion_tokens);
        fields.boolean("developer_role", chat.developer_role);
        fields.boolean("system_in_place", chat.system_in_place);
        fields.boolean("stream_usage", chat.stream_usage);
        std::optional<ChatPrefill> prefill;
        if (fields.parsed("prefill", prefill, word_in(kChatPrefillNames))) chat.prefill = *prefill;
        fields.boolean("top_k", chat.top_k);
        fields.boolean("cache_marks", chat.cache_marks);
        fields.text("reasoning_field", chat.reasoning_field);
        fields.boolean("reasoning_details", chat.reasoning_details);
        fields.count("call_id_max", chat.call_id_max, 9, 1000);
        fields.boolean("call_ids_of_nine", chat.call_ids_of_nine);
        fields.boolean("google_signatures", chat.google_signatures);
        break;
      }
      case WireDialect::kResponses:
        fields.boolean("encrypted_reasoning", out.responses.encrypted_reasoning);
        fields.boolean("penalties", out.responses.penalties);
        fields.boolean("input_tokens", out.responses.counts);
        fields.count("output_tokens_least", out.responses.output_tokens_least, 1, 1000);
        break;
      case WireDialect::kConverse: {
        std::optional<ConverseFamily> family;
        if (fields.parsed("family", family, word_in(kFamilies))) out.converse.family = *family;
        break;
      }
      case WireDialect::kMessages:
      case WireDialect::kGemini:
        if (node.IsMap())
          return problems_.add(
              node, fields_.at("variant"),
              "the dialect " + std::string(name_of(out.dialect)) + " has none: models go by their names");
        break;
    }
    fields.finish();
  }

  // At the place of its field, or as near as the file has it. What stands there wrongly is not missed again.
  void report(WishProblem problem) {
    std::string field = problem.field.empty() ? fields_.path() : fields_.at(problem.field);
    if (std::ranges::any_of(problems_.found, [&](const ConfigProblem& known) { return known.field == field; })) return;
    YAML::Node at = node_;
    for (std::string_view rest = problem.field; !rest.empty() && at.IsMap();) {
      size_t dot = std::min(rest.find('.'), rest.size());
      std::string key(rest.substr(0, dot));
      YAML::Node inner(YAML::NodeType::Undefined);
      for (const auto& pair : at)
        if (pair.first.IsScalar() && pair.first.Scalar() == key) inner.reset(pair.second);
      if (!inner.IsDefined()) break;
      at.reset(inner);
      rest.remove_prefix(std::min(dot + 1, rest.size()));
    }
    problems_.add(at, field, std::move(problem.message));
  }

  YamlProblems& problems_;
  const YAML::Node& node_;
  YamlFields fields_;
  const Catalogue& catalogue_;
  const Environment& environment_;
  ProviderWish wish_;
};

}  // namespace

ProviderConfig read_provider(YamlProblems& problems, const YAML::Node& node, const std::string& path,
                             const Catalogue& catalogue, const Environment& environment) {
  return ProviderReader(problems, node, path, catalogue, environment).read();
}

}  // namespace perdure
