#include "app/budget_yaml.h"

#include <algorithm>

namespace perdure {
namespace {

void read_names(YamlProblems& problems, YamlFields& fields, std::string_view key, std::vector<std::string>& out) {
  for_elements(problems, fields.take(key), fields.at(key), [&](const YAML::Node& node, const std::string& path) {
    if (!node.IsScalar() || node.Scalar().empty())
      problems.add(node, path, "must be a name");
    else if (std::ranges::find(out, node.Scalar()) != out.end())
      problems.add(node, path, "stands here twice");
    else
      out.push_back(node.Scalar());
  });
}

}  // namespace

std::vector<Budget> read_budgets(YamlProblems& problems, const YAML::Node& list,
                                 const std::set<std::string>& workloads) {
  std::vector<Budget> out;
  std::set<std::string> names;
  for_elements(problems, list, "budgets", [&](const YAML::Node& node, const std::string& path) {
    Budget budget;
    YamlFields fields(problems, node, path);
    if (!fields.text("name", budget.name) || budget.name.empty())
      problems.add(node, fields.at("name"), "is missing");
    else if (!names.insert(budget.name).second)
      problems.add(node, fields.at("name"), "another budget is named \"" + budget.name + "\" too");
    fields.parsed("amount", budget.amount, parse_budget_amount);
    fields.parsed("window", budget.window, [](const std::string& word) { return BudgetWindow::parse(word); });
    for (const char* key : {"amount", "window"})
      if (node.IsMap() && !node[key].IsDefined()) problems.add(node, fields.at(key), "is missing");
    fields.parsed("per", budget.per, [](const std::string& word) { return parse_budget_per(word); });
    read_names(problems, fields, "tenants", budget.tenants);
    read_names(problems, fields, "keys", budget.keys);
    read_names(problems, fields, "workloads", budget.workloads);
    for (const std::string& name : budget.workloads)
      if (name != "default" && !workloads.contains(name))
        problems.add(node["workloads"], fields.at("workloads"), "there is no workload named \"" + name + "\"");
    fields.boolean("unpriced", budget.unpriced_allowed);
    fields.finish();
    out.push_back(std::move(budget));
  });
  return out;
}

}  // namespace perdure
