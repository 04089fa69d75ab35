// Providers without a configuration file: what the variables say that suppliers' own clients read. Only variables that
// are made for this are believed: of a supplier that is named by its *_API_KEY, of AWS, Azure and Google with the
// addresses that they need.

#include <algorithm>
#include <set>

#include "app/config.h"

namespace perdure {
namespace {

class Finder {
 public:
  Finder(Config& config, const Environment& environment) : config_(config), environment_(environment) {}

  Result<void> run() {
    TRY_VOID(find_openai());
    for (const Supplier& supplier : config_.catalogue->suppliers()) find_by_key(supplier);
    find_azure();
    find_bedrock();
    find_vertex();
    if (!any_name_served_ && config_.providers.size() == 1)
      config_.models.push_back({"*", config_.providers[0].name, ""});
    return {};
  }

 private:
  std::string variable(const std::string& name) const { return environment_(name).value_or(""); }

  Result<void> find_openai() {
    std::string key = variable("OPENAI_API_KEY"), base = variable("OPENAI_BASE_URL");
    if (key.empty() && base.empty()) return {};
    if (base.empty()) {
      if (add({.name = "openai", .supplier = "openai", .api_key = key}, "OPENAI_API_KEY")) serve_any_name();
      return {};
    }
    Result<Url> url = parse_url(base);
    if (!url.ok()) return std::move(url).error().with_context("OPENAI_BASE_URL");
    ProviderWish wish{.name = "environment", .base_url = base, .api_key = key};
    if (key.empty()) wish.auth = AuthKind::kNone;
    if (add(std::move(wish), key.empty() ? "OPENAI_BASE_URL" : "OPENAI_API_KEY and OPENAI_BASE_URL")) serve_any_name();
    return {};
  }

  void find_by_key(const Supplier& supplier) {
    bool by_key = supplier.endpoint.auth == AuthKind::kBearer || supplier.endpoint.auth == AuthKind::kHeader;
    if (!by_key || supplier.name == "openai" || !placeholders_of(supplier.endpoint.base_url).empty()) return;
    for (const std::string& name : supplier.key_env) {
      // Others are set for other purposes just as often (GITHUB_TOKEN, HF_TOKEN).
      if (!name.ends_with("_API_KEY") || used_.contains(name)) continue;
      std::string key = variable(name);
      if (key.empty()) continue;
      used_.insert(name);
      add({.name = supplier.name, .supplier = supplier.name, .api_key = key}, name);
      return;
    }
  }

  void find_azure() {
    std::string endpoint = variable("AZURE_OPENAI_ENDPOINT"), key = variable("AZURE_OPENAI_API_KEY");
    if (endpoint.empty() || key.empty()) return;
    add({.name = "azure_openai",
         .supplier = "azure_openai",
         .base_url = endpoint,
         .auth = AuthKind::kAzure,
         .api_key = key},
        "AZURE_OPENAI_API_KEY");
  }

  void find_bedrock() {
    bool keys = !variable("AWS_ACCESS_KEY_ID").empty() && !variable("AWS_SECRET_ACCESS_KEY").empty();
    std::string from = !variable("AWS_BEARER_TOKEN_BEDROCK").empty() ? "AWS_BEARER_TOKEN_BEDROCK"
                       : keys                                        ? "AWS_ACCESS_KEY_ID"
                                                                     : "";
    if (!from.empty()) add({.name = "bedrock", .supplier = "bedrock"}, from);
  }

  void find_vertex() {
    if (variable("GOOGLE_APPLICATION_CREDENTIALS").empty()) return;
    ProviderWish wish{.name = "vertex", .supplier = "vertex"};
    if (variable("GOOGLE_CLOUD_LOCATION").empty()) wish.google.emplace().location = "global";
    add(std::move(wish), "GOOGLE_APPLICATION_CREDENTIALS");
  }

  // False: something that it needs besides is missing; that is said, and no reason not to start.
  bool add(ProviderWish wish, const std::string& from) {
    std::string name = wish.name;
    std::vector<WishProblem> problems;
    ProviderConfig provider = complete(std::move(wish), *config_.catalogue, environment_, problems);
    if (!problems.empty()) {
      config_.found.push_back(from + " is set, but " + name + " cannot be used: " + problems[0].field + " " +
                              problems[0].message);
      return false;
    }
    size_t models = config_.models.size();
    for (const CatalogueModel& model : config_.catalogue->models()) {
      if (model.supplier != provider.supplier) continue;
      serve(model.name, provider.name);
      for (const std::string& alias : model.aliases) serve(alias, provider.name);
    }
    models = config_.models.size() - models;
    config_.found.push_back("provider " + provider.name + " from " + from + ": " +
                            std::string(provider.base_url.tls ? "https://" : "http://") +
                            provider.base_url.authority() +
                            (provider.base_url.path == "/" ? std::string() : provider.base_url.path) +
                            (models == 0 ? std::string() : ", " + std::to_string(models) + " model names"));
    config_.providers.push_back(std::move(provider));
    return true;
  }

  // Whoever comes first has the name: nothing is sent to another company because the first one failed.
  void serve(const std::string& model, const std::string& provider) {
    if (names_.insert(model).second) config_.models.push_back({model, provider, ""});
  }

  void serve_any_name() {
    config_.models.push_back({"*", config_.providers.back().name, ""});
    any_name_served_ = true;
  }

  Config& config_;
  const Environment& environment_;
  std::set<std::string> used_, names_;
  bool any_name_served_ = false;
};

}  // namespace

Result<void> providers_from_environment(Config& config, const Environment& environment) {
  return Finder(config, environment).run();
}

}  // namespace perdure
