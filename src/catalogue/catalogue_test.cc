#include "catalogue/catalogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "wire/json.h"

namespace perdure {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Voice = Catalogue::Voice;

constexpr std::string_view kHead = R"("format": 1, "date": "2026-08-01", "origin": "a test")";

std::string document(std::string_view rest) { return "{" + std::string(kHead) + std::string(rest) + "}"; }

constexpr std::string_view kSmall = R"(,
"suppliers": [
  {"name": "one", "aliases": ["uno"], "title": "One", "party": "One Inc.", "region": "eu", "base_url": "https://one.example/v1",
   "dialect": "chat", "auth": "bearer", "key_env": ["ONE_KEY", "UNO_KEY"], "chat": ["no_developer_role", "max_tokens"], "prefill": "prefix",
   "also": [{"dialect": "responses"},
            {"dialect": "messages", "base_url": "https://one.example/a/v1", "auth": "header", "auth_header": "x-api-key"}],
   "limits": {"tools": 128, "call_id_chars": 9, "call_id_alphabet": "abc", "call_id_exact": true, "request_bytes": 1000},
   "capabilities": {"streaming": true, "prefill": true}, "context_tokens": 4096, "docs": "https://one.example/docs", "note": "A note."}
],
"models": [
  {"supplier": "one", "name": "small", "aliases": ["small-latest", "smaller"], "prefixes": ["eu.", "us."],
   "suffixes": ["-####-##-##", "@########"], "context_tokens": 128000, "output_tokens_max": 16000,
   "capabilities": {"tools": true, "parallel_tools": true, "prefill": false},
   "price": {"per_million": {"input": 2.5, "cached_input": 0.25, "cache_write": 3.125, "output": 1e1, "reasoning": 12},
             "above": [{"input_tokens": 200000, "per_million": {"input": 5}}], "not_counted": ["search requests"]},
   "retires": "2027-02-28", "source": "list:small", "by_hand": ["prefill"], "note": "Another."},
  {"supplier": "one", "name": "small-2026-01-01", "context_tokens": 1},
  {"supplier": "one", "name": "eu.small", "context_tokens": 2}
])";

Catalogue small() {
  Catalogue out;
  for (const CatalogueProblem& problem : out.lay_over(document(kSmall), Voice::kCatalogue))
    ADD_FAILURE() << problem.to_string("small");
  return out;
}

std::vector<std::string> problems_of(Catalogue catalogue, std::string text, Voice voice = Voice::kOwner) {
  std::vector<std::string> out;
  for (const CatalogueProblem& problem : catalogue.lay_over(std::move(text), voice))
    out.push_back(problem.to_string("f"));
  return out;
}

Money money(std::string_view text) { return Money::parse(text).value(); }

