#include "simulate/json_maker.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "simulate/prose.h"

namespace perdure::simulate {
namespace {

using json::Value;

constexpr int kDepthMax = 8;            // below it, whatever may be left out is
constexpr int64_t kElementsMax = 1000;  // of one array, whatever minItems says
constexpr int kNestingMax = 64;         // a schema that demands more gets null there
constexpr int kValuesMax = 20'000;      // of the whole; beyond: null

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}
bool is_capital(char c) { return (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The places named at the start of `text`: "both Paris and New York, today" -> Paris, New York.
std::vector<std::string> places_at(std::string_view text) {
  std::vector<std::string> places;
  if (text.starts_with("both ")) text.remove_prefix(5);
  for (;;) {
    size_t end = 0;
    for (;;) {  // one place: capitalised words
      size_t word = end + (end > 0);
      if (word >= text.size() || !is_capital(text[word]) || (end > 0 && text[end] != ' ')) break;
      while (word < text.size() && (is_letter(text[word]) || text[word] == '-' || text[word] == '\'')) ++word;
      end = word;
    }
    if (end == 0) return places;
    places.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
    if (text.starts_with(", and "))
      text.remove_prefix(6);
    else if (text.starts_with(" and "))
      text.remove_prefix(5);
    else if (text.starts_with(", "))
      text.remove_prefix(2);
    else
      return places;
    if (text.starts_with("in ")) text.remove_prefix(3);
  }
}

class Maker {
 public:
  Maker(Value root, const Mentions& mentions, size_t place, uint64_t seed)
      : root_(root), mentions_(mentions), place_(place), random_(seed) {}

  void value(Value schema, std::string_view name, int depth) {
    if (depth > kNestingMax || ++values_ > kValuesMax) return static_cast<void>(out_.null());
    if (schema["$ref"].is_string()) return value(resolve(schema["$ref"].text()), name, depth + 1);
    if (!schema["const"].missing()) return static_cast<void>(out_.raw(schema["const"].raw()));
    if (schema["enum"].is_array() && schema["enum"].size() > 0) return one_of(schema["enum"]);
    for (const char* either : {"anyOf", "oneOf"})
      if (schema[either].is_array() && schema[either].size() > 0)
        return value(choose(schema[either], depth), name, depth + 1);
    if (schema["allOf"].is_array() && schema["allOf"].size() > 0 && schema["properties"].missing())
      return value(schema["allOf"].at(0), name, depth + 1);
    const std::string_view type = type_of(schema);
    if (type == "object") return object(schema, depth);
    if (type == "array") return array(schema, name, depth);
    if (type == "integer") return integer(schema);
    if (type == "number") return number(schema);
    if (type == "boolean") return static_cast<void>(out_.boolean(random_.below(2) == 0));
    if (type == "null") return static_cast<void>(out_.null());
    out_.string(text(schema, name));
  }

  std::string take() { return out_.take(); }

 private:
  Value resolve(std::string_view reference) {
    Value at = root_;
    if (!reference.starts_with("#")) return {};
    reference.remove_prefix(1);
    while (!reference.empty()) {
      reference.remove_prefix(1);
      const size_t end = std::min(reference.find('/'), reference.size());
      at = at[reference.substr(0, end)];
      reference.remove_prefix(end);
    }
    return at;
  }

  static std::string_view type_of(Value schema) {
    const Value type = schema["type"];
    if (type.is_string()) return type.text();
    if (type.is_array())
      for (const Value one : type.elements())
        if (one.text() != "null") return one.text();
    if (!schema["properties"].missing()) return "object";
    if (!schema["items"].missing()) return "array";
    return type.is_array() && type.size() > 0 ? "null" : "string";
  }

  void one_of(Value values) {
    const auto all = values.elements();
    for (const Value v : all)  // one that the prompt names
      if (v.is_string() && !v.text().empty() && mentions_.prompt.find(v.text()) != std::string_view::npos)
        return static_cast<void>(out_.raw(v.raw()));
    out_.raw(all[random_.below(all.size())].raw());
  }

  Value choose(Value alternatives, int depth) {
    const auto all = alternatives.elements();
    if (depth > kDepthMax)
      for (const Value one : all)
        if (const auto type = type_of(one); one["$ref"].missing() && type != "object" && type != "array") return one;
    for (const Value one : all)
      if (type_of(one) != "null" || !one["$ref"].missing()) return one;
    return all[0];
  }

  void object(Value schema, int depth) {
    std::vector<std::string_view> required;
    for (const Value name : schema["required"].elements()) required.push_back(name.text());
    const bool all = schema["required"].missing() && depth <= kDepthMax;
    out_.begin_object();
    for (const auto& [name, property] : schema["properties"].members()) {
      const auto its = std::ranges::find(required, name);
      if (its == required.end() && !all) continue;
      if (its != required.end()) required.erase(its);
      out_.key(name);
      value(property, name, depth + 1);
    }
    for (const auto name : required) {  // required, but not described
      out_.key(name);
      value({}, name, depth + 1);
    }
    out_.end_object();
  }

  void array(Value schema, std::string_view name, int depth) {
    const int64_t least = std::clamp<int64_t>(schema["minItems"].integer().value_or(0), 0, kElementsMax);
    const int64_t most = schema["maxItems"].integer().value_or(kElementsMax);
    int64_t count = depth > kDepthMax ? 0 : 2 + static_cast<int64_t>(random_.below(2));
    count = std::max(std::min(count, most), least);
    const auto tuple = schema["prefixItems"].elements();
    out_.begin_array();
    for (int64_t i = 0; i < count; ++i)
      value(static_cast<size_t>(i) < tuple.size() ? tuple[static_cast<size_t>(i)] : schema["items"], name, depth + 1);
    out_.end_array();
  }

  struct Range {
    double least, most;
  };
  static Range range_of(Value schema, double step) {
    double least = schema["minimum"].number().value_or(-INFINITY);
    double most = schema["maximum"].number().value_or(INFINITY);
    if (const auto above = schema["exclusiveMinimum"].number()) least = std::max(least, *above + step);
    if (const auto below = schema["exclusiveMaximum"].number()) most = std::min(most, *below - step);
    if (std::isinf(least)) least = std::isinf(most) ? 1 : std::min(1.0, most - 99);
    if (std::isinf(most)) most = least + 99;
    return {least, most};
  }

  void integer(Value schema) {
    const auto [least, most] = range_of(schema, 1);
    const int64_t low = static_cast<int64_t>(std::ceil(std::clamp(least, -9e18, 9e18)));
    const int64_t high = std::max(low, static_cast<int64_t>(std::floor(std::clamp(most, -9e18, 9e18))));
    const int64_t step = std::clamp<int64_t>(schema["multipleOf"].integer().value_or(1), 1, int64_t{1} << 40);
    while (number_ < mentions_.numbers.size()) {
      const int64_t mentioned = mentions_.numbers[number_++];
      if (mentioned >= low && mentioned <= high && mentioned % step == 0)
        return static_cast<void>(out_.integer(mentioned));
    }
    const uint64_t width = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
    auto drawn = static_cast<int64_t>(static_cast<uint64_t>(low) + random_.below(width + 1));
    if (const int64_t over = ((drawn % step) + step) % step; over != 0)
      drawn = drawn - over >= low ? drawn - over : drawn + (step - over);
    out_.integer(drawn);
  }

  void number(Value schema) {
    if (schema["multipleOf"].number()) return integer(schema);
    const auto [least, most] = range_of(schema, 1e-3);
    const double drawn = least + (most - least) * static_cast<double>(random_.below(1001)) / 1000;
    const double rounded = std::round(drawn * 100) / 100;
    out_.number(rounded >= least && rounded <= most ? rounded : drawn);
  }

  std::string text(Value schema, std::string_view name) {
    const std::string_view format = schema["format"].text();
    const auto digits = [&](uint64_t bound) {
      const uint64_t n = 1 + random_.below(bound);
      return (n < 10 ? "0" : "") + std::to_string(n);
    };
    const std::string day = "20" + digits(28) + "-" + digits(12) + "-" + digits(28);
    if (format == "date") return day;
    if (format == "time") return digits(22) + ":" + digits(58) + ":00Z";
    if (format == "date-time") return day + "T" + digits(22) + ":" + digits(58) + ":00Z";
    if (format == "email") return words(1) + "@example.com";
    if (format == "uri" || format == "url") return "https://example.com/" + words(1);
    if (format == "hostname") return words(1) + ".example.com";
    if (format == "ipv4") return "192.0.2." + std::to_string(1 + random_.below(254));
    if (format == "uuid") {
      std::string out = "00000000-0000-4000-8000-000000000000";
      for (size_t i = 24; i < out.size(); ++i) out[i] = "0123456789abcdef"[random_.below(16)];
      return out;
    }
    std::string out;
    if (quoted_ < mentions_.quoted.size()) {
      out = mentions_.quoted[quoted_++];
    } else if (place_ < mentions_.places.size() && !place_used_) {
      out = mentions_.places[place_];
      place_used_ = true;
    } else {
      out = (name.empty() ? std::string() : std::string(name) + " ") + words(3);
    }
    const auto least = static_cast<size_t>(std::clamp<int64_t>(schema["minLength"].integer().value_or(0), 0, 1 << 20));
    while (out.size() < least) out.append(out.empty() ? "" : " ").append(words(1));
    // Bytes are at least as many as characters; what is cut here is ASCII, or cut before the character that is in the
    // way.
    size_t most = out.size();
    if (const auto limit = schema["maxLength"].integer(); limit && *limit >= 0)
      most = std::min(most, static_cast<size_t>(*limit));
    while (most > 0 && most < out.size() && (static_cast<unsigned char>(out[most]) & 0xC0) == 0x80) --most;
    out.resize(most);
    return out;
  }

  std::string words(int64_t count) {
    const std::string out = numbered_words(count, next_word_, random_.u64());
    next_word_ += count;
    return out;
  }

  Value root_;
  const Mentions& mentions_;
  size_t place_;
  SeededRandom random_;
  json::Writer out_;
  int values_ = 0;
  size_t quoted_ = 0, number_ = 0;
  int64_t next_word_ = 1;
  bool place_used_ = false;
};

}  // namespace

Mentions find_mentions(std::string_view prompt) {
  Mentions found;
  found.prompt = prompt;
  for (size_t at = prompt.find("in "); at != std::string_view::npos && found.places.empty();
       at = prompt.find("in ", at + 1))
    if (at == 0 || !is_letter(prompt[at - 1])) found.places = places_at(prompt.substr(at + 3));
  for (size_t open = prompt.find('"'); open != std::string_view::npos;) {
    const size_t close = prompt.find('"', open + 1);
    if (close == std::string_view::npos) break;
    if (close > open + 1) found.quoted.emplace_back(prompt.substr(open + 1, close - open - 1));
    open = prompt.find('"', close + 1);
  }
  for (size_t i = 0; i < prompt.size();) {
    if (!is_digit(prompt[i]) || (i > 0 && (is_letter(prompt[i - 1]) || prompt[i - 1] == '.'))) {
      ++i;
      continue;
    }
    int64_t number = 0;
    const bool negative = i > 0 && prompt[i - 1] == '-' && (i == 1 || prompt[i - 2] == ' ');
    size_t digits = 0;
    for (; i < prompt.size() && is_digit(prompt[i]); ++i, ++digits)
      if (digits < 18) number = number * 10 + (prompt[i] - '0');
    if (digits <= 18) found.numbers.push_back(negative ? -number : number);
  }
  return found;
}

std::string make_json(json::Value schema, const Mentions& mentions, size_t place, uint64_t seed) {
  Maker maker(schema, mentions, place, seed);
  maker.value(schema, "", 0);
  return maker.take();
}

}  // namespace perdure::simulate
