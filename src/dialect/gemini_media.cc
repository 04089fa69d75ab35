// Images and files. Their bytes go into the request, or the service fetches them: from Cloud Storage, from its own
// Files API, or from anywhere on the web.

#include <algorithm>
#include <utility>

#include "dialect/gemini_request.h"
#include "dialect/say.h"
#include "dialect/upstream_error.h"

namespace perdure {
namespace {

constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
    {"png", "image/png"},  {"jpg", "image/jpeg"},        {"jpeg", "image/jpeg"}, {"webp", "image/webp"},
    {"gif", "image/gif"},  {"heic", "image/heic"},       {"heif", "image/heif"}, {"pdf", "application/pdf"},
    {"txt", "text/plain"}, {"md", "text/markdown"},      {"html", "text/html"},  {"csv", "text/csv"},
    {"xml", "text/xml"},   {"json", "application/json"}, {"mp3", "audio/mp3"},   {"wav", "audio/wav"},
    {"mp4", "video/mp4"},  {"mov", "video/quicktime"},   {"webm", "video/webm"}};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// By the extension of a name or of a URL's path; empty: it does not say.
std::string_view type_of(std::string_view name) {
  name = name.substr(0, name.find_first_of("?#"));
  const size_t dot = name.find_last_of("./");
  if (dot == std::string_view::npos || name[dot] == '/') return {};
  const std::string extension = lower(name.substr(dot + 1));
  for (const auto& [theirs, type] : kTypes) {
    if (extension == theirs) return type;
  }
  return {};
}

// What the service takes; empty: it does not. Data of programs is read as text.
std::string_view taken_type(std::string_view type, bool image) {
  constexpr std::string_view kImages[] = {"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"};
  constexpr std::string_view kTexts[] = {"application/json",    "application/xml",        "application/yaml",
                                         "application/x-yaml",  "application/javascript", "application/x-javascript",
                                         "application/x-python"};
  if (type == "image/jpg") return "image/jpeg";
  if (std::ranges::find(kImages, type) != std::end(kImages)) return type;
  if (image) return {};
  if (std::ranges::find(kTexts, type) != std::end(kTexts)) return "text/plain";
  const bool other = type == "application/pdf" || type.starts_with("text/") || type.starts_with("audio/") ||
                     type.starts_with("video/");
  return other ? type : std::string_view();
}

bool is_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return false;
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  return std::ranges::all_of(text.substr(0, text.size() - padding), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  });
}

Error not_base64(const std::string& where) {
  return {.code = Code::kInvalid,
          .message = say("Invalid '{}': expected base64-encoded data.", where),
          .param = where,
          .reason = "invalid_value"};
}

// A data URL, or bare base64 whose type a file's name tells.
Result<void> write_inline(json::Writer& out, std::string_view data, std::string_view name, bool image,
                          const std::string& where) {
  std::string_view type;
  if (data.starts_with("data:")) {
    const size_t comma = data.find(',');
    if (comma == std::string_view::npos) return not_base64(where);
    const std::string_view head = data.substr(5, comma - 5);
    if (!head.ends_with(";base64")) return not_base64(where);
    type = head.substr(0, head.find(';'));
    data.remove_prefix(comma + 1);
  } else {
    type = type_of(name);
  }
  if (!is_base64(data)) return not_base64(where);
  if (type.empty()) return unsayable(where, "data without its media type");
  const std::string word = lower(type);
  type = taken_type(word, image);
  if (type.empty()) return unsayable(where, image ? "an image of this type" : "a file of this type");
  std::string quoted;  // base64 needs no escaping
  quoted.reserve(data.size() + 2);
  quoted.append("\"").append(data).append("\"");
  out.key("inlineData").begin_object().field("mimeType", type).key("data").raw(quoted).end_object();
  return {};
}

Result<void> write_place(json::Writer& out, std::string_view url, std::string_view name, bool image,
                         const std::string& where, bool media_types) {
  if (!url.starts_with("gs://") && !url.starts_with("https://") && !url.starts_with("http://"))
    return unsayable(where, "a URL of this kind");
  std::string_view type = type_of(url);
  if (type.empty()) type = type_of(name);
  if (!type.empty()) {
    type = taken_type(type, image);
    if (type.empty()) return unsayable(where, image ? "an image of this type" : "a file of this type");
  }
  if (type.empty() && media_types) return unsayable(where, "a URL that does not tell its media type");
  out.key("fileData").begin_object();
  if (!type.empty()) out.field("mimeType", type);
  out.field("fileUri", url).end_object();
  return {};
}

}  // namespace

Result<void> write_gemini_media(json::Writer& out, const Part& part, const std::string& where, bool media_types) {
  const bool image = part.kind == PartKind::kInputImage;
  if (!image && part.kind != PartKind::kInputFile) return unsayable(where, "a part of this type");
  if (!part.file_data.empty()) return write_inline(out, part.file_data, part.filename, image, where + ".file_data");
  const std::string place = where + (image ? ".image_url" : ".file_url");
  if (part.url.starts_with("data:")) return write_inline(out, part.url, part.filename, image, place);
  if (!part.url.empty()) return write_place(out, part.url, part.filename, image, place, media_types);
  return unsayable(where + ".file_id", image ? "an image by its id" : "a file by its id");
}

}  // namespace perdure