TEST(Catalogue, ReadsEveryField) {
  Catalogue catalogue = small();
  EXPECT_THAT(catalogue.stamps(), ElementsAre(CatalogueStamp{"2026-08-01", "a test"}));
  const Supplier* one = catalogue.supplier("one");
  ASSERT_NE(one, nullptr);
  EXPECT_EQ(one->title, "One");
  EXPECT_EQ(one->party, "One Inc.");
  EXPECT_EQ(one->region, "eu");
  EXPECT_EQ(one->endpoint, (SupplierEndpoint{WireDialect::kChat, "https://one.example/v1", AuthKind::kBearer, ""}));
  EXPECT_EQ(*one->endpoint_for(WireDialect::kResponses),
            (SupplierEndpoint{WireDialect::kResponses, "https://one.example/v1", AuthKind::kBearer, ""}));
  EXPECT_EQ(*one->endpoint_for(WireDialect::kMessages),
            (SupplierEndpoint{WireDialect::kMessages, "https://one.example/a/v1", AuthKind::kHeader, "x-api-key"}));
  EXPECT_FALSE(one->endpoint_for(WireDialect::kGemini).has_value());
  EXPECT_THAT(one->key_env, ElementsAre("ONE_KEY", "UNO_KEY"));
  EXPECT_TRUE(one->has(ChatHabit::kMaxTokens) && one->has(ChatHabit::kNoDeveloperRole));
  EXPECT_FALSE(one->has(ChatHabit::kNoStreamOptions));
  EXPECT_EQ(one->prefill, PrefillForm::kPrefix);
  EXPECT_EQ(one->limits.tools, 128);
  EXPECT_EQ(one->limits.request_bytes, 1000);
  EXPECT_EQ(one->limits.call_id_chars, 9);
  EXPECT_TRUE(one->limits.call_id_exact);
  EXPECT_FALSE(one->limits.images.has_value());
  EXPECT_EQ(one->note, "A note.");

  const CatalogueModel* model = catalogue.model("one", "small");
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->retires, "2027-02-28");
  EXPECT_EQ(model->source, "list:small");
  EXPECT_THAT(model->by_hand, ElementsAre("prefill"));
  ASSERT_TRUE(model->price.has_value());
  EXPECT_EQ(model->price->rates.input, money("0.0000025"));
  EXPECT_EQ(model->price->rates.cached_input, money("0.00000025"));
  EXPECT_EQ(model->price->rates.cache_write, money("0.000003125"));
  EXPECT_EQ(model->price->rates.output, money("0.00001"));
  EXPECT_EQ(model->price->rates.reasoning, money("0.000012"));
  EXPECT_THAT(model->price->bands, ElementsAre(PriceBand{200000, {.input = money("0.000005")}}));
  EXPECT_THAT(model->price->not_counted, ElementsAre("search requests"));
  EXPECT_EQ(model->price->version, (PriceVersion{"2026-08-01", "a test"}));
}

TEST(Catalogue, NamesFollowTheRulesInTheDataAndNothingElse) {
  Catalogue catalogue = small();
  auto found = [&](std::string_view name) {
    const CatalogueModel* model = catalogue.model("one", name);
    return model == nullptr ? "" : model->name;
  };
  EXPECT_EQ(found("small"), "small");
  EXPECT_EQ(found("smaller"), "small");
  EXPECT_EQ(found("us.small"), "small");
  EXPECT_EQ(found("small-2025-12-31"), "small");
  EXPECT_EQ(found("us.small-2025-12-31"), "small");
  EXPECT_EQ(found("small@20251231"), "small");
  EXPECT_EQ(found("small-2026-01-01"), "small-2026-01-01");  // has an entry of its own
  EXPECT_EQ(found("eu.small"), "eu.small");
  EXPECT_EQ(found("eu.small-2025-12-31"), "small");  // by prefix and suffix; the other entry has no suffixes
  for (std::string_view name : {"", "smal", "Small", "small-", "small-2025-12-3", "small-2025-12-31x",
                                "small-2o25-12-31", "small-2025_12_31", "jp.small", "us.us.small", "us.", "us.smaller",
                                "smaller-2025-12-31", "small\n", "small-latest-2025-12-31", " small"})
    EXPECT_EQ(found(name), "") << name;
  EXPECT_NE(catalogue.model("uno", "small"), nullptr);
  EXPECT_EQ(catalogue.model("two", "small"), nullptr);
  EXPECT_EQ(catalogue.supplier("uno"), catalogue.supplier("one"));
  EXPECT_EQ(catalogue.supplier("One"), nullptr);
  EXPECT_EQ(catalogue.supplier("one\nsmall"), nullptr);
}

