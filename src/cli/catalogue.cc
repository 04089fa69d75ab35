#include "catalogue/catalogue.h"

#include <cstdio>
#include <fstream>
#include <sstream>

#include "catalogue/built_in.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/table.h"
#include "wire/json.h"

namespace perdure::cli {
namespace {

Result<std::string> read_document(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf()))
    return Error{Code::kInvalid, "the file " + path + " cannot be read, or is empty"};
  return text.str();
}

// Lays a document over; prints every problem. kUsage: there were some.
int lay_over(Catalogue& catalogue, std::string text, const std::string& file, Catalogue::Voice voice) {
  std::vector<CatalogueProblem> problems = catalogue.lay_over(std::move(text), voice);
  for (const CatalogueProblem& problem : problems) std::fprintf(stderr, "%s\n", problem.to_string(file).c_str());
  return problems.empty() ? kOk : kUsage;
}

// The document of --file, or else the built-in one, and over it those of --overlay in order.
int load(Catalogue& catalogue, const Options& options) {
  std::string path = options.get("file");
  Result<std::string> text = path.empty() ? std::string(built_in_catalogue()) : read_document(path);
  if (!text.ok()) return complain_usage(text.error().message, "catalogue");
  if (int code = lay_over(catalogue, *std::move(text), path, Catalogue::Voice::kCatalogue); code != kOk) return code;
  for (const auto& [name, value] : options.given) {
    if (name != "overlay") continue;
    Result<std::string> overlay = read_document(value);
    if (!overlay.ok()) return complain_usage(overlay.error().message, "catalogue");
    if (int code = lay_over(catalogue, *std::move(overlay), value, Catalogue::Voice::kOwner); code != kOk) return code;
  }
  return kOk;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

template <class E, size_t N>
std::string word(const std::array<Name<E>, N>& names, E value) {
  return std::string(word_of(std::span<const Name<E>>(names), value));
}

std::string tokens(std::optional<int64_t> count) { return count ? std::to_string(*count) : "-"; }

std::string per_million(const std::optional<Money>& rate) {
  if (!rate) return "-";
  Result<Money> million = rate->times(1'000'000);
  return million.ok() ? million->amount() : "-";
}

std::string abilities(const Capabilities& known) {
  std::vector<std::string> out;
  for (const auto& name : kCapabilityNames)
    if (known[name.value] == Known::kYes && name.value != Capability::kStreaming) out.emplace_back(name.word);
  return out.empty() ? "-" : joined(out);
}

std::string dialects(const Supplier& supplier) {
  std::vector<std::string> out{word(kWireDialectNames, supplier.endpoint.dialect)};
  for (const OtherEndpoint& other : supplier.also) out.push_back(word(kWireDialectNames, other.dialect));
  return joined(out);
}

void print_stamps(const Catalogue& catalogue) {
  for (const CatalogueStamp& stamp : catalogue.stamps())
    std::fprintf(stderr, "%s, %s\n", stamp.date.c_str(), stamp.origin.c_str());
}

void write_stamps(json::Writer& out, const Catalogue& catalogue) {
  out.key("documents").begin_array();
  for (const CatalogueStamp& stamp : catalogue.stamps())
    out.begin_object().field("date", stamp.date).field("origin", stamp.origin).end_object();
  out.end_array();
}

int list_suppliers(const Catalogue& catalogue, const Options& options) {
  if (options.has("json")) {
    json::Writer out;
    out.begin_object();
    write_stamps(out, catalogue);
    out.key("suppliers").begin_array();
    for (const Supplier& supplier : catalogue.suppliers()) out.raw(to_json(supplier));
    out.end_array().end_object();
    print(out.text() + "\n");
    return kOk;
  }
  Table table({"NAME", "MODELS", "DIALECTS", "KEY IN", "BASE URL"});
  for (const Supplier& supplier : catalogue.suppliers()) {
    auto listed = std::ranges::count(catalogue.models(), supplier.name, &CatalogueModel::supplier);
    table.row({supplier.name, std::to_string(listed), dialects(supplier),
               supplier.key_env.empty() ? "-" : supplier.key_env.front(), supplier.endpoint.base_url});
  }
  print(table.text());
  print_stamps(catalogue);
  return kOk;
}

int list_models(const Catalogue& catalogue, const Supplier& supplier, const Options& options) {
  json::Writer out;
  out.begin_object();
  write_stamps(out, catalogue);
  out.field("supplier", supplier.name).key("models").begin_array();
  Table table({"NAME", "CONTEXT", "OUTPUT", "IN/1M", "CACHED/1M", "OUT/1M", "CAN"});
  for (const CatalogueModel& model : catalogue.models()) {
    if (model.supplier != supplier.name) continue;
    Capabilities known = catalogue.evidence(supplier.name, model.name).merged();
    Rates rates = model.price ? model.price->rates : Rates{};
    std::string currency = rates.input ? " " + std::string(rates.input->currency().code()) : "";
    table.row({model.name, tokens(known.context_tokens), tokens(known.output_tokens_max),
               per_million(rates.input) + currency, per_million(rates.cached_input), per_million(rates.output),
               abilities(known)});
    out.raw(to_json(model));
  }
  out.end_array().end_object();
  print(options.has("json") ? out.text() + "\n" : table.text());
  if (!options.has("json")) print_stamps(catalogue);
  return kOk;
}

void line(const std::string& name, const std::string& value) {
  if (!value.empty()) print(name + std::string(name.size() < 20 ? 20 - name.size() : 1, ' ') + value + "\n");
}

void show_evidence(const CapabilityEvidence& evidence) {
  Capabilities known = evidence.merged();
  auto by = [](Evidence source) {
    return source == Evidence::kNone ? "" : " (" + std::string(to_string(source)) + ")";
  };
  if (known.context_tokens) line("context", tokens(known.context_tokens) + by(evidence.of_context_tokens()));
  if (known.output_tokens_max)
    line("output at most", tokens(known.output_tokens_max) + by(evidence.of_output_tokens_max()));
  for (const auto& name : kCapabilityNames)
    line(std::string(name.word), std::string(to_string(known[name.value])) + by(evidence.of(name.value)));
}

void show_rates(const std::string& title, const Rates& rates) {
  std::vector<std::string> parts;
  auto part = [&](const char* name, const std::optional<Money>& rate) {
    if (rate) parts.push_back(std::string(name) + " " + per_million(rate));
  };
  part("input", rates.input);
  part("cached input", rates.cached_input);
  part("cache write", rates.cache_write);
  part("output", rates.output);
  part("reasoning", rates.reasoning);
  line(title, joined(parts));
}

int show_supplier(const Catalogue& catalogue, const Supplier& supplier, const Options& options) {
  if (options.has("json")) {
    print(to_json(supplier) + "\n");
    return kOk;
  }
  line("name", supplier.name);
  line("also known as", joined(supplier.aliases));
  line("title", supplier.title);
  line("party", supplier.party);
  line("region", supplier.region);
  for (const auto& name : kWireDialectNames) {
    std::optional<SupplierEndpoint> endpoint = supplier.endpoint_for(name.value);
    if (!endpoint) continue;
    std::string auth = word(kAuthKindNames, endpoint->auth);
    if (!endpoint->auth_header.empty()) auth += " " + endpoint->auth_header;
    line(std::string(name.word),
         endpoint->base_url + " (" + auth + ")" +
             (name.value == supplier.endpoint.dialect && !supplier.also.empty() ? ", preferred" : ""));
  }
  line("key in", joined(supplier.key_env));
  std::vector<std::string> habits;
  for (ChatHabit habit : supplier.chat) habits.push_back(word(kChatHabitNames, habit));
  line("chat habits", joined(habits));
  if (supplier.prefill != PrefillForm::kUnsaid) line("prefill by", word(kPrefillFormNames, supplier.prefill));
  const SupplierLimits& limits = supplier.limits;
  const std::pair<const char*, std::optional<int64_t>> counts[] = {
      {"most request bytes", limits.request_bytes}, {"most tools", limits.tools},
      {"most name chars", limits.tool_name_chars},  {"most call id chars", limits.call_id_chars},
      {"most stop words", limits.stop_sequences},   {"most images", limits.images},
      {"most image bytes", limits.image_bytes}};
  for (const auto& [name, count] : counts)
    if (count) line(name, std::to_string(*count));
  show_evidence(catalogue.evidence(supplier.name, ""));
  line("docs", supplier.docs);
  line("note", supplier.note);
  return kOk;
}

int show_model(const Catalogue& catalogue, const Supplier& supplier, const std::string& name, const Options& options) {
  const CatalogueModel* model = catalogue.model(supplier.name, name);
  if (model == nullptr)
    return complain({Code::kNotFound, "the catalogue has no model \"" + name + "\" at " + supplier.name +
                                          "; perdure catalogue list " + supplier.name + " tells which it has"});
  if (options.has("json")) {
    print(to_json(*model) + "\n");
    return kOk;
  }
  line("supplier", supplier.name);
  line("name", model->name);
  line("aliases", joined(model->aliases));
  line("prefixes", joined(model->prefixes));
  line("suffixes", joined(model->suffixes));
  show_evidence(catalogue.evidence(supplier.name, name));
  if (model->price) {
    const Price& price = *model->price;
    show_rates("price per 1M", price.rates);
    for (const PriceBand& band : price.bands) show_rates("above " + std::to_string(band.above), band.rates);
    if (price.rates.input) line("currency", std::string(price.rates.input->currency().code()));
    line("not counted", joined(price.not_counted));
    line("price of", price.version.date + ", " + price.version.origin);
  }
  line("retires", model->retires);
  line("source", model->source);
  line("by hand", joined(model->by_hand));
  line("note", model->note);
  return kOk;
}

int unknown_supplier(const std::string& name) {
  return complain(
      {Code::kNotFound, "the catalogue has no supplier \"" + name + "\"; perdure catalogue list tells which it has"});
}

int run(const Options& options) {
  const std::string verb = options.words.empty() ? "" : options.words[0];
  if (verb != "list" && verb != "show")
    return complain_usage("catalogue needs one of the words list, show", "catalogue");
  if (verb == "show" && options.words.size() != 2)
    return complain_usage("catalogue show takes a supplier, or supplier/model", "catalogue");
  if (options.words.size() > 2) return complain_usage("catalogue list takes one supplier, or none", "catalogue");
  Catalogue catalogue;
  if (int code = load(catalogue, options); code != kOk) return code;
  if (options.words.size() == 1) return list_suppliers(catalogue, options);
  const std::string& what = options.words[1];
  const size_t slash = verb == "show" ? what.find('/') : std::string::npos;
  const Supplier* supplier = catalogue.supplier(what.substr(0, slash));
  if (supplier == nullptr) return unknown_supplier(what.substr(0, slash));
  if (verb == "list") return list_models(catalogue, *supplier, options);
  if (slash == std::string::npos) return show_supplier(catalogue, *supplier, options);
  return show_model(catalogue, *supplier, what.substr(slash + 1), options);
}

}  // namespace

Command catalogue_command() {
  return {.name = "catalogue",
          .words = "list [SUPPLIER] | show SUPPLIER[/MODEL]",
          .summary = "what is known of suppliers and models: addresses, sizes, capabilities, prices",
          .options = {{"file", "FILE", "a document instead of the built-in one"},
                      {"overlay", "FILE", "a document of yours over it; may be given several times"},
                      {"json", "", "as JSON; entries are in the format of the documents"}},
          .details =
              "  perdure catalogue list\n"
              "  perdure catalogue list groq\n"
              "  perdure catalogue show anthropic/claude-haiku-4-5\n"
              "  perdure catalogue list --overlay our-prices.json\n"
              "\n"
              "Prices are for a million tokens, in USD unless it says otherwise. Everything that is wrong with a\n"
              "document is told with line, column and field; exit code 2.\n",
          .run = run};
}

}  // namespace perdure::cli
