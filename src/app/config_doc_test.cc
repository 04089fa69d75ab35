// The examples of docs/reference/configuration.md are read as what they are: configurations without a problem.
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "app/config.h"

namespace perdure {
namespace {

std::vector<std::string> yaml_blocks(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> out;
  std::string line;
  bool inside = false;
  while (std::getline(file, line)) {
    if (line == "```yaml") {
      out.emplace_back();
      inside = true;
    } else if (line.starts_with("```")) {
      inside = false;
    } else if (inside) {
      out.back() += line + "\n";
    }
  }
  return out;
}

TEST(ConfigurationPage, EveryExampleIsGood) {
  std::vector<std::string> blocks = yaml_blocks("docs/reference/configuration.md");
  ASSERT_GE(blocks.size(), 3u);
  std::set<WireDialect> dialects;
  std::set<AuthKind> auths;
  // Every variable is set, to what any of them may be; those that say where AWS's and Google's files are, are not.
  auto environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "PERDURE_MASTER_KEY") return std::string(64, 'a');
    if (name.ends_with("_KEY") || name.ends_with("_SECRET") || name == "AWS_ID") return "value";
    return std::nullopt;
  };
  for (const std::string& block : blocks) {
    LoadedConfig loaded = parse_config(block, environment);
    for (const ConfigProblem& problem : loaded.problems) ADD_FAILURE() << problem.to_string("example") << "\n" << block;
    for (const ProviderConfig& provider : loaded.config.providers) {
      dialects.insert(provider.dialect);
      auths.insert(provider.auth);
    }
  }
  EXPECT_EQ(dialects.size(), kWireDialectNames.size()) << "each dialect has an example";
  EXPECT_EQ(auths.size() + 1, kAuthKindNames.size()) << "each way to prove who is calling, too, but for none";
}

}  // namespace
}  // namespace perdure
