// Router: who serves what, who does not and why, which error the client gets, and what an attempt's lease does; in
// virtual time.

#include "routing/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "routing/testing/router_bench.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

using Bench = RouterBench;

TEST(Router, NothingConfiguredAndNoSuchModel) {
  Bench none;
  none.deployments.clear();
  EXPECT_EQ(none.where(), "no_provider");
  EXPECT_EQ(none.code(), "unavailable");
  Bench b;
  b.ask.model = "other";
  EXPECT_EQ(b.where(), "model_not_found");
  EXPECT_EQ(b.router().place(b.ask).error().param, "model");
  EXPECT_EQ(b.code(), "not_found");
}

TEST(Router, ARequestIsWorthRelayingWhereAnyDeploymentOfItsModelTakesItsDialect) {
  Bench b;
  SilentProvider chat("d", "chat");
  b.deployments.push_back(Deployment::simple("m", chat));
  b.deployments.push_back(Deployment::simple("n", b.a));
  EXPECT_TRUE(b.router().relays({}, "m", "chat"));
  EXPECT_FALSE(b.router().relays({}, "m", "messages"));
  EXPECT_FALSE(b.router().relays({}, "n", "chat"));
  EXPECT_TRUE(b.router().relays({}, "unheard-of", "chat")) << "who begins is told that there is none";
}

TEST(Router, ADeploymentOfItsNameGoesBeforeOneOfAnyName) {
  Bench b;
  b.deployments.push_back(Deployment::simple("*", b.c));
  EXPECT_EQ(b.where(), "m@a");
  b.ask.model = "unheard-of";
  EXPECT_EQ(b.where(), "*@c");
  Result<std::unique_ptr<AttemptLease>> lease = b.begin();
  ASSERT_TRUE(lease.ok());
  EXPECT_EQ((*lease)->model(), "unheard-of");
}

TEST(Router, PriorityThenWeight) {
  Bench b;
  EXPECT_EQ(b.where(), "m@a");
  b.deployments[0].priority = 2;
  b.deployments[1].priority = b.deployments[2].priority = 1;
  b.deployments[1].weight = 3;
  b.made.reset();
  std::map<std::string, int> counts;
  for (int i = 0; i < 4000; ++i) ++counts[b.where()];
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_NEAR(counts["m@b"], 3000, 150);
  EXPECT_NEAR(counts["m@c"], 1000, 150);
}

TEST(Router, WeightZeroIsTheLastResort) {
  Bench b;
  b.workload().policy = RoutingPolicy::kWeighted;
  b.deployments[0].weight = 0;
  for (int i = 0; i < 200; ++i) EXPECT_NE(b.where(), "m@a");
  b.withdraw(WithdrawalKind::kProvider, "b");
  b.withdraw(WithdrawalKind::kProvider, "c");
  EXPECT_EQ(b.where(), "m@a");
}

TEST(Router, TheSameSeedPlacesTheSame) {
  auto places = [] {
    Bench b;
    b.workload().policy = RoutingPolicy::kWeighted;
    std::vector<std::string> out;
    for (int i = 0; i < 50; ++i) out.push_back(b.where());
    return out;
  };
  EXPECT_EQ(places(), places());
}