TEST(Catalogue, TheLongestNameWinsAmongRules) {
  Catalogue catalogue = small();
  ASSERT_THAT(problems_of(catalogue, document(R"(, "models": [
      {"supplier": "one", "name": "m", "suffixes": ["-x-####"], "context_tokens": 1},
      {"supplier": "one", "name": "m-x", "suffixes": ["-####"], "context_tokens": 2}])")),
              IsEmpty());
  (void)catalogue.lay_over(document(R"(, "models": [
      {"supplier": "one", "name": "m", "suffixes": ["-x-####"], "context_tokens": 1},
      {"supplier": "one", "name": "m-x", "suffixes": ["-####"], "context_tokens": 2}])"),
                           Voice::kOwner);
  ASSERT_NE(catalogue.model("one", "m-x-2026"), nullptr);
  EXPECT_EQ(catalogue.model("one", "m-x-2026")->name, "m-x");
}

TEST(Catalogue, AModelSpeaksBeforeItsSupplierAndTheOwnerBeforeBoth) {
  Catalogue catalogue = small();
  CapabilityEvidence listed = catalogue.evidence("one", "small");
  EXPECT_EQ(listed.merged()[Capability::kTools], Known::kYes);
  EXPECT_EQ(listed.merged()[Capability::kStreaming], Known::kYes);  // of the supplier
  EXPECT_EQ(listed.merged()[Capability::kPrefill], Known::kNo);     // the model's own word
  EXPECT_EQ(listed.merged()[Capability::kImages], Known::kUnknown);
  EXPECT_EQ(listed.merged().context_tokens, 128000);
  CapabilityEvidence unlisted = catalogue.evidence("one", "anything");
  EXPECT_EQ(unlisted.merged()[Capability::kPrefill], Known::kYes);
  EXPECT_EQ(unlisted.merged().context_tokens, 4096);
  EXPECT_EQ(catalogue.evidence("two", "small").merged(), Capabilities());

  // What the owner says of the supplier goes before what the catalogue says of the model.
  ASSERT_THAT(catalogue.lay_over(document(R"(, "suppliers": [{"name": "one", "capabilities": {"prefill": true}}],
      "models": [{"supplier": "one", "name": "small", "capabilities": {"images": true}, "context_tokens": 100}])"),
                                 Voice::kOwner),
              IsEmpty());
  CapabilityEvidence declared = catalogue.evidence("one", "small");
  EXPECT_EQ(declared.merged()[Capability::kPrefill], Known::kYes);
  EXPECT_EQ(declared.of(Capability::kPrefill), Evidence::kOwner);
  EXPECT_EQ(declared.merged()[Capability::kImages], Known::kYes);
  EXPECT_EQ(declared.merged()[Capability::kTools], Known::kYes);
  EXPECT_EQ(declared.of(Capability::kTools), Evidence::kCatalogue);
  EXPECT_EQ(declared.merged().context_tokens, 100);
  declared.measured[Capability::kPrefill] = Known::kNo;
  EXPECT_EQ(declared.merged()[Capability::kPrefill], Known::kNo);
}

