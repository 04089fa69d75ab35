#include "simulate/embeddings.h"

#include <bit>
#include <cmath>

#include "base/random.h"
#include "simulate/media.h"
#include "simulate/strict_reader.h"
#include "simulate/tokens.h"
#include "wire/json.h"

namespace perdure::simulate {
namespace {

using json::Value;

constexpr size_t kInputsMax = 2048;
constexpr int64_t kDimensionsMax = 3072;
constexpr int64_t kTokensMax = 8192;

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         static_cast<unsigned char>(c) >= 0x80;
}

void add_direction(std::vector<float>& vector, uint64_t seed, float weight) {
  SeededRandom random(seed);
  for (float& x : vector) x += weight * (static_cast<float>(random.next() >> 40) * 0x1p-23f - 1.0f);
}

std::string read_one(StrictReader& in, Value value, const std::string& path) {
  std::string text;
  if (value.is_string()) {
    text = value.text();
  } else if (value.is_array()) {  // tokens: the model reads their numbers
    for (const Value token : value.elements()) {
      if (!token.integer()) in.wrong_type(token, "an integer", path);
      text.append(token.raw()).append(" ");
    }
  } else {
    in.wrong_type(value, "a string", path);
  }
  if (!in.failed() && text.empty()) in.fail("Invalid '" + path + "': input cannot be an empty string.", path);
  if (!in.failed() && count_tokens(text) > kTokensMax)
    in.fail("This model's maximum context length is 8192 tokens.", path, "context_length_exceeded");
  return text;
}

}  // namespace

Result<EmbeddingsRequest> parse_embeddings_request(std::string body, bool model_elsewhere) {
  auto document = json::Document::parse(std::move(body));
  if (!document.ok())
    return Error{.code = Code::kInvalid, .message = "We could not parse the JSON body of your request."};
  const Value root = document->root();
  StrictReader in(StrictReader::Style::kOpenAi);
  EmbeddingsRequest out;
  if (in.object(root, "body")) {
    in.only(root, {"model", "input", "dimensions", "encoding_format", "user"}, "");
    if (!model_elsewhere || !root["model"].missing()) out.model = in.text(root["model"], "model");
    const Value input = root["input"];
    const bool many = input.is_array() && (input.size() == 0 || !input.at(0).integer());
    if (input.missing()) in.missing("input");
    if (many && (input.size() == 0 || input.size() > kInputsMax))
      in.fail("Invalid 'input': between 1 and 2048 inputs are allowed.", "input", "invalid_value");
    if (many && !in.failed()) {
      const auto elements = input.elements();
      for (size_t i = 0; i < elements.size() && !in.failed(); ++i)
        out.input.push_back(read_one(in, elements[i], in.at("input", i)));
    } else if (!in.failed()) {
      out.input.push_back(read_one(in, input, "input"));
    }
    if (const auto dimensions = in.optional_integer(root["dimensions"], 1, kDimensionsMax, "dimensions"))
      out.dimensions = static_cast<size_t>(*dimensions);
    out.base64 = in.optional_one_of(root["encoding_format"], {"float", "base64"}, "encoding_format") == "base64";
    in.optional_text(root["user"], "user");
  }
  if (in.failed()) return in.error();
  return out;
}

std::vector<float> embedding_of(std::string_view text, std::string_view model, size_t dimensions) {
  std::vector<float> out(dimensions, 0.0f);
  const uint64_t base = hash_of(model, 0);
  add_direction(out, hash_of(text, base), 0.25f);
  for (size_t at = 0; at < text.size();) {
    if (!is_word(text[at])) {
      ++at;
      continue;
    }
    std::string word;
    for (; at < text.size() && is_word(text[at]); ++at)
      word += text[at] >= 'A' && text[at] <= 'Z' ? static_cast<char>(text[at] - 'A' + 'a') : text[at];
    add_direction(out, hash_of(word, base), 1.0f);
  }
  float length = 0;
  for (const float x : out) length += x * x;
  length = std::sqrt(length);
  if (length > 0)
    for (float& x : out) x /= length;
  return out;
}

std::string render_embeddings(const EmbeddingsRequest& request) {
  json::Writer json;
  json.begin_object().field("object", "list").key("data").begin_array();
  int64_t tokens = 0;
  for (size_t i = 0; i < request.input.size(); ++i) {
    tokens += count_tokens(request.input[i]);
    const std::vector<float> vector = embedding_of(request.input[i], request.model, request.dimensions);
    json.begin_object().field("object", "embedding").field("index", static_cast<int64_t>(i)).key("embedding");
    if (request.base64) {
      std::string bytes;
      for (const float x : vector) {
        const auto bits = std::bit_cast<uint32_t>(x);
        for (int b = 0; b < 32; b += 8) bytes += static_cast<char>(bits >> b & 255);
      }
      json.string(encode_base64(bytes));
    } else {
      json.begin_array();
      for (const float x : vector) json.number(static_cast<double>(x));
      json.end_array();
    }
    json.end_object();
  }
  json.end_array().field("model", request.model).key("usage").begin_object();
  json.field("prompt_tokens", tokens).field("total_tokens", tokens).end_object().end_object();
  return json.take();
}

}  // namespace perdure::simulate
