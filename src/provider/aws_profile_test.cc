#include "provider/aws_profile.h"

#include <gtest/gtest.h>

#include "provider/testing/aws_profile_text.h"

namespace perdure {
namespace {

std::string keys_of(std::string_view name, std::string_view credentials = kCredentials,
                    std::string_view config = kConfig) {
  auto keys = aws_profile_keys({credentials, config}, name);
  if (!keys.ok()) return std::string(to_string(keys.error().code)) + ": " + keys.error().message;
  return keys->access_key_id + " " + keys->secret_access_key + " " + keys->session_token;
}

TEST(AwsProfile, Keys) {
  EXPECT_EQ(keys_of("default"), "AKIADEFAULT secret/default+= ");
  EXPECT_EQ(keys_of("work"), "AKIAWORK secretwork2 token==") << "what is said later counts";
  EXPECT_EQ(keys_of("conf"), "AKIACONF secretconf ");
  EXPECT_EQ(keys_of("work2"), "not_found: The AWS profile 'work2' is in no file.")
      << "the config's headings say profile";
  EXPECT_EQ(keys_of("settings"), "not_found: The AWS profile 'settings' has no access key.");
  EXPECT_EQ(keys_of("none"), "not_found: The AWS profile 'none' is in no file.");
  EXPECT_EQ(keys_of("half"), "denied: The AWS profile 'half' has only one half of an access key.");
  EXPECT_EQ(keys_of("sso"),
            "denied: The AWS profile 'sso' has no access key, but 'sso_session', which is not supported.");
  EXPECT_EQ(keys_of("role"),
            "denied: The AWS profile 'role' has no access key, but 'role_arn', which is not supported.");
  EXPECT_EQ(keys_of("default", "", ""), "not_found: The AWS profile 'default' is in no file.");
  EXPECT_EQ(keys_of("default", "[default\nno equals\n=\n]\n[]\n[default]\n", "\xff\xfe"),
            "not_found: The AWS profile 'default' has no access key.");
  EXPECT_EQ(keys_of("default", "", "[profile default]\naws_access_key_id=A\naws_secret_access_key=B"), "A B ");
}

TEST(AwsProfile, Region) {
  const AwsProfileText files{kCredentials, kConfig};
  EXPECT_EQ(aws_profile_region(files, "default"), "eu-central-1");
  EXPECT_EQ(aws_profile_region(files, "work"), "us-east-1");
  EXPECT_EQ(aws_profile_region(files, "conf"), "");
}

}  // namespace
}  // namespace perdure
