#include "provider/oauth_token.h"

#include <algorithm>
#include <chrono>

#include "wire/json.h"
#include "wire/sigv4.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

constexpr Duration kEarly = 225s;        // before it expires, a new one is looked for
constexpr Duration kEarlyTime = 3s;      // and this long, while the present one holds
constexpr Duration kFetchTime = 20s;     // a fetch that everybody waits for
constexpr Duration kRetryAfter = 30s;    // a source that failed, while the token holds
constexpr Duration kRetryWithout = 5s;   // one that failed, and there is no token
constexpr Duration kRefusedAfter = 60s;  // a token younger than this is not given up for having been refused

constexpr size_t kAnswerMax = 64 << 10;
constexpr size_t kTokenMax = 16 << 10;
constexpr Duration kCallTime = 5s;
constexpr int kCalls = 3;
constexpr int64_t kValidElse = 300, kValidMost = 86'400;  // seconds

class TokenCredential final : public Credential {
 public:
  explicit TokenCredential(std::unique_ptr<TokenKeeper> keeper) : keeper_(std::move(keeper)) {}
  Task<Result<void>> sign(HttpCall& call, Deadline deadline) override {
    CO_TRY(std::string token, co_await keeper_->token(deadline));
    call.headers.set("Authorization", "Bearer " + token);
    co_return Result<void>();
  }
  void refused() override { keeper_->refused(); }

 private:
  std::unique_ptr<TokenKeeper> keeper_;
};

struct Reply {
  int status = 0;
  std::string body;
  bool from_whom = true;
};

// Machine words of a token service ("invalid_grant"): nothing else of what it says is passed on.
std::string word_of(json::Value root) {
  json::Value error = root["error"];
  const std::string_view word = error.is_object() ? error["status"].text() : error.text();
  const bool plain = !word.empty() && word.size() <= 64 && std::ranges::all_of(word, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  });
  return plain ? " (" + std::string(word) + ")" : "";
}

int64_t seconds_of(json::Value value) {
  if (value.integer()) return *value.integer();
  int64_t out = 0;
  for (const char c : value.text()) {
    if (c < '0' || c > '9' || out > kValidMost) break;
    out = out * 10 + (c - '0');
  }
  return value.is_string() && !value.text().empty() ? out : kValidElse;
}

Result<BearerToken> token_of(const Reply& reply, const std::string& who) {
  auto document = json::Document::parse(reply.body);
  const json::Value root = document.ok() ? document->root() : json::Value();
  if (reply.status >= 400 && reply.status < 500 && reply.status != 408 && reply.status != 429) {
    return Error{.code = Code::kDenied,
                 .message = who + " refused what it was asked with" + word_of(root) + ".",
                 .reason = "supplier_denied",
                 .upstream_status = reply.status};
  }
  if (reply.status != 200) {
    return Error{.code = Code::kUnavailable,
                 .message = who + " answered with status " + std::to_string(reply.status) + word_of(root) + "."};
  }
  const std::string_view token = root["access_token"].text();
  // It becomes a header field.
  const bool plain = !token.empty() && token.size() <= kTokenMax &&
                     std::ranges::all_of(token, [](char c) { return c > ' ' && c < 0x7f; });
  if (!plain || !reply.from_whom) return Error{Code::kCorrupt, who + " gave no token."};
  const json::Value type = root["token_type"];
  if (type.is_string() && !equal_ignoring_case(type.text(), "bearer"))
    return Error{Code::kCorrupt, who + " gave a token of another kind."};
  const int64_t seconds = std::clamp<int64_t>(seconds_of(root["expires_in"]), 0, kValidMost);
  return BearerToken{.text = std::string(token), .valid = std::chrono::seconds(seconds)};
}

Task<Result<Reply>> call_once(HttpClient& client, HttpCall call, std::pair<std::string, std::string> answer_has,
                              Deadline deadline) {
  CO_TRY(std::unique_ptr<HttpAnswer> answer, co_await client.send(std::move(call), deadline, nullptr));
  Reply out{.status = answer->status, .body = {}};
  if (!answer_has.first.empty()) out.from_whom = answer->headers.get(answer_has.first) == answer_has.second;
  for (;;) {
    CO_TRY(const bool more, co_await answer->read(out.body, deadline));
    if (!more) co_return out;
    if (out.body.size() > kAnswerMax) co_return Error{Code::kCorrupt, "the answer of a token service is too long"};
  }
}

// 127.0.0.0/8 and 169.254.0.0/16, as numbers and nothing else.
bool is_near(std::string_view host) {
  const bool numbers =
      host.find_first_not_of("0123456789.") == std::string_view::npos && std::ranges::count(host, '.') == 3;
  return host == "localhost" || host == "::1" ||
         (numbers && (host.starts_with("127.") || host.starts_with("169.254.")));
}

}  // namespace

