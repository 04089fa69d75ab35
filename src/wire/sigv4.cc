#include "wire/sigv4.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>

#include "base/check.h"
#include "base/ids.h"
#include "wire/digest.h"

namespace perdure {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kDate = "x-amz-date", kToken = "x-amz-security-token", kAuthorization = "authorization";
// Fields that change under way, in AWS's own clients' reading; sorted.
constexpr std::string_view kUnsigned[] = {"authorization",
                                          "baggage",
                                          "connection",
                                          "expect",
                                          "keep-alive",
                                          "proxy-authenticate",
                                          "proxy-authorization",
                                          "te",
                                          "traceparent",
                                          "tracestate",
                                          "trailer",
                                          "transfer-encoding",
                                          "upgrade",
                                          "user-agent",
                                          "x-amzn-trace-id"};

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

void append_encoded(std::string& out, std::string_view text, bool slashes_stay) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char c : text) {
    if (is_unreserved(c) || (slashes_stay && c == '/')) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.append({'%', kDigits[byte >> 4], kDigits[byte & 15]});
    }
  }
}

std::string sha256_hex(std::string_view bytes) { return to_hex(sha256(bytes)); }

std::string hmac(std::string_view key, std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> out;
  unsigned size = 0;
  const auto* done = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                          reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(), &size);
  CHECK(done != nullptr && size == out.size(), "HMAC-SHA256");
  return {reinterpret_cast<const char*>(out.data()), out.size()};
}

// "20150830T123600Z"
std::string stamp_of(WallTime now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(
      std::chrono::sys_time<std::chrono::milliseconds>(now.time_since_epoch()));
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(seconds - day);
  char out[40];
  std::snprintf(out, sizeof out, "%04d%02u%02uT%02d%02d%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                static_cast<int>(time.seconds().count()));
  return out;
}

// Without empty segments, "." and "..", as every service but S3 reads a path.
std::string normal_path(std::string_view path) {
  std::vector<std::string_view> segments;
  for (size_t at = 0; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view segment = path.substr(at, end - at);
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
    } else if (!segment.empty() && segment != ".") {
      segments.push_back(segment);
    }
    at = end + 1;
  }
  std::string out;
  for (const std::string_view segment : segments) out.append("/").append(segment);
  if (segments.empty() || path.ends_with('/')) out += '/';
  return out;
}

std::string canonical_query(std::string_view query) {
  std::vector<std::pair<std::string_view, std::string_view>> pairs;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const size_t equals = std::min(pair.find('='), pair.size());
    pairs.emplace_back(pair.substr(0, equals), pair.substr(std::min(equals + 1, pair.size())));
  }
  std::ranges::sort(pairs);
  std::string out;
  for (const auto& [name, value] : pairs) out.append(out.empty() ? "" : "&").append(name).append("=").append(value);
  return out;
}

// Without white space around it, and runs of white space as one space.
void append_trimmed(std::string& out, std::string_view value) {
  const size_t from = out.size();
  for (size_t i = 0; i < value.size(); ++i) {
    if (!is_space(value[i])) {
      if (i > 0 && is_space(value[i - 1]) && out.size() > from) out += ' ';
      out += value[i];
    }
  }
}

std::string_view field_of(const SigV4Request& request, std::string_view lower_name) {
  for (const auto& [name, value] : request.headers) {
    if (lower(name) == lower_name) return value;
  }
  return {};
}

std::string joined(std::span<const std::string> names) {
  std::string out;
  for (const std::string& name : names) out.append(out.empty() ? "" : ";").append(name);
  return out;
}

std::string scope_text(std::string_view day, const SigV4Scope& scope) {
  return std::string(day) + "/" + scope.region + "/" + scope.service + "/aws4_request";
}

std::string signature_of(std::string_view canonical, std::string_view stamp, const AwsKeys& keys,
                         const SigV4Scope& scope) {
  const std::string_view day = stamp.substr(0, 8);
  std::string text(kAlgorithm);
  text.append("\n")
      .append(stamp)
      .append("\n")
      .append(scope_text(day, scope))
      .append("\n")
      .append(sha256_hex(canonical));
  std::string key = "AWS4" + keys.secret_access_key;
  for (const std::string_view part :
       {day, std::string_view(scope.region), std::string_view(scope.service), std::string_view("aws4_request")}) {
    std::string next = hmac(key, part);
    OPENSSL_cleanse(key.data(), key.size());
    key = std::move(next);
  }
  const std::string out = to_hex(hmac(key, text));
  OPENSSL_cleanse(key.data(), key.size());
  return out;
}

