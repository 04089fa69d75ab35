#include "simulate/openai_media.h"

#include <algorithm>

#include "simulate/media.h"

namespace perdure::simulate {

void take_image(StrictReader& in, const std::string& url, Message& message, const std::string& path) {
  if (in.failed()) return;
  if (url.starts_with("data:")) {
    const auto data = parse_data_url(url);
    const std::string_view type = data ? image_type_of(data->bytes) : std::string_view();
    if (type.empty())
      return in.fail("You uploaded an unsupported image. Please make sure your image is valid.", path,
                     "invalid_image_format");
    message.add_media(describe_bytes(type, data->bytes));
  } else if (url.starts_with("https://") || url.starts_with("http://")) {
    message.add_media(describe_link("image", url));
  } else {
    in.fail("Invalid '" + path + "'. Expected a base64-encoded data URL with an image MIME type, or a URL.", path,
            "invalid_value");
  }
}

void take_file(StrictReader& in, const std::string& data_url, Message& message, const std::string& path) {
  if (in.failed()) return;
  const auto data = parse_data_url(data_url);
  if (!data) return in.fail("Invalid '" + path + "'. Expected a base64-encoded data URL.", path, "invalid_value");
  message.add_media(describe_bytes(data->type, data->bytes));
}

bool mentions_json(const Prompt& prompt) {
  static constexpr std::string_view kWord = "json";
  return std::ranges::any_of(prompt.messages, [](const Message& message) {
    const auto same = [](char a, char b) { return (a | 0x20) == b; };
    return std::ranges::search(message.text, kWord, same).begin() != message.text.end();
  });
}

}  // namespace perdure::simulate
