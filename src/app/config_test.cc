#include "app/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace perdure {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

Environment environment_of(std::map<std::string, std::string> values) {
  return [values](const std::string& name) -> std::optional<std::string> {
    auto found = values.find(name);
    if (found == values.end()) return std::nullopt;
    return found->second;
  };
}

std::vector<std::string> problems_of(const std::string& text, std::map<std::string, std::string> values = {}) {
  std::vector<std::string> out;
  for (const ConfigProblem& problem : parse_config(text, environment_of(std::move(values))).problems)
    out.push_back(problem.to_string("f"));
  return out;
}

TEST(Config, ReadsEverything) {
  LoadedConfig loaded = parse_config(R"(
listen: "[::1]:9000"
data: /var/lib/perdure
cores: 2
log: {level: warn, format: json}
limits:
  body_bytes: 1MiB
  connections: 50
  idle_time: 5m
  stall_time: 1500ms
retention: 7d
drain: 3s
reasoning_events: open_responses
encryption:
  enabled: true
  key: env:MASTER
providers:
  - name: a
    base_url: https://api.openai.com/v1
    api_key: env:KEY
  - name: b
    base_url: http://127.0.0.1:8000/v1
    dialect: chat
    variant: {developer_role: true}
  - name: c
    base_url: http://127.0.0.1:8001/v1
    dialect: responses
    variant: {input_tokens: true}
models:
  - {name: small, provider: a, upstream_model: gpt-4o-mini}
  - {name: small, provider: b}
)",
                                     environment_of({{"KEY", "secret\n"}, {"MASTER", std::string(64, 'a')}}));
  for (const ConfigProblem& problem : loaded.problems) ADD_FAILURE() << problem.to_string("f");
  const Config& config = loaded.config;
  EXPECT_EQ(config.listen, (Address{"::1", 9000}));
  EXPECT_EQ(config.data, "/var/lib/perdure");
  EXPECT_EQ(config.cores, 2u);
  EXPECT_EQ(config.log_level, Level::kWarn);
  EXPECT_EQ(config.http.body_bytes_max, 1u << 20);
  EXPECT_EQ(config.http.connections_max, 50u);
  EXPECT_EQ(config.http.idle_time, 5min);
  EXPECT_EQ(config.session.generation.stall_time, 1500ms);
  EXPECT_EQ(config.session.retention, 168h);
  EXPECT_EQ(config.drain, 3s);
  EXPECT_EQ(config.reasoning_events, ReasoningEvents::kOpenResponses);
  EXPECT_EQ(config.master_key.size(), 64u);
  ASSERT_EQ(config.providers.size(), 3u);
  EXPECT_TRUE(config.providers[0].responses.counts) << "OpenAI's own service";
  EXPECT_FALSE(config.providers[1].responses.counts);
  EXPECT_TRUE(config.providers[2].responses.counts);
  EXPECT_EQ(config.providers[0].api_key, "secret");
  EXPECT_TRUE(config.providers[0].chat.max_completion_tokens);
  EXPECT_FALSE(config.providers[1].chat.max_completion_tokens);
  EXPECT_TRUE(config.providers[1].chat.developer_role);
  ASSERT_EQ(config.models.size(), 2u);
  EXPECT_EQ(config.models[0].upstream_model, "gpt-4o-mini");
}

