// Keys from files and from simulated services, over simulated connections and in virtual time.

#include "provider/aws_credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "async/task_group.h"
#include "http/sim_network.h"
#include "provider/testing/aws_profile_text.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(AwsCredentials, RegionOfAHost) {
  EXPECT_EQ(aws_region_of("bedrock-runtime.eu-central-1.amazonaws.com"), "eu-central-1");
  EXPECT_EQ(aws_region_of("bedrock-runtime-fips.us-gov-west-1.amazonaws.com"), "us-gov-west-1");
  EXPECT_EQ(aws_region_of("bedrock-runtime.cn-north-1.amazonaws.com.cn"), "cn-north-1");
  EXPECT_EQ(aws_region_of("vpce-0a-1b.bedrock-runtime.us-east-1.vpce.amazonaws.com"), "us-east-1");
  for (const char* host :
       {"", "example.com", "bedrock-runtime.example.com", "127.0.0.1", "xbedrock-runtime.eu-central-1.amazonaws.com"})
    EXPECT_EQ(aws_region_of(host), "") << host;
}

TEST(AwsCredentials, Environment) {
  std::map<std::string, std::string> variables = {{"HOME", "/home/me"}};
  const auto read = [&] { return aws_environment([&](const char* name) { return variables[name]; }); };
  EXPECT_EQ(read().profile.credentials_file, "/home/me/.aws/credentials");
  EXPECT_EQ(read().profile.config_file, "/home/me/.aws/config");
  EXPECT_EQ(read().profile.name, "default");
  EXPECT_FALSE(read().profile_named || read().instance_disabled);
  variables = {{"AWS_DEFAULT_REGION", "a"},       {"AWS_PROFILE", "p"},
               {"AWS_CONFIG_FILE", "/c"},         {"AWS_EC2_METADATA_DISABLED", "true"},
               {"AWS_BEARER_TOKEN_BEDROCK", "b"}, {"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://[fd00:ec2::254]/"}};
  EXPECT_EQ(read().region, "a");
  EXPECT_EQ(read().profile.name, "p");
  EXPECT_TRUE(read().profile_named && read().instance_disabled);
  EXPECT_EQ(read().profile.config_file, "/c");
  EXPECT_EQ(read().profile.credentials_file, "") << "there is no home";
  EXPECT_EQ(read().bearer_token, "b");
  EXPECT_EQ(read().instance.endpoint, "http://[fd00:ec2::254]");
  variables["AWS_REGION"] = "r";
  EXPECT_EQ(read().region, "r");
}

// --- with a loop ---

struct Faults final : SimFaults {
  SimConnection next;
  std::vector<std::string> connects;
  SimConnection on_connect(const Address& to, const ConnectOptions&) override {
    connects.push_back(to.host + ":" + std::to_string(to.port));
    return next;
  }
};

struct CountingSink final : LogSink {
  std::string all;
  void write(Level, std::string_view event, std::initializer_list<Field> fields) override {
    all.append(event);
    for (const Field& field : fields) all.append(" ").append(field.text);
    all += '\n';
  }
};

class AwsKeysTest : public testing::Test {
 protected:
  SimLoop loop{3};
  SimCable cable{loop, 5};
  SimNetwork there{cable}, here{cable};
  Faults faults;
  TaskGroup group{loop};
  std::vector<std::unique_ptr<Listener>> listeners;
  std::unique_ptr<HttpClient> client;
  std::unique_ptr<JobRunner> runner = loop.make_runner(1ms);
  OffLoopFiles files{loop, *runner};
  std::filesystem::path folder;
  std::shared_ptr<CountingSink> sink = std::make_shared<CountingSink>();
  std::vector<std::string> requests;  // "METHOD /path"

  // One answer for each request, by what is asked and how often it was.
  std::function<std::string(const std::string& request, int count)> answer;
  std::map<std::string, int> counts;
  Duration answer_time = 0s;

