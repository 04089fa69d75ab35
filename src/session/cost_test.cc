// What answers have cost, in their accounts and in the ledger: by the price of the placement, attempt by attempt, also
// when an attempt is cut or its server crashes.
#include <gtest/gtest.h>

#include "session/cost_sum.h"
#include "session/testing/session_world.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

Money per_million(std::string_view text) { return *Money::parse(text)->divided_exactly(1'000'000); }

struct PricedWorld : World {
  Router priced{loop, {deployment()}};
  PricedWorld() {
    stop();
    responses = make();
    script = [](const ScriptedCall& call) {
      std::vector<Piece> pieces = text_pieces(kAnswer.substr(call.held.size()));
      pieces.push_back(
          {.kind = Piece::Kind::kUsage, .usage = {.input_tokens = 20, .output_tokens = 10, .known = true}});
      pieces.push_back(finish_piece());
      return ScriptedAnswer{.pieces = std::move(pieces)};
    };
  }
  ~PricedWorld() { stop(); }
  Deployment deployment() {
    Deployment out = Deployment::simple("*", provider);
    out.price.emplace();
    out.price->rates.input = per_million("1");
    out.price->rates.output = per_million("4");
    out.price->version = {"2026-08-01", "a list"};
    return out;
  }
  std::unique_ptr<Responses> make() {
    Result<Lease> lease = loop.run(store->acquire(0));
    return std::make_unique<Responses>(
        Responses::Options{.store = *store, .lease = *lease, .master = Key256{1}, .limits = limits, .log = {}},
        std::vector<Loop*>{&loop}, std::vector<Router*>{&priced});
  }
  std::vector<std::string> ledger() {
    std::vector<std::string> out;
    Result<std::vector<LedgerEntry>> entries = loop.run(store->ledger(0, 100));
    CHECK(entries.ok(), "ledger");
    for (const LedgerEntry& entry : *entries) {
      json::Document line = *json::Document::parse(entry.line);
      out.emplace_back(line.root()["cost"].raw());
    }
    return out;
  }
};

TEST(CostOfAnswers, StandsInTheAccountAndInTheLedger) {
  PricedWorld w;
  Response response = w.whole(w.create(w.ask("hello"))->id);
  ASSERT_EQ(response.placements.size(), 1u);
  AttemptCost cost = account_cost(response.placements[0]);
  EXPECT_EQ(cost.amount, "0.00006");
  EXPECT_EQ(cost.currency, "USD");
  EXPECT_EQ(cost.price_origin, "a list");
  EXPECT_EQ(response.placements[0].started.workload, "default");
  ASSERT_EQ(w.ledger().size(), 1u);
  EXPECT_EQ(w.ledger()[0],
            R"({"amount":"0.00006","currency":"USD","price_date":"2026-08-01","price_origin":"a list"})");
}

TEST(CostOfAnswers, OfWhatIsNotStoredStandsInTheLedgerTheSame) {
  PricedWorld w;
  CreateCall call = w.ask("hello");
  call.request.store = false;
  ResponseId id = w.create(std::move(call))->id;
  w.events(id);
  auto pass = [](Loop& loop) -> Task<void> { co_await sleep_for(loop, 1s); };
  w.loop.run(pass(w.loop));
  ASSERT_EQ(w.ledger().size(), 1u);
  EXPECT_EQ(w.ledger()[0].substr(0, 20), R"({"amount":"0.00006",)");
}

TEST(CostOfAnswers, ACutAttemptIsEstimatedAndTheOneThatWentOnIsExact) {
  PricedWorld w;
  w.script = [normal = w.script](const ScriptedCall& call) {
    if (call.number > 0) return normal(call);
    return ScriptedAnswer{.pieces = text_pieces(kAnswer.substr(0, 40)), .cut = Error{Code::kUnavailable, "cut"}};
  };
  Response response = w.whole(w.create(w.ask("hello"))->id);
  ASSERT_EQ(response.placements.size(), 2u);
  AttemptCost first = account_cost(response.placements[0]), second = account_cost(response.placements[1]);
  EXPECT_EQ(first.amount, "");
  EXPECT_EQ(first.unknown, "answer_cut");
  EXPECT_EQ(first.estimate, "0.000041");  // one token of input, ten of output
  EXPECT_EQ(second.amount, "0.00006");
  CostSum sum;
  sum.add(first);
  sum.add(second);
  EXPECT_FALSE(sum.exact());
  ASSERT_EQ(sum.totals().size(), 1u);
  EXPECT_EQ(sum.totals()[0].amount.amount(), "0.00006");
  EXPECT_EQ(sum.totals()[0].with_estimates.amount(), "0.000101");
}

TEST(CostOfAnswers, OfACrashedServersAttemptIsWhatWasExpectedOfIt) {
  PricedWorld w;
  ResponseId id = w.create(w.ask("hello"))->id;
  w.events(id, 5);
  w.stop();
  w.responses = w.make();
  ASSERT_TRUE(w.loop.run(w.responses->recover()).ok());
  Response response = w.whole(id);
  ASSERT_GE(response.placements.size(), 2u);
  EXPECT_EQ(response.placements[0].ended->outcome, "abandoned");
  AttemptCost cost = account_cost(response.placements[0]);
  EXPECT_EQ(cost.unknown, "answer_cut");
  EXPECT_EQ(cost.estimate, "0.004097");  // one token of input, 1,024 of output
  EXPECT_EQ(cost.price_origin, "a list");
}

TEST(CostSum, KeepsCurrenciesApartAndWhatIsUnknownOut) {
  CostSum sum;
  sum.add({.amount = "1.5", .currency = "USD"});
  sum.add({.amount = "0.5", .currency = "EUR"});
  sum.add({.amount = "2", .currency = "USD"});
  sum.add({.unknown = "not_served", .estimate = "0", .currency = "USD"});
  EXPECT_TRUE(sum.exact());
  sum.add({.unknown = "price_unknown"});
  EXPECT_FALSE(sum.exact());
  EXPECT_EQ(sum.unknown(), 1);
  EXPECT_EQ(sum.attempts(), 5);
  ASSERT_EQ(sum.totals().size(), 2u);
  EXPECT_EQ(sum.totals()[0].amount.to_string(), "3.5 USD");
  EXPECT_EQ(sum.totals()[1].amount.to_string(), "0.5 EUR");
}

TEST(CostSum, AnAccountFromBeforeCostsWereKeptSaysSo) {
  Placement placement{.started = {.provider = "a", .model = "m"}, .ended = AttemptEnded{.outcome = "completed"}};
  EXPECT_EQ(account_cost(placement).unknown, "not_recorded");
}

}  // namespace
}  // namespace perdure
