// Tokens of Google, Entra and Azure's identity services, from simulated services over simulated connections and in
// virtual time.

#include "provider/oauth_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <map>

#include "async/task_group.h"
#include "dialect/chat_upstream.h"
#include "http/sim_network.h"
#include "provider/azure_address.h"
#include "provider/azure_credential.h"
#include "provider/google_credential.h"
#include "provider/http_provider.h"
#include "provider/jwt.h"
#include "wire/json.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

struct TestKey {
  std::string private_pem;
  EVP_PKEY* key = nullptr;
  explicit TestKey(unsigned bits) {
    key = EVP_RSA_gen(bits);
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    private_pem.assign(data, static_cast<size_t>(size));
    BIO_free(bio);
  }
  ~TestKey() { EVP_PKEY_free(key); }
};
const TestKey& test_key() {
  static const TestKey key(2048);
  return key;
}

std::string from_base64url(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  uint32_t word = 0;
  int bits = 0;
  for (const char c : text) {
    word = word << 6 | static_cast<uint32_t>(kAlphabet.find(c));
    bits += 6;
    if (bits >= 8) out += static_cast<char>(word >> (bits -= 8) & 0xff);
  }
  return out;
}

std::string key_file(std::string_view token_uri, std::string_view type = "service_account") {
  json::Writer out;
  out.begin_object().field("type", type).field("project_id", "p1").field("private_key_id", "kid1");
  out.field("private_key", test_key().private_pem).field("client_email", "me@p1.iam.gserviceaccount.com");
  return out.field("token_uri", token_uri).end_object().take();
}

TEST(GoogleServiceAccounts, KeyFiles) {
  auto account = read_google_service_account(key_file("https://oauth2.googleapis.com/token"));
  ASSERT_TRUE(account.ok());
  EXPECT_EQ(account->email, "me@p1.iam.gserviceaccount.com");
  EXPECT_EQ(account->project, "p1");
  const auto error = [](std::string json) { return read_google_service_account(std::move(json)).error().message; };
  EXPECT_EQ(error("no"), "the key file is no service account's: it is not JSON");
  EXPECT_EQ(error("{}"), "the key file is no service account's: its type is not 'service_account'");
  EXPECT_EQ(error(key_file("https://x", "external_account")),
            "the key file is no service account's: 'external_account' is not supported");
  EXPECT_EQ(error(R"({"type":"service_account","client_email":"a"})"),
            "the key file is no service account's: 'private_key' is missing");
  EXPECT_THAT(error(key_file("http://elsewhere/token")), HasSubstr("must be https"));
}

