// Laying a document over a catalogue: its suppliers first, then its models, then the names that all of them claim.

#include "catalogue/document_fields.h"

namespace perdure {
namespace {

constexpr size_t kDocumentMax = size_t{16} << 20;
constexpr size_t kSuppliersMax = 1000;
constexpr size_t kModelsMax = 20'000;
constexpr size_t kBandsMax = 8;
constexpr int64_t kTokensMax = 1'000'000'000;
constexpr int64_t kMillion = 1'000'000;

bool only(std::string_view text, std::string_view others, bool capitals = false) {
  return std::ranges::all_of(text, [&](char c) {
    return (c >= '0' && c <= '9') || (capitals ? c >= 'A' && c <= 'Z' : c >= 'a' && c <= 'z') ||
           others.find(c) != std::string_view::npos;
  });
}

bool is_supplier_name(std::string_view text) { return text.size() <= 64 && only(text, "_-."); }

// Empty: a good one. Otherwise what is wrong with it.
std::string_view fault_of_url(std::string_view url) {
  size_t scheme = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  if (scheme == 0) return "must begin with https:// or http://";
  std::string_view rest = url.substr(scheme);
  if (rest.empty() || rest.front() == '/' || rest.front() == ':') return "has no host";
  if (rest.back() == '/') return "must not end with a slash";
  if (rest.find_first_of("@?#\"\\<> ") != std::string_view::npos) return "must be a plain address, without credentials";
  if (std::ranges::any_of(rest, [](char c) { return static_cast<unsigned char>(c) >= 0x7f; })) return "must be ASCII";
  bool open = false;
  size_t length = 0;
  for (char c : rest) {
    bool brace = c == '{' || c == '}';
    if (!open && c == '}') return "has a } without {";
    if (open && c != '}' && !((c >= 'a' && c <= 'z') || c == '_'))
      return "placeholders are small letters, like {region}";
    if (open && c == '}' && length == 0) return "has a placeholder without a name";
    length = brace ? 0 : length + 1;
    if (brace) open = c == '{';
  }
  return open ? "has a { without }" : "";
}

bool is_header_name(std::string_view text) {
  return text.size() <= 64 && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
         });
}

void read_base_url(DocumentFields& fields, std::string& out) {
  std::string url;
  if (!fields.text("base_url", url)) return;
  std::string_view fault = fault_of_url(url);
  if (fault.empty())
    out = std::move(url);
  else
    fields.wrong("base_url", std::string(fault));
}

// True: `auth` was given. The header goes with kHeader and with nothing else.
bool read_auth(DocumentFields& fields, AuthKind& auth, std::string& header) {
  AuthKind kind = auth;
  std::string name;
  bool given = fields.word("auth", kAuthKindNames, kind);
  bool named = fields.text("auth_header", name);
  if (named && !(given && kind == AuthKind::kHeader)) {
    fields.wrong("auth_header", "goes with \"auth\": \"header\"");
  } else if (given && kind == AuthKind::kHeader && !named) {
    fields.require("auth_header");
  } else if (named && !is_header_name(name)) {
    fields.wrong("auth_header", "must be the name of a header");
  } else if (given) {
    auth = kind;
    header = std::move(name);
  }
  return given;
}

void read_capabilities(DocumentProblems& problems, DocumentFields& fields, Capabilities& out) {
  fields.count("context_tokens", out.context_tokens, kTokensMax);
  fields.count("output_tokens_max", out.output_tokens_max, kTokensMax);
  json::Value value = fields.take("capabilities");
  if (value.missing()) return;
  DocumentFields inner(problems, value, fields.at("capabilities"));
  for (const auto& name : kCapabilityNames) inner.known(name.word, out[name.value]);
  inner.finish();
}

