// Providers as the owner writes them, completed from the catalogue and the environment; and what is found without a
// configuration file.

#include "app/provider_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "app/config.h"

namespace perdure {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Variables = std::map<std::string, std::string>;

Environment environment_of(Variables values) {
  return [values = std::move(values)](const std::string& name) -> std::optional<std::string> {
    auto found = values.find(name);
    if (found == values.end()) return std::nullopt;
    return found->second;
  };
}

// A file that is gone with the test.
class File {
 public:
  explicit File(std::string_view text) {
    static int number = 0;
    path_ = testing::TempDir() + "provider_config_test_" + std::to_string(::getpid()) + "_" + std::to_string(++number);
    std::ofstream(path_) << text;
  }
  ~File() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string url_of(const ProviderConfig& provider) {
  return (provider.base_url.tls ? "https://" : "http://") + provider.base_url.authority() + provider.base_url.path;
}

std::vector<std::string> problems_of(const std::string& provider, Variables values = {}) {
  std::vector<std::string> out;
  for (const ConfigProblem& problem : parse_config("providers: [" + provider + "]", environment_of(values)).problems) {
    EXPECT_GT(problem.line, 0) << problem.message;
    EXPECT_TRUE(problem.field.starts_with("providers[0]")) << problem.field;
    out.push_back(problem.field.substr(std::min<size_t>(13, problem.field.size())) + ": " + problem.message);
  }
  return out;
}

ProviderConfig provider_of(const std::string& provider, Variables values = {}) {
  LoadedConfig loaded = parse_config("providers: [" + provider + "]", environment_of(values));
  for (const ConfigProblem& problem : loaded.problems) ADD_FAILURE() << problem.to_string(provider);
  return loaded.config.providers.at(0);
}

TEST(ProviderConfig, OneLineIsEnough) {
  ProviderConfig groq =
      provider_of("{name: fast, supplier: groq, api_key: env:MINE}", {{"MINE", "k1"}, {"GROQ_API_KEY", "k2"}});
  EXPECT_EQ(url_of(groq), "https://api.groq.com/openai/v1");
  EXPECT_EQ(groq.supplier, "groq");
  EXPECT_EQ(groq.dialect, WireDialect::kChat);
  EXPECT_EQ(groq.auth, AuthKind::kBearer);
  EXPECT_EQ(groq.api_key, "k1");
  EXPECT_TRUE(groq.chat.max_completion_tokens);
  EXPECT_FALSE(groq.chat.developer_role);
  EXPECT_EQ(groq.chat.prefill, ChatPrefill::kPlain);
  EXPECT_FALSE(groq.party.empty());
  EXPECT_TRUE(groq.region.empty()) << "a catalogue promises no residency";
}

TEST(ProviderConfig, TheUsualVariableHoldsTheKey) {
  EXPECT_EQ(provider_of("{name: g, supplier: groq}", {{"GROQ_API_KEY", "k2"}}).api_key, "k2");
  EXPECT_EQ(provider_of("{name: g, supplier: google}", {{"GOOGLE_API_KEY", "k3"}}).api_key, "k3");
  EXPECT_THAT(problems_of("{name: g, supplier: groq}"),
              ElementsAre("api_key: is missing: groq wants one, and the environment has not GROQ_API_KEY"));
  EXPECT_THAT(problems_of("{name: g, supplier: groq, api_key: gsk_plain}"),
              ElementsAre("api_key: a secret stands here by reference only: env:NAME or file:PATH"))
      << "said once";
}

TEST(ProviderConfig, HabitsOfSuppliers) {
  Variables keys{{"MISTRAL_API_KEY", "k"}, {"DEEPSEEK_API_KEY", "k"}, {"OPENAI_API_KEY", "k"}};
  ChatVariant mistral = provider_of("{name: m, supplier: mistral}", keys).chat;
  EXPECT_FALSE(mistral.max_completion_tokens);
  EXPECT_FALSE(mistral.stream_usage);
  EXPECT_TRUE(mistral.call_ids_of_nine);
  EXPECT_EQ(mistral.prefill, ChatPrefill::kPrefixOfMessage);
  ChatVariant vllm = provider_of("{name: v, supplier: vllm}").chat;
  EXPECT_EQ(vllm.prefill, ChatPrefill::kContinueFinal);
  EXPECT_FALSE(vllm.call_ids_of_nine);
  ChatVariant openai = provider_of("{name: o, supplier: openai, dialect: chat}", keys).chat;
  EXPECT_TRUE(openai.max_completion_tokens);
  EXPECT_TRUE(openai.developer_role);
  EXPECT_EQ(openai.call_id_max, 64u);
  ChatVariant mine = provider_of(
                         "{name: o, supplier: mistral, variant: {stream_usage: true, prefill: none, call_id_max: 20, "
                         "call_ids_of_nine: false, reasoning_field: reasoning}}",
                         keys)
                         .chat;
  EXPECT_TRUE(mine.stream_usage);
  EXPECT_FALSE(mine.max_completion_tokens);
  EXPECT_EQ(mine.prefill, ChatPrefill::kNone);
  EXPECT_EQ(mine.call_id_max, 20u);
  EXPECT_EQ(mine.reasoning_field, "reasoning");
}

TEST(ProviderConfig, EveryDialectAndItsUsualAuthentication) {
  struct Case {
    const char *text, *url;
    WireDialect dialect;
    AuthKind auth;
    const char* header;
  };
  const Variables keys{{"K", "key"}, {"AWS_REGION", "eu-central-1"}};
  for (const Case& c : {
           Case{"{name: a, supplier: anthropic, api_key: env:K}", "https://api.anthropic.com/v1",
                WireDialect::kMessages, AuthKind::kHeader, "x-api-key"},
           Case{"{name: a, supplier: openai, api_key: env:K}", "https://api.openai.com/v1", WireDialect::kResponses,
                AuthKind::kBearer, ""},
           Case{"{name: a, supplier: gemini, api_key: env:K}", "https://generativelanguage.googleapis.com/v1beta",
                WireDialect::kGemini, AuthKind::kHeader, "x-goog-api-key"},
           Case{"{name: a, supplier: gemini, dialect: chat, api_key: env:K}",
                "https://generativelanguage.googleapis.com/v1beta/openai", WireDialect::kChat, AuthKind::kBearer, ""},
           Case{"{name: a, supplier: deepseek, dialect: messages, api_key: env:K}",
                "https://api.deepseek.com/anthropic/v1", WireDialect::kMessages, AuthKind::kHeader, "x-api-key"},
           Case{"{name: a, base_url: 'https://api.deepseek.com/anthropic/v1', api_key: env:K}",
                "https://api.deepseek.com/anthropic/v1", WireDialect::kMessages, AuthKind::kHeader, "x-api-key"},
           Case{"{name: a, base_url: 'https://api.anthropic.com/v1/', api_key: env:K}", "https://api.anthropic.com/v1",
                WireDialect::kMessages, AuthKind::kHeader, "x-api-key"},
           Case{"{name: a, supplier: bedrock, aws: {region: us-east-1}}",
                "https://bedrock-runtime.us-east-1.amazonaws.com/", WireDialect::kConverse, AuthKind::kAws, ""},
           Case{"{name: a, supplier: bedrock}", "https://bedrock-runtime.eu-central-1.amazonaws.com/",
                WireDialect::kConverse, AuthKind::kAws, ""},
           Case{"{name: a, supplier: azure, api_key: env:K, azure: {resource: mine}}", "https://mine.openai.azure.com/",
                WireDialect::kResponses, AuthKind::kAzure, ""},
           Case{"{name: a, supplier: azure, dialect: chat, api_key: env:K, placeholders: {resource: mine}}",
                "https://mine.openai.azure.com/", WireDialect::kChat, AuthKind::kAzure, ""},
           Case{"{name: a, supplier: cloudflare, api_key: env:K, placeholders: {account: ab12}}",
                "https://api.cloudflare.com/client/v4/accounts/ab12/ai/v1", WireDialect::kChat, AuthKind::kBearer, ""},
           Case{"{name: a, base_url: 'http://10.0.0.7:8000/v1'}", "http://10.0.0.7:8000/v1", WireDialect::kChat,
                AuthKind::kBearer, ""},
           Case{"{name: a, base_url: 'http://10.0.0.7/v1', dialect: messages, api_key: env:K}", "http://10.0.0.7/v1",
                WireDialect::kMessages, AuthKind::kHeader, "x-api-key"},
           Case{"{name: a, base_url: 'http://10.0.0.7/v1', dialect: messages, auth: bearer, api_key: env:K}",
                "http://10.0.0.7/v1", WireDialect::kMessages, AuthKind::kBearer, ""},
           Case{"{name: a, base_url: 'http://10.0.0.7/v1', auth: header, auth_header: X-Key, api_key: env:K}",
                "http://10.0.0.7/v1", WireDialect::kChat, AuthKind::kHeader, "X-Key"},
           Case{"{name: a, supplier: llamacpp}", "http://127.0.0.1:8080/v1", WireDialect::kChat, AuthKind::kNone, ""},
           Case{"{name: a, supplier: llamacpp, api_key: env:K}", "http://127.0.0.1:8080/v1", WireDialect::kChat,
                AuthKind::kBearer, ""},
       }) {
    ProviderConfig provider = provider_of(c.text, keys);
    EXPECT_EQ(url_of(provider), c.url) << c.text;
    EXPECT_EQ(provider.dialect, c.dialect) << c.text;
    EXPECT_EQ(provider.auth, c.auth) << c.text;
    EXPECT_EQ(provider.auth_header, c.header) << c.text;
  }
}

TEST(ProviderConfig, AServerOnThisMachineIsNotKnownByItsPort) {
  ProviderConfig local = provider_of("{name: a, base_url: 'http://127.0.0.1:8000/v1'}");
  EXPECT_EQ(local.supplier, "");
  EXPECT_EQ(local.chat.prefill, ChatPrefill::kNone);
}

TEST(ProviderConfig, AwsFindsKeysAndRegionWhereItWasTold) {
  File config("[default]\nregion = eu-west-3\n[profile work]\nregion = us-west-2\n");
  const Variables usual{{"AWS_CONFIG_FILE", config.path()},
                        {"AWS_ACCESS_KEY_ID", "AKIAENV"},
                        {"AWS_SECRET_ACCESS_KEY", "s"},
                        {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c"},
                        {"ID", "AKIAMINE"},
                        {"SECRET", "mine"},
                        {"BEARER", "b1"}};
  ProviderConfig around = provider_of("{name: b, supplier: bedrock}", usual);
  EXPECT_EQ(around.aws.region, "eu-west-3");
  EXPECT_EQ(around.aws.places.keys.access_key_id, "AKIAENV");
  EXPECT_EQ(around.aws.places.container.relative_uri, "/c");
  EXPECT_FALSE(around.aws.places.instance_disabled);

  ProviderConfig work = provider_of("{name: b, supplier: bedrock, aws: {profile: work}}", usual);
  EXPECT_EQ(work.aws.region, "us-west-2");
  EXPECT_TRUE(work.aws.places.profile_named);
  EXPECT_EQ(work.aws.places.keys.access_key_id, "") << "the profile's and nobody else's";
  EXPECT_EQ(work.aws.places.container.relative_uri, "");
  EXPECT_TRUE(work.aws.places.instance_disabled);

  ProviderConfig given = provider_of(
      "{name: b, supplier: bedrock, aws: {region: us-east-1, access_key: env:ID, secret_key: env:SECRET}}", usual);
  EXPECT_EQ(given.aws.places.keys.access_key_id, "AKIAMINE");
  EXPECT_EQ(given.aws.places.profile.config_file, "");
  EXPECT_TRUE(given.aws.places.instance_disabled);

  ProviderConfig bearer = provider_of("{name: b, supplier: bedrock, aws: {bearer: env:BEARER}}", usual);
  EXPECT_EQ(bearer.api_key, "b1");
  EXPECT_EQ(
      provider_of("{name: b, supplier: bedrock}", {{"AWS_BEARER_TOKEN_BEDROCK", "b2"}, {"AWS_REGION", "r-1"}}).api_key,
      "b2");
  EXPECT_EQ(provider_of("{name: b, base_url: 'https://bedrock-runtime.ap-south-1.amazonaws.com', dialect: converse}")
                .aws.region,
            "ap-south-1");

  EXPECT_THAT(problems_of("{name: b, supplier: bedrock}"), ElementsAre(HasSubstr("aws.region: is missing")));
  EXPECT_THAT(problems_of("{name: b, supplier: bedrock, aws: {region: us-east-1, access_key: env:ID}}", usual),
              ElementsAre("aws.secret_key: is missing: the two belong together"));
  EXPECT_THAT(problems_of("{name: b, supplier: bedrock, aws: {region: a/b}}"),
              ElementsAre(HasSubstr("aws.region: region may have letters")));
  EXPECT_THAT(problems_of("{name: b, base_url: 'http://h/', api_key: env:ID, aws: {region: r}, auth: bearer}", usual),
              ElementsAre("aws: stands here without auth: aws"));
}

TEST(ProviderConfig, GoogleTakesProjectAndLocation) {
  File key(R"({"type": "service_account", "client_email": "a@b.iam.gserviceaccount.com", "private_key_id": "1",
               "private_key": "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
               "token_uri": "https://oauth2.googleapis.com/token", "project_id": "of-key"})");
  ProviderConfig account = provider_of("{name: v, supplier: vertex, google: {credentials: 'file:" + key.path() +
                                       "', location: europe-west4}}");
  EXPECT_EQ(
      url_of(account),
      "https://europe-west4-aiplatform.googleapis.com/v1/projects/of-key/locations/europe-west4/publishers/google");
  ASSERT_TRUE(account.google.account.has_value());
  EXPECT_EQ(account.google.account->email, "a@b.iam.gserviceaccount.com");

  ProviderConfig global = provider_of("{name: v, supplier: vertex, google: {project: p, location: global}}");
  EXPECT_EQ(url_of(global), "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google");
  EXPECT_FALSE(global.google.account.has_value()) << "the machine's own";

  EXPECT_TRUE(provider_of("{name: v, supplier: vertex, google: {location: us-central1}}",
                          {{"GOOGLE_APPLICATION_CREDENTIALS", key.path()}})
                  .google.account.has_value());
  EXPECT_THAT(problems_of("{name: v, supplier: vertex}"), ElementsAre(HasSubstr("google.location: the address needs")));
  EXPECT_THAT(problems_of("{name: v, supplier: vertex, google: {location: l, project: p}}",
                          {{"GOOGLE_APPLICATION_CREDENTIALS", "/nowhere"}}),
              ElementsAre(HasSubstr("google.credentials: the file that GOOGLE_APPLICATION_CREDENTIALS names")));
  File wrong(R"({"type": "authorized_user", "refresh_token": "hidden"})");
  auto problems = problems_of(
      "{name: v, supplier: vertex, google: {project: p, location: l, credentials: 'file:" + wrong.path() + "'}}");
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_THAT(problems[0], testing::Not(HasSubstr("hidden")));
}

TEST(ProviderConfig, AzureHasTwoSurfacesAndThreeIdentities) {
  const Variables keys{{"K", "key"}, {"S", "secret"}, {"IDENTITY_ENDPOINT", "http://127.0.0.1:1/t"}};
  ProviderConfig old = provider_of(
      "{name: a, supplier: azure, dialect: chat, api_key: env:K, azure: {resource: r, style: deployments, "
      "api_version: '2024-10-21'}}",
      keys);
  EXPECT_EQ(old.azure.address.surface, AzureSurface::kDeployments);
  EXPECT_EQ(old.azure.address.api_version, "2024-10-21");
  EXPECT_EQ(
      url_of(provider_of("{name: a, auth: azure, base_url: 'http://127.0.0.1:9/openai/v1', api_key: env:K}", keys)),
      "http://127.0.0.1:9/");
  ProviderConfig entra = provider_of(
      "{name: a, supplier: azure, azure: {resource: r, tenant: t, client_id: c, client_secret: env:S}}", keys);
  EXPECT_EQ(entra.azure.client_secret, "secret");
  EXPECT_EQ(entra.azure.identity.client_id, "c");
  EXPECT_EQ(entra.api_key, "");
  ProviderConfig machine =
      provider_of("{name: a, supplier: azure, azure: {resource: r, managed_identity: true}}", keys);
  EXPECT_TRUE(machine.azure.managed_identity);
  EXPECT_EQ(machine.azure.identity.endpoint, "http://127.0.0.1:1/t");

  EXPECT_THAT(problems_of("{name: a, supplier: azure, api_key: env:K}", keys),
              ElementsAre("azure.resource: the address needs a value for resource"));
  EXPECT_THAT(problems_of("{name: a, supplier: azure, api_key: env:K, azure: {resource: r, style: deployments}}", keys),
              ElementsAre(HasSubstr("azure.api_version: is missing")));
  EXPECT_THAT(problems_of("{name: a, supplier: azure, azure: {resource: r, tenant: t}}", keys),
              ElementsAre(HasSubstr("azure.client_id: is missing"), HasSubstr("azure.client_secret: is missing")));
  EXPECT_THAT(problems_of("{name: a, supplier: azure, azure: {resource: r}}", keys),
              ElementsAre(HasSubstr("api_key: is missing: azure_openai wants one")));
  EXPECT_THAT(problems_of("{name: a, base_url: 'http://h', azure: {}}", keys),
              ElementsAre(HasSubstr("api_key: is missing: Azure takes a key")));
}

TEST(ProviderConfig, WhatMakesNoSenseIsSaidWhereItStands) {
  const Variables keys{{"K", "key"},
                       {"BROKEN", "a b"},
                       {"CONTROL",
                        "a\x01"
                        "b"}};
  EXPECT_THAT(problems_of("{name: a}"),
              ElementsAre("base_url: is missing; or name a supplier that the catalogue knows"));
  EXPECT_THAT(problems_of("{name: a, supplier: nobody}"),
              ElementsAre(HasSubstr("supplier: the catalogue has no supplier named \"nobody\"")));
  EXPECT_THAT(problems_of("{name: a, supplier: anthropic, dialect: gemini, api_key: env:K}", keys),
              ElementsAre("dialect: anthropic does not speak it; it speaks messages"));
  EXPECT_THAT(problems_of("{name: a, base_url: 'http://h', dialect: soap}"),
              ElementsAre("dialect: must be one of chat, responses, messages, converse, gemini, not \"soap\""));
  EXPECT_THAT(problems_of("{name: a, base_url: 'http://h', auth: none, api_key: env:K}", keys),
              ElementsAre("api_key: stands here with auth: none"));
  EXPECT_THAT(problems_of("{name: a, base_url: 'http://h', auth: header, api_key: env:K}", keys),
              ElementsAre(HasSubstr("auth_header: is missing")));
  EXPECT_THAT(problems_of("{name: a, base_url: 'http://h', auth_header: X, api_key: env:K}", keys),
              ElementsAre("auth_header: stands here without auth: header"));
  EXPECT_THAT(problems_of("{name: a, base_url: 'http://h', api_key: env:BROKEN}", keys),
              ElementsAre("api_key: the key holds white space or control characters"));
  EXPECT_THAT(problems_of("{name: a, base_url: 'http://{where}/v1'}"),
              ElementsAre("placeholders.where: the address needs a value for where"));
  EXPECT_THAT(problems_of("{name: a, base_url: 'http://h/v1', placeholders: {wher: x}}"),
              ElementsAre("placeholders.wher: the address has no place for it"));
  EXPECT_THAT(
      problems_of("{name: a, base_url: 'http://h', headers: {'a b': x, Host: y, X: env:CONTROL, Y: env:NO}}", keys),
      ElementsAre(HasSubstr("headers.a b: is no name"), HasSubstr("headers.Host: this header"),
                  HasSubstr("headers.X: its value"), HasSubstr("headers.Y: the environment variable NO")));
  EXPECT_THAT(problems_of("{name: a, base_url: 'http://h', api_key: env:K, headers: {authorization: x}}", keys),
              ElementsAre(HasSubstr("headers.authorization: stands here beside auth: bearer")));
  EXPECT_THAT(problems_of("{name: a, supplier: anthropic, api_key: env:K, variant: {developer_role: true}}", keys),
              ElementsAre(HasSubstr("variant: the dialect messages has none")));
  EXPECT_THAT(problems_of("{name: a, base_url: 'http://h', variant: {family: nova}}"),
              ElementsAre(HasSubstr("variant.family: there is no such key")));
}

TEST(ProviderConfig, HeadersMayBeSecrets) {
  ProviderConfig provider =
      provider_of("{name: a, base_url: 'http://h', headers: {X-Team: blue, X-Gate: env:G}}", {{"G", "secret\n"}});
  EXPECT_THAT(provider.headers,
              ElementsAre(std::pair<std::string, std::string>("X-Team", "blue"), std::pair("X-Gate", "secret")));
}

TEST(ProviderConfig, TheOwnersCatalogueNamesSuppliersToo) {
  File mine(R"({"format": 1, "date": "2026-09-01", "origin": "our list",
    "suppliers": [{"name": "house", "base_url": "http://10.0.0.7:8000/v1", "dialect": "chat", "auth": "none",
                   "prefill": "continue_final_message", "party": "us"}]})");
  LoadedConfig loaded = parse_config(
      "catalogue: {overlay: [" + mine.path() + "]}\nproviders: [{name: h, supplier: house}]", environment_of({}));
  ASSERT_THAT(loaded.problems, IsEmpty());
  EXPECT_EQ(loaded.config.providers[0].chat.prefill, ChatPrefill::kContinueFinal);
  EXPECT_EQ(loaded.config.providers[0].party, "us");
  EXPECT_EQ(loaded.config.catalogue->stamps().back().origin, "our list");

