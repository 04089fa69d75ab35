#pragma once
// Signer: what makes opaque blocks a supplier's own. It signs the reasoning that it shows and seals the reasoning that
// it hides, with a key of its account, and knows both again; another supplier's, or one changed in a byte, it does not.
// Deterministic: equal bytes are signed and sealed alike. No protection of anything real hangs on it.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace perdure::simulate {

class Signer {
 public:
  Signer(uint64_t seed, std::string_view account);

  // Base64. `purpose` keeps one kind of block from passing for another.
  std::string sign(std::string_view purpose, std::string_view bytes) const;
  bool signed_here(std::string_view purpose, std::string_view bytes, std::string_view signature) const;

  std::string seal(std::string_view purpose, std::string_view bytes) const;
  std::optional<std::string> open(std::string_view purpose, std::string_view sealed) const;  // nothing: not ours

 private:
  std::string mac(std::string_view purpose, std::string_view bytes) const;  // 32 bytes
  void mask(std::string_view seed, std::string& bytes) const;               // its own inverse
  std::string key_;
};

}  // namespace perdure::simulate
