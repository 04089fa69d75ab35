#include "gateway/item_list.h"

#include <algorithm>

#include "dialect/request_reader.h"
#include "dialect/responses_render.h"
#include "gateway/exchange.h"

namespace perdure {
namespace {

std::string page(const std::vector<Item>& items, size_t from, size_t to, bool encrypted) {
  json::Writer out;
  out.begin_object().field("object", "list").key("data").begin_array();
  for (size_t i = from; i < to; ++i) write_public_item(out, items[i], encrypted);
  out.end_array();
  for (auto [name, index] : {std::pair("first_id", from), std::pair("last_id", to - 1)}) {
    out.key(name);
    from < to ? out.string(items[index].id) : out.null();
  }
  out.field("has_more", to < items.size()).end_object();
  return out.take();
}

}  // namespace

Result<std::vector<std::string>> query_include(const HttpRequest& request) {
  std::vector<std::string> out;
  for (const auto& [name, value] : request.query) {
    // include, include[], include[0], ...
    if (!name.starts_with("include") || (name.size() > 7 && (name[7] != '[' || name.back() != ']'))) continue;
    for (std::string_view rest = value; !rest.empty();) {
      const size_t comma = rest.find(',');
      const std::string_view word = rest.substr(0, comma);
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
      // The addresses of images are always there.
      if (word != "reasoning.encrypted_content" && word != "message.input_image.image_url")
        return not_supported("include", "to include " + quoted(word));
      out.emplace_back(word);
    }
  }
  return out;
}

Result<ItemListAsk> item_list_ask(const HttpRequest& request) {
  ItemListAsk ask;
  TRY(const int64_t limit, query_number(request, "limit", 20, 1, 100));
  ask.limit = static_cast<size_t>(limit);
  if (auto order = request.query.find("order"); order != request.query.end()) {
    if (order->second != "asc" && order->second != "desc")
      return Error{Code::kInvalid, "order must be asc or desc", "order", "invalid_value"};
    ask.ascending = order->second == "asc";
  }
  if (auto after = request.query.find("after"); after != request.query.end()) ask.after = after->second;
  TRY(const std::vector<std::string> include, query_include(request));
  ask.encrypted = std::ranges::find(include, "reasoning.encrypted_content") != include.end();
  return ask;
}

Result<std::string> item_list(std::vector<Item> items, const ItemListAsk& ask, std::string_view of) {
  if (!ask.ascending) std::ranges::reverse(items);
  size_t from = 0;
  if (!ask.after.empty()) {
    auto found = std::ranges::find(items, ask.after, &Item::id);
    if (found == items.end())
      return Error{Code::kInvalid, "after names no item of " + std::string(of), "after", "invalid_value"};
    from = static_cast<size_t>(found - items.begin()) + 1;
  }
  return page(items, from, std::min(items.size(), from + ask.limit), ask.encrypted);
}

std::string item_list(const std::vector<Item>& items, bool encrypted) {
  return page(items, 0, items.size(), encrypted);
}

}  // namespace perdure