  void SetUp() override {
    cable.set_faults(&faults);
    client = std::make_unique<HttpClient>(loop, here, ProxyRules{});
    folder = std::filesystem::temp_directory_path() / ("perdure-aws-" + std::to_string(::getpid()));
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  void TearDown() override {
    client.reset();
    for (auto& listener : listeners) listener->close();
    loop.run(group.join());
    std::filesystem::remove_all(folder);
  }

  static std::string reply(int status, std::string_view body) {
    return "HTTP/1.1 " + std::to_string(status) +
           " x\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           std::string(body);
  }
  std::string stamp(Duration from_now) {
    const auto at = std::chrono::floor<std::chrono::seconds>(std::chrono::sys_time<std::chrono::milliseconds>(
        (loop.wall() + std::chrono::duration_cast<std::chrono::milliseconds>(from_now)).time_since_epoch()));
    const auto day = std::chrono::floor<std::chrono::days>(at);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(at - day);
    char out[40];
    std::snprintf(out, sizeof out, "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                  static_cast<int>(time.seconds().count()));
    return out;
  }
  std::string keys_json(const std::string& id, Duration valid, std::string_view more = R"("Code":"Success",)") {
    return "{" + std::string(more) + R"("AccessKeyId":")" + id + R"(","SecretAccessKey":"secret-)" + id +
           R"(","Token":"token-)" + id + R"(","Expiration":")" + stamp(valid) + "\"}";
  }

  void serve(int port = 80) {
    listeners.push_back(there.listen({"", port}, nullptr, false).value());
    group.spawn(accept(*listeners.back()));
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
      if (end == std::string::npos) {
        auto n = co_await stream->read_some(piece, deadline_in(loop, 600s));
        if (!n.ok() || n.value() == 0) co_return;
        input.append(piece, n.value());
        continue;
      }
      const std::string head = input.substr(0, end + 2);
      input.erase(0, end + 4);
      const std::string request = head.substr(0, head.find(" HTTP/"));
      requests.push_back(request);
      heads.push_back(head);
      const std::string text = answer(request, counts[request]++);
      if (answer_time > 0s) co_await sleep_for(loop, answer_time);
      if (text.empty()) {
        stream->abort();
        co_return;
      }
      if (!(co_await stream->write_all(text, deadline_in(loop, 60s))).ok()) co_return;
    }
  }
  std::vector<std::string> heads;

  std::string write(const std::string& name, std::string_view text) {
    const auto path = folder / name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  std::string fetched(AwsKeySource& source, Duration time = 60s) {
    auto identity = loop.run(source.fetch(deadline_in(loop, time)));
    if (!identity.ok()) return std::string(to_string(identity.error().code)) + ": " + identity.error().message;
    return identity->keys.access_key_id + " " + identity->keys.secret_access_key + " " + identity->keys.session_token;
  }
  std::string id_of(AwsKeyRing& ring, Duration time = 60s) {
    auto keys = loop.run(ring.keys(deadline_in(loop, time)));
    return keys.ok() ? keys->access_key_id : std::string(to_string(keys.error().code));
  }
  void pass(Duration time) {
    loop.run([](SimLoop& l, Duration d) -> Task<void> { co_await sleep_for(l, d); }(loop, time));
  }
};

TEST_F(AwsKeysTest, FilesAreReadOffTheLoop) {
  const std::string path = write("a", std::string("x\0y", 3));
  auto text = loop.run(files.read(path, deadline_in(loop, 1s)));
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, std::string("x\0y", 3));
  EXPECT_EQ(loop.run(files.read(path + "-not", deadline_in(loop, 1s))).error().code, Code::kNotFound);
  EXPECT_EQ(loop.run(files.read(folder, deadline_in(loop, 1s))).error().code, Code::kUnavailable);
  write("big", std::string(OffLoopFiles::kBytesMax + 1, 'x'));
  EXPECT_EQ(loop.run(files.read(folder / "big", deadline_in(loop, 1s))).error().code, Code::kUnavailable);
  EXPECT_EQ(loop.run(files.read(path, Deadline{loop.now()})).error().code, Code::kDeadline);
}

TEST_F(AwsKeysTest, StaticKeys) {
  EXPECT_EQ(fetched(*static_aws_keys({"id", "secret", "token"})), "id secret token");
  EXPECT_EQ(fetched(*static_aws_keys({})), "not_found: No AWS access key is given.");
  EXPECT_EQ(fetched(*static_aws_keys({"id", "", ""})), "denied: Only one half of an AWS access key is given.");
}

