#include "http/request_target.h"

#include <optional>

namespace perdure {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (c == '\0') return std::nullopt;
    out.push_back(c);
  }
  return out;
}

}  // namespace

bool parse_request_target(std::string_view target, std::string& path, std::map<std::string, std::string>& query) {
  if (size_t scheme = target.find("://");
      scheme != std::string_view::npos && target[0] != '/' && scheme < target.find('?')) {
    size_t from = scheme + 3;
    size_t slash = target.find_first_of("/?", from);
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  if (size_t fragment = target.find('#'); fragment != std::string_view::npos) target = target.substr(0, fragment);
  size_t mark = target.find('?');
  auto decoded = decode(target.substr(0, mark), false);
  if (!decoded) return false;
  path = std::move(*decoded);
  if (path.empty()) path = "/";
  if (mark == std::string_view::npos) return true;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    size_t end = rest.find('&');
    std::string_view pair = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (pair.empty()) continue;
    size_t equals = pair.find('=');
    auto name = decode(pair.substr(0, equals), true);
    auto value = decode(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
    if (!name || !value) return false;
    // A list: name[]=a&name[]=b. Of other names the last counts.
    if (std::string& held = query[*name]; name->ends_with("[]") && !held.empty())
      held.append(",").append(*value);
    else
      held = std::move(*value);
  }
  return true;
}

}  // namespace perdure
