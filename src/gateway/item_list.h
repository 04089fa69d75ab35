#pragma once
// Lists of items as the OpenAI API pages through them: limit, order, after, include. Inside the gateway only.

#include <string>
#include <vector>

#include "http/server.h"
#include "model/item.h"

namespace perdure {

struct ItemListAsk {
  size_t limit = 20;
  bool ascending = false;  // else the newest first
  std::string after;       // id of the last item of the page before; empty: from the start
  bool encrypted = false;  // include=reasoning.encrypted_content
};

// What may be included, of a query: "include", or "include[]" as often as wanted. kInvalid names what is not to be had.
Result<std::vector<std::string>> query_include(const HttpRequest& request);

Result<ItemListAsk> item_list_ask(const HttpRequest& request);
// `items` come oldest first. kInvalid: `after` is none of them; `of` says of what ("this response").
Result<std::string> item_list(std::vector<Item> items, const ItemListAsk& ask, std::string_view of);
// All of them, in the order given.
std::string item_list(const std::vector<Item>& items, bool encrypted);

}  // namespace perdure
