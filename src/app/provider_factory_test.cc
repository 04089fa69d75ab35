// Each way to say and to prove: the providers that come out of a configuration send one call to a server that keeps
// what arrived. (That suppliers understand them is tests/e2e/test_dialects.py.)

#include "app/provider_factory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "app/config.h"
#include "async/sim_loop.h"
#include "async/task_group.h"
#include "http/sim_network.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ProviderFactory : public testing::Test {
 protected:
  SimLoop loop{3};
  SimCable cable{loop, 5};
  SimNetwork there{cable}, here{cable};
  TaskGroup group{loop};
  std::unique_ptr<JobRunner> runner = thread_runner("test");
  OffLoopFiles files{loop, *runner};
  HttpClient client{loop, here, ProxyRules{}}, direct{loop, here, ProxyRules{}};
  std::unique_ptr<Listener> listener = there.listen({"", 80}, nullptr, false).value();
  std::string head, body;  // of the last call

  void SetUp() override { group.spawn(accept()); }
  void TearDown() override {
    listener->close();
    client.close_idle();
    loop.run(group.join());
  }

  Task<void> accept() {
    for (;;) {
      auto stream = co_await listener->accept();
      if (!stream.ok()) co_return;
      group.spawn(answer(std::move(stream).value()));
    }
  }
  // Everything is refused: what matters has arrived by then.
  Task<void> answer(std::unique_ptr<Stream> stream) {
    std::string input;
    char piece[4096];
    for (;;) {
      const size_t end = input.find("\r\n\r\n");
      size_t length = 0;
      if (const size_t at = input.find("Content-Length: "); at < end) length = std::stoul(input.substr(at + 16));
      if (end != std::string::npos && input.size() >= end + 4 + length) {
        head = input.substr(0, end + 2);
        body = input.substr(end + 4, length);
        (void)co_await stream->write_all("HTTP/1.1 400 x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
                                         deadline_in(loop, 60s));
        co_return;
      }
      auto n = co_await stream->read_some(piece, deadline_in(loop, 600s));
      if (!n.ok() || n.value() == 0) co_return;
      input.append(piece, n.value());
    }
  }

  // What arrives when a provider of this configuration asks `model`.
  void call(const std::string& provider, const std::string& model) {
    std::map<std::string, std::string> variables{{"KEY", "the-key"}, {"ID", "AKIAEXAMPLE"}, {"SECRET", "hidden"}};
    LoadedConfig loaded = parse_config("providers: [" + provider + "]", [&](const std::string& name) {
      auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional(found->second);
    });
    for (const ConfigProblem& problem : loaded.problems) FAIL() << problem.to_string(provider);
    BuiltProvider built = make_provider(loaded.config.providers.at(0),
                                        {.loop = loop, .client = client, .direct = direct, .files = files, .log = {}});
    head.clear();
    loop.run(ask(*built.provider, model));
    EXPECT_THAT(head, Not(HasSubstr("hidden")));
    EXPECT_THAT(body, Not(HasSubstr("the-key")));
  }
  Task<void> ask(Provider& provider, const std::string& model) {
    Request request;
    const std::vector<Item> context = {{.role = Role::kUser, .content = {{.text = "Hello"}}}};
    Cancellation cancel(loop);
    UpstreamCall call{.request = request, .context = context, .model = model};
    auto opened = co_await provider.open(call, deadline_in(loop, 60s), cancel);
    EXPECT_FALSE(opened.ok());
  }
};

TEST_F(ProviderFactory, Chat) {
  call("{name: a, base_url: 'http://h/v1', api_key: env:KEY, headers: {X-Team: blue}}", "m");
  EXPECT_THAT(head, StartsWith("POST /v1/chat/completions HTTP/1.1\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nAuthorization: Bearer the-key\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nX-Team: blue\r\n"));
}

TEST_F(ProviderFactory, NoneIsNone) {
  call("{name: a, base_url: 'http://h/v1', auth: none}", "m");
  EXPECT_THAT(head, Not(HasSubstr("uthorization")));
}

TEST_F(ProviderFactory, Responses) {
  call("{name: a, base_url: 'http://h/v1', dialect: responses, api_key: env:KEY}", "m");
  EXPECT_THAT(head, StartsWith("POST /v1/responses HTTP/1.1\r\n"));
  EXPECT_THAT(body, HasSubstr("encrypted_content"));
  call("{name: a, base_url: 'http://h/v1', dialect: responses, variant: {encrypted_reasoning: false}}", "m");
  EXPECT_THAT(body, Not(HasSubstr("encrypted_content"))) << "the owner's word";
}

TEST_F(ProviderFactory, Messages) {
  call("{name: a, supplier: anthropic, base_url: 'http://h/v1', api_key: env:KEY}", "claude-haiku-4-5");
  EXPECT_THAT(head, StartsWith("POST /v1/messages HTTP/1.1\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nx-api-key: the-key\r\n"));
  EXPECT_THAT(head, HasSubstr("nthropic-"));
}

TEST_F(ProviderFactory, Gemini) {
  call("{name: a, supplier: gemini, base_url: 'http://h/v1beta', api_key: env:KEY}", "gemini-3-pro");
  EXPECT_THAT(head, StartsWith("POST /v1beta/models/gemini-3-pro:streamGenerateContent"));
  EXPECT_THAT(head, HasSubstr("\r\nx-goog-api-key: the-key\r\n"));
}

TEST_F(ProviderFactory, Converse) {
  call(
      "{name: a, base_url: 'http://h', dialect: converse, aws: {region: eu-west-1, access_key: env:ID, "
      "secret_key: env:SECRET}}",
      "eu.amazon.nova-pro-v1:0");
  EXPECT_THAT(head, StartsWith("POST /model/eu.amazon.nova-pro-v1%3A0/converse-stream HTTP/1.1\r\n"));
  EXPECT_THAT(head, HasSubstr("Credential=AKIAEXAMPLE/"));
  EXPECT_THAT(head, HasSubstr("/eu-west-1/bedrock/aws4_request"));
  call("{name: a, base_url: 'http://h', dialect: converse, aws: {region: eu-west-1, bearer: env:KEY}}", "m");
  EXPECT_THAT(head, HasSubstr("\r\nAuthorization: Bearer the-key\r\n"));
}

TEST_F(ProviderFactory, Azure) {
  call("{name: a, base_url: 'http://h', auth: azure, api_key: env:KEY, azure: {style: deployments, api_version: v1}}",
       "my model");
  EXPECT_THAT(head, StartsWith("POST /openai/deployments/my%20model/chat/completions?api-version=v1 HTTP/1.1\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\napi-key: the-key\r\n"));
  call("{name: a, base_url: 'http://h/openai/v1/', auth: azure, dialect: responses, api_key: env:KEY}", "m");
  EXPECT_THAT(head, StartsWith("POST /openai/v1/responses HTTP/1.1\r\n"));
}

// The credential's own services are asked where they are said to be; without an answer nothing reaches the supplier.
TEST_F(ProviderFactory, VertexWithoutATokenIsNotCalled) {
  call("{name: a, base_url: 'http://h/v1/projects/p/locations/l/publishers/google', dialect: gemini, auth: google}",
       "gemini-3-pro");
  EXPECT_THAT(head, Not(HasSubstr("publishers")));
}

}  // namespace
}  // namespace perdure