TEST(Router, LeastCostCountsInputAndOutput) {
  Bench b;
  b.workload().policy = RoutingPolicy::kLeastCost;
  auto price = [](const char* input, const char* output) {
    Price out;
    out.rates.input = *Money::parse(input);
    out.rates.output = *Money::parse(output);
    return out;
  };
  b.deployments[0].price = price("0.00001", "0.00001");
  b.deployments[1].price = price("0.000001", "0.0001");  // long answers are dear here
  b.ask.needs = {.capabilities = {}, .context_tokens = 10'000, .output_tokens = 10};
  EXPECT_EQ(b.where(), "m@b");
  b.ask.needs = {.capabilities = {}, .context_tokens = 10, .output_tokens = 500};
  EXPECT_EQ(b.where(), "m@a");
  b.withdraw(WithdrawalKind::kProvider, "a");
  b.withdraw(WithdrawalKind::kProvider, "b");
  EXPECT_EQ(b.where(), "m@c") << "without a price: after those that have one";
}

TEST(Router, LeastLatencyFindsOutAndThenKeepsToTheQuickest) {
  Bench b;
  b.workload().policy = RoutingPolicy::kLeastLatency;
  std::map<std::string, Duration> took{{"m@a", 500ms}, {"m@b", 100ms}, {"m@c", 900ms}};
  std::vector<std::string> seen;
  for (int i = 0; i < 12; ++i) {
    Result<std::unique_ptr<AttemptLease>> lease = b.begin();
    ASSERT_TRUE(lease.ok());
    std::string name = (*lease)->deployment().name;
    seen.push_back(name);
    ASSERT_TRUE((*lease)->dispatch().ok());
    auto wait = [](Loop& loop, Duration d) -> Task<void> { co_await sleep_for(loop, d); };
    b.loop.run(wait(b.loop, took[name]));
    (*lease)->came(took[name]);
    (void)(*lease)->ended({});
  }
  EXPECT_THAT(std::vector(seen.begin(), seen.begin() + 3), UnorderedElementsAre("m@a", "m@b", "m@c"));
  for (size_t i = 3; i < seen.size(); ++i) EXPECT_EQ(seen[i], "m@b");
}

TEST(Router, AnAnswerThatGoesOnGoesToWhoTakesAPrefillIfItsPriorityIsLower) {
  Bench bench;
  bench.deployments[1].capabilities[Capability::kPrefill] = Known::kYes;
  EXPECT_EQ(bench.where(), "m@a");
  bench.ask.goes_on = true;
  EXPECT_EQ(bench.where(), "m@b");
  // Whoever has failed this answer comes later all the same.
  std::vector<Tried> tried{{.deployment = 1, .failures = 1}};
  bench.ask.tried = tried;
  EXPECT_EQ(bench.where(), "m@a");
}

TEST(Router, LeastLoadedSpreadsByWeight) {
  Bench b;
  b.workload().policy = RoutingPolicy::kLeastLoaded;
  b.deployments[2].weight = 2;
  std::vector<std::unique_ptr<AttemptLease>> running;
  std::map<std::string, int> counts;
  for (int i = 0; i < 8; ++i) {
    running.push_back(*b.begin());
    ++counts[running.back()->deployment().name];
  }
  EXPECT_EQ(counts["m@a"], 2);
  EXPECT_EQ(counts["m@b"], 2);
  EXPECT_EQ(counts["m@c"], 4);
  running.clear();
}

TEST(Router, WhatItCannotDoIsNotAskedOfIt) {
  Bench b;
  b.deployments[0].capabilities[Capability::kTools] = Known::kNo;
  b.deployments[1].capabilities.context_tokens = 1000;
  b.ask.needs.capabilities.add(Capability::kTools);
  b.ask.needs.context_tokens = 2000;
  Result<Placed> placed = b.router().place(b.ask);
  ASSERT_TRUE(placed.ok());
  EXPECT_EQ(placed->deployment, 2u);
  ASSERT_EQ(placed->refused, 2u);
  EXPECT_EQ(placed->considered[0].why, Why::kLacksTools);
  EXPECT_EQ(placed->considered[1].why, Why::kContextTooLong);
  Result<std::unique_ptr<AttemptLease>> lease = b.begin();
  EXPECT_EQ((*lease)->reason(), "m@c by priority, of 3; m@a lacks_tools; m@b context_too_long");
}

TEST(Router, WhatNobodyCanIsTheClientsAffairAndNamesTheParameter) {
  struct Case {
    Capability capability;
    std::string param;
  };
  for (const Case& c :
       {Case{Capability::kTools, "tools"}, Case{Capability::kImages, "input"}, Case{Capability::kFiles, "input"},
        Case{Capability::kStructuredOutput, "text.format"}, Case{Capability::kReasoning, "reasoning.effort"}}) {
    Bench b;
    for (Deployment& d : b.deployments) d.capabilities[c.capability] = Known::kNo;
    EXPECT_EQ(b.where(), "m@a");
    b.ask.needs.capabilities.add(c.capability);
    Error error = b.router().place(b.ask).error();
    EXPECT_EQ(error.code, Code::kInvalid);
    EXPECT_EQ(error.param, c.param);
    EXPECT_FALSE(b.router().check(b.ask).ok());
  }
  Bench b;
  for (Deployment& d : b.deployments) d.capabilities.context_tokens = 1000;
  b.ask.needs.context_tokens = 1001;
  EXPECT_EQ(b.where(), "context_length_exceeded");
  for (Deployment& d : b.deployments) d.capabilities = {}, d.capabilities.output_tokens_max = 100;
  b.made.reset();
  b.ask.needs = {.capabilities = {}, .context_tokens = 0, .output_tokens = 101};
  EXPECT_EQ(b.router().place(b.ask).error().param, "max_output_tokens");
}

TEST(Router, ResidencyAndPartiesAreTheWorkloads) {
  Bench b;
  b.deployments[0].region = "us";
  b.deployments[1].region = "eu";
  b.deployments[1].party = "Acme";
  b.workload().regions = {"eu"};
  EXPECT_EQ(b.where(), "m@b");  // c's region is not known, and so not one of these
  b.workload().parties_denied = {"Acme"};
  b.made.reset();
  EXPECT_EQ(b.where(), "placement_denied");
  EXPECT_EQ(b.code(), "denied");
  b.workload() = {};
  b.workload().parties = {"Acme"};
  b.made.reset();
  EXPECT_EQ(b.where(), "m@b");
}

TEST(Router, AKeyUsesWhatItMay) {
  Bench b;
  b.deployments[2].party = "Acme";
  b.guard.permits_of_all = Permits{.models = {"m"}, .parties = {"Acme"}, .regions = {}};
  EXPECT_EQ(b.where(), "m@c");
  b.guard.permits_of_all->models = {"other"};
  EXPECT_EQ(b.where(), "placement_denied");
  EXPECT_FALSE(b.router().check(b.ask).ok());
}

TEST(Router, AKeyThatLostItsPermissionDoesNotDispatch) {
  Bench b;
  Result<std::unique_ptr<AttemptLease>> lease = b.begin();
  b.guard.permits_of_all = Permits{.models = {"other"}, .parties = {}, .regions = {}};
  EXPECT_EQ((*lease)->dispatch().error().code, Code::kDenied);
}

TEST(Router, TheBudgetHasItsOwnWords) {
  Bench b;
  b.guard.budget = Error{Code::kOverloaded, "the budget of this key is spent", "", "budget_exceeded"};
  Error error = b.router().place(b.ask).error();
  EXPECT_EQ(error.message, "the budget of this key is spent");
  EXPECT_EQ(error.reason, "budget_exceeded");
}

TEST(Router, StandInsAreTheOwnersChoiceAndComeLast) {
  Bench b;
  b.deployments[1].model = b.deployments[2].model = "n";
  EXPECT_EQ(b.where(), "m@a");
  b.withdraw(WithdrawalKind::kProvider, "a");
  EXPECT_EQ(b.where(), "withdrawn") << "nobody may stand in";
  b.workload().stand_ins = {{.model = "m", .others = {"n"}}};
  b.made.reset();
  EXPECT_EQ(b.where(), "m@a");
  b.withdraw(WithdrawalKind::kProvider, "a");
  EXPECT_EQ(b.where(), "m@b");
  Result<std::unique_ptr<AttemptLease>> lease = b.begin();
  EXPECT_TRUE((*lease)->stand_in());
  EXPECT_EQ((*lease)->model(), "n");
  EXPECT_EQ((*lease)->logical_model(), "n");
  EXPECT_EQ((*lease)->reason(), "m@b by priority, of 3, stand-in n; m@a withdrawn");
  b.ask.author = "m";
  EXPECT_EQ(b.where(), "withdrawn") << "one author only";
  b.ask.author = {};
  b.ask.model = "n";
  EXPECT_EQ(b.where(), "m@b") << "the other way round nothing was allowed, nor needed";
}

TEST(Router, AStandInIsForWhenTheModelItselfHasFailedTwice) {
  Bench b;
  b.deployments.pop_back();
  b.deployments[1].model = "n";
  b.workload().stand_ins = {{.model = "m", .others = {"n"}}};
  std::vector<Tried> tried{{.deployment = 0, .failures = 1, .not_before = b.loop.now() + 100ms}};
  b.ask.tried = tried;
  Result<std::unique_ptr<AttemptLease>> lease = b.begin();
  ASSERT_TRUE(lease.ok());
  EXPECT_EQ((*lease)->deployment().name, "m@a") << "worth a moment's waiting";
  EXPECT_EQ(b.loop.now().time_since_epoch(), 100ms);
  tried[0].failures = 2;
  tried[0].not_before = b.loop.now() + 100ms;
  EXPECT_EQ(b.where(), "m@b");
}

TEST(Router, WorkloadsAreFoundByTheirConditions) {
  Bench b;
  Workload strict;
  strict.name = "strict";
  strict.tenants = {"bank"};
  strict.regions = {"eu"};
  b.workloads = {strict};
  b.deployments[1].region = "eu";
  EXPECT_EQ(b.where(), "m@a");
  b.ask.traffic.tenant = TenantId("bank");
  EXPECT_EQ(b.where(), "m@b");
  EXPECT_EQ(b.router().workload_of(b.ask.traffic, "m").name, "strict");
  EXPECT_EQ(b.router().workload_of({}, "m").name, "default");
}

TEST(Router, WhoFailedThisAnswerComesAfterWhoDidNot) {
  Bench b;
  std::vector<Tried> tried{{.deployment = 0, .failures = 1}};
  b.ask.tried = tried;
  EXPECT_EQ(b.where(), "m@b");
  tried.push_back({.deployment = 1, .failures = 1});
  tried.push_back({.deployment = 2, .failures = 2});
  b.ask.tried = tried;
  EXPECT_EQ(b.where(), "m@a") << "round again, by how often";
  for (Tried& each : tried) each.never = true;
  EXPECT_EQ(b.where(), "provider_unavailable");
  EXPECT_FALSE(b.router().check(b.ask).ok()) << "not by waiting";
}

TEST(Router, RepeatsAreBudgetedAndGoingElsewhereIsFree) {
  Bench b;
  b.workload().retry = {.ratio = 0, .per_second = 0.1};
  std::vector<Tried> tried{{.deployment = 0, .failures = 1}};
  b.ask.tried = tried;
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(b.begin().ok());  // elsewhere
  tried = {{.deployment = 0, .failures = 1}, {.deployment = 1, .failures = 1}, {.deployment = 2, .failures = 1}};
  b.ask.tried = tried;
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(b.begin().ok());
  EXPECT_EQ(b.where(), "retry_budget");
  Instant before = b.loop.now();
  EXPECT_TRUE(b.begin().ok()) << "it waits for the next token";
  EXPECT_GE(b.loop.now() - before, 9s);
}

TEST(Router, TheSessionStaysWhereItsCacheIs) {
  Bench b;
  b.workload().policy = RoutingPolicy::kWeighted;
  std::map<std::string, int> counts;
  for (uint64_t session = 1; session <= 30; ++session) {
    b.ask.traffic.session = session;
    std::string first = (*b.begin())->deployment().name;
    ++counts[first];
    for (int i = 0; i < 5; ++i) EXPECT_EQ((*b.begin())->deployment().name, first);
    EXPECT_THAT((*b.begin())->reason(), HasSubstr("by session"));
  }
  EXPECT_EQ(counts.size(), 3u);
}

TEST(Router, TheSessionReturnsToWhereThePriorityIs) {
  Bench b;
  b.ask.traffic.session = 7;
  b.withdraw(WithdrawalKind::kProvider, "a");
  EXPECT_EQ((*b.begin())->deployment().name, "m@b");
  b.router().set_withdrawals({});
  EXPECT_EQ((*b.begin())->deployment().name, "m@a") << "the owner's order goes before the cache";
}

TEST(Router, TheClientsCancellationReachesTheAttempt) {
  Bench b;
  Result<std::unique_ptr<AttemptLease>> lease = b.begin();
  b.client.request();
  EXPECT_TRUE((*lease)->cancel().requested());
  EXPECT_FALSE((*lease)->withdrawn());
  EXPECT_EQ((*lease)->ended(cut()), Fault::kNone) << "whatever the attempt says of it";
}

TEST(Router, ALeaseThatIsDroppedHoldsNothingAgainstAnybody) {
  Bench b;
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(b.begin().ok());
  EXPECT_EQ(b.router().deployments()[0].health.failures(), 0);
  EXPECT_EQ(b.router().deployments()[0].health.in_flight(), 0);
  EXPECT_EQ(b.router().attempts_running(), 0u);
}

TEST(Router, ReasonsStayShortHoweverManyThereAre) {
  Bench b;
  b.deployments.clear();
  for (int i = 0; i < 500; ++i) {
    b.deployments.push_back(Deployment::simple("m", b.a));
    b.deployments.back().name = "deployment-with-a-rather-long-name-" + std::to_string(i);
    if (i < 499) b.deployments.back().capabilities[Capability::kTools] = Known::kNo;
  }
  b.ask.needs.capabilities.add(Capability::kTools);
  Result<std::unique_ptr<AttemptLease>> lease = b.begin();
  ASSERT_TRUE(lease.ok());
  EXPECT_LT((*lease)->reason().size(), 600u);
  EXPECT_THAT((*lease)->reason(), HasSubstr("more"));
}

TEST(Needs, AreReadFromTheRequest) {
  Request request;
  request.instructions = std::string(400, 'x');
  std::vector<Item> context{{.kind = ItemKind::kMessage, .content = {{.kind = PartKind::kInputText, .text = "日本"}}}};
  Needs plain = needs_of(request, context);
  EXPECT_EQ(plain.capabilities.bits, 0);
  EXPECT_EQ(plain.context_tokens, 103);
  request.tools.push_back({.name = "f"});
  request.format.kind = TextFormat::Kind::kJsonSchema;
  request.reasoning_effort = "low";
  context[0].content.push_back({.kind = PartKind::kInputImage, .url = "data:"});
  context[0].content.push_back({.kind = PartKind::kInputFile});
  Needs all = needs_of(request, context);
  for (Capability c : {Capability::kTools, Capability::kStructuredOutput, Capability::kReasoning, Capability::kImages,
                       Capability::kFiles})
    EXPECT_TRUE(all.capabilities.has(c));
  EXPECT_FALSE(all.capabilities.has(Capability::kPrefill));
}

}  // namespace
}  // namespace perdure
