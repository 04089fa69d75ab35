#include "catalogue/catalogue.h"

#include <algorithm>

namespace perdure {
namespace {

bool matches(std::string_view pattern, std::string_view text) {
  if (pattern.size() != text.size()) return false;
  for (size_t i = 0; i < text.size(); ++i)
    if (pattern[i] == '#' ? text[i] < '0' || text[i] > '9' : pattern[i] != text[i]) return false;
  return true;
}

// `rest` is what is left of an upstream name without one of the prefixes.
bool matches_with_suffix(const CatalogueModel& model, std::string_view rest) {
  if (!rest.starts_with(model.name)) return false;
  rest.remove_prefix(model.name.size());
  return rest.empty() ||
         std::ranges::any_of(model.suffixes, [&](const std::string& suffix) { return matches(suffix, rest); });
}

}  // namespace

bool CatalogueModel::answers_to(std::string_view upstream_name) const {
  if (std::ranges::find(aliases, upstream_name) != aliases.end()) return true;
  if (matches_with_suffix(*this, upstream_name)) return true;
  return std::ranges::any_of(prefixes, [&](const std::string& prefix) {
    return upstream_name.starts_with(prefix) && matches_with_suffix(*this, upstream_name.substr(prefix.size()));
  });
}

std::string CatalogueProblem::to_string(std::string_view file) const {
  std::string out(file);
  if (line > 0) out += ":" + std::to_string(line) + ":" + std::to_string(column);
  out += ": ";
  if (!field.empty()) out += field + ": ";
  return out + message;
}

Error to_error(const std::vector<CatalogueProblem>& problems, std::string_view file) {
  Error out{.code = Code::kInvalid, .message = std::string(file) + ": no problem"};
  if (problems.empty()) return out;
  out.message = problems.front().to_string(file);
  out.param = problems.front().field;
  if (problems.size() > 1) out.message += " (the first of " + std::to_string(problems.size()) + " problems)";
  return out;
}

const Supplier* Catalogue::supplier(std::string_view name) const {
  auto found = supplier_names_.find(name);
  return found == supplier_names_.end() ? nullptr : &suppliers_[found->second];
}

const Supplier* Catalogue::supplier_at(std::string_view base_url) const {
  const Supplier* found = nullptr;
  for (const Supplier& supplier : suppliers_) {
    bool here = matches_placeholders(supplier.endpoint.base_url, base_url) ||
                std::ranges::any_of(supplier.also, [&](const OtherEndpoint& other) {
                  return !other.base_url.empty() && matches_placeholders(other.base_url, base_url);
                });
    if (!here) continue;
    if (found != nullptr) return nullptr;
    found = &supplier;
  }
  return found;
}

const CatalogueModel* Catalogue::model(std::string_view supplier_name, std::string_view upstream_name) const {
  const Supplier* known = supplier(supplier_name);
  if (known == nullptr) return nullptr;
  auto exact = model_names_.find(std::string(known->name).append("\n").append(upstream_name));
  if (exact != model_names_.end()) return &models_[exact->second];
  const CatalogueModel* best = nullptr;
  for (const CatalogueModel& model : models_)
    if (model.supplier == known->name && model.answers_to(upstream_name) &&
        (best == nullptr || best->name.size() < model.name.size()))
      best = &model;
  return best;
}

CapabilityEvidence Catalogue::evidence(std::string_view supplier_name, std::string_view upstream_name) const {
  CapabilityEvidence out;
  const Supplier* known = supplier(supplier_name);
  if (known == nullptr) return out;
  out.catalogue = known->catalogue;
  out.owner = known->owner;
  if (const CatalogueModel* listed = model(supplier_name, upstream_name)) {
    out.catalogue = over(listed->catalogue, out.catalogue);
    out.owner = over(listed->owner, out.owner);
  }
  return out;
}

std::optional<Price> Catalogue::price(std::string_view supplier_name, std::string_view upstream_name) const {
  const CatalogueModel* listed = model(supplier_name, upstream_name);
  return listed == nullptr ? std::nullopt : listed->price;
}

}  // namespace perdure
