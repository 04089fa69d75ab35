#include "catalogue/scorecard.h"

#include "wire/json.h"

namespace perdure {
namespace {

constexpr int64_t kFormat = 1;
constexpr size_t kFindingsMax = 100;

Error damaged(std::string_view what) { return {Code::kCorrupt, "not a scorecard: " + std::string(what)}; }

}  // namespace

std::string to_json(const Scorecard& card) {
  json::Writer out;
  out.begin_object().field("format", kFormat).field("provider", card.provider);
  out.field("model", card.upstream_model).field("dialect", card.dialect).field("base_url", card.base_url);
  out.field("measured_at", card.measured_at).key("capabilities").begin_object();
  for (const auto& [capability, word] : kCapabilityNames)
    if (card.measured[capability] != Known::kUnknown) out.field(word, card.measured[capability] == Known::kYes);
  if (!card.prefill_form.empty()) out.field("prefill_form", card.prefill_form);
  if (card.measured.context_tokens) out.field("context_tokens", *card.measured.context_tokens);
  if (card.measured.output_tokens_max) out.field("output_tokens", *card.measured.output_tokens_max);
  out.end_object().key("findings").begin_array();
  for (const Scorecard::Finding& finding : card.findings)
    out.begin_object()
        .field("what", finding.what)
        .field("found", finding.found)
        .field("seen", finding.seen)
        .end_object();
  out.end_array().key("took").begin_object().field("calls", card.calls).field("input_tokens", card.input_tokens);
  out.field("output_tokens", card.output_tokens).end_object().end_object();
  return out.take();
}

Result<Scorecard> parse_scorecard(std::string text) {
  Result<json::Document> document = json::Document::parse(std::move(text));
  if (!document.ok()) return damaged(document.error().message);
  json::Value root = document->root();
  if (root["format"].integer() != kFormat) return damaged("its format is not 1");
  Scorecard out;
  for (auto [name, field] : {std::pair("provider", &out.provider), std::pair("model", &out.upstream_model),
                             std::pair("dialect", &out.dialect), std::pair("base_url", &out.base_url),
                             std::pair("measured_at", &out.measured_at)}) {
    if (!root[name].is_string() || root[name].text().empty()) return damaged(std::string(name) + " is missing");
    *field = root[name].text();
  }
  json::Value capabilities = root["capabilities"];
  if (!capabilities.is_object()) return damaged("capabilities are missing");
  for (const auto& [capability, word] : kCapabilityNames) {
    if (capabilities[word].missing()) continue;
    std::optional<bool> known = capabilities[word].boolean();
    if (!known) return damaged(std::string(word) + " is neither true nor false");
    out.measured[capability] = *known ? Known::kYes : Known::kNo;
  }
  out.prefill_form = capabilities["prefill_form"].text();
  for (auto [name, field] : {std::pair("context_tokens", &out.measured.context_tokens),
                             std::pair("output_tokens", &out.measured.output_tokens_max)}) {
    if (capabilities[name].missing()) continue;
    *field = capabilities[name].integer();
    if (!*field || **field < 1) return damaged(std::string(name) + " is not a count");
  }
  for (json::Value finding : root["findings"].elements()) {
    if (out.findings.size() == kFindingsMax) return damaged("it has too many findings");
    out.findings.push_back({std::string(finding["what"].text()), std::string(finding["found"].text()),
                            std::string(finding["seen"].text())});
  }
  out.calls = root["took"]["calls"].integer().value_or(0);
  out.input_tokens = root["took"]["input_tokens"].integer().value_or(0);
  out.output_tokens = root["took"]["output_tokens"].integer().value_or(0);
  return out;
}

}  // namespace perdure
