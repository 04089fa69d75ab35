#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>

#include "access/api_key.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/table.h"
#include "wire/json.h"

namespace perdure::cli {
namespace {

// What a key may have, or not.
constexpr const char* kRemovable[] = {"models",           "parties", "regions", "budget", "requests-per-minute",
                                      "tokens-per-minute"};

void write_key(json::Writer& out, const ApiKey& key, const std::string& secret) {
  out.begin_object().field("id", key.id.value).field("name", key.name).field("tenant", key.tenant.value);
  out.field("scopes", key.scopes.to_string()).field("created", unix_seconds(key.created)).key("revoked");
  if (key.revoked)
    out.integer(unix_seconds(*key.revoked));
  else
    out.null();
  for (auto [name, list] : {std::pair("models", &key.permits.models), std::pair("parties", &key.permits.parties),
                            std::pair("regions", &key.permits.regions)}) {
    if (list->empty()) continue;
    out.key(name).begin_array();
    for (const std::string& each : *list) out.string(each);
    out.end_array();
  }
  if (!key.budgets.empty()) {
    out.key("budgets").begin_array();
    for (const Budget& budget : key.budgets) out.string(to_string(budget));
    out.end_array();
  }
  if (key.rates.requests_per_minute > 0) out.field("requests_per_minute", key.rates.requests_per_minute);
  if (key.rates.tokens_per_minute > 0) out.field("tokens_per_minute", key.rates.tokens_per_minute);
  if (key.updated) out.field("updated", unix_seconds(*key.updated));
  if (!secret.empty()) out.field("key", secret);
  out.end_object();
}

// "a,b": a list; empty names stay, and are refused.
std::vector<std::string> names_in(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    size_t comma = std::min(text.find(','), text.size());
    out.emplace_back(text.substr(0, comma));
    if (comma + 1 == text.size()) out.emplace_back();
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return out;
}

std::string shown_budgets(const std::vector<Budget>& budgets) {
  std::string out;
  for (const Budget& budget : budgets) out += (out.empty() ? "" : ", ") + to_string(budget);
  return out.empty() ? "-" : out;
}

std::string shown_rates(const KeyRates& rates) {
  std::string out;
  if (rates.requests_per_minute > 0) out = std::to_string(rates.requests_per_minute) + " requests";
  if (rates.tokens_per_minute > 0)
    out += (out.empty() ? "" : ", ") + std::to_string(rates.tokens_per_minute) + " tokens";
  return out.empty() ? "-" : out;
}

// A whole number from 1.
Result<int64_t> rate_in(const Options& options, const std::string& name) {
  if (!options.has(name)) return 0;
  std::string text = options.get(name);
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > kRateMax)
    return Error{Code::kInvalid, "--" + name + " takes a whole number from 1 to " + std::to_string(kRateMax)};
  return value;
}

Result<std::vector<Budget>> budgets_in(const Options& options) {
  std::vector<Budget> out;
  for (const auto& [option, value] : options.given) {
    if (option != "budget") continue;
    Result<Budget> budget = parse_budget(value);
    if (!budget.ok()) return std::move(budget).error().with_context("--budget");
    out.push_back(*std::move(budget));
  }
  return out;
}

void print_json(const ApiKey& key, const std::string& secret = "") {
  json::Writer out;
  write_key(out, key, secret);
  print(out.text() + "\n");
}

std::string shown_permits(const Permits& permits) {
  std::string out;
  for (auto [name, list] : {std::pair("models", &permits.models), std::pair("parties", &permits.parties),
                            std::pair("regions", &permits.regions)}) {
    if (list->empty()) continue;
    out += out.empty() ? "" : "; ";
    out += name;
    for (size_t i = 0; i < list->size(); ++i) out += (i == 0 ? " " : ",") + (*list)[i];
  }
  return out.empty() ? "all" : out;
}

int create(KeyFile& file, const Options& options, const std::string& folder) {
  Result<TenantId> tenant = parse_tenant(options.get("tenant", "default"));
  if (!tenant.ok()) return complain_usage("--tenant: " + tenant.error().message, "keys");
  Result<Scopes> scopes = Scopes::parse(options.get("scopes", "use"));
  if (!scopes.ok()) return complain_usage("--scopes: " + scopes.error().message, "keys");
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return complain({Code::kUnavailable, "cannot make the data folder " + folder + ": " + error.message()});
  ::chmod(folder.c_str(), 0700);
  Permits permits{.models = names_in(options.get("models")),
                  .parties = names_in(options.get("parties")),
                  .regions = names_in(options.get("regions"))};
  Result<std::vector<Budget>> budgets = budgets_in(options);
  if (!budgets.ok()) return complain_usage(budgets.error().message, "keys");
  Result<int64_t> requests = rate_in(options, "requests-per-minute"), tokens = rate_in(options, "tokens-per-minute");
  if (!requests.ok() || !tokens.ok())
    return complain_usage((requests.ok() ? tokens : requests).error().message, "keys");
  Result<KeyFile::Made> made =
      file.create(options.get("name"), *tenant, *scopes, system_clock().wall(), system_random(), std::move(permits),
                  *std::move(budgets), {*requests, *tokens});
  if (!made.ok()) return complain(made.error());
  if (options.has("json")) {
    print_json(made->key, made->secret);
    return kOk;
  }
  std::fprintf(stderr, "key %s for tenant %s, scopes %s. It is shown this once and cannot be shown again:\n",
               made->key.id.value.c_str(), made->key.tenant.value.c_str(), made->key.scopes.to_string().c_str());
  print(made->secret + "\n");
  return kOk;
}

// What an update takes away: --no-NAME, or --NAME with an empty value.
bool taken_away(const Options& options, const std::string& name) {
  return options.has("no-" + name) || (options.has(name) && options.get(name).empty());
}

// What is said of a key that exists.
Result<KeyChange> change_in(const Options& options) {
  KeyChange out;
  for (const char* name : kRemovable)
    if (options.has(name) && options.has("no-" + std::string(name)) && !options.get(name).empty())
      return Error{Code::kInvalid, "--" + std::string(name) + " and --no-" + name + " contradict each other"};
  if (options.has("tenant"))
    return Error{Code::kInvalid, "the tenant of a key stays: what it has made is its tenant's. Make another key"};
  if (options.has("name")) out.name = options.get("name");
  if (options.has("scopes")) {
    Result<Scopes> scopes = Scopes::parse(options.get("scopes"));
    if (!scopes.ok()) return std::move(scopes).error().with_context("--scopes");
    out.scopes = *scopes;
  }
  for (auto [name, list] :
       {std::pair("models", &out.models), std::pair("parties", &out.parties), std::pair("regions", &out.regions)}) {
    if (taken_away(options, name))
      list->emplace();
    else if (options.has(name))
      *list = names_in(options.get(name));
  }
  if (taken_away(options, "budget")) {
    out.budgets.emplace();
  } else if (options.has("budget")) {
    TRY(out.budgets, budgets_in(options));
  }
  for (auto [name, limit] : {std::pair("requests-per-minute", &out.requests_per_minute),
                             std::pair("tokens-per-minute", &out.tokens_per_minute)}) {
    if (taken_away(options, name)) {
      *limit = 0;
    } else if (options.has(name)) {
      TRY(*limit, rate_in(options, name));
    }
  }
  if (out == KeyChange{}) return Error{Code::kInvalid, "keys update needs something to change, like --models small"};
  return out;
}

int update(KeyFile& file, const Options& options) {
  if (options.words.size() != 2) return complain_usage("keys update takes the id of one key", "keys");
  Result<KeyChange> change = change_in(options);
  if (!change.ok()) return complain_usage(change.error().message, "keys");
  Result<ApiKey> key = file.update(options.words[1], *change, system_clock().wall());
  if (!key.ok()) return complain(key.error());
  if (options.has("json")) {
    print_json(*key);
  } else {
    print("changed " + key->id.value + ": scopes " + key->scopes.to_string() + "; may use " +
          shown_permits(key->permits) + "; may spend " + shown_budgets(key->budgets) + "; a minute " +
          shown_rates(key->rates) + ". A running server keeps to it within a second\n");
  }
  return kOk;
}

int list(KeyFile& file, const Options& options) {
  Result<std::vector<ApiKey>> keys = file.list();
  if (!keys.ok()) return complain(keys.error());
  if (options.has("json")) {
    json::Writer out;
    out.begin_array();
    for (const ApiKey& key : *keys) write_key(out, key, "");
    out.end_array();
    print(out.text() + "\n");
    return kOk;
  }
  Table table({"ID", "NAME", "TENANT", "SCOPES", "MAY USE", "MAY SPEND", "A MINUTE", "CREATED", "REVOKED"});
  for (const ApiKey& key : *keys)
    table.row({key.id.value, key.name, key.tenant.value, key.scopes.to_string(), shown_permits(key.permits),
               shown_budgets(key.budgets), shown_rates(key.rates), show_time(unix_seconds(key.created)),
               key.revoked ? show_time(unix_seconds(*key.revoked)) : "-"});
  print(keys->empty() ? "no keys: every caller on this machine is tenant \"default\"\n" : table.text());
  return kOk;
}

int revoke(KeyFile& file, const Options& options) {
  if (options.words.size() != 2) return complain_usage("keys revoke takes the id of one key", "keys");
  Result<ApiKey> key = file.revoke(options.words[1], system_clock().wall());
  if (!key.ok()) return complain(key.error());
  if (options.has("json")) {
    print_json(*key);
  } else {
    print("revoked " + key->id.value + "; a running server refuses it within a second\n");
  }
  return kOk;
}

}  // namespace

