#include "app/model_names.h"

#include <algorithm>

#include "wire/json.h"

namespace perdure {
namespace {

constexpr size_t kBodyMax = 1 << 20;
constexpr Duration kPatience = std::chrono::seconds(2);
constexpr Duration kKept = std::chrono::seconds(60);

// Where GET <base_url>/models tells what may be asked for.
bool has_list(const ProviderConfig& provider) {
  return provider.auth != AuthKind::kAws && provider.auth != AuthKind::kGoogle && provider.auth != AuthKind::kAzure;
}

}  // namespace

Task<Result<std::vector<std::string>>> fetch_models(HttpClient& client, Clock& clock, const ProviderConfig& provider,
                                                    Credential& credential, Duration patience) {
  HttpCall call;
  call.method = "GET";
  call.url = provider.base_url;
  while (call.url.path.ends_with('/')) call.url.path.pop_back();
  call.url.path += "/models";
  if (provider.dialect == WireDialect::kGemini) call.url.path += "?pageSize=1000";
  call.ca_file = provider.ca_file;
  call.headers.add("Accept", "application/json");
  if (provider.dialect == WireDialect::kMessages) call.headers.add("anthropic-version", "2023-06-01");
  for (const auto& [name, value] : provider.headers) call.headers.add(name, value);
  Deadline deadline = deadline_in(clock, patience);
  CO_TRY_VOID(co_await credential.sign(call, deadline));
  CO_TRY(std::unique_ptr<HttpAnswer> answer, co_await client.send(std::move(call), deadline, nullptr));
  if (answer->status != 200)
    co_return Error{Code::kUnavailable, "it answered with status " + std::to_string(answer->status)};
  std::string body;
  for (;;) {
    CO_TRY(bool more, co_await answer->read(body, deadline));
    if (!more) break;
    if (body.size() > kBodyMax) co_return Error{Code::kCorrupt, "its list of models is too long"};
  }
  CO_TRY(json::Document document, json::Document::parse(std::move(body)));
  bool gemini = provider.dialect == WireDialect::kGemini;
  json::Value data = document.root()[gemini ? "models" : "data"];
  if (!data.is_array()) co_return Error{Code::kCorrupt, "its answer is not a list of models"};
  std::vector<std::string> names;
  for (json::Value model : data.elements()) {
    if (model["owned_by"].text() == "perdure") co_return Error{Code::kInvalid, "it is a Perdure server itself"};
    std::string_view name = model[gemini ? "name" : "id"].text();
    if (name.starts_with("models/")) name.remove_prefix(7);
    if (!name.empty()) names.emplace_back(name);
  }
  co_return names;
}

Task<Result<std::vector<std::string>>> ModelList::names_at(size_t number) {
  const ProviderConfig& provider = config_->providers[number];
  if (has_list(provider)) co_return co_await fetch_models(client_, loop_, provider, *credentials_[number], kPatience);
  std::vector<std::string> names;
  for (const CatalogueModel& model : config_->catalogue->models())
    if (model.supplier == provider.supplier) names.push_back(model.name);
  co_return names;
}

Task<std::vector<std::string>> ModelList::names() {
  if (loop_.now() < kept_until_) co_return kept_;
  std::vector<std::string> names;
  bool whole = true;
  for (const ModelConfig& model : config_->models) {
    if (model.name != "*") {
      if (std::ranges::find(names, model.name) == names.end()) names.push_back(model.name);
      continue;
    }
    for (size_t i = 0; i < config_->providers.size(); ++i) {
      if (config_->providers[i].name != model.provider) continue;
      if (!model.upstream_model.empty()) continue;  // any name will do: there is nothing to list
      Result<std::vector<std::string>> listed = co_await names_at(i);
      whole = whole && listed.ok();
      if (!listed.ok()) continue;
      for (std::string& name : *listed)
        if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
    }
  }
  kept_ = std::move(names);
  if (whole) kept_until_ = loop_.now() + kKept;
  co_return kept_;
}

}  // namespace perdure
