#include <algorithm>
#include <charconv>
#include <cmath>

#include "dialect/say.h"
#include "dialect/upstream_error.h"

namespace perdure {
namespace {

constexpr size_t kMessageMax = 500;

bool has(std::string_view text, std::string_view word) { return text.find(word) != std::string_view::npos; }

bool is_token(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '*' || c == '.' || c == '+' || c == '/' || c == '=';
}

// A word that may be a credential, whole or half hidden with stars.
bool is_credential(std::string_view word, bool after_bearer) {
  constexpr std::string_view kPrefixes[] = {"sk-",    "sk_", "pk-", "gsk_", "xai-", "AIza",  "key-",     "hf_", "eyJ",
                                            "nvapi-", "r8_", "fw_", "tgp_", "csk-", "pplx-", "api_key=", "key="};
  if (after_bearer || has(word, "***")) return true;
  return word.size() >= 8 &&
         std::ranges::any_of(kPrefixes, [&](std::string_view prefix) { return word.starts_with(prefix); });
}

bool is_word(std::string_view word) {
  const bool plain = std::ranges::all_of(word, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-';
  });
  return !word.empty() && word.size() <= 64 && plain;
}

Code code_of(int status, const std::string& words) {
  if (status == 0) {
    // Inside a stream there are only words.
    if (has(words, "rate_limit") || has(words, "too_many") || has(words, "quota") || has(words, "overloaded") ||
        has(words, "hrottl") || has(words, "RESOURCE_EXHAUSTED"))
      return Code::kOverloaded;
    if (has(words, "invalid_request") || has(words, "context_length") || has(words, "content_filter") ||
        has(words, "invalid_prompt") || has(words, "alidationException") || has(words, "INVALID_ARGUMENT"))
      return Code::kInvalid;
    return Code::kUnavailable;
  }
  switch (status) {
    case 401:
    case 402:
    case 403:
      return Code::kDenied;
    case 404:
      return Code::kNotFound;
    case 408:
    case 409:
    case 425:
      return Code::kUnavailable;
    case 429:
    case 529:
      return Code::kOverloaded;
    default:
      return status >= 400 && status < 500 ? Code::kInvalid : Code::kUnavailable;
  }
}

}  // namespace

std::string shown_words(std::string_view text) {
  std::string out;
  bool after_bearer = false;
  while (!text.empty() && out.size() < kMessageMax) {
    const auto end = static_cast<size_t>(std::ranges::find_if_not(text, is_token) - text.begin());
    if (end > 0) {
      const std::string_view word = text.substr(0, end);
      out += is_credential(word, after_bearer) ? std::string_view("[hidden]") : word;
      after_bearer = word == "Bearer" || word == "bearer";
      text.remove_prefix(end);
    } else {
      if (text[0] != ' ') after_bearer = false;
      out += static_cast<unsigned char>(text[0]) < ' ' || text[0] == 0x7f ? ' ' : text[0];
      text.remove_prefix(1);
    }
  }
  if (out.size() >= kMessageMax) {
    out.resize(kMessageMax);
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xc0) == 0x80)
      out.pop_back();  // not within a character
    if (!out.empty() && static_cast<unsigned char>(out.back()) >= 0xc0) out.pop_back();
    out += "...";
  }
  return out;
}

long retry_after_ms(std::string_view text) {
  double seconds = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  // A date needs a clock, which nothing pure has.
  if (fault != std::errc{} || end != text.data() + text.size() || !(seconds >= 0) || seconds > 86400) return -1;
  return std::lround(seconds * 1000);
}

Error upstream_error(int status, std::string_view type, std::string_view code, std::string_view message) {
  if (status < 400 || status > 599) status = 0;
  Error out{.code = code_of(status, say("{} {}", type, code)), .upstream_status = status};
  out.reason = is_word(code) ? code : is_word(type) ? type : "";
  if (out.code == Code::kDenied) {
    // Its words may name the credential, which is the server's and not the caller's.
    out.message = "The model's supplier refused the credential or account that it was called with.";
    out.reason = "supplier_denied";
  } else if (message.empty()) {
    out.message = status == 0 ? "The model's supplier reported an error."
                              : say("The model's supplier answered with status {}.", status);
  } else {
    out.message = say("The model's supplier said: {}", shown_words(message));
  }
  return out;
}

Error answer_cut() {
  return {.code = Code::kUnavailable, .message = "The supplier's stream ended before the answer did.", .reason = "cut"};
}

Error unsayable(std::string param, std::string_view what) {
  return {.code = Code::kInvalid,
          .message = say("The model's supplier cannot be given {}.", what),
          .param = std::move(param),
          .reason = "unsupported_parameter"};
}

}  // namespace perdure