Command keys_command(DataFolder data_folder) {
  auto run = [data_folder](const Options& options) {
    std::string what = options.words.empty() ? "" : options.words[0];
    if (what != "create" && what != "list" && what != "revoke" && what != "update")
      return complain_usage("keys needs one of the words create, list, update, revoke", "keys");
    if ((what == "create" || what == "list") && options.words.size() > 1)
      return complain_usage("keys " + what + " takes options only", "keys");
    for (const char* name : kRemovable)
      if (what != "update" && options.has("no-" + std::string(name)))
        return complain_usage("--no-" + std::string(name) + " is an option of keys update", "keys");
    Result<std::string> folder = data_folder(options);
    if (!folder.ok()) return complain(folder.error());
    KeyFile file(KeyFile::in(*folder));
    if (what == "create") return create(file, options, *folder);
    if (what == "update") return update(file, options);
    return what == "list" ? list(file, options) : revoke(file, options);
  };
  return {
      .name = "keys",
      .words = "create | list | update ID | revoke ID",
      .summary = "makes, lists, changes and revokes API keys",
      .options = {{"name", "TEXT", "create, update: what the key is for"},
                  {"tenant", "NAME", "create: the owner of what it makes (default \"default\")"},
                  {"scopes", "LIST", "create, update: use, operate, audit, joined by commas (default use)"},
                  {"models", "LIST", "create, update: only these models, as clients name them (default all)"},
                  {"parties", "LIST", "create, update: only deployments of these parties (default all)"},
                  {"regions", "LIST", "create, update: only deployments in these regions (default all)"},
                  {"budget", "AMOUNT",
                   "create, update: what it may spend, like \"10 USD/month\"; several times: all of them hold"},
                  {"requests-per-minute", "N", "create, update: how many requests it may make (default as configured)"},
                  {"tokens-per-minute", "N",
                   "create, update: how many tokens its answers may use (default as configured)"},
                  {"no-models", "", "update: all models again; likewise the following"},
                  {"no-parties", "", "update: deployments of all parties"},
                  {"no-regions", "", "update: deployments in all regions"},
                  {"no-budget", "", "update: no budget of its own"},
                  {"no-requests-per-minute", "", "update: no limit of its own to requests: as configured"},
                  {"no-tokens-per-minute", "", "update: no limit of its own to tokens: as configured"},
                  {"data", "DIR", "the server's data folder"},
                  {"config", "FILE", "the server's configuration, which names the data folder"},
                  {"json", "", "as JSON"}},
      .details =
          "  perdure keys create --name \"web app\" --tenant shop\n"
          "  KEY=$(perdure keys create --name me --scopes use,operate)\n"
          "  perdure keys create --name intern --models small --regions eu\n"
          "  perdure keys create --name trial --budget \"10 USD/month\" --budget \"1 USD/day\"\n"
          "  perdure keys create --name batch --requests-per-minute 60 --tokens-per-minute 100000\n"
          "  perdure keys list\n"
          "  perdure keys update batch --requests-per-minute 10 --no-tokens-per-minute\n"
          "  perdure keys revoke key_0123456789abcdef\n"
          "\n"
          "update and revoke take an id, or a name that only one key has. update changes what is said and leaves\n"
          "the rest; a list or the budgets are replaced as a whole, and an empty value takes away as --no-... does.\n"
          "What was used of a limit or spent of a budget before the change counts after it.\n"
          "\n"
          "Works on DATA/keys.json, with or without a running server, which notices within a second. With the\n"
          "first key the server asks for one on every call. Only the SHA-256 of a key is kept.\n"
          "scopes: use makes and reads responses, operate sees accounts, lists and metrics, audit may read those.\n",
      .run = run};
}

}  // namespace perdure::cli