void read_limits(DocumentProblems& problems, json::Value value, const std::string& path, SupplierLimits& out) {
  if (value.missing()) return;
  SupplierLimits limits;
  DocumentFields fields(problems, value, path);
  fields.count("request_bytes", limits.request_bytes);
  fields.count("tools", limits.tools);
  fields.count("tool_name_chars", limits.tool_name_chars);
  fields.count("call_id_chars", limits.call_id_chars);
  fields.text("call_id_alphabet", limits.call_id_alphabet);
  Known exact = Known::kNo;
  fields.known("call_id_exact", exact);
  limits.call_id_exact = exact == Known::kYes;
  if (limits.call_id_exact && !limits.call_id_chars) fields.wrong("call_id_exact", "needs call_id_chars beside it");
  fields.count("stop_sequences", limits.stop_sequences);
  fields.count("images", limits.images);
  fields.count("image_bytes", limits.image_bytes);
  fields.finish();
  out = std::move(limits);
}

void read_rates(DocumentProblems& problems, json::Value value, const std::string& path, Currency currency, Rates& out) {
  DocumentFields fields(problems, value, path);
  auto rate = [&](std::string_view key, std::optional<Money>& to) {
    json::Value number = fields.take(key);
    if (number.missing()) return;
    if (number.type() != json::Type::kNumber) return fields.wrong(key, "must be a number");
    Result<Money> million = Money::parse(number.raw(), currency);
    if (!million.ok()) return fields.wrong(key, million.error().message);
    if (million->negative()) return fields.wrong(key, "must not be negative");
    Result<Money> one = million->divided_exactly(kMillion);
    if (!one.ok()) return fields.wrong(key, "has more than 12 decimals, which cannot be kept exactly");
    to = *one;
  };
  rate("input", out.input);
  rate("cached_input", out.cached_input);
  rate("cache_write", out.cache_write);
  rate("output", out.output);
  rate("reasoning", out.reasoning);
  fields.finish();
}

std::optional<Price> read_price(DocumentProblems& problems, json::Value value, const std::string& path,
                                const CatalogueStamp& stamp) {
  Price out;
  out.version = {stamp.date, stamp.origin};
  DocumentFields fields(problems, value, path);
  Currency currency;
  if (std::string code; fields.text("currency", code)) {
    Result<Currency> read = Currency::parse(code);
    if (read.ok())
      currency = *read;
    else
      fields.wrong("currency", read.error().message);
  }
  fields.require("per_million");
  if (json::Value rates = fields.take("per_million"); !rates.missing()) {
    read_rates(problems, rates, fields.at("per_million"), currency, out.rates);
    for (const char* required : {"input", "output"})
      if (rates.is_object() && rates[required].missing())
        problems.add(rates, fields.at("per_million") + "." + required, "is missing");
  }
  fields.each("above", kBandsMax, [&](json::Value element, const std::string& where) {
    DocumentFields band(problems, element, where);
    std::optional<int64_t> above;
    band.require("input_tokens");
    band.count("input_tokens", above, kTokensMax);
    PriceBand read{.above = above.value_or(0), .rates = {}};
    band.require("per_million");
    if (json::Value inner = band.take("per_million"); !inner.missing())
      read_rates(problems, inner, band.at("per_million"), currency, read.rates);
    if (above && !out.bands.empty() && out.bands.back().above >= *above)
      band.wrong("input_tokens", "must be more than in the entry before");
    band.finish();
    out.bands.push_back(std::move(read));
  });
  fields.texts("not_counted", out.not_counted);
  fields.date("date", out.version.date);
  fields.text("origin", out.version.origin);
  fields.finish();
  return out;
}

}  // namespace

// One document on its way into a copy of the catalogue.
class CatalogueReader {
 public:
  CatalogueReader(Catalogue& catalogue, Catalogue::Voice voice) : out_(catalogue), voice_(voice) {}