TEST_F(AwsKeysTest, ProfileFilesAreReadAgain) {
  const std::string credentials = write("credentials", kCredentials), config = write("config", kConfig);
  AwsKeyRing ring(loop, profile_aws_keys({"work", credentials, config}, files, loop), Log(sink));
  EXPECT_EQ(id_of(ring), "AKIAWORK");
  write("credentials", "[work]\naws_access_key_id=AKIANEW\naws_secret_access_key=s\n");
  pass(4min);
  EXPECT_EQ(id_of(ring), "AKIAWORK");
  pass(2min);
  EXPECT_EQ(id_of(ring), "AKIANEW");
  std::filesystem::remove(credentials);
  pass(6min);
  EXPECT_EQ(id_of(ring), "AKIANEW") << "a file that vanished takes nothing away";
  EXPECT_EQ(fetched(*profile_aws_keys({"work", folder / "no", folder / "neither"}, files, loop)),
            "not_found: The AWS profile 'work' is in no file.");
}

TEST_F(AwsKeysTest, ContainerByARelativeAddress) {
  serve();
  answer = [&](const std::string&, int) { return reply(200, keys_json("AC", 1h, "")); };
  EXPECT_EQ(fetched(*container_aws_keys(
                {.relative_uri = "/v2/credentials/uuid", .full_uri = {}, .token = {}, .token_file = {}}, *client, files,
                loop)),
            "AC secret-AC token-AC");
  EXPECT_THAT(faults.connects, ElementsAre("169.254.170.2:80"));
  EXPECT_THAT(requests, ElementsAre("GET /v2/credentials/uuid"));
  EXPECT_THAT(heads[0], Not(HasSubstr("Authorization")));
}

TEST_F(AwsKeysTest, ContainerByAFullAddressWithAToken) {
  serve(8080);
  answer = [&](const std::string&, int) { return reply(200, keys_json("AC", 1h)); };
  const std::string token_file = write("token", "from file\n");
  const auto source = container_aws_keys({.relative_uri = {},
                                          .full_uri = "http://127.0.0.1:8080/creds?x=1",
                                          .token = "from variable",
                                          .token_file = token_file},
                                         *client, files, loop);
  EXPECT_EQ(fetched(*source), "AC secret-AC token-AC");
  EXPECT_THAT(heads[0], HasSubstr("\r\nAuthorization: from file\r\n"));
  write("token", "rotated");
  (void)fetched(*source);
  EXPECT_THAT(heads[1], HasSubstr("\r\nAuthorization: rotated\r\n"));
  write("token", "a\r\nX-Evil: 1");
  EXPECT_THAT(fetched(*source), HasSubstr("denied"));
  std::filesystem::remove(token_file);
  EXPECT_THAT(fetched(*source), HasSubstr("not_found"));
  EXPECT_EQ(requests.size(), 2u);
}

TEST_F(AwsKeysTest, ContainerAddressesThatAreNotTrusted) {
  for (const char* url : {"http://example.com/", "http://169.254.169.254/", "http://127.0.0.1.evil.com/",
                          "http://127.1/", "ftp://localhost/", "x"}) {
    const auto source = container_aws_keys({.relative_uri = {}, .full_uri = url, .token = "secret", .token_file = {}},
                                           *client, files, loop);
    EXPECT_THAT(fetched(*source, 1s), HasSubstr("denied")) << url;
  }
  EXPECT_THAT(faults.connects, IsEmpty());
  EXPECT_EQ(fetched(*container_aws_keys({}, *client, files, loop)), "not_found: No service of a container is named.");
  EXPECT_THAT(fetched(*container_aws_keys({.relative_uri = "no/slash", .full_uri = {}, .token = {}, .token_file = {}},
                                          *client, files, loop)),
              HasSubstr("denied"));
}

