// The keys command: what it changes in the file, and how it ends.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "access/api_key.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/testing/run_command.h"
#include "wire/json.h"

namespace perdure::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class KeysCommand : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/perdure-cli-keys-XXXXXX";
    folder = ::mkdtemp(pattern);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  Ran run(std::vector<std::string_view> words) {
    return run_command(keys_command([this](const Options&) -> Result<std::string> { return folder; }),
                       std::move(words));
  }
  ApiKey only() {
    Result<std::vector<ApiKey>> keys = KeyFile(KeyFile::in(folder)).list();
    EXPECT_TRUE(keys.ok());
    EXPECT_EQ(keys->size(), 1u);
    return keys->at(0);
  }
  void make() {
    Ran made =
        run({"create", "--name", "trial", "--tenant", "shop", "--models", "small,large", "--regions", "eu", "--budget",
             "10 USD/month", "--budget", "1 USD/day", "--requests-per-minute", "60", "--tokens-per-minute", "1000"});
    ASSERT_EQ(made.code, kOk) << made.err;
  }
  std::string folder;
};

TEST_F(KeysCommand, UpdateChangesWhatIsSaidAndLeavesTheRest) {
  make();
  ApiKey before = only();
  Ran ran = run({"update", before.id.value, "--models", "small", "--requests-per-minute", "5", "--budget", "2 EUR/7d"});
  ASSERT_EQ(ran.code, kOk) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("changed " + before.id.value +
                                 ": scopes use; may use models small; regions eu; may "
                                 "spend 2 EUR/7d; a minute 5 requests, 1000 tokens"));
  ApiKey after = only();
  EXPECT_THAT(after.permits.models, ElementsAre("small"));
  EXPECT_THAT(after.permits.regions, ElementsAre("eu"));
  ASSERT_EQ(after.budgets.size(), 1u);
  EXPECT_EQ(to_string(after.budgets[0]), "2 EUR/7d");
  EXPECT_EQ(after.budgets[0].name, "trial");
  EXPECT_EQ(after.rates, (KeyRates{5, 1000}));
  EXPECT_EQ(after.hash, before.hash) << "the key itself stays";
  EXPECT_EQ(after.tenant, before.tenant);
  EXPECT_FALSE(before.updated);
  EXPECT_TRUE(after.updated);

  ran = run({"update", "trial", "--name", "real", "--scopes", "use,audit", "--json"});
  ASSERT_EQ(ran.code, kOk) << ran.err;
  Result<json::Document> said = json::Document::parse(ran.out);
  ASSERT_TRUE(said.ok());
  EXPECT_EQ(said->root()["name"].text(), "real");
  EXPECT_EQ(said->root()["scopes"].text(), "use,audit");
  EXPECT_EQ(said->root()["requests_per_minute"].integer(), 5);
  EXPECT_TRUE(said->root()["updated"].integer());
  EXPECT_TRUE(said->root()["key"].absent());
  EXPECT_EQ(only().budgets[0].name, "real") << "a key's budgets go by its name";
}

TEST_F(KeysCommand, UpdateTakesAwayInTwoWays) {
  make();
  Ran ran = run({"update", "trial", "--no-models", "--no-budget", "--no-requests-per-minute"});
  ASSERT_EQ(ran.code, kOk) << ran.err;
  ApiKey key = only();
  EXPECT_TRUE(key.permits.models.empty());
  EXPECT_THAT(key.permits.regions, ElementsAre("eu"));
  EXPECT_TRUE(key.budgets.empty());
  EXPECT_EQ(key.rates, (KeyRates{0, 1000}));
  ran = run({"update", "trial", "--regions", "", "--tokens-per-minute="});
  ASSERT_EQ(ran.code, kOk) << ran.err;
  EXPECT_TRUE(only().permits.unlimited());
  EXPECT_FALSE(only().rates.any());
}

TEST_F(KeysCommand, AnUpdateThatIsWrongChangesNothing) {
  make();
  const ApiKey before = only();
  const std::pair<std::vector<std::string_view>, std::string_view> wrong[] = {
      {{"update"}, "takes the id of one key"},
      {{"update", "trial"}, "needs something to change"},
      {{"update", "trial", "--tenant", "other"}, "the tenant of a key stays"},
      {{"update", "trial", "--scopes", "fly"}, "--scopes: \"fly\" is not a scope"},
      {{"update", "trial", "--scopes", ""}, "is not a scope"},
      {{"update", "trial", "--requests-per-minute", "0"}, "--requests-per-minute takes a whole number from 1"},
      {{"update", "trial", "--models", "a", "--tokens-per-minute", "many"}, "--tokens-per-minute takes"},
      {{"update", "trial", "--budget", "much"}, "--budget: must be an amount"},
      {{"update", "trial", "--models", "a", "--no-models"}, "contradict each other"},
      {{"create", "--no-models"}, "is an option of keys update"},
      {{"fly"}, "create, list, update, revoke"},
  };
  for (const auto& [words, message] : wrong) {
    Ran ran = run(words);
    EXPECT_EQ(ran.code, kUsage) << message;
    EXPECT_THAT(ran.err, HasSubstr(std::string(message)));
  }
  Ran ran = run({"update", "trial", "--models", "a,,b"});
  EXPECT_EQ(ran.code, kRefused);
  EXPECT_THAT(ran.err, HasSubstr("models: at most 1000 names"));
  EXPECT_EQ(run({"update", "none", "--models", "a"}).code, kNotFound);
  EXPECT_EQ(only().permits, before.permits);
  EXPECT_EQ(only().rates, before.rates);
  EXPECT_FALSE(only().updated);
  ASSERT_EQ(run({"revoke", "trial"}).code, kOk);
  ran = run({"update", before.id.value, "--models", "a"});
  EXPECT_EQ(ran.code, kRefused);
  EXPECT_THAT(ran.err, HasSubstr("was revoked"));
}

}  // namespace
}  // namespace perdure::cli
