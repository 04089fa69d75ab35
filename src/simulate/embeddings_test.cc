#include "simulate/embeddings.h"

#include <gtest/gtest.h>

#include "wire/json.h"

namespace perdure::simulate {
namespace {

float likeness(std::string_view a, std::string_view b) {
  const auto one = embedding_of(a, "m", 256), two = embedding_of(b, "m", 256);
  float sum = 0;
  for (size_t i = 0; i < one.size(); ++i) sum += one[i] * two[i];
  return sum;
}

TEST(Embeddings, AreNearWhereWordsAreShared) {
  EXPECT_NEAR(likeness("the grey boat", "the grey boat"), 1.0f, 1e-4f);
  EXPECT_GT(likeness("the grey boat", "a grey boat"), likeness("the grey boat", "income tax law") + 0.3f);
  EXPECT_NE(embedding_of("x", "m", 8), embedding_of("x", "n", 8));
}

TEST(Embeddings, AreRefusedAsOpenAiDoes) {
  for (const char* body :
       {"{", "[]", "{}", R"({"model":"m"})", R"({"model":"m","input":""})", R"({"model":"m","input":[]})",
        R"({"model":"m","input":[""]})", R"({"model":"m","input":7})", R"({"model":"m","input":"x","colour":1})",
        R"({"model":"m","input":"x","dimensions":0})", R"({"model":"m","input":"x","encoding_format":"hex"})",
        R"({"input":"x"})", R"({"model":"m","input":[[1,"x"]]})"})
    EXPECT_FALSE(parse_embeddings_request(body).ok()) << body;
}

TEST(Embeddings, AreRenderedBothWays) {
  auto request = parse_embeddings_request(R"({"model":"m","input":["a","b"],"dimensions":4})");
  ASSERT_TRUE(request.ok());
  const auto floats = json::Document::parse(render_embeddings(*request));
  ASSERT_TRUE(floats.ok());
  EXPECT_EQ(floats->root()["data"].size(), 2u);
  EXPECT_EQ(floats->root()["data"].at(1)["embedding"].size(), 4u);
  request->base64 = true;
  const auto packed = json::Document::parse(render_embeddings(*request));
  EXPECT_EQ(packed->root()["data"].at(1)["embedding"].text().size(), 24u);  // 16 bytes
  EXPECT_EQ(parse_embeddings_request(R"({"model":"m","input":[1,2]})")->input.size(), 1u);
  EXPECT_EQ(parse_embeddings_request(R"({"model":"m","input":[[1,2],[3]]})")->input.size(), 2u);
}

}  // namespace
}  // namespace perdure::simulate