TEST_F(AwsKeysTest, ServicesThatFailOrTalkNonsense) {
  serve();
  const auto source =
      container_aws_keys({.relative_uri = "/c", .full_uri = {}, .token = {}, .token_file = {}}, *client, files, loop);
  answer = [&](const std::string&, int count) {
    return count < 2 ? reply(500, "busy") : reply(200, keys_json("AC", 1h));
  };
  EXPECT_EQ(fetched(*source), "AC secret-AC token-AC") << "tried again";
  answer = [&](const std::string&, int) { return std::string(); };
  EXPECT_THAT(fetched(*source), HasSubstr("unavailable: The container's credentials service does not answer"));
  answer = [&](const std::string&, int) { return reply(503, "secret-words"); };
  EXPECT_EQ(fetched(*source), "unavailable: The container's credentials service answered with status 503.");
  for (const std::string& body :
       {std::string("no json"), std::string("{}"),
        std::string(R"({"Code":"AssumeRoleUnauthorizedAccess","Message":"x"})"), std::string(R"({"AccessKeyId":"A"})"),
        std::string(R"({"AccessKeyId":"A","SecretAccessKey":"secret-A","Expiration":"soon"})"),
        std::string(R"({"AccessKeyId":"A","SecretAccessKey":"secret-A","Expiration":"2026-02-30T00:00:00Z"})")}) {
    answer = [&](const std::string&, int) { return reply(200, body); };
    const std::string told = fetched(*source);
    EXPECT_THAT(told, HasSubstr("corrupt: The container's credentials service gave no keys")) << body;
    EXPECT_THAT(told, Not(HasSubstr("secret-")));
  }
  answer = [&](const std::string&, int) { return reply(200, std::string(100 << 10, ' ')); };
  EXPECT_THAT(fetched(*source), HasSubstr("too long"));
  answer_time = 30s;
  const Instant before = loop.now();
  EXPECT_THAT(fetched(*source), HasSubstr("unavailable"));
  EXPECT_LE(loop.now() - before, 7s) << "three tries of two seconds";
}

class AwsInstanceTest : public AwsKeysTest {
 protected:
  int tokens = 0;
  std::string keys = "AI1";
  Duration valid = 6h;
  void start() {
    serve();
    answer = [this](const std::string& request, int) {
      if (request == "PUT /latest/api/token") return reply(200, "token" + std::to_string(++tokens));
      if (heads.back().find("X-aws-ec2-metadata-token: token" + std::to_string(tokens) + "\r\n") == std::string::npos)
        return reply(401, "");
      if (request == "GET /latest/meta-data/iam/security-credentials/") return reply(200, "my-role\n");
      if (request == "GET /latest/meta-data/iam/security-credentials/my-role")
        return reply(200, keys_json(keys, valid));
      return reply(404, "");
    };
  }
};

TEST_F(AwsInstanceTest, ByTokenAndRole) {
  start();
  const auto source = instance_aws_keys({}, *client, loop);
  EXPECT_EQ(fetched(*source), "AI1 secret-AI1 token-AI1");
  EXPECT_THAT(requests, ElementsAre("PUT /latest/api/token", "GET /latest/meta-data/iam/security-credentials/",
                                    "GET /latest/meta-data/iam/security-credentials/my-role"));
  EXPECT_THAT(heads[0], HasSubstr("X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"));
  EXPECT_THAT(faults.connects, ElementsAre("169.254.169.254:80"));
  (void)fetched(*source);
  EXPECT_EQ(tokens, 1) << "a token is used until it ends";
  pass(6h);
  EXPECT_EQ(fetched(*source), "AI1 secret-AI1 token-AI1");
  EXPECT_EQ(tokens, 2);
  ++tokens;  // the service has forgotten ours
  EXPECT_EQ(fetched(*source), "AI1 secret-AI1 token-AI1");
  EXPECT_EQ(tokens, 4);
}

TEST_F(AwsInstanceTest, WithoutRoleOrService) {
  EXPECT_THAT(fetched(*instance_aws_keys({}, *client, loop)), HasSubstr("unavailable")) << "nobody listens";
  faults.next.black_hole = true;
  const Instant before = loop.now();
  EXPECT_THAT(fetched(*instance_aws_keys({}, *client, loop)), HasSubstr("unavailable")) << "no instance";
  EXPECT_LE(loop.now() - before, 7s);
  faults.next = {};
  serve();
  answer = [&](const std::string& request, int) {
    return request.starts_with("PUT") ? reply(200, "t") : reply(404, "");
  };
  EXPECT_EQ(fetched(*instance_aws_keys({}, *client, loop)), "not_found: The instance has no role.");
  answer = [&](const std::string&, int) { return reply(403, ""); };
  EXPECT_EQ(fetched(*instance_aws_keys({}, *client, loop)),
            "not_found: The instance's metadata service is switched off.");
  answer = [&](const std::string& request, int) {
    return request.starts_with("PUT") ? reply(200, "t") : reply(200, "../../evil");
  };
  EXPECT_THAT(fetched(*instance_aws_keys({}, *client, loop)), HasSubstr("corrupt"));
  answer = [&](const std::string& request, int) {
    return request.starts_with("PUT") ? reply(200, "t") : reply(401, "");
  };
  EXPECT_THAT(fetched(*instance_aws_keys({}, *client, loop)), HasSubstr("status 401")) << "and no endless asking";
}