TEST(Config, SaysAllProblemsAtOnceWithTheirPlaces) {
  EXPECT_THAT(
      problems_of(R"(listen: 8080
cores: many
colour: blue
drain: 30
log:
  level: loud
limits: {header_bytes: 1KiB,
  body_bytes: 64MB,
  header_bytes: 1MiB}
tls:
  certificate: /nowhere/cert.pem
encryption: yes
providers:
  - name: a
    base_url: ftp://example.com
    api_key: sk-plain
    typo: 1
  - name: a
    base_url: http://localhost/v1
    api_key: env:NOT_SET
models:
  - name: m
    provider: nobody
  - provider: a
)"),
      ElementsAre(
          R"(f:1:9: listen: "8080" is not an address to listen on: write host:port, like 127.0.0.1:8080)",
          R"(f:2:8: cores: must be a whole number from 1 to 256, not "many")",
          "f:3:1: colour: there is no such key; here may stand: listen, data, cores, tls, log, limits, retention, "
          "drain, reasoning_events, "
          "encryption, catalogue, providers, models, routing, workloads, budgets, rate_limits",
          R"(f:4:8: drain: "30" is not a duration: write a whole number and ms, s, m, h or d, like 30s)",
          R"(f:6:10: log.level: must be debug, info, warn or error, not "loud")",
          R"(f:8:15: limits.body_bytes: "64MB" is not a size: write a whole number and B, KiB, MiB or GiB, like 64MiB)",
          "f:9:3: limits.header_bytes: stands here twice", "f:11:3: tls.key: is missing",
          "f:11:16: tls.certificate: the file /nowhere/cert.pem cannot be read",
          "f:12:13: encryption: must be a mapping, not a plain value",
          "f:15:15: providers[0].base_url: URL: it must begin with http:// or https://",
          "f:16:14: providers[0].api_key: a secret stands here by reference only: env:NAME or file:PATH",
          "f:17:5: providers[0].typo: there is no such key; here may stand: name, supplier, base_url, dialect, "
          "api_key, "
          "auth, auth_header, headers, ca_file, issuer, party, region, account, placeholders, aws, google, azure, "
          "variant",
          R"(f:18:5: providers[1].name: another provider is named "a" too)",
          "f:20:14: providers[1].api_key: the environment variable NOT_SET is not set",
          R"(f:23:15: models[0].provider: there is no provider named "nobody")", "f:24:5: models[1].name: is missing"));
}

TEST(Config, NothingIsAConfigurationToo) {
  EXPECT_THAT(problems_of(""), ElementsAre());
  EXPECT_THAT(problems_of("# nothing\n"), ElementsAre());
  EXPECT_THAT(problems_of("- a\n"), ElementsAre("f:1:1: must be a mapping, not a list"));
  EXPECT_EQ(problems_of("a: [").size(), 1u);
}

TEST(Config, ProvidersWithoutModelsServeAnyName) {
  LoadedConfig loaded = parse_config("providers: [{name: a, base_url: 'http://localhost:1/v1'}]", environment_of({}));
  ASSERT_EQ(loaded.config.models.size(), 1u);
  EXPECT_EQ(loaded.config.models[0].name, "*");
}

TEST(Config, SecretsAreNeverShown) {
  for (const std::string& problem : problems_of(R"(
encryption: {key: env:MASTER}
providers: [{name: a, base_url: "http://u:hidden@h/v1", api_key: hidden}])",
                                                {{"MASTER", "hidden"}}))
    EXPECT_EQ(problem.find("hidden"), std::string::npos) << problem;
}

TEST(Config, UnitsAreAskedFor) {
  EXPECT_EQ(*parse_duration("250ms"), 250ms);
  EXPECT_EQ(*parse_duration("30s"), 30s);
  EXPECT_EQ(*parse_duration("2h"), 2h);
  for (const char* bad : {"", "30", "s", "-1s", "1.5s", "1 s", "1S", "99999999999999s", "999999d"})
    EXPECT_FALSE(parse_duration(bad).ok()) << bad;
  EXPECT_EQ(*parse_size("64KiB"), 65536u);
  for (const char* bad : {"", "64", "64kb", "64KB", "-1B", "1.5MiB"}) EXPECT_FALSE(parse_size(bad).ok()) << bad;
}

TEST(Config, LimitsOfApiKeys) {
  auto read = [](const std::string& text) {
    return parse_config(text, [](const std::string&) { return std::nullopt; });
  };
  LoadedConfig good = read("rate_limits: {requests_per_minute: 60, tokens_per_minute: 100000}");
  EXPECT_TRUE(good.problems.empty());
  EXPECT_EQ(good.config.rates, (KeyRates{60, 100'000}));
  EXPECT_FALSE(read("").config.rates.any());
  EXPECT_EQ(read("rate_limits: {requests_per_minute: 0, tokens: 5}").problems.size(), 2u);
}

TEST(Config, AddressesToListenOn) {
  EXPECT_EQ(*parse_listen("127.0.0.1:0"), (Address{"127.0.0.1", 0}));
  EXPECT_EQ(*parse_listen("[::]:80"), (Address{"::", 80}));
  for (const char* bad : {"", "8080", ":8080", "a:", "a:70000", "::1:80", "a:8o"})
    EXPECT_FALSE(parse_listen(bad).ok()) << bad;
  EXPECT_TRUE(is_loopback({"127.0.0.5", 1}));
  EXPECT_TRUE(is_loopback({"::1", 1}));
  EXPECT_FALSE(is_loopback({"0.0.0.0", 1}));
  EXPECT_FALSE(is_loopback({"127.evil.example", 1}));
}

}  // namespace
}  // namespace perdure