  std::vector<CatalogueProblem> read(std::string text) {
    if (text.size() > kDocumentMax) {
      problems_.add({}, "", "the document is larger than 16 MiB");
      return problems_.take();
    }
    std::string lead = text.substr(0, std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    Result<json::Document> document = json::Document::parse(std::move(text));
    if (!document.ok()) {
      problems_.add({}, "", document.error().message);
      return problems_.take();
    }
    problems_.begin(document->root(), std::move(lead));
    read_document(document->root());
    if (problems_.none()) claim_names();
    return problems_.take();
  }

 private:
  void read_document(json::Value root) {
    DocumentFields fields(problems_, root, "");
    if (!root.is_object()) return;
    if (fields.take("format").integer() != 1) fields.wrong("format", "must be 1, the only format there is");
    CatalogueStamp stamp;
    fields.require("date");
    fields.date("date", stamp.date);
    fields.require("origin");
    fields.text("origin", stamp.origin);
    std::string note;
    fields.text("note", note);
    fields.each("suppliers", kSuppliersMax,
                [&](json::Value value, std::string path) { read_supplier(value, std::move(path)); });
    fields.each("models", kModelsMax,
                [&](json::Value value, std::string path) { read_model(value, std::move(path), stamp); });
    fields.finish();
    out_.stamps_.push_back(std::move(stamp));
    if (out_.suppliers_.size() > kSuppliersMax) fields.wrong("suppliers", "there are more than 1000 with these");
    if (out_.models_.size() > kModelsMax) fields.wrong("models", "there are more than 20000 with these");
  }

  Capabilities& voiced(Capabilities& catalogue, Capabilities& owner) {
    return voice_ == Catalogue::Voice::kOwner ? owner : catalogue;
  }

  void read_supplier(json::Value value, std::string path) {
    DocumentFields fields(problems_, value, std::move(path));
    std::string name;
    fields.require("name");
    if (!fields.text("name", name)) return;
    if (!is_supplier_name(name))
      return fields.wrong("name", "may have small letters, digits, dots, dashes and underscores");
    auto found = std::ranges::find(out_.suppliers_, name, &Supplier::name);
    const bool fresh = found == out_.suppliers_.end();
    Supplier supplier;
    if (!fresh) supplier = *found;
    supplier.name = name;
    if (fresh) supplier.title = name;
    fields.texts("aliases", supplier.aliases);
    for (const std::string& alias : supplier.aliases)
      if (!is_supplier_name(alias)) fields.wrong("aliases", "\"" + alias + "\" cannot be a name");
    fields.text("title", supplier.title);
    fields.text("party", supplier.party);
    if (fields.text("region", supplier.region) && !only(supplier.region, "-"))
      fields.wrong("region", "must be a word in small letters, like us, eu or local");
    read_base_url(fields, supplier.endpoint.base_url);
    fields.word("dialect", kWireDialectNames, supplier.endpoint.dialect);
    read_auth(fields, supplier.endpoint.auth, supplier.endpoint.auth_header);
    if (fresh)
      for (const char* required : {"base_url", "dialect", "auth"}) fields.require(required);
    read_also(fields, supplier);
    fields.texts("key_env", supplier.key_env);
    for (const std::string& variable : supplier.key_env)
      if (!only(variable, "_", true))
        fields.wrong("key_env", "\"" + variable + "\" is no name of an environment variable");
    fields.words("chat", kChatHabitNames, supplier.chat);
    fields.word("prefill", kPrefillFormNames, supplier.prefill);
    read_limits(problems_, fields.take("limits"), fields.at("limits"), supplier.limits);
    read_capabilities(problems_, fields, voiced(supplier.catalogue, supplier.owner));
    fields.text("docs", supplier.docs);
    fields.text("note", supplier.note);
    fields.finish();
    if (!suppliers_here_.try_emplace(name, value).second)
      return fields.wrong("name", "\"" + name + "\" stands here twice");
    if (fresh)
      out_.suppliers_.push_back(std::move(supplier));
    else
      *found = std::move(supplier);
  }

  void read_also(DocumentFields& fields, Supplier& supplier) {
    if (!fields.value()["also"].missing()) supplier.also.clear();
    fields.each("also", kWireDialectNames.size(), [&](json::Value value, const std::string& path) {
      DocumentFields inner(problems_, value, path);
      OtherEndpoint other;
      inner.require("dialect");
      if (!inner.word("dialect", kWireDialectNames, other.dialect)) return;
      read_base_url(inner, other.base_url);
      AuthKind auth = supplier.endpoint.auth;
      if (read_auth(inner, auth, other.auth_header)) other.auth = auth;
      inner.finish();
      if (supplier.endpoint_for(other.dialect)) inner.wrong("dialect", "there is an endpoint for it already");
      supplier.also.push_back(std::move(other));
    });
  }

  void read_model(json::Value value, std::string path, const CatalogueStamp& stamp) {
    DocumentFields fields(problems_, value, std::move(path));
    CatalogueModel model;
    fields.require("name");
    fields.require("supplier");
    bool named = fields.text("name", model.name), supplied = fields.text("supplier", model.supplier);
    if (!named || !supplied) return;
    if (std::ranges::find(out_.suppliers_, model.supplier, &Supplier::name) == out_.suppliers_.end())
      return fields.wrong("supplier", "there is no supplier \"" + model.supplier + "\"");
    const std::string key = model.supplier + "\n" + model.name;
    size_t index = find_model(model);
    const bool fresh = index == out_.models_.size();
    if (!fresh) model = out_.models_[index];
    fields.texts("aliases", model.aliases);
    fields.texts("prefixes", model.prefixes);
    fields.texts("suffixes", model.suffixes);
    read_capabilities(problems_, fields, voiced(model.catalogue, model.owner));
    if (json::Value price = fields.take("price"); price.null())
      model.price.reset();
    else if (!price.missing())
      model.price = read_price(problems_, price, fields.at("price"), stamp);
    fields.date("retires", model.retires);
    fields.text("source", model.source);
    fields.texts("by_hand", model.by_hand);
    fields.text("note", model.note);
    fields.finish();
    if (!models_here_.try_emplace(key, value).second)
      return fields.wrong("name", "\"" + model.name + "\" of " + model.supplier + " stands here twice");
    if (fresh)
      out_.models_.push_back(std::move(model));
    else
      out_.models_[index] = std::move(model);
  }

  // By its own name only; the number of models: there is none.
  size_t find_model(const CatalogueModel& model) {
    if (own_names_.empty())
      for (size_t i = 0; i < out_.models_.size(); ++i)
        own_names_.emplace(out_.models_[i].supplier + "\n" + out_.models_[i].name, i);
    auto [at, fresh] = own_names_.try_emplace(model.supplier + "\n" + model.name, out_.models_.size());
    return at->second;
  }

  // No name may mean two things.
  void claim_names() {
    out_.supplier_names_.clear();
    out_.model_names_.clear();
    for (size_t i = 0; i < out_.suppliers_.size(); ++i) {
      const Supplier& supplier = out_.suppliers_[i];
      claim(out_.supplier_names_, i, supplier.name, supplier.name, suppliers_here_, supplier.name);
      for (const std::string& alias : supplier.aliases)
        claim(out_.supplier_names_, i, alias, alias, suppliers_here_, supplier.name);
    }
    for (size_t i = 0; i < out_.models_.size(); ++i) {
      const CatalogueModel& model = out_.models_[i];
      const std::string key = model.supplier + "\n" + model.name;
      claim(out_.model_names_, i, key, model.name, models_here_, key);
      for (const std::string& alias : model.aliases)
        claim(out_.model_names_, i, model.supplier + "\n" + alias, alias, models_here_, key);
    }
  }

  void claim(std::map<std::string, size_t, std::less<>>& names, size_t index, const std::string& key,
             const std::string& shown, const std::map<std::string, json::Value>& here, const std::string& entry) {
    if (names.try_emplace(key, index).second) return;
    auto at = here.find(entry);
    problems_.add(at == here.end() ? json::Value() : at->second, "name", "\"" + shown + "\" means two entries");
  }

  Catalogue& out_;
  Catalogue::Voice voice_;
  DocumentProblems problems_;
  std::map<std::string, json::Value> suppliers_here_, models_here_;
  std::map<std::string, size_t> own_names_;
};

std::vector<CatalogueProblem> Catalogue::lay_over(std::string text, Voice voice) {
  Catalogue copy = *this;
  std::vector<CatalogueProblem> problems = CatalogueReader(copy, voice).read(std::move(text));
  if (problems.empty()) *this = std::move(copy);
  return problems;
}

}  // namespace perdure