// --- the ring ---

TEST_F(AwsInstanceTest, KeysAreRenewedBeforeTheyExpire) {
  start();
  AwsKeyRing ring(loop, instance_aws_keys({}, *client, loop), Log(sink));
  EXPECT_EQ(id_of(ring), "AI1");
  const size_t asked = requests.size();
  keys = "AI2";
  pass(5h + 50min);
  EXPECT_EQ(id_of(ring), "AI1");
  EXPECT_EQ(requests.size(), asked) << "nothing is asked while the keys hold";
  pass(6min);
  EXPECT_EQ(id_of(ring), "AI2") << "less than five minutes are left";
  pass(5h);
  EXPECT_EQ(id_of(ring), "AI2");
}

TEST_F(AwsInstanceTest, OneFetchForAll) {
  start();
  answer_time = 100ms;
  AwsKeyRing ring(loop, instance_aws_keys({}, *client, loop), Log(sink));
  std::vector<std::string> ids;
  const auto ask = [](AwsKeyRing& of, std::vector<std::string>& into, SimLoop& l) -> Task<void> {
    auto keys = co_await of.keys(deadline_in(l, 60s));
    into.push_back(keys.ok() ? keys->access_key_id : "error");
  };
  for (int i = 0; i < 50; ++i) group.spawn(ask(ring, ids, loop));
  ASSERT_TRUE(loop.run_until([&] { return ids.size() == 50; }));
  EXPECT_EQ(requests.size(), 3u);
  EXPECT_THAT(ids, testing::Each("AI1"));

  // Before they expire one renews, and the others do not wait for it.
  keys = "AI2";
  pass(5h + 58min);
  ids.clear();
  requests.clear();
  for (int i = 0; i < 50; ++i) group.spawn(ask(ring, ids, loop));
  ASSERT_TRUE(loop.run_until([&] { return ids.size() == 49; }));
  EXPECT_THAT(ids, testing::Each("AI1"));
  ASSERT_TRUE(loop.run_until([&] { return ids.size() == 50; }));
  EXPECT_EQ(ids.back(), "AI2");
  EXPECT_LE(requests.size(), 3u);
}

TEST_F(AwsInstanceTest, OneFailureForAll) {
  serve();
  answer = [&](const std::string&, int) { return reply(500, ""); };
  answer_time = 10ms;
  AwsKeyRing ring(loop, instance_aws_keys({}, *client, loop), Log(sink));
  int failed = 0;
  const auto ask = [](AwsKeyRing& of, int& count, SimLoop& l) -> Task<void> {
    auto keys = co_await of.keys(deadline_in(l, 60s));
    count += !keys.ok() && keys.error().code == Code::kUnavailable;
  };
  for (int i = 0; i < 50; ++i) group.spawn(ask(ring, failed, loop));
  ASSERT_TRUE(loop.run_until([&] { return failed == 50; }));
  EXPECT_EQ(requests.size(), 3u) << "three tries, not a hundred and fifty";
  EXPECT_EQ(id_of(ring), "unavailable");
  EXPECT_EQ(requests.size(), 3u) << "not asked again at once";
  pass(6s);
  EXPECT_EQ(id_of(ring), "unavailable");
  EXPECT_EQ(requests.size(), 6u);
}

TEST_F(AwsInstanceTest, ADeadlineOfOneIsNotThatOfOthers) {
  start();
  answer_time = 1s;
  AwsKeyRing ring(loop, instance_aws_keys({}, *client, loop), Log(sink));
  std::vector<std::string> said(2);
  const auto ask = [](AwsKeyRing& of, std::string& into, SimLoop& l, Duration time) -> Task<void> {
    auto keys = co_await of.keys(deadline_in(l, time));
    into = keys.ok() ? keys->access_key_id : std::string(to_string(keys.error().code));
  };
  group.spawn(ask(ring, said[0], loop, 500ms));
  ASSERT_FALSE(loop.run_until([&] { return !said[0].empty(); }, 100ms));
  group.spawn(ask(ring, said[1], loop, 30s));
  ASSERT_TRUE(loop.run_until([&] { return !said[0].empty() && !said[1].empty(); }));
  EXPECT_NE(said[0], "AI1");
  EXPECT_EQ(said[1], "AI1");
}