TokenKeeper::TokenKeeper(Loop& loop, std::unique_ptr<TokenSource> source, Log log)
    : loop_(loop), source_(std::move(source)), log_(std::move(log)), fetched_(loop) {}

Task<Result<std::string>> TokenKeeper::token(Deadline deadline) {
  for (;;) {
    const bool good = usable();
    const bool too_soon = retry_at_ && loop_.now() < *retry_at_;
    if (good && (loop_.now() < renew_at_ || fetching_ || too_soon)) co_return held_;
    if (!fetching_ && too_soon && failure_) co_return *failure_;
    if (fetching_) {
      const uint64_t before = fetches_;
      const bool notified = co_await fetched_.wait(deadline);
      if (!notified) co_return Error{Code::kDeadline, "waiting for a token took too long"};
      // One fetch, one answer for all.
      if (fetches_ != before && failure_ && !usable()) co_return *failure_;
      continue;
    }
    Result<void> refreshed = co_await refresh(good, deadline);
    if (refreshed.ok() && !held_.empty()) co_return held_;
    if (usable()) co_return held_;
    co_return std::move(refreshed).error();
  }
}

Task<Result<void>> TokenKeeper::refresh(bool good, Deadline callers) {
  // Others must not wait for ever for a fetch that was given up.
  struct Fetching {
    TokenKeeper& keeper;
    ~Fetching() {
      keeper.fetching_ = false;
      keeper.fetched_.notify_all();
    }
  };
  fetching_ = true;
  const Fetching fetching{*this};
  const Instant asked = loop_.now();
  const Deadline ours{asked + (good ? kEarlyTime : kFetchTime)};
  Result<BearerToken> token = co_await source_->fetch(ours.sooner(callers));
  ++fetches_;
  if (token.ok() && asked + token->valid <= loop_.now())
    token = Error{Code::kUnavailable, "The token that is to be had has expired."};
  if (!token.ok()) {
    const bool holds = usable();
    log_.warn("credential.token_not_renewed", {{"error", token.error().message}, {"held", holds}});
    // What one caller had no time for says nothing to the others.
    const bool cut_short = callers.at < ours.at && loop_.now() >= callers.at;
    failure_.reset();
    retry_at_.reset();
    if (!cut_short) failure_ = token.error();
    if (holds || !cut_short) retry_at_ = loop_.now() + (holds ? kRetryAfter : kRetryWithout);
    co_return std::move(token).error();
  }
  held_ = std::move(token->text);
  fetched_at_ = loop_.now();
  expires_ = asked + token->valid;
  renew_at_ = expires_ - std::min(kEarly, token->valid / 2);
  retry_at_.reset();
  failure_.reset();
  co_return Result<void>();
}

void TokenKeeper::refused() {
  if (!held_.empty() && loop_.now() - fetched_at_ >= kRefusedAfter) held_.clear();
}

std::unique_ptr<Credential> token_credential(std::unique_ptr<TokenKeeper> keeper) {
  return std::make_unique<TokenCredential>(std::move(keeper));
}

std::string form_of(const std::vector<std::pair<std::string_view, std::string_view>>& fields) {
  std::string out;
  for (const auto& [name, value] : fields) {
    if (!out.empty()) out += "&";
    out.append(uri_encode(name)).append("=").append(uri_encode(value));
  }
  return out;
}

Task<Result<BearerToken>> ask_for_token(HttpClient& client, const Clock& clock, HttpCall call, std::string who,
                                        Deadline deadline, std::pair<std::string, std::string> answer_has) {
  Result<Reply> reply = Error{Code::kDeadline, "it was not asked in time"};
  for (int i = 0; i < kCalls && clock.now() < deadline.at; ++i) {
    HttpCall again = call;
    const Deadline soon = deadline_in(clock, kCallTime).sooner(deadline);
    reply = co_await call_once(client, std::move(again), answer_has, soon);
    if (reply.ok() && reply->status < 500 && reply->status != 429) break;
  }
  if (!reply.ok()) co_return Error{Code::kUnavailable, who + " does not answer: " + reply.error().message};
  co_return token_of(*reply, who);
}

Result<Url> token_service_url(std::string_view text, std::string_view metadata) {
  TRY(Url url, parse_url(text));
  if (url.tls || is_near(url.address.host) || (!metadata.empty() && url.address.host == metadata)) return url;
  return Error{Code::kInvalid, "the address of a token service must be https, or lead to this machine"};
}

}  // namespace perdure
