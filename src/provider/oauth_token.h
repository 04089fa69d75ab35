#pragma once
// Tokens that a service gives out and that expire: where they come from, how long they are kept, and the Credential
// that puts them on calls (Authorization: Bearer). Everything lives on one Loop. A token, and what it is asked with,
// appears in no log, no error and no event.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "provider/credential.h"

namespace perdure {

struct BearerToken {
  std::string text;  // secret
  Duration valid{};  // from when it was asked for
};

// Fetching is its only business: TokenKeeper decides when.
class TokenSource {
 public:
  virtual ~TokenSource() = default;
  // kDenied, reason supplier_denied: the service refuses what it is asked with. kUnavailable, kDeadline, kCorrupt: it
  // does not answer, or not with a token.
  virtual Task<Result<BearerToken>> fetch(Deadline deadline) = 0;
};

// Keeps a token and gets a new one before it expires: 225 seconds before (Google's metadata service gives the old one
// again until then), or half its life, by the one caller who comes first, while the others go on with what there is.
// Without a good token everybody waits for that one fetch, and has its answer. A source that failed is not asked again
// for 30 seconds while the token holds, for 5 when there is none.
class TokenKeeper {
 public:
  TokenKeeper(Loop& loop, std::unique_ptr<TokenSource> source, Log log = {});
  // The error is the source's; kDeadline.
  Task<Result<std::string>> token(Deadline deadline);
  // The supplier refused it: it is given up, unless it came within the last minute, when another would fare no better.
  void refused();

 private:
  bool usable() const { return !held_.empty() && loop_.now() < expires_; }
  Task<Result<void>> refresh(bool good, Deadline callers);

  Loop& loop_;
  std::unique_ptr<TokenSource> source_;
  Log log_;
  std::string held_;
  Instant fetched_at_{}, renew_at_{}, expires_{};
  std::optional<Instant> retry_at_;  // after a failure: not before then
  std::optional<Error> failure_;     // of the last fetch, which was not cut short by its caller's deadline
  uint64_t fetches_ = 0;
  bool fetching_ = false;
  Notifier fetched_;
};

std::unique_ptr<Credential> token_credential(std::unique_ptr<TokenKeeper> keeper);

// --- for sources ---

// "a=b&c=d", encoded.
std::string form_of(const std::vector<std::pair<std::string_view, std::string_view>>& fields);

// Asks a token service, with a few quick tries where it does not answer or says 5xx or 429, and reads its answer:
// access_token and expires_in, as a number or as text. `who` names the service in messages: "Google's token service".
// `answer_has`: a header field that the answer must have, with its value; empty: none.
Task<Result<BearerToken>> ask_for_token(HttpClient& client, const Clock& clock, HttpCall call, std::string who,
                                        Deadline deadline, std::pair<std::string, std::string> answer_has = {});

// kInvalid unless it is https, or plain http to this machine or (for instances' services) to a link-local address or
// `metadata`, a name.
Result<Url> token_service_url(std::string_view url, std::string_view metadata = {});

}  // namespace perdure
