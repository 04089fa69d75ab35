// The catalogue command: what it prints, and how it ends.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/testing/run_command.h"
#include "wire/json.h"

namespace perdure::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

Ran run(std::vector<std::string_view> words) { return run_command(catalogue_command(), std::move(words)); }

class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view text) {
    int fd = ::mkstemp(path_.data());
    EXPECT_GE(fd, 0);
    EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ::close(fd);
  }
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/perdure-catalogue-XXXXXX";
};

TEST(CatalogueCommand, ListsSuppliersAndModels) {
  Ran suppliers = run({"list"});
  EXPECT_EQ(suppliers.code, kOk);
  EXPECT_THAT(suppliers.out, HasSubstr("https://api.groq.com/openai/v1"));
  EXPECT_THAT(suppliers.out, HasSubstr("OPENAI_API_KEY"));
  EXPECT_THAT(suppliers.err, HasSubstr("litellm"));
  Ran models = run({"list", "anthropic"});
  EXPECT_EQ(models.code, kOk);
  EXPECT_THAT(models.out, HasSubstr("claude-haiku-4-5"));
  EXPECT_THAT(models.out, Not(HasSubstr("gpt-4o")));
}

TEST(CatalogueCommand, ShowsASupplierAndAModel) {
  Ran supplier = run({"show", "azure"});
  EXPECT_EQ(supplier.code, kOk);
  EXPECT_THAT(supplier.out, HasSubstr("https://{resource}.openai.azure.com/openai/v1 (azure), preferred"));
  Ran model = run({"show", "groq/openai/gpt-oss-120b"});
  EXPECT_EQ(model.code, kOk);
  EXPECT_THAT(model.out, HasSubstr("input 0.15, cached input 0.075, output 0.6"));
  EXPECT_THAT(model.out, HasSubstr("tools               yes (catalogue)"));
  EXPECT_THAT(model.out, HasSubstr("prefill             unknown\n"));
}

TEST(CatalogueCommand, JsonIsReadable) {
  for (const std::vector<std::string_view>& words :
       std::vector<std::vector<std::string_view>>{{"list", "--json"},
                                                  {"list", "bedrock", "--json"},
                                                  {"show", "ollama", "--json"},
                                                  {"show", "openai/gpt-4o", "--json"}}) {
    Ran ran = run(words);
    EXPECT_EQ(ran.code, kOk);
    EXPECT_EQ(ran.err, "");
    EXPECT_TRUE(json::Document::parse(ran.out).ok()) << ran.out.substr(0, 200);
  }
  Result<json::Document> model = json::Document::parse(run({"show", "openai/gpt-4o-2024-08-06", "--json"}).out);
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->root()["name"].text(), "gpt-4o");
  EXPECT_EQ(model->root()["price"]["per_million"]["input"].raw(), "2.5");
}

TEST(CatalogueCommand, AnOverlayCountsAsTheOwnersWord) {
  TemporaryFile file(R"({"format": 1, "date": "2026-09-01", "origin": "our contract", "models": [
      {"supplier": "openai", "name": "gpt-4o", "capabilities": {"images": false},
       "price": {"currency": "EUR", "per_million": {"input": 2, "output": 7.5}}}]})");
  Ran ran = run({"show", "openai/gpt-4o", "--overlay", file.path()});
  EXPECT_EQ(ran.code, kOk);
  EXPECT_THAT(ran.out, HasSubstr("images              no (owner)"));
  EXPECT_THAT(ran.out, HasSubstr("input 2, output 7.5\n"));
  EXPECT_THAT(ran.out, HasSubstr("2026-09-01, our contract"));
  Ran replaced = run({"list", "openai", "--file", file.path()});
  EXPECT_EQ(replaced.code, kUsage) << "alone it names a supplier that is not there";
  EXPECT_THAT(replaced.err, HasSubstr("models[0].supplier: there is no supplier \"openai\""));
}

TEST(CatalogueCommand, SaysWhatIsWrong) {
  EXPECT_EQ(run({}).code, kUsage);
  EXPECT_EQ(run({"drop"}).code, kUsage);
  EXPECT_EQ(run({"show"}).code, kUsage);
  EXPECT_EQ(run({"list", "a", "b"}).code, kUsage);
  EXPECT_EQ(run({"list", "nobody"}).code, kNotFound);
  EXPECT_EQ(run({"show", "openai/gpt-0"}).code, kNotFound);
  EXPECT_EQ(run({"list", "--overlay", "/nonexistent.json"}).code, kUsage);
  TemporaryFile file("{\"format\": 1,\n \"date\": 5,\n \"origin\": \"x\", \"extra\": 1}");
  Ran ran = run({"list", "--overlay", file.path()});
  EXPECT_EQ(ran.code, kUsage);
  EXPECT_THAT(ran.err, HasSubstr(file.path() + ":2:10: date: must be a date"));
  EXPECT_THAT(ran.err, HasSubstr(file.path() + ":3:26: extra: there is no such field"));
}

}  // namespace
}  // namespace perdure::cli