TEST_F(AwsInstanceTest, AFailingServiceTakesNothingAway) {
  start();
  AwsKeyRing ring(loop, instance_aws_keys({}, *client, loop), Log(sink));
  EXPECT_EQ(id_of(ring), "AI1");
  const auto working = answer;
  answer = [&](const std::string&, int) { return reply(500, ""); };
  pass(5h + 56min);
  requests.clear();
  EXPECT_EQ(id_of(ring), "AI1") << "they still hold";
  const size_t asked = requests.size();
  EXPECT_GT(asked, 0u);
  EXPECT_EQ(id_of(ring), "AI1");
  EXPECT_EQ(requests.size(), asked) << "not asked again at once";
  pass(31s);
  EXPECT_EQ(id_of(ring), "AI1");
  EXPECT_GT(requests.size(), asked);
  pass(4min);
  EXPECT_EQ(id_of(ring), "unavailable") << "now they have expired";
  answer = working;
  keys = "AI2";
  pass(6s);
  EXPECT_EQ(id_of(ring), "AI2");
  EXPECT_THAT(sink->all, HasSubstr("aws.credentials_not_renewed"));
  EXPECT_THAT(sink->all, Not(HasSubstr("secret-")));
  EXPECT_THAT(sink->all, Not(HasSubstr("token-")));
}

TEST_F(AwsInstanceTest, ExpiredKeysOfTheServiceAreUsedAllTheSame) {
  start();
  valid = -1h;
  AwsKeyRing ring(loop, instance_aws_keys({}, *client, loop), Log(sink));
  EXPECT_EQ(id_of(ring), "AI1") << "while the service is cut off from its own source";
  keys = "AI2", valid = 6h;
  EXPECT_EQ(id_of(ring), "AI1");
  pass(6min);
  EXPECT_EQ(id_of(ring), "AI2");
}

TEST_F(AwsKeysTest, ExpiredKeysOfAContainerAreNotUsed) {
  serve();
  answer = [&](const std::string&, int) { return reply(200, keys_json("AC", -1s)); };
  AwsKeyRing ring(
      loop,
      container_aws_keys({.relative_uri = "/c", .full_uri = {}, .token = {}, .token_file = {}}, *client, files, loop),
      Log(sink));
  EXPECT_EQ(id_of(ring), "unavailable");
}

TEST_F(AwsInstanceTest, RefusedKeysAreFetchedAnew) {
  start();
  AwsKeyRing ring(loop, instance_aws_keys({}, *client, loop), Log(sink));
  EXPECT_EQ(id_of(ring), "AI1");
  keys = "AI2";
  ring.refused();
  EXPECT_EQ(id_of(ring), "AI1") << "they are new; it is the permission that lacks";
  pass(2min);
  ring.refused();
  EXPECT_EQ(id_of(ring), "AI2");
  requests.clear();
  EXPECT_EQ(id_of(ring), "AI2");
  EXPECT_THAT(requests, IsEmpty());
}

TEST_F(AwsInstanceTest, PlacesInOrder) {
  start();
  AwsEnvironment environment;
  environment.profile = {"default", folder / "credentials", folder / "config"};
  const auto from = [&] { return fetched(*aws_key_sources(environment, *client, files, loop)); };
  EXPECT_EQ(from(), "AI1 secret-AI1 token-AI1");
  environment.container.relative_uri = "/c";
  EXPECT_EQ(from(), "AI1 secret-AI1 token-AI1") << "a container's service that does not answer";
  write("credentials", kCredentials);
  EXPECT_EQ(from(), "AKIADEFAULT secret/default+= ");
  environment.keys = {"AKIAENV", "s", ""};
  EXPECT_EQ(from(), "AKIAENV s ");
  environment.keys = {};
  environment.profile.name = "work";
  EXPECT_EQ(from(), "AKIAWORK secretwork2 token==");
  environment.profile.name = "gone";
  EXPECT_EQ(from(), "AI1 secret-AI1 token-AI1");
  environment.profile_named = true;
  EXPECT_EQ(from(), "denied: The AWS profile 'gone' is in no file.") << "it was asked for";
  environment.profile_named = false;
  environment.container = {};
  environment.instance_disabled = true;
  requests.clear();
  EXPECT_THAT(from(), HasSubstr("denied: There are no AWS credentials"));
  EXPECT_THAT(requests, IsEmpty());
}

