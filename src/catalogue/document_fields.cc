#include "catalogue/document_fields.h"

namespace perdure {
namespace {

bool printable(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
}

}  // namespace

bool is_date(std::string_view text) {
  constexpr std::string_view kForm = "####-##-##";
  if (text.size() != kForm.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    bool digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == '#' ? !digit : text[i] != '-') return false;
  }
  auto number = [&](size_t from, size_t n) {
    int out = 0;
    for (char c : text.substr(from, n)) out = out * 10 + (c - '0');
    return out;
  };
  const int year = number(0, 4), month = number(5, 2), day = number(8, 2);
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12) return false;
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return day >= 1 && day <= kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

void DocumentProblems::begin(json::Value root, std::string lead) {
  text_ = root.raw();
  lead_ = std::move(lead);
}

void DocumentProblems::add(json::Value at, std::string field, std::string message) {
  if (found_.size() >= kMax) return;
  CatalogueProblem problem{.field = std::move(field), .message = std::move(message)};
  if (!at.missing() && !text_.empty()) {
    std::string before = lead_;
    before += text_.substr(0, static_cast<size_t>(at.raw().data() - text_.data()));
    problem.line = 1 + static_cast<int>(std::ranges::count(before, '\n'));
    size_t line_start = before.rfind('\n');
    problem.column = static_cast<int>(before.size() - (line_start == std::string::npos ? 0 : line_start + 1)) + 1;
  }
  found_.push_back(std::move(problem));
}

DocumentFields::DocumentFields(DocumentProblems& problems, json::Value object, std::string path)
    : problems_(problems), object_(object), path_(std::move(path)) {
  if (!object.is_object()) {
    problems_.add(object, path_, "must be an object, not " + std::string(json::name_of(object.type())));
    return;
  }
  std::set<std::string_view> seen;
  for (const auto& member : object.members())
    if (!seen.insert(member.key).second) problems_.add(member.value, at(member.key), "stands here twice");
}

std::string DocumentFields::at(std::string_view key) const {
  return path_.empty() ? std::string(key) : std::string(path_).append(".").append(key);
}

json::Value DocumentFields::take(std::string_view key) {
  taken_.push_back(key);
  return object_[key];
}

void DocumentFields::wrong(std::string_view key, std::string message) {
  json::Value value = object_[key];
  problems_.add(value.missing() ? object_ : value, at(key), std::move(message));
}

void DocumentFields::require(std::string_view key) {
  if (object_.is_object() && object_[key].missing()) problems_.add(object_, at(key), "is missing");
}

bool DocumentFields::readable(json::Value value, std::string_view key, std::string_view path) {
  std::string_view text = value.text();
  if (value.is_string() && !text.empty() && text.size() <= kTextMax && printable(text)) return true;
  problems_.add(
      value, path.empty() ? at(key) : std::string(path),
      "must be text, not empty, of at most " + std::to_string(kTextMax) + " bytes, without control characters");
  return false;
}

bool DocumentFields::text(std::string_view key, std::string& out) {
  json::Value value = take(key);
  if (value.missing() || !readable(value, key, "")) return false;
  out = value.text();
  return true;
}

bool DocumentFields::count(std::string_view key, std::optional<int64_t>& out, int64_t most) {
  json::Value value = take(key);
  if (value.missing()) return false;
  std::optional<int64_t> read = value.integer();
  if (!read || *read < 1 || *read > most) {
    wrong(key, "must be a whole number from 1 to " + std::to_string(most));
    return false;
  }
  out = read;
  return true;
}

bool DocumentFields::date(std::string_view key, std::string& out) {
  json::Value value = take(key);
  if (value.missing()) return false;
  if (!value.is_string() || !is_date(value.text())) {
    wrong(key, "must be a date, like 2026-08-01");
    return false;
  }
  out = value.text();
  return true;
}

bool DocumentFields::texts(std::string_view key, std::vector<std::string>& out) {
  std::vector<std::string> read;
  json::Value value = take(key);
  if (value.missing()) return false;
  if (!value.is_array() || value.size() > kListMax) {
    wrong(key, "must be an array of at most " + std::to_string(kListMax) + " texts");
    return false;
  }
  for (json::Value element : value.elements()) {
    if (!readable(element, key, at(key) + "[" + std::to_string(read.size()) + "]")) return false;
    std::string text(element.text());
    if (std::ranges::find(read, text) != read.end()) {
      problems_.add(element, at(key), "has \"" + text + "\" twice");
      return false;
    }
    read.push_back(std::move(text));
  }
  out = std::move(read);
  return true;
}

bool DocumentFields::known(std::string_view key, Known& out) {
  json::Value value = take(key);
  if (value.missing()) return false;
  std::optional<bool> read = value.boolean();
  if (!read) {
    wrong(key, "must be true or false; leave it out where it is not known");
    return false;
  }
  out = *read ? Known::kYes : Known::kNo;
  return true;
}

void DocumentFields::finish() {
  for (const auto& member : object_.members()) {
    if (std::ranges::find(taken_, member.key) != taken_.end()) continue;
    std::string known;
    for (std::string_view key : taken_) known.append(known.empty() ? "" : ", ").append(key);
    problems_.add(member.value, at(member.key), "there is no such field; here may stand: " + known);
  }
}

}  // namespace perdure
