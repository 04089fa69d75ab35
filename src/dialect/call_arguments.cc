#include "dialect/call_arguments.h"

#include "wire/json.h"

namespace perdure {

std::string arguments_object(std::string_view arguments) {
  if (arguments.find_first_not_of(" \t\r\n") == std::string_view::npos) return "{}";
  if (auto document = json::Document::parse(std::string(arguments)); document && document->root().is_object())
    return std::string(document->root().raw());
  return json::Writer().begin_object().field("invalid_arguments", arguments).end_object().take();
}

}  // namespace perdure
