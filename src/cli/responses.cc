#include <cstdio>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/table.h"
#include "wire/json.h"

namespace perdure::cli {
namespace {

// Ids go into paths; what no id has is refused here.
bool good_id(const std::string& id) {
  for (char c : id)
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-'))
      return false;
  return !id.empty();
}

int list(Client& client, const Options& options) {
  std::string path = "/v1/x/responses?limit=" + options.get("limit", "20");
  if (options.has("before")) path += "&before=" + options.get("before");
  Result<std::string> body = client.call("GET", path);
  if (!body.ok()) return complain(body.error());
  if (options.has("json")) {
    print(*body + "\n");
    return kOk;
  }
  Result<json::Document> document = json::Document::parse(*body);
  if (!document.ok()) return complain(document.error());
  Table table({"ID", "STATUS", "MODEL", "CREATED", "CURSOR"});
  int64_t cursor = 0;
  for (json::Value row : document->root()["data"].elements()) {
    cursor = row["cursor"].integer().value_or(0);
    table.row({std::string(row["id"].text()), std::string(row["status"].text()), std::string(row["model"].text()),
               show_time(row["created_at"].integer().value_or(0)), std::to_string(cursor)});
  }
  print(table.text());
  if (document->root()["has_more"].boolean() == true)
    std::fprintf(stderr, "more: --before %lld\n", static_cast<long long>(cursor));
  return kOk;
}

// "0.0012 USD", "about 0.0012 USD: answer_cut"; "unknown: price_unknown".
std::string shown_cost(json::Value cost) {
  if (cost.absent()) return "-";
  std::string currency(cost["currency"].text()), why(cost["unknown"].text());
  if (!cost["amount"].absent()) return std::string(cost["amount"].text()) + " " + currency;
  if (why == "not_served") return "0: " + why;
  if (cost["estimate"].absent()) return "unknown: " + why;
  return "about " + std::string(cost["estimate"].text()) + " " + currency + ": " + why;
}

// Of all attempts together; a sum that is not exact says so.
std::string shown_total(json::Value cost) {
  std::string out;
  for (json::Value total : cost["totals"].elements()) {
    bool exact = total["amount"].text() == total["with_estimates"].text();
    out += out.empty() ? "" : " + ";
    out += (exact ? "" : "about ") + std::string(total["with_estimates"].text()) + " " +
           std::string(total["currency"].text());
  }
  int64_t unknown = cost["attempts_unknown"].integer().value_or(0);
  if (unknown > 0)
    out += (out.empty() ? "" : ", and ") + std::to_string(unknown) + (unknown == 1 ? " attempt" : " attempts") +
           " whose cost is unknown";
  return out.empty() ? "0" : out;
}

void show_response(json::Value root, const std::string& cost) {
  auto line = [](const std::string& name, const std::string& value) {
    if (!value.empty()) print(name + std::string(name.size() < 10 ? 10 - name.size() : 1, ' ') + value + "\n");
  };
  line("id", std::string(root["id"].text()));
  line("status", std::string(root["status"].text()));
  line("model", std::string(root["model"].text()));
  line("created", show_time(root["created_at"].integer().value_or(0)));
  line("previous", std::string(root["previous_response_id"].text()));
  line("error", std::string(root["error"]["message"].text()));
  line("cost", cost);
  for (json::Value item : root["output"].elements()) {
    print("\n[" + std::string(item["type"].text()) + " " + std::string(item["status"].text()) + "]\n");
    for (json::Value part : item["content"].elements()) {
      std::string_view text = part["text"].text();
      print(std::string(text.empty() ? part["refusal"].text() : text) + "\n");
    }
    if (item["type"].text() == "function_call")
      print(std::string(item["name"].text()) + "(" + std::string(item["arguments"].text()) + ")\n");
  }
}

// "0-145, call 0-12": characters of each output item.
std::string written(json::Value wrote) {
  std::string out;
  for (json::Value range : wrote.elements()) {
    std::string_view type = range["type"].text();
    out += out.empty() ? "" : ", ";
    out += type == "message" ? "" : type == "function_call" ? "call " : std::string(type) + " ";
    out += std::to_string(range["from_character"].integer().value_or(0)) + "-" +
           std::to_string(range["to_character"].integer().value_or(0));
  }
  return out.empty() ? "-" : out;
}

void show_placements(json::Value root) {
  Table table(
      {"ATTEMPT", "PROVIDER", "MODEL", "WROTE", "SEAM", "OUTCOME", "STATUS", "TRIMMED", "TOKENS", "COST", "ERROR"});
  auto number = [](json::Value value) {
    return value.absent() ? std::string("-") : std::to_string(value.integer().value_or(0));
  };
  for (json::Value p : root["placements"].elements()) {
    std::string outcome(p["outcome"].text()), how, seam(p["seam"].text());
    if (p["continuation"].boolean() == true) how = " (goes on)";
    if (!p["beside"].absent()) how = " (beside " + number(p["beside"]) + ")";
    table.row({number(p["attempt"]) + how, std::string(p["provider"].text()), std::string(p["model"].text()),
               written(p["wrote"]), seam.empty() ? "-" : seam, outcome.empty() ? "running" : outcome,
               number(p["upstream_status"]), number(p["trimmed_bytes"]), number(p["usage"]["output_tokens"]),
               shown_cost(p["cost"]), std::string(p["error"].text())});
  }
  print(table.text() + "\n");
  for (json::Value p : root["placements"].elements())
    print(number(p["attempt"]) + ": " + std::string(p["reason"].text()) + "\n");
  print("cost " + shown_total(root["cost"]) + "\n");
}

int show(Client& client, const Options& options, const std::string& id) {
  bool placements = options.has("placements");
  Result<std::string> body = client.call("GET", (placements ? "/v1/x/responses/" : "/v1/responses/") + id);
  if (!body.ok()) return complain(body.error());
  if (options.has("json")) {
    print(*body + "\n");
    return kOk;
  }
  Result<json::Document> document = json::Document::parse(*body);
  if (!document.ok()) return complain(document.error());
  if (placements) {
    show_placements(document->root());
    return kOk;
  }
  // Costs are the operator's to see; without that scope the response is shown without.
  std::string cost;
  if (Result<std::string> account = client.call("GET", "/v1/x/responses/" + id); account.ok())
    if (Result<json::Document> read = json::Document::parse(*std::move(account)); read.ok())
      cost = shown_total(read->root()["cost"]);
  show_response(document->root(), cost);
  return kOk;
}

int tail(Client& client, const Options& options, const std::string& id) {
  bool as_json = options.has("json");
  bool at_line_start = true;
  int64_t after = options.has("after") ? std::strtoll(options.get("after").c_str(), nullptr, 10) : -1;
  Result<Followed> followed = follow(client, id, after, "", [&](const SseEvent& event) {
    if (as_json) {
      print(std::string(event.data) + "\n");
      return;
    }
    Result<json::Document> document = json::Document::parse(std::string(event.data));
    if (!document.ok() || document->root()["type"].text() != "response.output_text.delta") return;
    std::string_view text = document->root()["delta"].text();
    print(text);
    if (!text.empty()) at_line_start = text.back() == '\n';
  });
  if (!at_line_start) print("\n");
  return followed.ok() ? kOk : complain(followed.error());
}

int change(Client& client, const Options& options, const std::string& verb) {
  int code = kOk;
  for (size_t i = 1; i < options.words.size(); ++i) {
    const std::string& id = options.words[i];
    Result<std::string> body = verb == "delete" ? client.call("DELETE", "/v1/responses/" + id)
                                                : client.call("POST", "/v1/responses/" + id + "/cancel");
    if (!body.ok()) {
      code = complain(body.error());
      continue;
    }
    print(options.has("json") ? *body + "\n" : (verb == "delete" ? "deleted " : "cancelled ") + id + "\n");
  }
  return code;
}

int responses(const Options& options) {
  std::string verb = options.words.empty() ? "" : options.words[0];
  bool one = verb == "show" || verb == "tail", several = verb == "delete" || verb == "cancel";
  if (verb != "list" && !one && !several)
    return complain_usage("responses needs one of the words list, show, tail, cancel, delete", "responses");
  if ((verb == "list" && options.words.size() != 1) || (one && options.words.size() != 2) ||
      (several && options.words.size() < 2))
    return complain_usage(
        "responses " + verb + (verb == "list" ? " takes options only" : " takes the id of a response"), "responses");
  for (size_t i = 1; i < options.words.size(); ++i)
    if (!good_id(options.words[i]))
      return complain_usage("\"" + options.words[i] + "\" is not the id of a response", "responses");
  Result<std::unique_ptr<Client>> client = Client::from_environment();
  if (!client.ok()) return complain(client.error());
  if (verb == "list") return list(**client, options);
  if (verb == "show") return show(**client, options, options.words[1]);
  if (verb == "tail") return tail(**client, options, options.words[1]);
  return change(**client, options, verb);
}

}  // namespace

Command responses_command() {
  return {.name = "responses",
          .words = "list | show ID | tail ID | cancel ID... | delete ID...",
          .summary = "lists, shows, follows, cancels and deletes responses of a server",
          .options = {{"limit", "N", "list: how many (default 20)"},
                      {"before", "CURSOR", "list: older ones, from where the last list ended"},
                      {"placements", "", "show: which provider wrote what, why, and at which cost"},
                      {"after", "N", "tail: only the events after number N"},
                      {"json", "", "as JSON; tail: one event a line"}},
          .details =
              "  perdure responses list\n"
              "  perdure responses show resp_... --placements\n"
              "  perdure responses tail resp_...           also while it is being made\n"
              "  perdure responses delete resp_...\n"
              "\n"
              "When the server has API keys, list, --placements and costs need the scope operate or audit.\n",
          .run = responses};
}

}  // namespace perdure::cli