TEST(Catalogue, AnOverlayReplacesWhatItNamesAndKeepsTheRest) {
  Catalogue catalogue = small();
  ASSERT_THAT(catalogue.lay_over(R"({"format": 1, "date": "2026-09-01", "origin": "contract 7",
    "suppliers": [{"name": "one", "base_url": "https://proxy.example/one"},
                  {"name": "house", "base_url": "http://10.0.0.7:8000/v1", "dialect": "chat", "auth": "none"}],
    "models": [{"supplier": "one", "name": "small", "aliases": ["mini"],
                "price": {"currency": "EUR", "per_million": {"input": 2, "output": 8}, "date": "2026-07-15", "origin": "amendment 2"}},
               {"supplier": "one", "name": "small-2026-01-01", "price": {"per_million": {"input": 1, "output": 2}}},
               {"supplier": "house", "name": "llama"}]})",
                                 Voice::kOwner),
              IsEmpty());
  const Supplier* one = catalogue.supplier("one");
  EXPECT_EQ(one->endpoint.base_url, "https://proxy.example/one");
  EXPECT_EQ(one->endpoint_for(WireDialect::kResponses)->base_url, "https://proxy.example/one");
  EXPECT_EQ(one->endpoint_for(WireDialect::kMessages)->base_url, "https://one.example/a/v1");  // had its own
  EXPECT_EQ(one->party, "One Inc.");
  EXPECT_EQ(catalogue.supplier("house")->endpoint.auth, AuthKind::kNone);
  EXPECT_EQ(catalogue.supplier("house")->title, "house");
  EXPECT_NE(catalogue.model("house", "llama"), nullptr);
  EXPECT_NE(catalogue.model("one", "mini"), nullptr);
  EXPECT_EQ(catalogue.model("one", "smaller"), nullptr);  // lists are replaced as a whole
  EXPECT_NE(catalogue.model("one", "small-2025-12-31"), nullptr);
  std::optional<Price> price = catalogue.price("one", "small");
  ASSERT_TRUE(price.has_value());
  EXPECT_EQ(price->version, (PriceVersion{"2026-07-15", "amendment 2"}));
  EXPECT_EQ(price->rates.input->to_string(), "0.000002 EUR");
  EXPECT_FALSE(price->rates.cached_input.has_value());  // and so are prices
  EXPECT_TRUE(price->bands.empty());
  EXPECT_EQ(catalogue.price("one", "small-2026-01-01")->version, (PriceVersion{"2026-09-01", "contract 7"}));
  EXPECT_THAT(catalogue.stamps(),
              ElementsAre(CatalogueStamp{"2026-08-01", "a test"}, CatalogueStamp{"2026-09-01", "contract 7"}));

  ASSERT_THAT(catalogue.lay_over(document(R"(, "models": [{"supplier": "one", "name": "small", "price": null}])"),
                                 Voice::kOwner),
              IsEmpty());
  EXPECT_FALSE(catalogue.price("one", "small").has_value());
}

