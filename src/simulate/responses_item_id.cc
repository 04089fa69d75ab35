#include "simulate/responses_item_id.h"

#include "base/ids.h"

namespace perdure::simulate {
namespace {

constexpr size_t kUniqueDigits = 24;
constexpr size_t kProofDigits = 22;

std::string proof_of(const Signer& signer, std::string_view body) {
  return to_hex(signer.sign("openai item", body)).substr(0, kProofDigits);
}

}  // namespace

std::string mint_item_id(const Signer& signer, std::string_view prefix, std::string_view unique, bool after_reasoning) {
  std::string body(unique.substr(0, kUniqueDigits));
  body.resize(kUniqueDigits, '0');
  body += after_reasoning ? "b0" : "a0";
  return std::string(prefix) + body + proof_of(signer, body);
}

std::optional<bool> came_after_reasoning(const Signer& signer, std::string_view id) {
  const size_t line = id.find('_');
  if (line == std::string_view::npos || id.size() != line + 1 + kUniqueDigits + 2 + kProofDigits) return std::nullopt;
  const std::string_view body = id.substr(line + 1, kUniqueDigits + 2);
  if (proof_of(signer, body) != id.substr(line + 1 + body.size())) return std::nullopt;
  return body.ends_with("b0");
}

}  // namespace perdure::simulate
