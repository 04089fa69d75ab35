// Images and documents. Converse takes their bytes, or a place in S3; nothing by another URL or by an id.

#include <algorithm>
#include <array>
#include <utility>

#include "dialect/converse_request.h"
#include "dialect/say.h"
#include "dialect/upstream_error.h"
#include "wire/base64.h"

namespace perdure {
namespace {

constexpr size_t kNameMax = 200;

using Formats = std::span<const std::pair<std::string_view, std::string_view>>;  // media type or extension, format
constexpr std::pair<std::string_view, std::string_view> kImages[] = {
    {"image/png", "png"}, {"image/jpeg", "jpeg"}, {"image/jpg", "jpeg"}, {"image/gif", "gif"}, {"image/webp", "webp"},
    {"png", "png"},       {"jpeg", "jpeg"},       {"jpg", "jpeg"},       {"gif", "gif"},       {"webp", "webp"}};
constexpr std::pair<std::string_view, std::string_view> kDocuments[] = {
    {"application/pdf", "pdf"},
    {"text/csv", "csv"},
    {"application/msword", "doc"},
    {"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"},
    {"application/vnd.ms-excel", "xls"},
    {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"},
    {"text/html", "html"},
    {"text/plain", "txt"},
    {"text/markdown", "md"},
    {"pdf", "pdf"},
    {"csv", "csv"},
    {"doc", "doc"},
    {"docx", "docx"},
    {"xls", "xls"},
    {"xlsx", "xlsx"},
    {"html", "html"},
    {"txt", "txt"},
    {"md", "md"}};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view format_of(Formats formats, std::string_view type) {
  const std::string word = lower(type);
  const auto at = std::ranges::find(formats, std::string_view(word), &Formats::value_type::first);
  return at == formats.end() ? std::string_view() : at->second;
}

std::string_view extension_of(std::string_view name) {
  const size_t dot = name.find_last_of("./");
  return dot == std::string_view::npos || name[dot] == '/' ? std::string_view() : name.substr(dot + 1);
}

struct Media {
  std::string_view type;   // media type; empty: not said
  std::string_view bytes;  // base64
};

Error not_base64(const std::string& where) {
  return {.code = Code::kInvalid,
          .message = say("Invalid '{}': expected base64-encoded data.", where),
          .param = where,
          .reason = "invalid_value"};
}

// A data URL, or bare base64.
Result<Media> media_of(std::string_view text, const std::string& where) {
  Media out{.bytes = text};
  if (text.starts_with("data:")) {
    const size_t comma = text.find(',');
    if (comma == std::string_view::npos) return not_base64(where);
    std::string_view head = text.substr(5, comma - 5);
    if (!head.ends_with(";base64")) return not_base64(where);
    out.type = head.substr(0, head.find(';'));
    out.bytes = text.substr(comma + 1);
  }
  if (out.bytes.empty() || !is_base64(out.bytes)) return not_base64(where);
  return out;
}

// Checked base64 and S3's URLs need no escaping beyond what is done here.
void write_source(json::Writer& out, std::string_view bytes, std::string_view s3) {
  out.key("source").begin_object();
  if (s3.empty()) {
    std::string quoted;
    quoted.reserve(bytes.size() + 2);
    quoted.append("\"").append(bytes).append("\"");
    out.key("bytes").raw(quoted);
  } else {
    out.key("s3Location").begin_object().field("uri", s3).end_object();
  }
  out.end_object();
}

// Letters, digits, spaces (one at a time), hyphens, parentheses and brackets; without its extension.
std::string document_name(std::string_view filename) {
  const size_t slash = filename.find_last_of("/\\");
  if (slash != std::string_view::npos) filename.remove_prefix(slash + 1);
  if (const size_t dot = filename.rfind('.'); dot != std::string_view::npos && dot > 0)
    filename = filename.substr(0, dot);
  std::string out;
  for (const char c : filename) {
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                       std::string_view("-()[]").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  if (out.size() > kNameMax - 8) out.resize(kNameMax - 8);  // room for a number
  while (out.ends_with(' ')) out.pop_back();
  return out.empty() ? "document" : out;
}

std::string unlike_others(const std::string& name, std::set<std::string>& names) {
  std::string out = name;
  for (int number = 2; !names.insert(lower(out)).second; ++number) out = say("{} ({})", name, number);
  return out;
}

}  // namespace

Result<std::string> converse_image(const Part& part, const std::string& where) {
  if (part.url.empty()) return unsayable(where + ".file_id", "an image by its id");
  const std::string place = where + ".image_url";
  const bool s3 = part.url.starts_with("s3://");
  if (!s3 && !part.url.starts_with("data:"))
    return unsayable(place, "an image by its URL: only its data, or its place in S3");
  Media media;
  if (!s3) {
    TRY(media, media_of(part.url, place));
  }
  const std::string_view format = format_of(kImages, s3 ? extension_of(part.url) : media.type);
  if (format.empty()) return unsayable(place, "an image of this type: only PNG, JPEG, GIF and WebP");
  json::Writer out;
  out.begin_object().key("image").begin_object().field("format", format);
  write_source(out, media.bytes, s3 ? std::string_view(part.url) : std::string_view());
  return out.end_object().end_object().take();
}

Result<std::string> converse_document(const Part& part, const std::string& where, std::set<std::string>& names) {
  const bool s3 = part.file_data.empty() && part.url.starts_with("s3://");
  if (part.file_data.empty() && !s3) {
    return part.url.empty() ? unsayable(where + ".file_id", "a file by its id")
                            : unsayable(where + ".file_url", "a file by its URL: only its data, or its place in S3");
  }
  const std::string place = where + (s3 ? ".file_url" : ".file_data");
  Media media;
  if (!s3) {
    TRY(media, media_of(part.file_data, place));
  }
  std::string_view format = format_of(kDocuments, media.type);
  const std::string& filename = part.filename.empty() ? part.url : part.filename;
  if (format.empty()) format = format_of(kDocuments, extension_of(filename));
  if (format.empty()) return unsayable(place, "a file of this type");
  json::Writer out;
  out.begin_object().key("document").begin_object().field("format", format);
  out.field("name", unlike_others(document_name(filename), names));
  write_source(out, media.bytes, s3 ? std::string_view(part.url) : std::string_view());
  return out.end_object().end_object().take();
}

}  // namespace perdure
