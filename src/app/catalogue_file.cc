#include "app/catalogue_file.h"

#include <fstream>
#include <sstream>

#include "base/check.h"
#include "catalogue/built_in.h"

namespace perdure {
namespace {

Result<void> lay_over(Catalogue& catalogue, const std::string& path, Catalogue::Voice voice) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf()))
    return Error{Code::kInvalid, "the file " + path + " cannot be read, or is empty"};
  std::vector<CatalogueProblem> problems = catalogue.lay_over(std::move(text).str(), voice);
  if (!problems.empty()) return to_error(problems, path);
  return {};
}

}  // namespace

std::shared_ptr<const Catalogue> known_catalogue() {
  static const std::shared_ptr<const Catalogue> known = [] {
    auto out = std::make_shared<Catalogue>();
    std::vector<CatalogueProblem> problems =
        out->lay_over(std::string(built_in_catalogue()), Catalogue::Voice::kCatalogue);
    CHECK(problems.empty(), "the built-in catalogue is not right");
    return out;
  }();
  return known;
}

Result<std::shared_ptr<const Catalogue>> load_catalogue(const CatalogueFiles& files) {
  if (files.file.empty() && files.overlays.empty()) return known_catalogue();
  auto out = std::make_shared<Catalogue>();
  if (files.file.empty())
    *out = *known_catalogue();
  else
    TRY_VOID(lay_over(*out, files.file, Catalogue::Voice::kCatalogue));
  for (const std::string& overlay : files.overlays) TRY_VOID(lay_over(*out, overlay, Catalogue::Voice::kOwner));
  return std::shared_ptr<const Catalogue>(std::move(out));
}

}  // namespace perdure
