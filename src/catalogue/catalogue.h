#pragma once
// Catalogue: suppliers and models as data. It begins as one dated document that names its origin; the owner's
// documents are laid over it and override or extend it, field by field. docs/reference/catalogue.md has the format.
//
// Pure: whoever has the text hands it in; catalogue/built_in.h has the one that the program brings. Immutable while it
// is used: load, lay over, then share.
//
// Bounds: a document of 16 MiB, 1,000 suppliers, 20,000 models, 64 other names each; at most 50 problems are reported.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalogue/capabilities.h"
#include "catalogue/price.h"
#include "catalogue/supplier.h"

namespace perdure {

// What the catalogue knows of one model at one supplier. The names it answers to are all written here: its own, its
// aliases, and its own with one of the prefixes before it, one of the suffixes behind it, or both. In a suffix, # is
// one digit. Nothing else is guessed.
struct CatalogueModel {
  std::string supplier;
  std::string name;                   // upstream
  std::vector<std::string> aliases;   // exact
  std::vector<std::string> prefixes;  // "eu."
  std::vector<std::string> suffixes;  // "-####-##-##"
  Capabilities catalogue, owner;      // by whose word
  std::optional<Price> price;
  std::string retires;               // YYYY-MM-DD, the day the supplier ends it; empty: not announced
  std::string source;                // the entry of the origin that this was read from: "litellm:gpt-4o"
  std::vector<std::string> by_hand;  // fields that differ from the source on purpose; the note says why
  std::string note;

  bool answers_to(std::string_view upstream_name) const;
  bool operator==(const CatalogueModel&) const = default;
};

// A document's date and where it came from.
struct CatalogueStamp {
  std::string date, origin;
  bool operator==(const CatalogueStamp&) const = default;
};

struct CatalogueProblem {
  int line = 0, column = 0;  // from 1; 0: of the document as a whole
  std::string field;         // "models[3].price.per_million.input"
  std::string message;
  std::string to_string(std::string_view file) const;  // "my.json:12:7: models[3]...: must be ..."
};
// As one error: the first problem, and how many there are.
Error to_error(const std::vector<CatalogueProblem>& problems, std::string_view file);

class Catalogue {
 public:
  // Whose word a document is.
  enum class Voice : uint8_t { kCatalogue, kOwner };

  // Takes a document over what is there; the first one is laid over nothing. Every problem is reported, and with one
  // the catalogue stays as it was. Entries that are new must be complete; of others any field may be given, it
  // replaces the one that is there (lists and prices as a whole).
  std::vector<CatalogueProblem> lay_over(std::string text, Voice voice);

  const std::vector<CatalogueStamp>& stamps() const { return stamps_; }  // in the order they were laid
  const std::vector<Supplier>& suppliers() const { return suppliers_; }  // in the order of appearance
  const std::vector<CatalogueModel>& models() const { return models_; }  // likewise

  // By name or alias; nullptr: there is none. Pointers live until the next lay_over.
  const Supplier* supplier(std::string_view name) const;
  // Whose endpoint this address is, to the letter but for placeholders; nullptr: nobody's, or more than one's.
  const Supplier* supplier_at(std::string_view base_url) const;
  // By the rules of CatalogueModel. Exact names go first, then the entry with the longest name.
  const CatalogueModel* model(std::string_view supplier, std::string_view upstream_name) const;
  // What is said of a model, listed or not: the model's entry before its supplier's. `measured` is for the caller.
  CapabilityEvidence evidence(std::string_view supplier, std::string_view upstream_name) const;
  // Absent: no price is known.
  std::optional<Price> price(std::string_view supplier, std::string_view upstream_name) const;

 private:
  friend class CatalogueReader;
  std::vector<CatalogueStamp> stamps_;
  std::vector<Supplier> suppliers_;
  std::vector<CatalogueModel> models_;
  std::map<std::string, size_t, std::less<>> supplier_names_;  // and aliases
  std::map<std::string, size_t, std::less<>> model_names_;     // SUPPLIER "\n" name or alias
};

// The entry in the document's own format, so that it can be put into an owner's document as it is. Facts of both
// voices are merged.
std::string to_json(const Supplier& supplier);
std::string to_json(const CatalogueModel& model);

}  // namespace perdure