  File broken(R"({"format": 1, "date": "2026-13-01", "origin": "x"})");
  loaded =
      parse_config("catalogue:\n  overlay:\n    - " + mine.path() + "\n    - " + broken.path(), environment_of({}));
  ASSERT_THAT(loaded.problems, SizeIs(1));
  EXPECT_EQ(loaded.problems[0].field, "catalogue.overlay[1]");
  EXPECT_EQ(loaded.problems[0].line, 4);
  EXPECT_THAT(loaded.problems[0].message, HasSubstr(broken.path() + ":1:"));
  EXPECT_THAT(parse_config("catalogue: {file: /nowhere.json}", environment_of({})).problems[0].message,
              HasSubstr("cannot be read"));
}

// --- without a file ---

struct Found {
  Config config;
  const ModelConfig* model(const std::string& name) const {
    const ModelConfig* any = nullptr;
    for (const ModelConfig& model : config.models) {
      if (model.name == name) return &model;
      if (model.name == "*") any = &model;
    }
    return any;
  }
  std::string at(const std::string& name) const { return model(name) == nullptr ? "nobody" : model(name)->provider; }
};

Found found(Variables values) {
  Found out;
  Result<void> result = providers_from_environment(out.config, environment_of(std::move(values)));
  EXPECT_TRUE(result.ok());
  return out;
}

TEST(FoundProviders, TheUsualVariablesNameThem) {
  EXPECT_THAT(found({}).config.providers, IsEmpty());
  Found openai = found({{"OPENAI_API_KEY", "k"}});
  ASSERT_THAT(openai.config.providers, SizeIs(1));
  EXPECT_EQ(url_of(openai.config.providers[0]), "https://api.openai.com/v1");
  EXPECT_THAT(openai.config.found, ElementsAre(HasSubstr("provider openai from OPENAI_API_KEY")));
  EXPECT_EQ(openai.at("a-model-of-tomorrow"), "openai");

  Found local = found({{"OPENAI_BASE_URL", "http://127.0.0.1:9090/v1"}});
  ASSERT_THAT(local.config.providers, SizeIs(1));
  EXPECT_EQ(local.config.providers[0].base_url.address.port, 9090);
  EXPECT_EQ(local.config.providers[0].auth, AuthKind::kNone);
  EXPECT_FALSE(local.config.providers[0].chat.developer_role);
  EXPECT_EQ(local.at("anything"), "environment");

  Config bad;
  EXPECT_FALSE(providers_from_environment(bad, environment_of({{"OPENAI_BASE_URL", "nonsense"}})).ok());
}

TEST(FoundProviders, OneAloneServesAnyName) {
  Found anthropic = found({{"ANTHROPIC_API_KEY", "k"}});
  ASSERT_THAT(anthropic.config.providers, SizeIs(1));
  EXPECT_EQ(anthropic.config.providers[0].dialect, WireDialect::kMessages);
  EXPECT_EQ(anthropic.at("claude-haiku-4-5"), "anthropic");
  EXPECT_EQ(anthropic.at("claude-of-tomorrow"), "anthropic");
}

TEST(FoundProviders, EachServesItsOwnModels) {
  Found both = found({{"ANTHROPIC_API_KEY", "a"}, {"GEMINI_API_KEY", "g"}, {"GROQ_API_KEY", "q"}});
  EXPECT_EQ(both.at("claude-haiku-4-5"), "anthropic");
  EXPECT_EQ(both.at("gemini-2.5-flash"), "gemini");
  EXPECT_EQ(both.at("llama-3.3-70b-versatile"), "groq");
  EXPECT_EQ(both.at("a-model-of-tomorrow"), "nobody");
  Found more = found({{"ANTHROPIC_API_KEY", "a"}, {"OPENAI_API_KEY", "o"}});
  EXPECT_EQ(more.at("claude-haiku-4-5"), "anthropic");
  EXPECT_EQ(more.at("a-model-of-tomorrow"), "openai");
}

TEST(FoundProviders, CloudsNeedTheirAddress) {
  Found bedrock = found({{"AWS_BEARER_TOKEN_BEDROCK", "b"}, {"AWS_REGION", "eu-central-1"}});
  ASSERT_THAT(bedrock.config.providers, SizeIs(1));
  EXPECT_EQ(bedrock.config.providers[0].dialect, WireDialect::kConverse);
  Found lost = found({{"AWS_BEARER_TOKEN_BEDROCK", "b"}});
  EXPECT_THAT(lost.config.providers, IsEmpty());
  EXPECT_THAT(lost.config.found, ElementsAre(HasSubstr("AWS_BEARER_TOKEN_BEDROCK is set, but bedrock cannot be used")));
  Found azure = found({{"AZURE_OPENAI_API_KEY", "k"}, {"AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com/"}});
  ASSERT_THAT(azure.config.providers, SizeIs(1));
  EXPECT_EQ(azure.config.providers[0].auth, AuthKind::kAzure);
  EXPECT_EQ(url_of(azure.config.providers[0]), "https://mine.openai.azure.com/");
}

TEST(FoundProviders, VariablesOfOtherPurposesAreNotBelieved) {
  EXPECT_THAT(found({{"GITHUB_TOKEN", "t"}, {"HF_TOKEN", "t"}, {"AWS_REGION", "r-1"}}).config.providers, IsEmpty());
}

TEST(FoundProviders, AKeyIsSentToOneSupplierOnly) {
  Found moonshot = found({{"MOONSHOT_API_KEY", "k"}});
  EXPECT_THAT(moonshot.config.providers, SizeIs(1)) << "two suppliers in the catalogue read this variable";
}

}  // namespace
}  // namespace perdure