bool is_word(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f && c != '/' && c != ','; });
}

Error denied(std::string reason, std::string message) {
  return {.code = Code::kDenied, .message = std::move(message), .reason = std::move(reason)};
}
Error incomplete(std::string message) {
  return {.code = Code::kInvalid, .message = std::move(message), .reason = "IncompleteSignatureException"};
}
Error wrong(std::string message) { return denied("InvalidSignatureException", std::move(message)); }

// What an Authorization field says.
struct Claim {
  std::string_view access_key_id, day, region, service, signature;
  std::vector<std::string> signed_names;
};

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> out;
  for (;;) {
    const size_t end = text.find(at);
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

Result<Claim> read_claim(std::string_view text) {
  if (!text.starts_with(kAlgorithm) || !text.substr(kAlgorithm.size()).starts_with(' '))
    return incomplete("Unsupported AWS 'algorithm' in Authorization.");
  text.remove_prefix(kAlgorithm.size() + 1);
  Claim out;
  std::string_view credential, names;
  for (std::string_view part : split(text, ',')) {
    while (part.starts_with(' ')) part.remove_prefix(1);
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos) return incomplete("Authorization holds a part that is not name=value.");
    const std::string_view name = part.substr(0, equals), value = part.substr(equals + 1);
    std::string_view* into = name == "Credential"      ? &credential
                             : name == "SignedHeaders" ? &names
                             : name == "Signature"     ? &out.signature
                                                       : nullptr;
    if (into == nullptr || !into->empty()) return incomplete("Authorization holds a part that does not belong there.");
    *into = value;
  }
  if (credential.empty() || names.empty() || out.signature.empty())
    return incomplete("Authorization requires 'Credential', 'SignedHeaders' and 'Signature'.");
  const std::vector<std::string_view> parts = split(credential, '/');
  if (parts.size() != 5 || parts[4] != "aws4_request")
    return incomplete("Credential must have five parts and end in 'aws4_request'.");
  out.access_key_id = parts[0], out.day = parts[1], out.region = parts[2], out.service = parts[3];
  for (const std::string_view name : split(names, ';')) out.signed_names.emplace_back(name);
  if (!std::ranges::is_sorted(out.signed_names, std::ranges::less_equal()) || out.signed_names.front().empty())
    return incomplete("SignedHeaders must be sorted, each name once.");
  return out;
}

// kStamp is "20150830T123600Z"; none: not a time.
std::optional<WallTime> time_of(std::string_view stamp) {
  if (stamp.size() != 16 || stamp[8] != 'T' || stamp[15] != 'Z') return std::nullopt;
  const auto number = [&](size_t at, size_t size) {
    int out = 0;
    for (const char c : stamp.substr(at, size)) out = c >= '0' && c <= '9' && out >= 0 ? out * 10 + (c - '0') : -1;
    return out;
  };
  const int year = number(0, 4), month = number(4, 2), day = number(6, 2);
  const int hour = number(9, 2), minute = number(11, 2), second = number(13, 2);
  if (year < 0 || month < 0 || day < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
      second > 59)
    return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  const auto at = std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
                  std::chrono::seconds(second);
  return WallTime(std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()));
}

}  // namespace

std::string uri_encode(std::string_view text) {
  std::string out;
  append_encoded(out, text, false);
  return out;
}

std::string canonical_request_v4(const SigV4Request& request, std::span<const std::string> signed_names) {
  const size_t question = std::min(request.target.find('?'), request.target.size());
  std::string out(request.method);
  out += '\n';
  append_encoded(out, normal_path(request.target.substr(0, question)), true);
  out += '\n';
  out += canonical_query(request.target.substr(std::min(question + 1, request.target.size())));
  out += '\n';
  for (const std::string& name : signed_names) {
    out.append(name) += ':';
    bool first = true;
    for (const auto& [field, value] : request.headers) {
      if (lower(field) != name) continue;
      if (!first) out += ',';
      append_trimmed(out, value);
      first = false;
    }
    out += '\n';
  }
  out.append("\n").append(joined(signed_names)).append("\n");
  const std::string_view given = field_of(request, "x-amz-content-sha256");
  out += given.empty() ? sha256_hex(request.body) : std::string(given);
  return out;
}

