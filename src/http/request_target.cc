#include "http/request_target.h"

namespace perdure {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool decode(std::string_view text, bool plus_is_space, std::string& out) {
  bool as_it_is = text.find('%') == text.npos && text.find('\0') == text.npos;
  if (as_it_is && (!plus_is_space || text.find('+') == text.npos)) {
    out = text;
    return true;
  }
  out.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return false;
      int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return false;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (c == '\0') return false;
    out.push_back(c);
  }
  return true;
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
  if (!decode(target.substr(0, mark), false, path)) return false;
  if (path.empty()) path = "/";
  if (mark == std::string_view::npos) return true;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    size_t end = rest.find('&');
    std::string_view pair = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (pair.empty()) continue;
    size_t equals = pair.find('=');
    std::string name, value;
    if (!decode(pair.substr(0, equals), true, name)) return false;
    if (!decode(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true, value))
      return false;
    query[std::move(name)] = std::move(value);
  }
  return true;
}

}  // namespace perdure
