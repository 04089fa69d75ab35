#include "wire/sigv4.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace perdure {
namespace {

// The published example of AWS's documentation and of its test suite.
const AwsKeys kKeys{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};
const SigV4Scope kScope{"us-east-1", "service"};
constexpr WallTime kNow{std::chrono::milliseconds(1440938160000)};  // 2015-08-30T12:36:00Z

std::string field(const HeaderFields& fields, std::string_view name) {
  const auto at = std::ranges::find(fields, name, &HeaderFields::value_type::first);
  return at == fields.end() ? std::string() : at->second;
}

struct Signed {
  HeaderFields headers;
  std::string target, body, method = "GET";
  SigV4Request request() const { return {method, target, headers, body}; }
};

Signed signed_as(std::string method, std::string target, HeaderFields headers, std::string body = "",
                 const AwsKeys& keys = kKeys, const SigV4Scope& scope = kScope, WallTime now = kNow) {
  Signed out{std::move(headers), std::move(target), std::move(body), std::move(method)};
  auto added = sign_v4(out.request(), keys, scope, now);
  EXPECT_TRUE(added.ok()) << added.error().message;
  for (auto& one : *added) out.headers.push_back(one);
  return out;
}

std::string signature_of(const Signed& one) {
  const std::string text = field(one.headers, "Authorization");
  return text.substr(text.find("Signature=") + 10);
}

const HeaderFields kHost = {{"Host", "example.amazonaws.com"}};

// Signatures of AWS's own test suite for Signature Version 4 (aws-sig-v4-test-suite).
TEST(SigV4, PublishedTestSuite) {
  const Signed vanilla = signed_as("GET", "/", kHost);
  EXPECT_EQ(field(vanilla.headers, "X-Amz-Date"), "20150830T123600Z");
  EXPECT_EQ(field(vanilla.headers, "Authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            "SignedHeaders=host;x-amz-date, "
            "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  EXPECT_EQ(signature_of(signed_as("POST", "/", kHost)),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b")
      << "post-vanilla";
  EXPECT_EQ(signature_of(signed_as("GET", "/?Param2=value2&Param1=value1", kHost)),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500")
      << "get-vanilla-query-order-key-case";
  for (const char* same : {"/example/..", "/./", "//", "/example1/example2/../.."})
    EXPECT_EQ(signature_of(signed_as("GET", same, kHost)), signature_of(vanilla)) << same;
}

TEST(SigV4, CanonicalRequestOfAnArn) {
  const std::string arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.anthropic.claude-v2:1";
  const Signed one =
      signed_as("POST", "/model/" + uri_encode(arn) + "/converse-stream",
                {{"Host", "bedrock-runtime.us-east-1.amazonaws.com"}, {"Content-Type", "application/json"}}, "{}",
                kKeys, {"us-east-1", "bedrock"});
  EXPECT_EQ(one.target,
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Feu.anthropic.claude-v2%3A1/"
            "converse-stream")
      << "encoded once on the wire";
  const std::string names[] = {"content-type", "host", "x-amz-date"};
  EXPECT_EQ(
      canonical_request_v4(one.request(), names),
      "POST\n"
      "/model/"
      "arn%253Aaws%253Abedrock%253Aus-east-1%253A123456789012%253Ainference-profile%252Feu.anthropic.claude-v2%253A1/"
      "converse-stream\n"
      "\n"
      "content-type:application/json\n"
      "host:bedrock-runtime.us-east-1.amazonaws.com\n"
      "x-amz-date:20150830T123600Z\n"
      "\n"
      "content-type;host;x-amz-date\n"
      "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")
      << "encoded twice in the canonical request";
  EXPECT_TRUE(verify_v4(one.request(), kKeys, {"us-east-1", "bedrock"}, kNow).ok());
}

TEST(SigV4, UriEncoding) {
  EXPECT_EQ(uri_encode("AZaz09-._~"), "AZaz09-._~");
  EXPECT_EQ(uri_encode("a b/c:d%+\xc3\xa4*"), "a%20b%2Fc%3Ad%25%2B%C3%A4%2A");
  EXPECT_EQ(uri_encode(std::string_view("\0\x7f\xff", 3)), "%00%7F%FF");
}

TEST(SigV4, HeadersAreTrimmedJoinedAndSorted) {
  const Signed one =
      signed_as("GET", "/",
                {{"Zeta", "  a   b\t c  "}, {"Host", "h:8080"}, {"my-HEADER", "2"}, {"My-Header", "1"}, {"Empty", ""}});
  const std::string names[] = {"empty", "host", "my-header", "x-amz-date", "zeta"};
  EXPECT_NE(canonical_request_v4(one.request(), names)
                .find("empty:\nhost:h:8080\nmy-header:2,1\nx-amz-date:20150830T123600Z\nzeta:a b c\n"),
            std::string::npos);
  EXPECT_NE(field(one.headers, "Authorization").find("SignedHeaders=empty;host;my-header;x-amz-date;zeta,"),
            std::string::npos);
}

TEST(SigV4, FieldsThatChangeUnderWayAreNotSigned) {
  const Signed one = signed_as("GET", "/",
                               {{"Host", "h"},
                                {"User-Agent", "x"},
                                {"Connection", "keep-alive"},
                                {"traceparent", "00-1"},
                                {"Authorization", "Bearer old"},
                                {"X-Amzn-Trace-Id", "r"},
                                {"Transfer-Encoding", "chunked"},
                                {"X-Amz-Date", "19700101T000000Z"},
                                {"X-Amz-Security-Token", "old"}});
  const std::string authorization = one.headers.back().second;
  EXPECT_NE(authorization.find("SignedHeaders=host;x-amz-date,"), std::string::npos) << authorization;
  EXPECT_EQ(signature_of({.headers = {one.headers.back()}, .target = "", .body = ""}),
            signature_of(signed_as("GET", "/", {{"Host", "h"}})));
}

TEST(SigV4, T26_TheRealHostIsSigned) {
  EXPECT_NE(signature_of(signed_as("GET", "/", {{"Host", "vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com"}})),
            signature_of(signed_as("GET", "/", {{"Host", "bedrock-runtime.us-east-1.amazonaws.com"}})));
  for (const HeaderFields& without : {HeaderFields{}, HeaderFields{{"Content-Type", "x"}}}) {
    auto added = sign_v4({"GET", "/", without, ""}, kKeys, kScope, kNow);
    ASSERT_FALSE(added.ok());
    EXPECT_EQ(added.error().code, Code::kInvalid);
  }
}

TEST(SigV4, KeysAndScopesThatCannotBe) {
  const HeaderFields& host = kHost;
  const auto refused = [&](const AwsKeys& keys, const SigV4Scope& scope, std::string_view target) {
    auto added = sign_v4({"GET", target, host, ""}, keys, scope, kNow);
    if (added.ok()) return false;
    EXPECT_EQ(added.error().message.find("secret1"), std::string::npos);
    return added.error().code == Code::kInvalid;
  };
  EXPECT_TRUE(refused({"", "secret1", ""}, kScope, "/"));
  EXPECT_TRUE(refused({"id\r\nX-Evil: 1", "secret1", ""}, kScope, "/"));
  EXPECT_TRUE(refused({"id", "", ""}, kScope, "/"));
  EXPECT_TRUE(refused({"id", "secret1", ""}, {"", "bedrock"}, "/"));
  EXPECT_TRUE(refused({"id", "secret1", ""}, {"eu/west", "bedrock"}, "/"));
  EXPECT_TRUE(refused({"id", "secret1", ""}, {"eu-west-1", ""}, "/"));
  EXPECT_TRUE(refused({"id", "secret1", ""}, kScope, "https://host/"));
  EXPECT_TRUE(refused({"id", "secret1", ""}, kScope, ""));
  EXPECT_FALSE(refused({"id", "secret1", ""}, kScope, "/"));
}

TEST(SigV4, DatesOfAllKinds) {
  for (const auto& [ms, text] : std::vector<std::pair<int64_t, std::string>>{{0, "19700101T000000Z"},
                                                                             {951782399999, "20000228T235959Z"},
                                                                             {951782400000, "20000229T000000Z"},
                                                                             {1767225599000, "20251231T235959Z"},
                                                                             {4102444800000, "21000101T000000Z"}}) {
    const Signed one = signed_as("GET", "/", kHost, "", kKeys, kScope, WallTime(std::chrono::milliseconds(ms)));
    EXPECT_EQ(field(one.headers, "X-Amz-Date"), text);
    EXPECT_TRUE(verify_v4(one.request(), kKeys, kScope, WallTime(std::chrono::milliseconds(ms))).ok()) << text;
  }
}

// --- verification ---

const AwsKeys kTemporary{"ASIAEXAMPLE", "another+secret/key", "session//token=="};
const SigV4Scope kBedrock{"eu-central-1", "bedrock"};

Signed call() {
  return signed_as("POST", "/model/m%3A0/converse?b=2&a=1",
                   {{"Host", "bedrock"}, {"Content-Type", "application/json"}, {"X-Amz-Target", "t"}}, "{\"x\":1}",
                   kTemporary, kBedrock);
}

std::string reason(const Signed& one, const AwsKeys& keys = kTemporary, const SigV4Scope& scope = kBedrock,
                   WallTime now = kNow) {
  auto verified = verify_v4(one.request(), keys, scope, now);
  if (verified.ok()) return "";
  for (const std::string& secret : {keys.secret_access_key, keys.session_token, kTemporary.secret_access_key})
    EXPECT_TRUE(secret.empty() || verified.error().message.find(secret) == std::string::npos);
  return verified.error().reason;
}

std::string& value_of(Signed& one, std::string_view name) {
  return std::ranges::find(one.headers, name, &HeaderFields::value_type::first)->second;
}

TEST(SigV4Verify, WhatWasSignedIsTaken) { EXPECT_EQ(reason(call()), ""); }

TEST(SigV4Verify, AnyChangedByteIsNoticed) {
  const std::string bad = "InvalidSignatureException";
  Signed one = call();
  one.body[3] ^= 1;
  EXPECT_EQ(reason(one), bad);
  one = call(), one.target = "/model/m%3A1/converse?b=2&a=1";
  EXPECT_EQ(reason(one), bad);
  one = call(), one.target = "/model/m:0/converse?b=2&a=1";
  EXPECT_EQ(reason(one), bad) << "not encoded on the wire";
  one = call(), one.target = "/model/m%3A0/converse?b=2&a=2";
  EXPECT_EQ(reason(one), bad);
  one = call(), one.target = "/model/m%3A0/converse?a=1&b=2";
  EXPECT_EQ(reason(one), "") << "the order of the query does not count";
  one = call(), one.method = "PUT";
  EXPECT_EQ(reason(one), bad);
  one = call(), value_of(one, "Host") = "other";
  EXPECT_EQ(reason(one), bad);
  one = call(), value_of(one, "Content-Type") = "text/plain";
  EXPECT_EQ(reason(one), bad);
  one = call(), one.headers.emplace_back("User-Agent", "added under way");
  EXPECT_EQ(reason(one), "");
  one = call(), one.headers.emplace_back("X-Amz-Extra", "1");
  EXPECT_EQ(reason(one), bad) << "an X-Amz- field must be signed";
  one = call(), std::erase_if(one.headers, [](const auto& f) { return f.first == "X-Amz-Target"; });
  EXPECT_EQ(reason(one), bad) << "signed but not sent";
  one = call();
  std::string& authorization = value_of(one, "Authorization");
  authorization.back() = authorization.back() == '0' ? '1' : '0';
  EXPECT_EQ(reason(one), bad);
  one = call(), value_of(one, "Authorization").pop_back();
  EXPECT_EQ(reason(one), bad) << "a shorter signature";
}

TEST(SigV4Verify, HostMustBeSigned) {
  Signed one = call();
  std::string& authorization = value_of(one, "Authorization");
  authorization.replace(authorization.find("host;"), 5, "");
  EXPECT_EQ(reason(one), "InvalidSignatureException");
}

TEST(SigV4Verify, KeysTokenAndScope) {
  AwsKeys other = kTemporary;
  other.access_key_id = "AKIAOTHER";
  EXPECT_EQ(reason(call(), other), "UnrecognizedClientException");
  other = kTemporary, other.session_token = "stale";
  EXPECT_EQ(reason(call(), other), "UnrecognizedClientException");
  other = kTemporary, other.session_token = "";
  EXPECT_EQ(reason(call(), other), "UnrecognizedClientException");
  other = kTemporary, other.secret_access_key += "x";
  EXPECT_EQ(reason(call(), other), "InvalidSignatureException");
  EXPECT_EQ(reason(call(), kTemporary, {"us-east-1", "bedrock"}), "InvalidSignatureException");
  EXPECT_EQ(reason(call(), kTemporary, {"eu-central-1", "s3"}), "InvalidSignatureException");
}

TEST(SigV4Verify, T26_ClockSkew) {
  const auto at = [](int64_t seconds) {
    return reason(call(), kTemporary, kBedrock, kNow + std::chrono::seconds(seconds));
  };
  EXPECT_EQ(at(300), "");
  EXPECT_EQ(at(-300), "");
  EXPECT_EQ(at(301), "InvalidSignatureException");
  EXPECT_EQ(at(-301), "InvalidSignatureException");
  EXPECT_EQ(at(86400), "InvalidSignatureException");
}

TEST(SigV4Verify, PayloadHash) {
  const HeaderFields honest = {
      {"Host", "h"}, {"X-Amz-Content-SHA256", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}};
  EXPECT_EQ(reason(signed_as("POST", "/", honest, "{}"), kKeys, kScope), "");
  EXPECT_EQ(reason(signed_as("POST", "/", {{"Host", "h"}, {"X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD"}}, "{}"), kKeys,
                   kScope),
            "InvalidSignatureException");
}

TEST(SigV4Verify, AuthorizationThatMakesNoSense) {
  const std::string good = field(call().headers, "Authorization");
  const auto with = [&](std::string text) {
    Signed one = call();
    value_of(one, "Authorization") = std::move(text);
    return reason(one);
  };
  EXPECT_EQ(with(good), "");
  EXPECT_EQ(with(""), "MissingAuthenticationTokenException");
  const auto replaced = [&](std::string_view what, std::string_view by) {
    std::string text = good;
    return text.replace(text.find(what), what.size(), by);
  };
  for (const std::string& bad :
       {std::string("Bearer abc"), std::string("AWS4-HMAC-SHA256"), std::string("AWS4-HMAC-SHA256 x"),
        replaced("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA512 "), replaced("Credential=", "credential="),
        replaced("Signature=", "Sig="), replaced("/aws4_request", ""), replaced("/aws4_request", "/aws3_request"),
        replaced("/bedrock/", "/bed/rock/"), replaced("content-type;host", "host;content-type"),
        replaced("content-type;host", "host;host"), good + ", Signature=00",
        replaced("SignedHeaders=", "SignedHeaders=;"), good.substr(0, good.find(", Signature"))})
    EXPECT_EQ(with(bad), "IncompleteSignatureException") << bad;
  EXPECT_EQ(with(replaced("/20150830/", "/20150831/")), "InvalidSignatureException");
  for (const char* stamp : {"", "20150830", "2015083xT123600Z", "20151330T123600Z", "20150230T123600Z",
                            "20150830T243600Z", "20150830T123600+"}) {
    Signed one = call();
    value_of(one, "X-Amz-Date") = stamp;
    EXPECT_EQ(reason(one), "IncompleteSignatureException") << stamp;
  }
  Signed none = call();
  std::erase_if(none.headers, [](const auto& f) { return f.first == "Authorization"; });
  EXPECT_EQ(reason(none), "MissingAuthenticationTokenException");
}

}  // namespace
}  // namespace perdure
