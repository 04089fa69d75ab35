// spending: budgets and what is left of them, and who has spent what. A client of the public API.

#include "catalogue/money.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/table.h"
#include "wire/json.h"

namespace perdure::cli {
namespace {

std::string or_dash(std::string_view text) { return text.empty() ? "-" : std::string(text); }

void show_budgets(json::Value list) {
  Table table({"BUDGET", "OF", "AMOUNT", "WINDOW", "SPENT", "HELD", "LEFT", "RESETS"});
  for (json::Value each : list.elements()) {
    std::string_view subject = each["tenant"].text().empty() ? each["key"].text() : each["tenant"].text();
    table.row({std::string(each["name"].text()), subject.empty() ? "all" : std::string(subject),
               std::string(each["amount"].text()) + " " + std::string(each["currency"].text()),
               std::string(each["window"].text()), std::string(each["spent"].text()), std::string(each["held"].text()),
               std::string(each["left"].text()), std::string(each["resets_at"].text())});
  }
  print(list.size() == 0 ? "no budgets\n" : table.text());
}

void show_sums(json::Value list) {
  Table table({"TENANT", "KEY", "WORKLOAD", "TODAY", "THIS MONTH", "ESTIMATED OF IT", "CURRENCY", "ATTEMPTS"});
  auto sum = [](json::Value of) {
    Result<Money> exact = Money::parse(of["exact"].text()), estimated = Money::parse(of["estimated"].text());
    if (!exact.ok() || !estimated.ok()) return std::string("?");
    Result<Money> both = exact->plus(*estimated);
    return both.ok() ? both->amount() : "?";
  };
  for (json::Value each : list.elements()) {
    bool priced = !each["currency"].absent();
    std::string attempts = std::to_string(each["month"]["attempts"].integer().value_or(0));
    table.row({std::string(each["tenant"].text()), or_dash(each["key"].text()), or_dash(each["workload"].text()),
               priced ? sum(each["today"]) : "unknown", priced ? sum(each["month"]) : "unknown",
               priced ? std::string(each["month"]["estimated"].text()) : "-",
               priced ? std::string(each["currency"].text()) : "no price", attempts});
  }
  print(list.size() == 0 ? "nothing was spent this month\n" : table.text());
}

int spending(const Options& options) {
  if (!options.words.empty()) return complain_usage("spending takes options only", "spending");
  Result<std::unique_ptr<Client>> client = Client::from_environment();
  if (!client.ok()) return complain(client.error());
  Result<std::string> body = (*client)->call("GET", "/v1/x/spending");
  if (!body.ok()) return complain(body.error());
  if (options.has("json")) {
    print(*body + "\n");
    return kOk;
  }
  Result<json::Document> document = json::Document::parse(*std::move(body));
  if (!document.ok()) return complain(document.error());
  show_budgets(document->root()["budgets"]);
  print("\n");
  show_sums(document->root()["data"]);
  return kOk;
}

}  // namespace

Command spending_command() {
  return {
      .name = "spending",
      .words = "",
      .summary = "shows budgets and what is left of them, and who has spent what",
      .options = {{"json", "", "as JSON"}},
      .details =
          "Days and months are UTC. Sums hold exact costs and, where a supplier did not count, estimates; what has\n"
          "no known price is listed as such and in no sum. The key needs the scope operate or audit.\n",
      .run = spending};
}

}  // namespace perdure::cli
