// What an answer has cost, as operators are shown it.
#include "gateway/testing/gateway_world.h"

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

}  // namespace
}  // namespace perdure
