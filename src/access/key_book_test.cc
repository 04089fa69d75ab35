#include "access/key_book.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace perdure {
namespace {

using namespace std::chrono_literals;

class HandClock final : public Clock {
 public:
  Instant at{1s};
  Instant now() const override { return at; }
  WallTime wall() const override { return WallTime(1'800'000'000'000ms); }
};

class KeyBookTest : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/perdure-keys-XXXXXX";
    folder = ::mkdtemp(pattern);
    path = KeyFile::in(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  KeyFile::Made make(const std::string& name, const std::string& tenant = "default",
                     const std::string& scopes = "use") {
    auto made = KeyFile(path).create(name, TenantId(tenant), *Scopes::parse(scopes), clock.wall(), random);
    EXPECT_TRUE(made.ok());
    return *made;
  }
  std::string text() const {
    std::ostringstream out;
    out << std::ifstream(path).rdbuf();
    return out.str();
  }
  std::string folder, path;
  HandClock clock;
  SeededRandom random{9};
};

TEST_F(KeyBookTest, WithoutKeysEverybodyIsTheDefaultTenant) {
  KeyBook book(path, clock, Log());
  ASSERT_TRUE(book.load().ok());
  EXPECT_FALSE(book.has_keys());
  Result<Caller> caller = book.identify("");
  ASSERT_TRUE(caller.ok());
  EXPECT_EQ(caller->tenant.value, "default");
  EXPECT_EQ(caller->scopes, Scopes::all());
}

TEST_F(KeyBookTest, AKeyNamesItsTenantAndScopes) {
  KeyFile::Made made = make("web", "shop", "use,audit");
  make("other", "else");
  KeyBook book(path, clock, Log());
  ASSERT_TRUE(book.load().ok());
  Result<Caller> caller = book.identify(made.secret);
  ASSERT_TRUE(caller.ok());
  EXPECT_EQ(caller->tenant.value, "shop");
  EXPECT_EQ(caller->key, made.key.id);
  EXPECT_EQ(caller->scopes.to_string(), "use,audit");
  EXPECT_EQ(book.identify("").error().code, Code::kDenied);
  EXPECT_EQ(book.identify(made.secret + "x").error().code, Code::kDenied);
}

TEST_F(KeyBookTest, TheFileHoldsNoKeyAndIsPrivate) {
  KeyFile::Made made = make("web");
  EXPECT_EQ(made.secret.size(), 47u);
  EXPECT_TRUE(made.secret.starts_with("pdk_"));
  EXPECT_EQ(text().find(made.secret.substr(4)), std::string::npos);
  struct stat s{};
  ASSERT_EQ(::stat(path.c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 0777, 0600u);
}

TEST_F(KeyBookTest, ChangesAreSeenWithinASecond) {
  KeyBook book(path, clock, Log());
  ASSERT_TRUE(book.load().ok());
  KeyFile::Made made = make("web");
  clock.at += 1s;
  EXPECT_TRUE(book.has_keys());
  EXPECT_FALSE(book.identify("").ok());
  EXPECT_TRUE(book.identify(made.secret).ok());
  ASSERT_TRUE(KeyFile(path).revoke("web", clock.wall()).ok());
  EXPECT_TRUE(book.identify(made.secret).ok());  // not looked at again yet
  clock.at += 1s;
  EXPECT_FALSE(book.identify(made.secret).ok());
}

TEST_F(KeyBookTest, ADamagedOrRemovedFileDoesNotOpenTheDoor) {
  KeyFile::Made made = make("web");
  KeyBook book(path, clock, Log());
  ASSERT_TRUE(book.load().ok());
  std::ofstream(path) << "{";
  clock.at += 1s;
  EXPECT_FALSE(book.identify("").ok());
  EXPECT_TRUE(book.identify(made.secret).ok());
  std::filesystem::remove(path);
  clock.at += 1s;
  EXPECT_TRUE(book.has_keys());
  EXPECT_FALSE(book.identify("").ok());

  std::ofstream(path) << "{";
  KeyBook fresh(path, clock, Log());
  EXPECT_EQ(fresh.load().error().code, Code::kCorrupt);
}

TEST_F(KeyBookTest, RevokingByNameNeedsOneOfThatName) {
  KeyFile::Made first = make("same");
  make("same");
  KeyFile file(path);
  EXPECT_EQ(file.revoke("same", clock.wall()).error().code, Code::kConflict);
  ASSERT_TRUE(file.revoke(first.key.id.value, clock.wall()).ok());
  ASSERT_TRUE(file.revoke(first.key.id.value, clock.wall()).ok());
  EXPECT_TRUE(file.revoke("same", clock.wall()).ok());
  EXPECT_EQ(file.revoke("none", clock.wall()).error().code, Code::kNotFound);
}

TEST_F(KeyBookTest, WhatAKeyMayUseIsKeptAndNeverForgotten) {
  Permits limits{.models = {"small", "a model"}, .parties = {}, .regions = {"eu"}};
  KeyFile file(path);
  Result<KeyFile::Made> limited =
      file.create("intern", TenantId("default"), *Scopes::parse("use"), clock.wall(), random, limits);
  ASSERT_TRUE(limited.ok());
  KeyFile::Made free = make("web");
  KeyBook book(path, clock, Log());
  ASSERT_TRUE(book.load().ok());
  ASSERT_NE(book.permits(limited->key.id), nullptr);
  EXPECT_EQ(*book.permits(limited->key.id), limits);
  EXPECT_EQ(book.permits(free.key.id), nullptr) << "everything";
  EXPECT_EQ(book.permits(KeyId()), nullptr) << "there were no keys when it was asked";
  ASSERT_TRUE(file.revoke("intern", clock.wall()).ok());
  clock.at += 1s;
  EXPECT_EQ(*book.permits(limited->key.id), limits) << "what it has begun keeps its limits";
  const Permits* gone = book.permits(KeyId("key_gone"));
  ASSERT_NE(gone, nullptr) << "unknown limits are not no limits";
  EXPECT_FALSE(gone->unlimited());
  std::string without = text();
  without.replace(without.find("\"regions\":[\"eu\"]"), 16, "\"regions\":[]    ");
  EXPECT_EQ(read_keys(without).error().code, Code::kCorrupt);
  EXPECT_EQ(file.create("bad", TenantId("default"), *Scopes::parse("use"), clock.wall(), random, {.models = {""}})
                .error()
                .code,
            Code::kInvalid);
}

TEST_F(KeyBookTest, AChangedKeyIsTheSameKeyWithinASecond) {
  KeyFile file(path);
  Result<KeyFile::Made> made =
      file.create("web", TenantId("shop"), *Scopes::parse("use"), clock.wall(), random,
                  {.models = {"small"}, .parties = {}, .regions = {"eu"}}, {*parse_budget("1 USD/day")}, {60, 1000});
  ASSERT_TRUE(made.ok());
  KeyBook book(path, clock, Log());
  ASSERT_TRUE(book.load().ok());
  Result<ApiKey> changed =
      file.update("web", {.name = "app", .models = std::vector<std::string>(), .requests_per_minute = 5}, clock.wall());
  ASSERT_TRUE(changed.ok());
  EXPECT_EQ(book.rates(made->key.id)->requests_per_minute, 60);  // not looked at again yet
  clock.at += 1s;
  EXPECT_EQ(*book.rates(made->key.id), (KeyRates{5, 1000}));
  EXPECT_EQ(*book.permits(made->key.id), (Permits{.models = {}, .parties = {}, .regions = {"eu"}}));
  EXPECT_EQ(book.budgets(made->key.id)->at(0).name, "app");
  EXPECT_EQ(book.identify(made->secret)->tenant.value, "shop");

  const std::string before = text();
  EXPECT_EQ(file.update("app", {.scopes = Scopes{}}, clock.wall()).error().code, Code::kInvalid);
  EXPECT_EQ(file.update("app", {.tokens_per_minute = kRateMax + 1}, clock.wall()).error().code, Code::kInvalid);
  EXPECT_EQ(
      file.update("app", {.budgets = std::vector<Budget>(9, *parse_budget("1 USD/day"))}, clock.wall()).error().code,
      Code::kInvalid);
  EXPECT_EQ(file.update("none", {}, clock.wall()).error().code, Code::kNotFound);
  EXPECT_EQ(text(), before);
  ASSERT_TRUE(file.revoke("app", clock.wall()).ok());
  EXPECT_EQ(file.update(made->key.id.value, {.name = "again"}, clock.wall()).error().code, Code::kConflict);
}

TEST_F(KeyBookTest, LimitsOfAKeyAreKeptAndNeverBecomeNone) {
  ApiKey key{.id = KeyId("key_1"), .tenant = TenantId("t"), .scopes = {1}, .rates = {60, 100'000}};
  std::string text = write_keys({key});
  Result<std::vector<ApiKey>> again = read_keys(text);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ((*again)[0].rates, key.rates);
  for (const char* bad : {"0", "-1", "1.5", "\"60\"", "1000000000001"}) {
    std::string spoilt = text;
    spoilt.replace(spoilt.find(":60,") + 1, 2, bad);
    EXPECT_FALSE(read_keys(spoilt).ok()) << spoilt;
  }
}

TEST_F(KeyBookTest, WordsAreChecked) {
  EXPECT_FALSE(Scopes::parse("use,fly").ok());
  EXPECT_FALSE(Scopes::parse("").ok());
  EXPECT_FALSE(parse_tenant("").ok());
  EXPECT_FALSE(parse_tenant("a/b").ok());
  EXPECT_FALSE(parse_tenant(std::string(65, 'a')).ok());
  EXPECT_TRUE(parse_tenant("team-1.prod_x").ok());
}

}  // namespace
}  // namespace perdure
