// withdraw, restore, deployments: where answers may come from, and how that is going. Clients of the public API.

#include <cstdio>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/table.h"
#include "wire/json.h"

namespace perdure::cli {
namespace {

constexpr std::string_view kKinds[] = {"provider", "region", "deployment", "party"};

// The kind that was asked for, "name" when none was; nothing: more than one.
std::optional<std::string> kind_of(const Options& options) {
  std::optional<std::string> out;
  for (std::string_view kind : kKinds) {
    if (!options.has(kind)) continue;
    if (out) return std::nullopt;
    out = kind;
  }
  return out.value_or("name");
}

std::string plural(int64_t n, const std::string& one) { return std::to_string(n) + " " + one + (n == 1 ? "" : "s"); }

std::string order_of(const Options& options, const std::string& kind) {
  json::Writer out;
  out.begin_object().key("target").begin_object().field(kind, options.words[0]).end_object();
  out.field("mode", options.has("cut") ? "cut" : "drain");
  if (options.has("reason")) out.field("reason", options.get("reason"));
  if (options.has("preview")) out.field("preview", true);
  out.end_object();
  return out.take();
}

void show_touch(json::Value touches, bool cut) {
  Table deployments({"DEPLOYMENT", "RUNNING", "WAITING"});
  for (json::Value each : touches["deployments"].elements())
    deployments.row({std::string(each["name"].text()), std::to_string(each["running"].integer().value_or(0)),
                     std::to_string(each["waiting"].integer().value_or(0))});
  print(deployments.text());
  if (touches["models"].size() > 0) {
    Table models({"MODEL", "WORKLOAD", "DEPLOYMENTS LEFT"});
    for (json::Value each : touches["models"].elements()) {
      int64_t left = each["remaining"].integer().value_or(0);
      models.row({std::string(each["model"].text()), std::string(each["workload"].text()),
                  left == 0 ? "none: refused from then on" : std::to_string(left)});
    }
    print("\n" + models.text());
  }
  int64_t running = touches["running"].integer().value_or(0);
  if (running > 0)
    print("\n" + plural(running, "attempt") +
          (cut ? " cut off; their answers go on elsewhere where they may\n" : " may end; no new ones\n"));
}

int withdraw(const Options& options) {
  if (options.words.size() != 1) return complain_usage("withdraw takes one name", "withdraw");
  std::optional<std::string> kind = kind_of(options);
  if (!kind || (options.has("drain") && options.has("cut")))
    return complain_usage(
        kind ? "--drain or --cut, not both" : "only one of --provider, --region, --deployment, --party", "withdraw");
  Result<std::unique_ptr<Client>> client = Client::from_environment();
  if (!client.ok()) return complain(client.error());
  Result<std::string> body = (*client)->call("POST", "/v1/x/withdrawals", order_of(options, *kind));
  if (!body.ok()) return complain(body.error());
  if (options.has("json")) {
    print(*body + "\n");
    return kOk;
  }
  Result<json::Document> document = json::Document::parse(*body);
  if (!document.ok()) return complain(document.error());
  json::Value root = document->root();
  std::string target = std::string(root["target"]["kind"].text()) + " " + std::string(root["target"]["name"].text());
  bool cut = root["mode"].text() == "cut";
  if (options.has("preview"))
    print("would withdraw " + target + " (" + std::string(root["mode"].text()) + "); nothing has been changed\n\n");
  else
    print("withdrew " + target + " (" + std::string(root["mode"].text()) + "), " + std::string(root["id"].text()) +
          "\n\n");
  show_touch(root["touches"], cut);
  return kOk;
}

int restore(const Options& options) {
  if (options.words.size() != 1) return complain_usage("restore takes one name, or the id of a withdrawal", "restore");
  std::optional<std::string> kind = kind_of(options);
  if (!kind) return complain_usage("only one of --provider, --region, --deployment, --party", "restore");
  Result<std::unique_ptr<Client>> client = Client::from_environment();
  if (!client.ok()) return complain(client.error());
  Result<std::string> body = (*client)->call("GET", "/v1/x/withdrawals");
  if (!body.ok()) return complain(body.error());
  Result<json::Document> document = json::Document::parse(*body);
  if (!document.ok()) return complain(document.error());
  struct Found {
    std::string id, target;
  };
  std::vector<Found> found;
  for (json::Value each : document->root()["data"].elements()) {
    std::string_view its_kind = each["target"]["kind"].text(), name = each["target"]["name"].text();
    bool meant =
        each["id"].text() == options.words[0] || (name == options.words[0] && (*kind == "name" || its_kind == *kind));
    if (meant) found.push_back({std::string(each["id"].text()), std::string(its_kind) + " " + std::string(name)});
  }
  if (found.empty()) return complain({Code::kNotFound, "nothing named \"" + options.words[0] + "\" is withdrawn"});
  if (found.size() > 1)
    return complain_usage("more than one thing named \"" + options.words[0] + "\" is withdrawn: say which by --" +
                              "provider, --region, --deployment or --party",
                          "restore");
  Result<std::string> restored = (*client)->call("DELETE", "/v1/x/withdrawals/" + found[0].id);
  if (!restored.ok()) return complain(restored.error());
  print(options.has("json") ? *restored + "\n" : "restored " + found[0].target + "\n");
  return kOk;
}

std::string shown_ms(json::Value value) {
  std::optional<double> ms = value.number();
  if (!ms) return "-";
  char text[32];
  std::snprintf(text, sizeof text, *ms < 100 ? "%.1f ms" : "%.0f ms", *ms);
  return text;
}

int deployments(const Options& options) {
  if (!options.words.empty()) return complain_usage("deployments takes options only", "deployments");
  Result<std::unique_ptr<Client>> client = Client::from_environment();
  if (!client.ok()) return complain(client.error());
  Result<std::string> body = (*client)->call("GET", "/v1/x/deployments");
  if (!body.ok()) return complain(body.error());
  if (options.has("json")) {
    print(*body + "\n");
    return kOk;
  }
  Result<json::Document> document = json::Document::parse(*body);
  if (!document.ok()) return complain(document.error());
  Table table({"DEPLOYMENT", "MODEL", "PROVIDER", "REGION", "STATE", "RUNNING", "WAITING", "ATTEMPTS", "FAILED",
               "FIRST PIECE", "GAP"});
  for (json::Value each : document->root()["data"].elements()) {
    auto number = [&](std::string_view key) { return std::to_string(each[key].integer().value_or(0)); };
    std::string state(each["state"].text());
    if (int64_t able = each["able_in_ms"].integer().value_or(0); able > 0 && state != "withdrawn")
      state += " for " + std::to_string((able + 999) / 1000) + "s";
    table.row({std::string(each["name"].text()), std::string(each["model"].text()),
               std::string(each["provider"].text()),
               each["region"].text().empty() ? "-" : std::string(each["region"].text()), state, number("in_flight"),
               number("waiting"), number("attempts"), number("failures"), shown_ms(each["first_piece_ms"]),
               shown_ms(each["piece_gap_ms"])});
  }
  print(table.text());
  return kOk;
}

}  // namespace

Command withdraw_command() {
  return {
      .name = "withdraw",
      .words = "NAME",
      .summary = "stops using a provider, region, deployment or party, at once and until it is restored",
      .options = {{"provider", "", "NAME is a provider"},
                  {"region", "", "NAME is a region"},
                  {"deployment", "", "NAME is a deployment, like small@openai"},
                  {"party", "", "NAME is a party: the company behind providers"},
                  {"drain", "", "no new attempts; running ones may end (the default)"},
                  {"cut", "", "running attempts end at once too, and their answers go on elsewhere"},
                  {"preview", "", "says what it would touch, and does nothing"},
                  {"reason", "TEXT", "kept with the withdrawal"},
                  {"json", "", "as JSON"}},
      .details =
          "  perdure withdraw azure --preview\n"
          "  perdure withdraw azure --cut --reason \"incident 4711\"\n"
          "  perdure withdraw eu-west-1 --region\n"
          "\n"
          "Without --provider, --region, --deployment or --party, NAME is whatever has that name, if only one\n"
          "thing has. It is in force when the command returns, on every core, and outlives restarts. The key needs\n"
          "the scope operate.\n",
      .run = withdraw};
}

Command restore_command() {
  return {.name = "restore",
          .words = "NAME|ID",
          .summary = "uses again what was withdrawn",
          .options = {{"provider", "", "NAME is a provider"},
                      {"region", "", "NAME is a region"},
                      {"deployment", "", "NAME is a deployment"},
                      {"party", "", "NAME is a party"},
                      {"json", "", "as JSON"}},
          .details = "  perdure restore azure\n",
          .run = restore};
}

Command deployments_command() {
  return {.name = "deployments",
          .words = "",
          .summary = "lists deployments: their state, what runs there, how quick they are",
          .options = {{"json", "", "as JSON"}},
          .details =
              "states: able; withdrawn; credential_refused (its supplier does not accept the key); open (it failed\n"
              "too often and is left alone); half_open (one attempt finds out); resting (its supplier asked for a "
              "pause).\n",
          .run = deployments};
}

}  // namespace perdure::cli
