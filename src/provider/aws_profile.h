#pragma once
// The two files that AWS's tools share. Pure.

#include <string>
#include <string_view>

#include "base/result.h"
#include "wire/sigv4.h"

namespace perdure {

struct AwsProfileText {
  std::string_view credentials, config;  // empty: there is no such file
};

// The keys of profile `name`. kNotFound: there is no such profile. kDenied: it has no keys; the message says what it
// has instead, if that is something known.
Result<AwsKeys> aws_profile_keys(const AwsProfileText& files, std::string_view name);

// Its region; empty: not said.
std::string aws_profile_region(const AwsProfileText& files, std::string_view name);

}  // namespace perdure