Result<HeaderFields> sign_v4(const SigV4Request& request, const AwsKeys& keys, const SigV4Scope& scope, WallTime now) {
  if (!request.target.starts_with('/'))
    return Error{Code::kInvalid, "a request is signed with its target in origin form"};
  if (!is_word(keys.access_key_id) || keys.secret_access_key.empty())
    return Error{Code::kInvalid, "the AWS access key is empty or holds characters that none has"};
  if (!is_word(scope.region) || !is_word(scope.service))
    return Error{Code::kInvalid, "the AWS region is empty or holds characters that none has"};
  const std::string stamp = stamp_of(now);
  HeaderFields added = {{"X-Amz-Date", stamp}};
  if (!keys.session_token.empty()) added.emplace_back("X-Amz-Security-Token", keys.session_token);

  HeaderFields fields = added;
  std::vector<std::string> names;
  for (const auto& [name, value] : request.headers) {
    const std::string lower_name = lower(name);
    if (lower_name == kDate || lower_name == kToken || std::ranges::binary_search(kUnsigned, lower_name)) continue;
    fields.emplace_back(lower_name, value);
  }
  for (const auto& field : fields) names.push_back(lower(field.first));
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  if (!std::ranges::binary_search(names, std::string_view("host")))
    return Error{Code::kInvalid, "a request without Host cannot be signed"};

  SigV4Request complete = request;
  complete.headers = fields;
  const std::string signature = signature_of(canonical_request_v4(complete, names), stamp, keys, scope);
  std::string authorization(kAlgorithm);
  authorization.append(" Credential=").append(keys.access_key_id).append("/");
  authorization.append(scope_text(std::string_view(stamp).substr(0, 8), scope));
  authorization.append(", SignedHeaders=").append(joined(names)).append(", Signature=").append(signature);
  added.emplace_back("Authorization", std::move(authorization));
  return added;
}

Result<void> verify_v4(const SigV4Request& request, const AwsKeys& keys, const SigV4Scope& scope, WallTime now,
                       Duration skew) {
  const std::string_view authorization = field_of(request, kAuthorization);
  if (authorization.empty()) return denied("MissingAuthenticationTokenException", "Missing Authentication Token");
  TRY(const Claim claim, read_claim(authorization));
  const std::string_view stamp = field_of(request, kDate);
  const std::optional<WallTime> made = time_of(stamp);
  if (!made) return incomplete("Authorization requires the existence of a valid 'X-Amz-Date'.");
  if (claim.access_key_id != keys.access_key_id || field_of(request, kToken) != keys.session_token)
    return denied("UnrecognizedClientException", "The security token included in the request is invalid.");
  if (claim.day != stamp.substr(0, 8)) return wrong("The date of the credential is not that of 'X-Amz-Date'.");
  if (claim.region != scope.region || claim.service != scope.service)
    return wrong("Credential should be scoped to a valid region and service.");
  const Duration off = now > *made ? Duration(now - *made) : Duration(*made - now);
  if (off > skew) return wrong(now > *made ? "Signature expired." : "Signature not yet current.");
  const auto is_signed = [&](std::string_view name) {
    return std::ranges::find(claim.signed_names, name) != claim.signed_names.end();
  };
  if (!is_signed("host")) return wrong("'Host' must be a signed header.");
  for (const auto& [name, value] : request.headers) {
    const std::string lower_name = lower(name);
    if (lower_name.starts_with("x-amz-") && !is_signed(lower_name))
      return wrong("'" + lower_name + "' must be a signed header.");
  }
  for (const std::string& name : claim.signed_names) {
    if (std::ranges::none_of(request.headers, [&](const auto& field) { return lower(field.first) == name; }))
      return wrong("'" + name + "' is signed but was not sent.");
  }
  const std::string_view hash = field_of(request, "x-amz-content-sha256");
  if (!hash.empty() && hash != sha256_hex(request.body))
    return wrong("'x-amz-content-sha256' is not that of the body.");
  const std::string expected = signature_of(canonical_request_v4(request, claim.signed_names), stamp, keys, scope);
  if (claim.signature.size() != expected.size() ||
      CRYPTO_memcmp(claim.signature.data(), expected.data(), expected.size()) != 0)
    return wrong(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method.");
  return {};
}

}  // namespace perdure
