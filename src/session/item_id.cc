#include "session/item_id.h"

namespace perdure {
namespace {

constexpr size_t kResponseDigits = 48, kOwnDigits = 8;

std::string_view id_prefix(ItemKind kind) {
  switch (kind) {
    case ItemKind::kMessage:
      return "msg_";
    case ItemKind::kFunctionCall:
      return "fc_";
    case ItemKind::kFunctionCallOutput:
      return "fco_";
    case ItemKind::kReasoning:
      return "rs_";
    case ItemKind::kCompaction:
      return "cmp_";
  }
  return "item_";
}

}  // namespace

std::string make_item_id(Random& random, ItemKind kind) { return make_id(random, id_prefix(kind)); }

std::string item_id_in(const ResponseId& response, std::string id) {
  if (response.empty()) return id;
  const size_t line = id.find('_') + 1;
  return id.substr(0, line) + response.value.substr(response.value.find('_') + 1) + id.substr(line, kOwnDigits);
}

ResponseId response_of_item(std::string_view id) {
  const size_t line = id.find('_') + 1;
  if (line == 0 || id.size() != line + kResponseDigits + kOwnDigits) return {};
  return ResponseId("resp_" + std::string(id.substr(line, kResponseDigits)));
}

}  // namespace perdure
