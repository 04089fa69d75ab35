#include "dialect/system_words.h"

#include <algorithm>

namespace perdure {

bool is_system(const Item& item) {
  return item.kind == ItemKind::kMessage && (item.role == Role::kSystem || item.role == Role::kDeveloper);
}

size_t leading_system(std::span<const Item> context) {
  return static_cast<size_t>(std::ranges::find_if_not(context, is_system) - context.begin());
}

std::string said_by_system(std::string_view text) { return "<system>\n" + std::string(text) + "\n</system>"; }

SystemWords::SystemWords(const UpstreamAsk& ask) : ask_(ask) {
  const size_t lead = leading_system(ask.context);
  if (std::ranges::none_of(ask.context.subspan(lead), is_system)) return;
  context_.assign(ask.context.begin(), ask.context.end());
  for (size_t i = lead; i < context_.size(); ++i) {
    Item& item = context_[i];
    if (!is_system(item)) continue;
    item.role = Role::kUser;
    for (Part& part : item.content) {
      if (part.kind != PartKind::kInputText) continue;
      const bool blank = part.text.find_first_not_of(" \t\r\n\v\f") == std::string::npos;
      part.text = blank ? std::string() : said_by_system(part.text);
    }
  }
  ask_.context = context_;
}

}  // namespace perdure