TEST(GoogleServiceAccounts, AssertionsAreSigned) {
  auto account = read_google_service_account(key_file("https://oauth2.googleapis.com/token"));
  auto jwt = google_assertion(*account, kGoogleScope, WallTime(1'800'000'000'500ms));
  ASSERT_TRUE(jwt.ok()) << jwt.error().message;
  const size_t first = jwt->find('.'), second = jwt->rfind('.');
  EXPECT_EQ(from_base64url(jwt->substr(0, first)), R"({"alg":"RS256","typ":"JWT","kid":"kid1"})");
  EXPECT_EQ(
      from_base64url(jwt->substr(first + 1, second - first - 1)),
      R"({"iss":"me@p1.iam.gserviceaccount.com","scope":"https://www.googleapis.com/auth/cloud-platform","aud":"https://oauth2.googleapis.com/token","iat":1800000000,"exp":1800003600})");
  const std::string signature = from_base64url(jwt->substr(second + 1));
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_DigestVerifyInit(context, nullptr, EVP_sha256(), nullptr, test_key().key);
  EXPECT_EQ(EVP_DigestVerify(context, reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
                             reinterpret_cast<const unsigned char*>(jwt->data()), second),
            1);
  EVP_MD_CTX_free(context);
}

TEST(GoogleServiceAccounts, KeysThatAreNone) {
  EXPECT_FALSE(sign_jwt_rs256("{}", "{}", "").ok());
  EXPECT_FALSE(sign_jwt_rs256("{}", "{}", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").ok());
  EXPECT_FALSE(sign_jwt_rs256("{}", "{}", TestKey(1024).private_pem).ok()) << "too short";
  std::string broken = test_key().private_pem;
  broken.resize(broken.size() / 2);
  auto failed = sign_jwt_rs256("{}", "{}", broken);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().message, "the private key is no RSA key of at least 2048 bits") << "and nothing of the key";
}

TEST(TokenServices, Addresses) {
  for (const char* good : {"https://login.microsoftonline.com/t", "http://localhost:80/x", "http://127.0.0.1:1",
                           "http://169.254.169.254/", "http://[::1]/"})
    EXPECT_TRUE(token_service_url(good).ok()) << good;
  for (const char* bad : {"http://example.com", "http://127.0.0.1.example.com", "http://169.254.evil", "ftp://x", ""})
    EXPECT_FALSE(token_service_url(bad).ok()) << bad;
  EXPECT_TRUE(token_service_url("http://metadata.google.internal/x", "metadata.google.internal").ok());
  EXPECT_EQ(form_of({{"a", "b c&=/"}, {"d", "\xc3\xa9"}}), "a=b%20c%26%3D%2F&d=%C3%A9");
}

TEST(AzureAddresses, AreRewritten) {
  const AzureAddress deployments{.surface = AzureSurface::kDeployments, .api_version = "2024-10-21"};
  EXPECT_EQ(azure_path(deployments, "/chat/completions", "my gpt/4"),
            "/openai/deployments/my%20gpt%2F4/chat/completions?api-version=2024-10-21");
  EXPECT_EQ(azure_path(deployments, "/responses", "d"), "/openai/responses?api-version=2024-10-21");
  EXPECT_EQ(azure_path({}, "/chat/completions", "d"), "/openai/v1/chat/completions");
  EXPECT_EQ(azure_path({.api_version = "preview"}, "/responses?x=1", "d"),
            "/openai/v1/responses?x=1&api-version=preview");
}

// --- with a loop ---

struct Faults final : SimFaults {
  SimConnection next;
  std::vector<std::string> connects;
  SimConnection on_connect(const Address& to, const ConnectOptions& options) override {
    connects.push_back(to.host + ":" + std::to_string(to.port) + (options.tls ? " tls" : ""));
    return next;
  }
};

struct Sink final : LogSink {
  std::string all;
  void write(Level, std::string_view event, std::initializer_list<Field> fields) override {
    all.append(event);
    for (const Field& field : fields) all.append(" ").append(field.text);
    all += '\n';
  }
};

class Tokens : public testing::Test {
 protected:
  SimLoop loop{3};
  SimCable cable{loop, 5};
  SimNetwork there{cable}, here{cable};
  Faults faults;
  TaskGroup group{loop};
  std::vector<std::unique_ptr<Listener>> listeners;
  std::unique_ptr<HttpClient> client;
  std::shared_ptr<Sink> sink = std::make_shared<Sink>();
  std::vector<std::string> requests;  // whole ones
  std::function<std::string(int number)> answer;
  Duration answer_time = 0s;

  void SetUp() override {
    cable.set_faults(&faults);
    client = std::make_unique<HttpClient>(loop, here, ProxyRules{});
    for (int port : {80, 443}) {
      listeners.push_back(there.listen({"", port}, nullptr, false).value());
      group.spawn(accept(*listeners.back()));
    }
    answer = [](int number) { return reply(200, token_json("t" + std::to_string(number))); };
  }
  void TearDown() override {
    client.reset();
    for (auto& listener : listeners) listener->close();
    loop.run(group.join());
  }

  static std::string reply(int status, std::string_view body, std::string_view headers = {}) {
    return "HTTP/1.1 " + std::to_string(status) + " x\r\nContent-Type: application/json\r\n" + std::string(headers) +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
  }
  static std::string token_json(const std::string& token, std::string_view seconds = "3600") {
    return R"({"access_token":")" + token + R"(","expires_in":)" + std::string(seconds) + R"(,"token_type":"Bearer"})";
  }
  Task<void> accept(Listener& listener) {
    for (;;) {
      auto stream = co_await listener.accept();
      if (!stream.ok()) co_return;
      group.spawn(converse(std::move(stream).value()));
    }
  }
  Task<void> converse(std::unique_ptr<Stream> stream) {
    std::string input;
    char piece[4096];
    for (;;) {
      const size_t end = input.find("\r\n\r\n");
      size_t length = 0;
      if (const size_t at = input.find("Content-Length: "); at < end) length = std::stoul(input.substr(at + 16));
      if (end == std::string::npos || input.size() < end + 4 + length) {
        auto n = co_await stream->read_some(piece, deadline_in(loop, 7200s));
        if (!n.ok() || n.value() == 0) co_return;
        input.append(piece, n.value());
        continue;
      }
      requests.push_back(input.substr(0, end + 4 + length));
      input.erase(0, end + 4 + length);
      const std::string text = answer(static_cast<int>(requests.size()));
      if (answer_time > 0s) co_await sleep_for(loop, answer_time);
      if (text.empty()) {
        stream->abort();
        co_return;
      }
      if (!(co_await stream->write_all(text, deadline_in(loop, 60s))).ok()) co_return;
    }
  }

  std::unique_ptr<TokenKeeper> keeper(std::unique_ptr<TokenSource> source) {
    return std::make_unique<TokenKeeper>(loop, std::move(source), Log(sink));
  }
  std::unique_ptr<TokenSource> account() {
    return google_account_tokens(read_google_service_account(key_file("https://oauth2.googleapis.com/token")).value(),
                                 *client, loop);
  }
  std::string token_of(TokenKeeper& keeper, Duration time = 60s) {
    auto token = loop.run(keeper.token(deadline_in(loop, time)));
    return token.ok() ? *token : std::string(to_string(token.error().code)) + ": " + token.error().message;
  }
  void pass(Duration time) { loop.run(sleeping(time)); }
  Task<void> sleeping(Duration time) { co_await sleep_for(loop, time); }
  Task<void> ask(TokenKeeper& keeper, Duration time, std::string& into) {
    auto token = co_await keeper.token(deadline_in(loop, time));
    into = token.ok() ? *token : std::string(to_string(token.error().code)) + ": " + token.error().message;
  }
};

TEST_F(Tokens, OfAServiceAccount) {
  auto tokens = keeper(account());
  EXPECT_EQ(token_of(*tokens), "t1");
  EXPECT_THAT(faults.connects, ElementsAre("oauth2.googleapis.com:443 tls"));
  EXPECT_THAT(requests[0], testing::StartsWith("POST /token HTTP/1.1\r\n"));
  EXPECT_THAT(requests[0], HasSubstr("Content-Type: application/x-www-form-urlencoded"));
  EXPECT_THAT(requests[0],
              HasSubstr("\r\n\r\ngrant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=eyJ"));
}

TEST_F(Tokens, AreKeptAndRenewedBeforeTheyExpire) {
  auto tokens = keeper(account());
  EXPECT_EQ(token_of(*tokens), "t1");
  pass(3300s);
  EXPECT_EQ(token_of(*tokens), "t1");
  EXPECT_EQ(requests.size(), 1u);
  pass(80s);  // 225 s before the end
  EXPECT_EQ(token_of(*tokens), "t2");
  EXPECT_EQ(requests.size(), 2u);
}

TEST_F(Tokens, AreAskedForOnceByMany) {
  auto tokens = keeper(account());
  answer_time = 1s;
  std::vector<std::string> got(20);
  for (std::string& one : got) group.spawn(ask(*tokens, 60s, one));
  loop.run_until([&] { return std::ranges::all_of(got, [](const auto& one) { return !one.empty(); }); });
  EXPECT_THAT(got, testing::Each("t1"));
  EXPECT_EQ(requests.size(), 1u);
  // Renewing holds up nobody but who comes first.
  pass(3500s);
  std::string first, second;
  group.spawn(ask(*tokens, 60s, first));
  loop.run_until([&] { return requests.size() == 2; });
  group.spawn(ask(*tokens, 60s, second));
  loop.run_until([&] { return !second.empty(); });
  EXPECT_EQ(second, "t1");
  EXPECT_EQ(first, "");
  loop.run_until([&] { return !first.empty(); });
  EXPECT_EQ(first, "t2");
}

TEST_F(Tokens, AreGivenUpWhenRefused) {
  auto tokens = keeper(account());
  EXPECT_EQ(token_of(*tokens), "t1");
  tokens->refused();
  EXPECT_EQ(token_of(*tokens), "t1") << "another, a second later, would fare no better";
  pass(61s);
  tokens->refused();
  EXPECT_EQ(token_of(*tokens), "t2");
}

TEST_F(Tokens, HoldWhileTheServiceIsDown) {
  auto tokens = keeper(account());
  EXPECT_EQ(token_of(*tokens), "t1");
  answer = [](int) { return reply(503, "{}"); };
  pass(3400s);
  EXPECT_EQ(token_of(*tokens), "t1");
  const size_t asked = requests.size();
  EXPECT_EQ(asked, 4u) << "a few quick tries";
  EXPECT_EQ(token_of(*tokens), "t1");
  EXPECT_EQ(requests.size(), asked) << "not again at once";
  pass(210s);
  EXPECT_EQ(token_of(*tokens), "unavailable: Google's token service answered with status 503.");
  EXPECT_EQ(token_of(*tokens), "unavailable: Google's token service answered with status 503.");
  answer = [](int) { return reply(200, token_json("later")); };
  pass(6s);
  EXPECT_EQ(token_of(*tokens), "later");
  EXPECT_THAT(sink->all, HasSubstr("credential.token_not_renewed"));
}

TEST_F(Tokens, RefusalsAreNotTriedAgain) {
  auto tokens = keeper(account());
  answer = [](int) {
    return reply(400, R"({"error":"invalid_grant","error_description":"Invalid JWT Signature for secretwords"})");
  };
  auto token = loop.run(tokens->token(deadline_in(loop, 60s)));
  ASSERT_FALSE(token.ok());
  EXPECT_EQ(token.error().code, Code::kDenied);
  EXPECT_EQ(token.error().reason, "supplier_denied");
  EXPECT_EQ(token.error().message, "Google's token service refused what it was asked with (invalid_grant).");
  EXPECT_EQ(requests.size(), 1u);
}

TEST_F(Tokens, AnswersThatAreNone) {
  const std::pair<std::string, std::string> cases[] = {
      {reply(200, "<html>"), "corrupt: Google's token service gave no token."},
      {reply(200, "{}"), "corrupt: Google's token service gave no token."},
      {reply(200, token_json("a\\r\\nX: y")), "corrupt: Google's token service gave no token."},
      {reply(200, R"({"access_token":"t","token_type":"mac"})"),
       "corrupt: Google's token service gave a token of another kind."},
      {reply(200, token_json("t", "0")), "unavailable: The token that is to be had has expired."},
      {reply(302, ""), "unavailable: Google's token service answered with status 302."},
      {reply(200, std::string(70'000, ' ')),
       "unavailable: Google's token service does not answer: the answer of a token service is too long"}};
  for (const auto& [text, error] : cases) {
    answer = [&](int) { return text; };
    auto tokens = keeper(account());
    EXPECT_EQ(token_of(*tokens), error);
  }
  answer = [](int) { return std::string(); };
  auto tokens = keeper(account());
  EXPECT_THAT(token_of(*tokens), testing::StartsWith("unavailable: Google's token service does not answer: "));
}

TEST_F(Tokens, ACallersDeadlineIsItsOwn) {
  auto tokens = keeper(account());
  answer_time = 4s;
  EXPECT_THAT(token_of(*tokens, 1s), testing::StartsWith("unavailable: "));
  EXPECT_EQ(token_of(*tokens), "t2") << "the next one asks at once";
  std::string waiting;
  tokens = keeper(account());
  std::string first;
  group.spawn(ask(*tokens, 60s, first));
  group.spawn(ask(*tokens, 1s, waiting));
  loop.run_until([&] { return !waiting.empty(); });
  EXPECT_EQ(waiting, "deadline: waiting for a token took too long");
  loop.run_until([&] { return !first.empty(); });
  EXPECT_EQ(first, "t3");
}

TEST_F(Tokens, OfGooglesMetadataService) {
  auto tokens = keeper(google_metadata_tokens(*client, loop));
  answer = [](int) { return reply(200, token_json("meta"), "Metadata-Flavor: Google\r\n"); };
  EXPECT_EQ(token_of(*tokens), "meta");
  EXPECT_THAT(faults.connects, ElementsAre("metadata.google.internal:80"));
  EXPECT_THAT(requests[0], HasSubstr("GET /computeMetadata/v1/instance/service-accounts/default/token HTTP/1.1\r\n"));
  EXPECT_THAT(requests[0], HasSubstr("Metadata-Flavor: Google\r\n"));
  answer = [](int) { return reply(200, token_json("spoofed")); };
  tokens = keeper(google_metadata_tokens(*client, loop, "http://169.254.169.254/", "a@b"));
  EXPECT_EQ(token_of(*tokens), "corrupt: Google's metadata service gave no token.")
      << "it does not say that it is Google";
  EXPECT_THAT(requests[1], HasSubstr("/service-accounts/a%40b/token"));
  tokens = keeper(google_metadata_tokens(*client, loop, "http://evil.example"));
  EXPECT_THAT(token_of(*tokens), testing::StartsWith("denied: "));
}

TEST_F(Tokens, OfEntra) {
  auto tokens =
      keeper(entra_tokens({.tenant = "tenant 1", .client_id = "id&1", .client_secret = "s/e+c=r&et"}, *client, loop));
  EXPECT_EQ(token_of(*tokens), "t1");
  EXPECT_THAT(faults.connects, ElementsAre("login.microsoftonline.com:443 tls"));
  EXPECT_THAT(requests[0], testing::StartsWith("POST /tenant%201/oauth2/v2.0/token HTTP/1.1\r\n"));
  EXPECT_THAT(
      requests[0],
      testing::EndsWith("\r\n\r\ngrant_type=client_credentials&client_id=id%261&client_secret=s%2Fe%2Bc%3Dr%26et&"
                        "scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default"));
  tokens = keeper(entra_tokens({.tenant = "t", .client_id = "i", .client_secret = "s", .login = "http://localhost/x/"},
                               *client, loop));
  EXPECT_EQ(token_of(*tokens), "t2");
  EXPECT_THAT(requests[1], testing::StartsWith("POST /x/t/oauth2/v2.0/token HTTP/1.1\r\n"));
  answer = [](int) {
    return reply(401, R"({"error":"invalid_client","error_description":"AADSTS7000215: s/e+c=r&et"})");
  };
  tokens = keeper(entra_tokens({.tenant = "t", .client_id = "i", .client_secret = "s"}, *client, loop));
  EXPECT_EQ(token_of(*tokens), "denied: Entra's token service refused what it was asked with (invalid_client).");
}

TEST_F(Tokens, OfAzuresIdentityServices) {
  answer = [](int number) { return reply(200, token_json("t" + std::to_string(number), "\"3599\"")); };
  auto tokens = keeper(azure_identity_tokens({}, *client, loop));
  EXPECT_EQ(token_of(*tokens), "t1");
  EXPECT_THAT(requests[0],
              testing::StartsWith("GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2F"
                                  "cognitiveservices.azure.com HTTP/1.1\r\n"));
  EXPECT_THAT(requests[0], HasSubstr("Metadata: true\r\n"));
  EXPECT_EQ(token_of(*tokens), "t1") << "seconds as text are seconds";
  tokens = keeper(azure_identity_tokens({.client_id = "c 1", .endpoint = "http://127.0.0.1/msi/token", .header = "h1"},
                                        *client, loop));
  EXPECT_EQ(token_of(*tokens), "t2");
  EXPECT_THAT(requests[1], testing::StartsWith("GET /msi/token?api-version=2019-08-01&resource=https%3A%2F%2F"
                                               "cognitiveservices.azure.com&client_id=c%201 HTTP/1.1\r\n"));
  EXPECT_THAT(requests[1], HasSubstr("X-IDENTITY-HEADER: h1\r\n"));
  tokens = keeper(azure_identity_tokens({.endpoint = "http://127.0.0.1/", .header = "a\r\nX: b"}, *client, loop));
  EXPECT_THAT(token_of(*tokens), testing::StartsWith("denied: "));
}

// --- on calls ---

HttpCall some_call() {
  HttpCall call;
  call.url = parse_url("https://host/path").value();
  return call;
}

TEST_F(Tokens, GoIntoTheCallAndNowhereElse) {
  auto credential = token_credential(keeper(account()));
  HttpCall call = some_call();
  ASSERT_TRUE(loop.run(credential->sign(call, deadline_in(loop, 60s))).ok());
  EXPECT_EQ(call.headers.get("Authorization"), "Bearer t1");
  EXPECT_EQ(call.url.path, "/path");
  for (const auto& [credential_of, header, value] :
       {std::tuple{google_api_key("AIzaKey"), "x-goog-api-key", "AIzaKey"}, {azure_api_key("k"), "api-key", "k"}}) {
    HttpCall keyed = some_call();
    ASSERT_TRUE(loop.run(credential_of->sign(keyed, deadline_in(loop, 60s))).ok());
    EXPECT_EQ(keyed.headers.get(header), value);
    EXPECT_EQ(keyed.url.path, "/path") << "an address is logged";
  }
  answer = [](int) { return reply(401, R"({"error":"t1-and-other-secrets"})"); };
  pass(3700s);
  EXPECT_EQ(loop.run(credential->sign(call, deadline_in(loop, 60s))).error().code, Code::kDenied);
  for (std::string_view secret : {"t1", "eyJ", "PRIVATE", "secrets"}) EXPECT_THAT(sink->all, Not(HasSubstr(secret)));
}

// Azure as address and authentication of the chat dialect: what goes over the wire, and what comes back.
TEST_F(Tokens, AzureSpeaksTheChatDialect) {
  answer = [](int number) {
    if (number == 2) return reply(401, R"({"error":{"code":"401","message":"Access denied"}})");
    return reply(
        200,
        R"({"id":"c","object":"chat.completion","model":"gpt","choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]})");
  };
  auto credential = azure_api_key("azure-key");
  auto provider =
      http_provider({.name = "azure",
                     .issuer = "",
                     .base_url = parse_url("http://resource.openai.azure.com/").value(),
                     .ca_file = "",
                     .headers = {},
                     .path = azure_paths({.surface = AzureSurface::kDeployments, .api_version = "2024-10-21"})},
                    chat_upstream({}), *credential, *client);
  const Request request{.model = "m"};
  const std::vector<Item> context = {{.role = Role::kUser, .content = {{.text = "hi"}}}};
  Cancellation cancel(loop);
  const auto open = [&] {
    return loop.run(
        provider->open({.request = request, .context = context, .model = "my-gpt"}, deadline_in(loop, 60s), cancel));
  };
  auto answered = open();
  ASSERT_TRUE(answered.ok()) << answered.error().message;
  std::vector<Piece> pieces;
  EXPECT_TRUE(*loop.run((*answered)->next(pieces, deadline_in(loop, 60s))));
  EXPECT_THAT(requests[0], testing::StartsWith(
                               "POST /openai/deployments/my-gpt/chat/completions?api-version=2024-10-21 HTTP/1.1\r\n"));
  EXPECT_THAT(requests[0], HasSubstr("api-key: azure-key\r\n"));
  EXPECT_THAT(requests[0], HasSubstr("Host: resource.openai.azure.com\r\n"));
  EXPECT_EQ(open().error().code, Code::kDenied);
}

}  // namespace
}  // namespace perdure