TEST_F(AwsInstanceTest, ThePlaceThatHadKeysIsKept) {
  start();
  AwsEnvironment environment;
  environment.profile = {"default", folder / "credentials", ""};
  const auto source = aws_key_sources(environment, *client, files, loop);
  EXPECT_EQ(fetched(*source), "AI1 secret-AI1 token-AI1");
  write("credentials", kCredentials);
  EXPECT_EQ(fetched(*source), "AI1 secret-AI1 token-AI1");
}

// --- signing ---

TEST_F(AwsKeysTest, T26_CallsAreSignedAsTheyAreSent) {
  const AwsKeys keys{"AKIAEXAMPLE", "secret/key+", "session//token"};
  const auto credential =
      aws_credential({"", "bedrock"}, std::make_unique<AwsKeyRing>(loop, static_aws_keys(keys)), loop);
  HttpCall call;
  call.url =
      parse_url(
          "https://vpce-1.bedrock-runtime.eu-central-1.vpce.amazonaws.com:8443/model/arn%3Aaws%3Ax%2Fy/converse?a=b")
          .value();
  call.headers.add("Content-Type", "application/json");
  call.headers.add("authorization", "Bearer leftover");
  call.headers.add("traceparent", "00-0-0-00");
  call.body = R"({"x":"\u00e4"})";
  for (int i = 0; i < 2; ++i) {  // a call that is signed again after a while
    ASSERT_TRUE(loop.run(credential->sign(call, deadline_in(loop, 1s))).ok());
    EXPECT_EQ(call.headers.get("Host"), "vpce-1.bedrock-runtime.eu-central-1.vpce.amazonaws.com:8443");
    EXPECT_EQ(call.headers.get("X-Amz-Security-Token"), "session//token");
    EXPECT_THAT(std::string(call.headers.get("Authorization")),
                HasSubstr("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token,"));
    EXPECT_THAT(std::string(call.headers.get("Authorization")), HasSubstr("/eu-central-1/bedrock/aws4_request"));
    auto verified = verify_v4({call.method, call.url.path, call.headers.pairs(), call.body}, keys,
                              {"eu-central-1", "bedrock"}, loop.wall());
    EXPECT_TRUE(verified.ok()) << verified.error().message;
    int authorizations = 0;
    for (const auto& [name, value] : call.headers.fields())
      authorizations += equal_ignoring_case(name, "authorization");
    EXPECT_EQ(authorizations, 1);
    pass(1h);
  }
}

TEST_F(AwsKeysTest, WhatCannotBeSigned) {
  HttpCall call;
  call.url = parse_url("https://example.com/").value();
  const auto refusal = [&](SigV4Scope scope, AwsKeys keys) {
    const auto credential =
        aws_credential(std::move(scope), std::make_unique<AwsKeyRing>(loop, static_aws_keys(std::move(keys))), loop);
    auto signed_call = loop.run(credential->sign(call, deadline_in(loop, 1s)));
    return signed_call.ok() ? std::string("none")
                            : std::string(to_string(signed_call.error().code)) + " " + signed_call.error().reason +
                                  " " + signed_call.error().message;
  };
  EXPECT_EQ(refusal({"eu-central-1", "bedrock"}, {"id", "secret1", ""}), "none");
  EXPECT_THAT(refusal({"", "bedrock"}, {"id", "secret1", ""}), HasSubstr("denied supplier_denied No AWS region"));
  EXPECT_THAT(refusal({"eu-central-1", "bedrock"}, {"i d", "secret1", ""}),
              HasSubstr("denied supplier_denied The call cannot be signed"));
  EXPECT_THAT(refusal({"eu-central-1", "bedrock"}, {"id\n", "secret1", ""}), Not(HasSubstr("secret1")));
  EXPECT_THAT(refusal({"eu-central-1", "bedrock"}, {}), HasSubstr("denied supplier_denied No AWS access key"));
}

}  // namespace
}  // namespace perdure
