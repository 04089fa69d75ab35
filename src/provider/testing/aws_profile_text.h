#pragma once
// Profile files as people write them.

#include <string_view>

namespace perdure {

inline constexpr std::string_view kCredentials = R"(
# shared
[default]
aws_access_key_id = AKIADEFAULT
aws_secret_access_key=secret/default+=
[ work ]
aws_access_key_id = AKIAWORK   # a comment
AWS_SECRET_ACCESS_KEY = secretwork
aws_session_token = token==
[half]
aws_access_key_id = AKIAHALF
[work]
aws_secret_access_key = secretwork2
)";
inline constexpr std::string_view kConfig =
    "[default]\r\nregion = eu-central-1\r\n"
    "[profile  work]\nregion=us-east-1 ; here\ns3 =\n  aws_access_key_id = NESTED\n"
    "[profile conf]\naws_access_key_id=AKIACONF\naws_secret_access_key=secretconf\n"
    "[profile sso]\nsso_session = corp\n"
    "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = default\n"
    "[profile settings]\nregion = eu-west-1\n"
    "[work2]\naws_access_key_id = AKIAWRONG\naws_secret_access_key=x\n";

}  // namespace perdure
