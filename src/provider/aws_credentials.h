#pragma once
// AWS credentials: where keys come from, how long they hold, and the Credential that signs calls with them (Signature
// Version 4). Everything lives on one Loop. A key appears in no log, no error and no event.
//
// Keys are looked for as AWS's own clients look: given ones, the environment, the shared profile files, the container's
// service (ECS, EKS), the instance's (EC2, version 2 of its protocol only). Not supported, and said so by name where a
// profile asks for it: SSO, assumed roles, web identity, credential processes.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "provider/credential.h"
#include "provider/off_loop_files.h"
#include "wire/sigv4.h"

namespace perdure {

struct AwsIdentity {
  AwsKeys keys;
  std::optional<WallTime> expires;     // they are of no use from then on
  std::optional<WallTime> look_again;  // there may be others then; until there are, these hold
};

// One place where keys may be. Fetching is its only business: AwsKeyRing decides when.
class AwsKeySource {
 public:
  virtual ~AwsKeySource() = default;
  // kNotFound: nothing is configured here, the next place is asked. kDenied: it is, and wrongly so. kUnavailable,
  // kDeadline, kCorrupt: its service does not answer, or not with keys.
  virtual Task<Result<AwsIdentity>> fetch(Deadline deadline) = 0;
};

std::unique_ptr<AwsKeySource> static_aws_keys(AwsKeys keys);

struct AwsProfile {
  std::string name = "default";
  std::string credentials_file, config_file;  // empty: none
};
// Reads both files at each fetch; keys in the credentials file come first. Looked at again after 5 minutes.
std::unique_ptr<AwsKeySource> profile_aws_keys(AwsProfile profile, OffLoopFiles& files, const Clock& clock);

struct AwsContainer {
  std::string relative_uri, full_uri;  // one of them
  std::string token, token_file;       // of the Authorization header; the file is read at each fetch
};
// `client` goes through no proxy. Plain http is spoken to this machine and to the services' fixed addresses only.
std::unique_ptr<AwsKeySource> container_aws_keys(AwsContainer container, HttpClient& client, OffLoopFiles& files,
                                                 const Clock& clock);

struct AwsInstance {
  std::string endpoint = "http://169.254.169.254";
};
std::unique_ptr<AwsKeySource> instance_aws_keys(AwsInstance instance, HttpClient& client, const Clock& clock);

// The first that has something; from then on that one alone. kDenied, reason supplier_denied: none has.
std::unique_ptr<AwsKeySource> first_aws_keys(std::vector<std::unique_ptr<AwsKeySource>> sources);

// What the usual environment variables say.
struct AwsEnvironment {
  std::string bearer_token;  // AWS_BEARER_TOKEN_BEDROCK; secret
  AwsKeys keys;
  std::string region;
  AwsProfile profile;
  bool profile_named = false;  // AWS_PROFILE is set: one without keys is an error
  AwsContainer container;
  bool instance_disabled = false;
  AwsInstance instance;
};
AwsEnvironment aws_environment(const std::function<std::string(const char*)>& variable);

// All places that `environment` speaks of, in order.
std::unique_ptr<AwsKeySource> aws_key_sources(const AwsEnvironment& environment, HttpClient& client,
                                              OffLoopFiles& files, const Clock& clock);

// Keeps keys and gets new ones before they expire: five minutes before, by the one caller who comes first, while the
// others go on with what there is. Without good keys everybody waits for that one fetch, and has its answer. A source
// that failed is not asked again for 30 seconds while the keys hold, for 5 when there are none.
class AwsKeyRing {
 public:
  AwsKeyRing(Loop& loop, std::unique_ptr<AwsKeySource> source, Log log = {});
  // The error is the source's; kDeadline.
  Task<Result<AwsKeys>> keys(Deadline deadline);
  // The supplier refused what was signed with them: they are fetched anew, unless that was just done.
  void refused();

 private:
  bool usable(WallTime now) const { return held_ && (!held_->expires || now < *held_->expires); }
  bool due(WallTime now) const;
  Task<Result<void>> refresh(bool good, Deadline callers);

  Loop& loop_;
  std::unique_ptr<AwsKeySource> source_;
  Log log_;
  std::optional<AwsIdentity> held_;
  std::optional<Instant> fetched_at_;  // the last success
  std::optional<Instant> retry_at_;    // after a failure: not before then
  std::optional<Error> failure_;       // of the last fetch, which was not cut short by its caller's deadline
  uint64_t fetches_ = 0;
  bool refused_ = false;
  bool fetching_ = false;
  Notifier fetched_;
};

// Signs calls for `scope`. An empty region is taken from the call's host.
std::unique_ptr<Credential> aws_credential(SigV4Scope scope, std::unique_ptr<AwsKeyRing> keys, const Clock& clock);

// What `environment` has: its bearer key, as it stands, or else keys to sign with for `scope`; an empty region is the
// environment's. `client` goes through no proxy; everything outlives the credential.
std::unique_ptr<Credential> aws_credential_of(const AwsEnvironment& environment, SigV4Scope scope, Loop& loop,
                                              HttpClient& client, OffLoopFiles& files, Log log = {});

// "eu-central-1" of "bedrock-runtime.eu-central-1.amazonaws.com", also behind a VPC endpoint's name; empty: unknown.
std::string aws_region_of(std::string_view host);

}  // namespace perdure
