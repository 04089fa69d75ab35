#include "simulate/messages_media.h"

#include "simulate/media.h"

namespace perdure::simulate {

void take_messages_image(StrictReader& in, json::Value source, Message& spoken, const std::string& at) {
  if (!in.object(source, at)) return;
  const std::string type = in.one_of(source["type"], {"base64", "url"}, at + ".type");
  if (type == "url") {
    in.only(source, {"type", "url"}, at + ".url");
    const std::string url = in.text(source["url"], at + ".url.url");
    if (!in.failed() && !url.starts_with("https://"))
      in.fail(at + ".url.url: Only HTTPS URLs are supported.", at + ".url.url");
    spoken.add_media(describe_link("image", url));
  } else if (!in.failed()) {
    in.only(source, {"type", "media_type", "data"}, at + ".base64");
    const std::string claimed = in.one_of(source["media_type"], {"image/jpeg", "image/png", "image/gif", "image/webp"},
                                          at + ".base64.media_type");
    const auto bytes = decode_base64(in.text(source["data"], at + ".base64.data"));
    if (in.failed()) return;
    if (!bytes) return in.fail(at + ".base64: invalid base64 data", at + ".base64.data");
    const std::string_view found = image_type_of(*bytes);
    if (found.empty()) return in.fail(at + ".base64.data: Could not process image", at + ".base64.data");
    if (found != claimed)
      return in.fail(at + ".base64.data: Image does not match the provided media type " + claimed, at + ".base64.data");
    spoken.add_media(describe_bytes(found, *bytes));
  }
}

void take_messages_document(StrictReader& in, json::Value source, Message& spoken, const std::string& at) {
  if (!in.object(source, at)) return;
  const std::string type = in.one_of(source["type"], {"base64", "text", "content", "url"}, at + ".type");
  if (type == "base64") {
    in.only(source, {"type", "media_type", "data"}, at);
    in.one_of(source["media_type"], {"application/pdf"}, at + ".media_type");
    const auto bytes = decode_base64(in.text(source["data"], at + ".data"));
    if (!in.failed() && (!bytes || !bytes->starts_with("%PDF")))
      return in.fail(at + ".base64.data: The PDF specified was not valid.", at + ".data");
    if (bytes) spoken.add_media(describe_bytes("application/pdf", *bytes));
  } else if (type == "text") {
    in.only(source, {"type", "media_type", "data"}, at);
    in.one_of(source["media_type"], {"text/plain"}, at + ".media_type");
    spoken.add_media(describe_bytes("text/plain", in.text(source["data"], at + ".data")));
  } else if (type == "url") {
    in.only(source, {"type", "url"}, at);
    spoken.add_media(describe_link("file", in.text(source["url"], at + ".url")));
  } else if (!in.failed()) {
    in.only(source, {"type", "content"}, at);
    spoken.add_media(describe_bytes("text/plain", source["content"].raw()));
  }
}

}  // namespace perdure::simulate