// Each document has one fault, and the report names its field.
TEST(Catalogue, StrictErrorsNameTheField) {
  const std::string supplier = R"({"name": "s", "base_url": "https://s.example", "dialect": "chat", "auth": "bearer")";
  auto with_supplier = [&](std::string_view more) {
    return document(", \"suppliers\": [" + supplier + std::string(more) + "}]");
  };
  auto with_model = [&](std::string_view more) {
    return document(R"(, "models": [{"supplier": "one", "name": "m")" + std::string(more) + "}]");
  };
  auto with_price = [&](std::string_view price) { return with_model(", \"price\": " + std::string(price)); };
  const std::pair<std::string, const char*> cases[] = {
      {"", "f: "},
      {"{", "f: "},
      {"[]", "must be an object, not an array"},
      {R"({"date": "2026-08-01", "origin": "o"})", "format: must be 1"},
      {R"({"format": 2, "date": "2026-08-01", "origin": "o"})", "format: must be 1"},
      {R"({"format": "1", "date": "2026-08-01", "origin": "o"})", "format: must be 1"},
      {R"({"format": 1, "origin": "o"})", "date: is missing"},
      {R"({"format": 1, "date": "2026-02-30", "origin": "o"})", "date: must be a date"},
      {R"({"format": 1, "date": "2026-8-1", "origin": "o"})", "date: must be a date"},
      {R"({"format": 1, "date": "2026-08-01"})", "origin: is missing"},
      {R"({"format": 1, "date": "2026-08-01", "origin": ""})", "origin: must be text"},
      {document(R"(, "models": {})"), "models: must be an array"},
      {document(R"(, "modles": [])"), "modles: there is no such field; here may stand: format, date"},
      {document(R"(, "note": "a", "note": "b")"), "note: stands here twice"},
      {document(R"(, "suppliers": [7])"), "suppliers[0]: must be an object, not a number"},
      {document(R"(, "suppliers": [{}])"), "suppliers[0].name: is missing"},
      {document(R"(, "suppliers": [{"name": "S"}])"), "suppliers[0].name: may have small letters"},
      {document(R"(, "suppliers": [{"name": "s", "dialect": "chat", "auth": "none"}])"),
       "suppliers[0].base_url: is missing"},
      {document(R"(, "suppliers": [{"name": "s", "base_url": "https://s.example", "auth": "none"}])"),
       "suppliers[0].dialect: is missing"},
      {document(R"(, "suppliers": [{"name": "s", "base_url": "https://s.example", "dialect": "chat"}])"),
       "suppliers[0].auth: is missing"},
      {document(R"(, "suppliers": [{"name": "one", "dialect": "soap"}])"),
       "suppliers[0].dialect: must be one of chat, responses"},
      {document(R"(, "suppliers": [{"name": "one", "auth": "header"}])"), "suppliers[0].auth_header: is missing"},
      {document(R"(, "suppliers": [{"name": "one", "auth_header": "x"}])"), "suppliers[0].auth_header: goes with"},
      {document(R"(, "suppliers": [{"name": "one", "auth": "header", "auth_header": "x: y"}])"),
       "auth_header: must be the name"},
      {document(R"(, "suppliers": [{"name": "one"}, {"name": "one"}])"),
       "suppliers[1].name: \"one\" stands here twice"},
      {document(R"(, "suppliers": [{"name": "one", "base_url": "ftp://x"}])"), "base_url: must begin with https://"},
      {document(R"(, "suppliers": [{"name": "one", "base_url": "https://"}])"), "base_url: has no host"},
      {document(R"(, "suppliers": [{"name": "one", "base_url": "https://x/"}])"),
       "base_url: must not end with a slash"},
      {document(R"(, "suppliers": [{"name": "one", "base_url": "https://k:v@x"}])"),
       "base_url: must be a plain address"},
      {document(R"(, "suppliers": [{"name": "one", "base_url": "https://x?key=1"}])"),
       "base_url: must be a plain address"},
      {document(R"(, "suppliers": [{"name": "one", "base_url": "https://{Region}.x"}])"),
       "base_url: placeholders are small"},
      {document(R"(, "suppliers": [{"name": "one", "base_url": "https://{region.x"}])"), "base_url: "},
      {document(R"(, "suppliers": [{"name": "one", "base_url": "https://x}"}])"), "base_url: has a } without {"},
      {document(R"(, "suppliers": [{"name": "one", "base_url": "https://x{}"}])"),
       "base_url: has a placeholder without"},
      {document(R"(, "suppliers": [{"name": "one", "base_url": "https://\u00e9.x"}])"), "base_url: must be ASCII"},
      {with_supplier(R"(, "also": [{"dialect": "chat"}])"), "also[0].dialect: there is an endpoint for it already"},
      {with_supplier(R"(, "also": [{}])"), "also[0].dialect: is missing"},
      {with_supplier(R"(, "key_env": "S_KEY")"), "key_env: must be an array"},
      {with_supplier(R"(, "key_env": ["s key"])"), "key_env: \"s key\" is no name"},
      {with_supplier(R"(, "chat": ["max_token"])"), "chat: must be one of max_tokens, no_developer_role"},
      {with_supplier(R"(, "chat": ["max_tokens", "max_tokens"])"), "chat: has \"max_tokens\" twice"},
      {with_supplier(R"(, "prefill": "yes")"), "prefill: must be one of plain, prefix"},
      {with_supplier(R"(, "limits": {"tools": 0})"), "limits.tools: must be a whole number from 1"},
      {with_supplier(R"(, "limits": {"tools": 1.5})"), "limits.tools: must be a whole number from 1"},
      {with_supplier(R"(, "limits": {"tolls": 1})"), "limits.tolls: there is no such field"},
      {with_supplier(R"(, "limits": {"call_id_exact": true})"), "limits.call_id_exact: needs call_id_chars"},
      {with_supplier(R"(, "region": "EU")"), "region: must be a word in small letters"},
      {with_supplier(R"(, "capabilities": {"tool": true})"), "capabilities.tool: there is no such field"},
      {with_supplier(R"(, "capabilities": {"tools": "yes"})"), "capabilities.tools: must be true or false"},
      {with_supplier(R"(, "capabilities": {"tools": null})"), "capabilities.tools: must be true or false"},
      {with_supplier(R"(, "aliases": ["one"])"), "\"one\" means two entries"},
      {with_supplier(R"(, "title": "a\nb")"), "title: must be text"},
      {document(R"(, "models": [{"supplier": "one"}])"), "models[0].name: is missing"},
      {document(R"(, "models": [{"name": "m"}])"), "models[0].supplier: is missing"},
      {document(R"(, "models": [{"name": "m", "supplier": "two"}])"),
       "models[0].supplier: there is no supplier \"two\""},
      {document(R"(, "models": [{"name": "m", "supplier": "uno"}])"),
       "models[0].supplier: there is no supplier \"uno\""},
      {document(R"(, "models": [{"name": "m", "supplier": "one"}, {"name": "m", "supplier": "one"}])"),
       "models[1].name: \"m\" of one stands"},
      {with_model(R"(, "aliases": ["small"])"), "\"small\" means two entries"},
      {with_model(R"(, "aliases": ["smaller"])"), "\"smaller\" means two entries"},
      {with_model(R"(, "suffixes": [""])"), "models[0].suffixes[0]: must be text"},
      {with_model(R"(, "context_tokens": -1)"), "models[0].context_tokens: must be a whole number"},
      {with_model(R"(, "context_tokens": 10000000000)"), "models[0].context_tokens: must be a whole number"},
      {with_model(R"(, "retires": "soon")"), "models[0].retires: must be a date"},
      {with_price(R"("free")"), "models[0].price: must be an object, not a string"},
      {with_price("{}"), "models[0].price.per_million: is missing"},
      {with_price(R"({"per_million": {"output": 1}})"), "models[0].price.per_million.input: is missing"},
      {with_price(R"({"per_million": {"input": 1}})"), "models[0].price.per_million.output: is missing"},
      {with_price(R"({"per_million": {"input": "1", "output": 1}})"), "per_million.input: must be a number"},
      {with_price(R"({"per_million": {"input": -1, "output": 1}})"), "per_million.input: must not be negative"},
      {with_price(R"({"per_million": {"input": 0.0000000000001, "output": 1}})"),
       "per_million.input: has more than 12 decimals"},
      {with_price(R"({"per_million": {"input": 1e-20, "output": 1}})"), "per_million.input: is finer than"},
      {with_price(R"({"per_million": {"input": 1e40, "output": 1}})"), "per_million.input: the amount is too large"},
      {with_price(R"({"per_million": {"input": 1, "output": 1, "audio": 1}})"),
       "per_million.audio: there is no such field"},
      {with_price(R"({"currency": "usd", "per_million": {"input": 1, "output": 1}})"),
       "price.currency: must be a currency"},
      {with_price(R"({"per_million": {"input": 1, "output": 1}, "above": [{"per_million": {}}]})"),
       "above[0].input_tokens: is missing"},
      {with_price(R"({"per_million": {"input": 1, "output": 1}, "above": [{"input_tokens": 5}]})"),
       "above[0].per_million: is missing"},
      {with_price(R"({"per_million": {"input": 1, "output": 1}, "above": [{"input_tokens": 5, "per_million": {}},
                     {"input_tokens": 5, "per_million": {}}]})"),
       "above[1].input_tokens: must be more than"},
      {with_price(R"({"per_million": {"input": 1, "output": 1}, "date": "today"})"), "price.date: must be a date"},
  };
  for (const auto& [text, want] : cases) {
    std::vector<std::string> problems = problems_of(small(), text);
    ASSERT_FALSE(problems.empty()) << text;
    EXPECT_THAT(problems.front(), HasSubstr(want)) << text;
    EXPECT_EQ(problems.size(), 1u) << text << "\n" << problems.back();
  }
}

TEST(Catalogue, EveryProblemIsReportedWithItsPlaceAndNothingChanges) {
  Catalogue catalogue = small();
  std::vector<CatalogueProblem> problems = catalogue.lay_over(
      "\n {\"format\": 1, \"date\": \"2026-08-01\",\n"
      "  \"origin\": 5,\n"
      "  \"models\": [{\"supplier\": \"one\", \"name\": \"new\",\n"
      "    \"retires\": \"x\"}]}",
      Voice::kOwner);
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(problems[0].to_string("f"),
            "f:3:13: origin: must be text, not empty, of at most 512 bytes, without control characters");
  EXPECT_EQ(problems[1].to_string("f"), "f:5:16: models[0].retires: must be a date, like 2026-08-01");
  EXPECT_EQ(catalogue.model("one", "new"), nullptr);
  EXPECT_EQ(catalogue.stamps().size(), 1u);
  Error error = to_error(problems, "f");
  EXPECT_EQ(error.code, Code::kInvalid);
  EXPECT_EQ(error.param, "origin");
  EXPECT_THAT(error.message, HasSubstr("(the first of 2 problems)"));
}

TEST(Catalogue, ProblemsAreBounded) {
  std::string models;
  for (int i = 0; i < 1000; ++i) models += (i ? "," : "") + std::string("7");
  EXPECT_EQ(problems_of(small(), document(", \"models\": [" + models + "]")).size(), 50u);
  EXPECT_THAT(problems_of(small(), std::string((16 << 20) + 1, ' ')),
              ElementsAre("f: the document is larger than 16 MiB"));
}

TEST(Catalogue, WritesWhatItReads) {
  Catalogue first = small();
  std::string suppliers, models;
  for (const Supplier& supplier : first.suppliers()) suppliers += (suppliers.empty() ? "" : ",") + to_json(supplier);
  for (const CatalogueModel& model : first.models()) models += (models.empty() ? "" : ",") + to_json(model);
  Catalogue second;
  ASSERT_THAT(second.lay_over(document(", \"suppliers\": [" + suppliers + "], \"models\": [" + models + "]"),
                              Voice::kCatalogue),
              IsEmpty());
  EXPECT_EQ(second.suppliers(), first.suppliers());
  EXPECT_EQ(second.models(), first.models());
}

TEST(Supplier, PlaceholdersAreFilled) {
  constexpr std::string_view kUrl = "https://{location}-x.example/{project}/{location}";
  EXPECT_THAT(placeholders_of(kUrl), ElementsAre("location", "project"));
  EXPECT_THAT(placeholders_of("https://x.example"), IsEmpty());
  EXPECT_EQ(fill_placeholders(kUrl, {{"location", "eu-1"}, {"project", "p"}}).value(), "https://eu-1-x.example/p/eu-1");
  EXPECT_EQ(fill_placeholders(kUrl, {{"location", "eu-1"}}).error().param, "project");
  EXPECT_EQ(fill_placeholders(kUrl, {{"location", "eu-1"}, {"project", ""}}).error().param, "project");
  for (const char* value : {"evil.example/x?", "a b", "a@b", "a/b", "a#"})
    EXPECT_EQ(fill_placeholders(kUrl, {{"location", value}, {"project", "p"}}).error().param, "location") << value;
}

TEST(Supplier, AddressesAreRecognised) {
  EXPECT_TRUE(matches_placeholders("https://a.example/v1", "https://a.example/v1"));
  EXPECT_TRUE(matches_placeholders("https://{r}.a.example/v1", "https://my-res.a.example/v1"));
  EXPECT_TRUE(matches_placeholders("https://{l}-x.example/{p}/{l}", "https://eu-1-x.example/p/eu-1"));
  for (const char* address :
       {"", "https://.a.example/v1", "https://a.example/v1", "https://b/c.a.example/v1",
        "https://evil.example/?.a.example/v1", "https://my.a.example/v1/", "https://my.a.example"})
    EXPECT_FALSE(matches_placeholders("https://{r}.a.example/v1", address)) << address;

  std::string many = "https://";
  for (int i = 0; i < 150; ++i) many += "{a}";
  EXPECT_FALSE(matches_placeholders(many + "!", "https://" + std::string(1000, 'a')));  // at once, not in years

  Catalogue catalogue = small();
  EXPECT_EQ(catalogue.supplier_at("https://one.example/v1"), catalogue.supplier("one"));
  EXPECT_EQ(catalogue.supplier_at("https://one.example/a/v1"), catalogue.supplier("one"));
  EXPECT_EQ(catalogue.supplier_at("https://one.example/v2"), nullptr);
  ASSERT_THAT(catalogue.lay_over(
                  document(R"(, "suppliers": [{"name": "two", "base_url": "https://one.example/v1", "dialect": "chat",
                                              "auth": "none"}])"),
                  Voice::kOwner),
              IsEmpty());
  EXPECT_EQ(catalogue.supplier_at("https://one.example/v1"), nullptr) << "it could be either";
}

// Documents with random damage: never a crash, never half an effect, and always something to say.
TEST(Catalogue, DamagedDocumentsAreRefusedWhole) {
  const std::string whole = document(kSmall);
  SeededRandom random(15);
  constexpr std::string_view kPieces[] = {"null",
                                          "true",
                                          "-1",
                                          "1e400",
                                          "\"\"",
                                          "{}",
                                          "[]",
                                          "\"name\":",
                                          ",",
                                          "\"\\u0000\"",
                                          "9223372036854775808",
                                          "\"one\"",
                                          "[[[[",
                                          "\"format\": 1,",
                                          "0.1",
                                          "{\"",
                                          "\xff",
                                          "\"2026-02-30\"",
                                          "{region}"};
  size_t refused = 0, accepted = 0, understood = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text = whole;
    for (uint64_t edits = 1 + random.below(3); edits > 0; --edits) {
      size_t at = random.below(text.size());
      switch (random.below(5)) {
        case 0:
          text[at] = static_cast<char>(random.below(256));
          break;
        case 1:
          text.erase(at, random.below(40));
          break;
        case 2:
          text.insert(at, kPieces[random.below(std::size(kPieces))]);
          break;
        case 3: {  // a token gives way to another
          size_t end = std::min(text.find_first_of(",}]", at), text.size());
          size_t from = text.find_last_of(":[,", end == 0 ? 0 : end - 1);
          if (from != std::string::npos && from < end)
            text.replace(from + 1, end - from - 1, kPieces[random.below(std::size(kPieces))]);
          break;
        }
        default: {
          size_t from = random.below(text.size());
          text.insert(at, text.substr(from, random.below(60)));
        }
      }
      if (text.empty()) text = "{";
    }
    Catalogue catalogue;
    std::vector<CatalogueProblem> problems = catalogue.lay_over(text, Voice::kCatalogue);
    if (problems.empty()) {
      ++accepted;
      EXPECT_EQ(catalogue.stamps().size(), 1u);
      continue;
    }
    ++refused;
    understood += problems.front().field.empty() ? 0 : 1;
    EXPECT_TRUE(catalogue.suppliers().empty() && catalogue.models().empty() && catalogue.stamps().empty()) << text;
    for (const CatalogueProblem& problem : problems) {
      EXPECT_FALSE(problem.message.empty()) << text;
      EXPECT_TRUE(json::valid_utf8(problem.to_string("f"))) << text;
    }
  }
  EXPECT_GT(refused, 10'000u);
  EXPECT_GT(understood, 1'000u);  // was JSON, and wrong as a catalogue
  EXPECT_GT(accepted, 100u);      // damage inside of a note is no damage
}

}  // namespace
}  // namespace perdure
