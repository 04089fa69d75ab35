#pragma once
// The catalogue as this process uses it: the one that the program brings, or the owner's instead, with the owner's
// documents laid over it.

#include <memory>
#include <string>
#include <vector>

#include "catalogue/catalogue.h"

namespace perdure {

// What the program brings. Parsed once in a process; immutable.
std::shared_ptr<const Catalogue> known_catalogue();

struct CatalogueFiles {
  std::string file;  // in place of the built-in one; empty: that one
  std::vector<std::string> overlays;
  bool operator==(const CatalogueFiles&) const = default;
};

// kInvalid: a file that cannot be read, or its first problem and how many there are; the message names the file.
// Callers that want all problems of a file read it with Catalogue::lay_over.
Result<std::shared_ptr<const Catalogue>> load_catalogue(const CatalogueFiles& files);

}  // namespace perdure
