#include <algorithm>
#include <charconv>
#include <cmath>

#include "dialect/chat_upstream.h"
#include "dialect/say.h"

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

// The supplier's words without credentials, control characters and excess.
std::string shown(std::string_view text) {
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

std::string reason_of(json::Value error) {
  for (std::string_view word : {error["code"].text(), error["type"].text()}) {
    const bool plain = std::ranges::all_of(word, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
    });
    if (!word.empty() && word.size() <= 64 && plain) return std::string(word);
  }
  return {};
}

Code code_of(int status, const std::string& words) {
  if (status == 0) {
    // Inside a stream there are only words.
    if (has(words, "rate_limit") || has(words, "too_many") || has(words, "quota") || has(words, "overloaded"))
      return Code::kOverloaded;
    if (has(words, "invalid_request") || has(words, "context_length") || has(words, "content_filter") ||
        has(words, "invalid_prompt"))
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

long retry_after_ms(std::string_view text) {
  double seconds = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  // A date needs a clock, which nothing pure has.
  if (fault != std::errc{} || end != text.data() + text.size() || !(seconds >= 0) || seconds > 86400) return -1;
  return std::lround(seconds * 1000);
}

}  // namespace

Error chat_error_of(json::Value error, int status) {
  std::string words = say("{} {}", error["type"].text(), error["code"].text());
  if (status == 0)
    status = static_cast<int>(
        std::clamp<int64_t>(error["code"].integer().value_or(error["status"].integer().value_or(0)), 0, 599));
  if (status < 400) status = 0;
  Error out{.code = code_of(status, words), .reason = reason_of(error), .upstream_status = status};
  std::string_view message = error.is_string() ? error.text() : error["message"].text();
  if (out.code == Code::kDenied) {
    // Its words may name the credential, which is the server's and not the caller's.
    out.message = "The model's supplier refused the credential or account that it was called with.";
    out.reason = "supplier_denied";
  } else if (message.empty()) {
    out.message = status == 0 ? "The model's supplier reported an error."
                              : say("The model's supplier answered with status {}.", status);
  } else {
    out.message = say("The model's supplier said: {}", shown(message));
  }
  return out;
}

Error parse_chat_error(int status, std::string_view retry_after, std::string_view body) {
  Error out;
  if (auto document = json::Document::parse(std::string(body)); document && document->root().is_object()) {
    json::Value root = document->root();
    json::Value error = root["error"];
    // FastAPI's servers say "detail", Mistral's put everything at the top.
    out = chat_error_of(!error.absent() ? error : root["detail"].is_string() ? root["detail"] : root, status);
  } else {
    out = chat_error_of({}, status);
  }
  out.upstream_status = status;
  out.retry_after_ms = retry_after_ms(retry_after);
  return out;
}

}  // namespace perdure
