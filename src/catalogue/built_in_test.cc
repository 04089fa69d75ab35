// The document that the program brings: it loads, it is complete enough to be of use, and its prices are those of its
// origin.

#include "catalogue/built_in.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "catalogue/catalogue.h"
#include "wire/json.h"

namespace perdure {
namespace {

using testing::IsEmpty;

const Catalogue& built_in() {
  static const Catalogue* catalogue = [] {
    auto* out = new Catalogue;
    for (const CatalogueProblem& problem :
         out->lay_over(std::string(built_in_catalogue()), Catalogue::Voice::kCatalogue))
      ADD_FAILURE() << problem.to_string("catalogue/catalogue.json");
    return out;
  }();
  return *catalogue;
}

TEST(BuiltIn, IsTheFile) {
  std::ifstream file("catalogue/catalogue.json", std::ios::binary);
  std::ostringstream text;
  ASSERT_TRUE(file && text << file.rdbuf()) << "run from the project's folder";
  EXPECT_EQ(built_in_catalogue(), text.str());
}

TEST(BuiltIn, HasWhatPeopleUse) {
  EXPECT_GE(built_in().suppliers().size(), 25u);
  EXPECT_GE(built_in().models().size(), 80u);
  for (std::string_view name :
       {"openai",      "azure",     "azure_openai", "anthropic", "bedrock",    "gemini",    "vertex",     "mistral",
        "groq",        "deepseek",  "together",     "fireworks", "openrouter", "xai",       "perplexity", "cohere",
        "cerebras",    "sambanova", "nvidia",       "deepinfra", "moonshot",   "dashscope", "zhipu",      "zai",
        "huggingface", "ollama",    "vllm",         "llamacpp",  "lmstudio",   "localai",   "tgi",        "sglang"})
    EXPECT_NE(built_in().supplier(name), nullptr) << name;
  const std::pair<const char*, const char*> models[] = {{"openai", "gpt-4o-2024-08-06"},
                                                        {"azure", "gpt-4.1-2025-04-14"},
                                                        {"anthropic", "claude-haiku-4-5-20251001"},
                                                        {"bedrock", "global.anthropic.claude-opus-5"},
                                                        {"bedrock", "eu.anthropic.claude-opus-5"},
                                                        {"gemini", "gemini-2.5-flash"},
                                                        {"mistral", "mistral-large-2512"},
                                                        {"groq", "openai/gpt-oss-120b"}};
  for (const auto& [supplier, model] : models)
    EXPECT_NE(built_in().model(supplier, model), nullptr) << supplier << "/" << model;
}

TEST(BuiltIn, SuppliersAreComplete) {
  for (const Supplier& supplier : built_in().suppliers()) {
    const bool local = supplier.region == "local";
    EXPECT_FALSE(supplier.title.empty()) << supplier.name;
    EXPECT_EQ(supplier.party.empty(), local) << supplier.name;
    EXPECT_TRUE(supplier.docs.starts_with("https://")) << supplier.name;
    EXPECT_EQ(supplier.endpoint.auth == AuthKind::kNone, local) << supplier.name;
    if (!local) EXPECT_FALSE(supplier.key_env.empty()) << supplier.name;
    EXPECT_EQ(supplier.endpoint.base_url.starts_with("http://127.0.0.1:"), local) << supplier.name;
    if (!local) EXPECT_TRUE(supplier.endpoint.base_url.starts_with("https://")) << supplier.name;
    std::map<std::string, std::string> values;
    for (const std::string& name : placeholders_of(supplier.endpoint.base_url)) values[name] = "x";
    Result<std::string> url = fill_placeholders(supplier.endpoint.base_url, values);
    ASSERT_TRUE(url.ok()) << supplier.name;
    EXPECT_EQ(url->find_first_of("{}"), std::string::npos) << supplier.name;
    if (!local) EXPECT_EQ(built_in().supplier_at(*url), &supplier) << supplier.name;
    if (supplier.endpoint_for(WireDialect::kChat) && supplier.name != "openai" && supplier.name != "azure_openai")
      EXPECT_TRUE(supplier.has(ChatHabit::kNoDeveloperRole)) << supplier.name;
  }
}

TEST(BuiltIn, ModelsMakeSense) {
  std::set<std::string> with_models;
  for (const CatalogueModel& model : built_in().models()) {
    const std::string name = model.supplier + "/" + model.name;
    with_models.insert(model.supplier);
    EXPECT_EQ(built_in().model(model.supplier, model.name), &model) << name;
    for (const std::string& alias : model.aliases) EXPECT_EQ(built_in().model(model.supplier, alias), &model) << name;
    EXPECT_FALSE(model.source.empty()) << name;
    EXPECT_TRUE(model.by_hand.empty() || !model.note.empty()) << name << ": a correction says why";
    ASSERT_TRUE(model.price.has_value()) << name;
    const Rates& rates = model.price->rates;
    EXPECT_LE(*rates.input->compare(*rates.output), 0) << name;
    if (rates.cached_input) EXPECT_LE(*rates.cached_input->compare(*rates.input), 0) << name;
    if (rates.cache_write) EXPECT_GE(*rates.cache_write->compare(*rates.input), 0) << name;
    for (const PriceBand& band : model.price->bands) {
      EXPECT_GE(*band.rates.input->compare(*rates.input), 0) << name;
      EXPECT_GE(*band.rates.output->compare(*rates.output), 0) << name;
    }
    EXPECT_EQ(model.price->version.date, built_in().stamps().front().date) << name;
  }
  EXPECT_GE(with_models.size(), 15u);
}

TEST(BuiltIn, CanBeLaidOverItselfAndWrittenAgain) {
  std::string suppliers, models;
  for (const Supplier& supplier : built_in().suppliers())
    suppliers += (suppliers.empty() ? "" : ",") + to_json(supplier);
  for (const CatalogueModel& model : built_in().models()) models += (models.empty() ? "" : ",") + to_json(model);
  Catalogue again = built_in();
  std::vector<CatalogueProblem> problems =
      again.lay_over(R"({"format": 1, "date": "2026-08-02", "origin": "itself", "suppliers": [)" + suppliers +
                         "], \"models\": [" + models + "]}",
                     Catalogue::Voice::kCatalogue);
  ASSERT_THAT(problems, IsEmpty());
  EXPECT_EQ(again.suppliers(), built_in().suppliers());
  EXPECT_EQ(again.models(), built_in().models());
}

// A rate of the origin, per token, exactly as it is written there.
std::optional<Money> rate(json::Value entry, const std::string& key) {
  json::Value value = entry[key];
  if (value.type() != json::Type::kNumber) return std::nullopt;
  Result<Money> out = Money::parse(value.raw());
  EXPECT_TRUE(out.ok()) << key << " " << value.raw();
  return out.ok() ? std::optional(*out) : std::nullopt;
}

void expect_rates(const Rates& ours, json::Value entry, const std::string& ending, const std::string& name) {
  EXPECT_EQ(ours.input, rate(entry, "input_cost_per_token" + ending)) << name;
  EXPECT_EQ(ours.output, rate(entry, "output_cost_per_token" + ending)) << name;
  EXPECT_EQ(ours.cached_input, rate(entry, "cache_read_input_token_cost" + ending)) << name;
  std::optional<Money> write = rate(entry, "cache_creation_input_token_cost" + ending);
  if (write && write->zero()) write.reset();  // it says: not billed by itself
  EXPECT_EQ(ours.cache_write, write) << name;
  std::optional<Money> reasoning = rate(entry, "output_cost_per_reasoning_token" + ending);
  EXPECT_EQ(ours.reasoning.value_or(*ours.output), reasoning.value_or(*ours.output)) << name;
}

TEST(BuiltIn, PricesAreThoseOfTheOrigin) {
  const char* set = std::getenv("PERDURE_SHARED_DATA");
  const std::string folder = set != nullptr ? set : "../shared/data";
  std::ifstream file(folder + "/litellm/model_prices_and_context_window.json", std::ios::binary);
  if (!file) GTEST_SKIP() << "no price file in " << folder << "; PERDURE_SHARED_DATA names the folder";
  std::ostringstream text;
  text << file.rdbuf();
  Result<json::Document> origin = json::Document::parse(text.str());
  ASSERT_TRUE(origin.ok()) << origin.error().message;
  size_t compared = 0, bands = 0;
  for (const CatalogueModel& model : built_in().models()) {
    if (!model.source.starts_with("litellm:")) continue;
    const std::string name = model.supplier + "/" + model.name;
    json::Value entry = origin->root()[model.source.substr(8)];
    ASSERT_TRUE(entry.is_object()) << name;
    const Price& price = *model.price;
    ++compared;
    if (entry["tiered_pricing"].is_array()) {
      ASSERT_EQ(entry["tiered_pricing"].size(), price.bands.size() + 1) << name;
      expect_rates(price.rates, entry["tiered_pricing"].at(0), "", name);
      for (size_t i = 0; i < price.bands.size(); ++i, ++bands) {
        json::Value tier = entry["tiered_pricing"].at(i + 1);
        EXPECT_EQ(tier["range"].at(0).integer(), price.bands[i].above) << name;
        expect_rates(price.bands[i].rates, tier, "", name);
      }
    } else {
      expect_rates(price.rates, entry, "", name);
      for (const PriceBand& band : price.bands) {
        ++bands;
        expect_rates(band.rates, entry, "_above_" + std::to_string(band.above / 1000) + "k_tokens", name);
      }
    }
    if (std::optional<int64_t> tokens = entry["max_input_tokens"].integer()) {
      EXPECT_EQ(model.catalogue.context_tokens, tokens) << name;
    }
  }
  EXPECT_EQ(compared, built_in().models().size());
  EXPECT_GT(bands, 20u);
}

}  // namespace
}  // namespace perdure
