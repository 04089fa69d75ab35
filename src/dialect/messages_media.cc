// Images and documents as blocks.

#include <algorithm>
#include <array>

#include "dialect/messages_request.h"
#include "dialect/say.h"
#include "wire/base64.h"

namespace perdure {
namespace {

constexpr size_t kTitleMax = 500;  // characters

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

struct Media {
  std::string type;        // in small letters; empty: not said
  std::string_view bytes;  // base64
};

// A data URL of base64, or bare base64.
std::optional<Media> media_of(std::string_view text) {
  Media out{.bytes = text};
  if (text.starts_with("data:")) {
    const size_t comma = text.find(',');
    if (comma == std::string_view::npos) return std::nullopt;
    const std::string_view head = text.substr(5, comma - 5);
    if (!head.ends_with(";base64")) return std::nullopt;
    out.type = lower(head.substr(0, head.find(';')));
    out.bytes = text.substr(comma + 1);
  }
  if (out.bytes.empty() || !is_base64(out.bytes)) return std::nullopt;
  return out;
}

Error not_base64(const std::string& where) {
  return {.code = Code::kInvalid,
          .message = say("Invalid '{}': expected base64-encoded data.", where),
          .param = where,
          .reason = "invalid_value"};
}

// Bytes that were checked need no escaping.
void write_data(json::Writer& out, std::string_view base64) {
  std::string quoted;
  quoted.reserve(base64.size() + 2);
  quoted.append("\"").append(base64).append("\"");
  out.key("data").raw(quoted);
}

bool is_web(std::string_view url) { return url.starts_with("https://") || url.starts_with("http://"); }

Result<void> write_image(json::Writer& out, const Part& part, const std::string& where, CacheMarks& marks,
                         LeftOut& left_out) {
  if (!part.detail.empty()) TRY_VOID(left_out.refuse(where + ".detail", "how closely to look at an image"));
  if (part.url.empty()) return left_out.refuse(where + ".file_id", "an image by its id");
  const std::string place = where + ".image_url";
  if (is_web(part.url)) {
    out.begin_object().field("type", "image").key("source").begin_object();
    out.field("type", "url").field("url", part.url).end_object();
  } else {
    if (!part.url.starts_with("data:")) return left_out.refuse(place, "an image by a URL that is not of the web");
    auto media = media_of(part.url);
    if (!media) return not_base64(place);
    if (media->type == "image/jpg") media->type = "image/jpeg";
    constexpr std::array<std::string_view, 4> kTypes = {"image/jpeg", "image/png", "image/gif", "image/webp"};
    if (std::ranges::find(kTypes, media->type) == kTypes.end())
      return left_out.refuse(place, "an image of this type: only JPEG, PNG, GIF and WebP");
    out.begin_object().field("type", "image").key("source").begin_object();
    out.field("type", "base64").field("media_type", media->type);
    write_data(out, media->bytes);
    out.end_object();
  }
  marks.write_message(out, part.cache);
  out.end_object();
  return {};
}

bool is_text(std::string_view type) { return type.starts_with("text/") || type == "application/json"; }

// The type of what came without one.
std::string guessed_type(const Media& media, std::string_view filename) {
  const std::string name = lower(filename);
  if (media.bytes.starts_with("JVBERi") || name.ends_with(".pdf")) return "application/pdf";  // "%PDF-"
  for (std::string_view ending : {".txt", ".md", ".csv", ".json", ".html", ".xml"})
    if (name.ends_with(ending)) return "text/plain";
  return "";
}

std::string_view title_of(std::string_view filename) {
  size_t end = 0, characters = 0;
  for (; end < filename.size(); ++end) {
    if ((static_cast<unsigned char>(filename[end]) & 0xc0) != 0x80 && ++characters > kTitleMax) break;
  }
  return filename.substr(0, end);
}

Result<void> write_document(json::Writer& out, const Part& part, const std::string& where, CacheMarks& marks,
                            LeftOut& left_out) {
  if (part.file_data.empty() && part.url.empty()) return left_out.refuse(where + ".file_id", "a file by its id");
  if (part.file_data.empty()) {
    if (!is_web(part.url)) return left_out.refuse(where + ".file_url", "a file by a URL that is not of the web");
    out.begin_object().field("type", "document").key("source").begin_object();
    out.field("type", "url").field("url", part.url).end_object();
  } else {
    const std::string place = where + ".file_data";
    auto media = media_of(part.file_data);
    if (!media) return not_base64(place);
    const std::string type = media->type.empty() || media->type == "application/octet-stream"
                                 ? guessed_type(*media, part.filename)
                                 : media->type;
    std::string text;
    if (is_text(type)) {
      text = from_base64(media->bytes).value_or("");
      if (!json::valid_utf8(text)) return left_out.refuse(place, "a text that is not UTF-8");
    } else if (type != "application/pdf") {
      return left_out.refuse(place, "a file of this type: only PDF and text");
    }
    out.begin_object().field("type", "document").key("source").begin_object();
    if (is_text(type)) {
      out.field("type", "text").field("media_type", "text/plain").field("data", text);
    } else {
      out.field("type", "base64").field("media_type", type);
      write_data(out, media->bytes);
    }
    out.end_object();
  }
  if (!part.filename.empty()) out.field("title", title_of(part.filename));
  marks.write_message(out, part.cache);
  out.end_object();
  return {};
}

}  // namespace

Result<void> write_messages_media(json::Writer& out, const Part& part, const std::string& where, CacheMarks& marks,
                                  LeftOut& left_out) {
  if (part.kind == PartKind::kInputImage) return write_image(out, part, where, marks, left_out);
  if (part.kind == PartKind::kInputFile) return write_document(out, part, where, marks, left_out);
  return left_out.refuse(where, "a part of this type here");
}

}  // namespace perdure
