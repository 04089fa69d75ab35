// What an answer has cost, as operators are shown it.
#include "access/spending.h"
#include "gateway/testing/gateway_world.h"
#include "routing/charge.h"

namespace perdure {
namespace {

class CostTest : public GatewayWorld {};

TEST_F(CostTest, TheAccountShowsItByAttemptAndInTotal) {
  std::string body = R"({"model":"m2","input":"one two"})";
  Answer made = send("POST", "/v1/responses", body);
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.body.find("cost"), std::string::npos);
  json::Document account = get("/v1/x/responses/" + made.id()).json();
  json::Value cost = account.root()["placements"].at(0)["cost"];
  EXPECT_EQ(cost["amount"].text(), "0.0000186");  // 4 * 2 + 3 * 0.2 + 5 * 2, for a million
  EXPECT_EQ(cost["currency"].text(), "USD");
  EXPECT_EQ(cost["price"]["date"].text(), "2026-08-01");
  EXPECT_EQ(cost["price"]["origin"].text(), "a list");
  json::Value total = account.root()["cost"];
  EXPECT_EQ(total["exact"].boolean(), true);
  EXPECT_EQ(total["totals"].at(0)["amount"].text(), "0.0000186");
  EXPECT_EQ(total["totals"].at(0)["currency"].text(), "USD");
}

TEST_F(CostTest, WithoutAPriceItIsSaidToBeUnknown) {
  Answer made = send("POST", "/v1/responses", R"({"model":"m","input":"one two"})");
  json::Document account = get("/v1/x/responses/" + made.id()).json();
  json::Value cost = account.root()["placements"].at(0)["cost"];
  EXPECT_TRUE(cost["amount"].null());
  EXPECT_EQ(cost["unknown"].text(), "price_unknown");
  json::Value total = account.root()["cost"];
  EXPECT_EQ(total["exact"].boolean(), false);
  EXPECT_EQ(total["totals"].size(), 0u);
  EXPECT_EQ(total["attempts_unknown"].integer(), 1);
}

// Counts for everybody, as app's guard does for keys.
struct CountingGuard final : PlacementGuard {
  CountingGuard(SpendingBook& of, Loop& on) : book(of), loop(on) {}
  const Permits* permits(const Traffic&) override { return nullptr; }
  SpendingAsk of(const SpendAsk& ask) {
    spender = {ask.traffic.tenant, ask.traffic.key, std::string(ask.workload)};
    const Price* price = ask.deployment.price ? &*ask.deployment.price : nullptr;
    return {spender, nullptr, expected_money(expected_use(ask.needs), price), loop.wall()};
  }
  Result<void> may_spend(const SpendAsk& ask) override { return book.check(of(ask)); }
  Result<std::unique_ptr<SpendingBook::Hold>> hold(const SpendAsk& ask) override { return book.take(of(ask)); }
  SpendingBook& book;
  Loop& loop;
  Spender spender;
};

class BudgetTest : public GatewayWorld {
 public:
  CountingGuard guard{spending, loop};
  void SetUp() override {
    GatewayWorld::SetUp();
    router.set_guard(&guard);
  }
  void budget(std::string text) {
    Budget out = *parse_budget(text);
    out.name = "house";
    spending.set_budgets({out});
  }
};

TEST_F(BudgetTest, ASpentBudgetIsTooManyRequestsInEveryDialect) {
  budget("0.000001 USD/day");
  struct Case {
    std::string path, body, type;
  };
  for (const Case& c :
       {Case{"/v1/responses", R"({"model":"m2","input":"x"})", ""},
        Case{"/v1/responses", R"({"model":"m2","input":"x","stream":true})", ""},
        Case{"/v1/responses", R"({"model":"m2","input":"x","store":false})", ""},
        Case{"/v1/chat/completions", R"({"model":"m2","messages":[{"role":"user","content":"x"}]})", ""},
        Case{"/v1/messages", R"({"model":"m2","max_tokens":9,"messages":[{"role":"user","content":"x"}]})",
             "rate_limit_error"}}) {
    Answer answer = send("POST", c.path, c.body);
    EXPECT_EQ(answer.status, 429) << c.path << " " << answer.body;
    EXPECT_THAT(answer.error("message"), testing::HasSubstr("the budget \"house\" of 0.000001 USD/day")) << c.path;
    EXPECT_THAT(answer.error("message"), testing::HasSubstr("it begins anew at ")) << c.path;
    EXPECT_FALSE(answer.header("retry-after").empty()) << c.path;
    if (c.type.empty())
      EXPECT_EQ(answer.error("code"), "budget_exceeded") << c.path;
    else
      EXPECT_EQ(answer.error("type"), c.type) << c.path;
  }
  EXPECT_EQ(get("/v1/x/responses").json().root()["data"].size(), 0u) << "nothing was begun";
}

TEST_F(BudgetTest, SpendingIsShownWithWhatIsLeft) {
  budget("1 USD/day");
  ASSERT_EQ(send("POST", "/v1/responses", R"({"model":"m2","input":"one two"})").status, 200);
  json::Document shown = get("/v1/x/spending").json();
  json::Value budget = shown.root()["budgets"].at(0);
  EXPECT_EQ(budget["name"].text(), "house");
  EXPECT_EQ(budget["spent"].text(), "0.0000186");
  EXPECT_EQ(budget["held"].text(), "0");
  EXPECT_EQ(budget["left"].text(), "0.9999814");
  EXPECT_TRUE(budget["resets_at"].text().ends_with("T00:00:00Z"));
  json::Value row = shown.root()["data"].at(0);
  EXPECT_EQ(row["tenant"].text(), "default");
  EXPECT_EQ(row["workload"].text(), "default");
  EXPECT_EQ(row["currency"].text(), "USD");
  EXPECT_EQ(row["today"]["exact"].text(), "0.0000186");
  EXPECT_EQ(row["month"]["attempts"].integer(), 1);
}

}  // namespace
}  // namespace perdure
