// Any bytes as a document: reading is total, a document with problems changes nothing, and what was taken over is
// written and read again to the same.

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "catalogue/catalogue.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace perdure;
  const std::string text(reinterpret_cast<const char*>(data), size);
  Catalogue catalogue;
  const auto problems = catalogue.lay_over(text, Catalogue::Voice::kCatalogue);
  if (!problems.empty()) {
    CHECK(catalogue.suppliers().empty() && catalogue.models().empty() && catalogue.stamps().empty(), "half an effect");
    for (const CatalogueProblem& problem : problems) CHECK(!problem.message.empty(), "a problem without words");
    return 0;
  }
  std::string written = R"({"format": 1, "date": "2026-01-01", "origin": "o", "suppliers": [)";
  const char* comma = "";
  for (const Supplier& supplier : catalogue.suppliers()) {
    written.append(comma).append(to_json(supplier));
    comma = ",";
  }
  written += "], \"models\": [";
  comma = "";
  for (const CatalogueModel& model : catalogue.models()) {
    written.append(comma).append(to_json(model));
    comma = ",";
    CHECK(catalogue.model(model.supplier, model.name) != nullptr, "a model that is not found by its name");
    if (model.price) {
      Usage usage;
      usage.known = true;
      usage.input_tokens = 1'000'000;
      usage.output_tokens = 1000;
      (void)cost(usage, *model.price).ok();
    }
  }
  written += "]}";
  Catalogue again;
  CHECK(again.lay_over(written, Catalogue::Voice::kCatalogue).empty(), "what was written is not readable");
  CHECK(again.suppliers() == catalogue.suppliers() && again.models() == catalogue.models(), "another catalogue");
  return 0;
}
