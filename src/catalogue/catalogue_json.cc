// Entries in the format of the document.

#include "base/check.h"
#include "catalogue/catalogue.h"
#include "wire/json.h"

namespace perdure {
namespace {

template <class E, size_t N>
std::string_view word(const std::array<Name<E>, N>& names, E value) {
  return word_of(std::span<const Name<E>>(names), value);
}

void texts(json::Writer& out, std::string_view key, const std::vector<std::string>& values) {
  if (values.empty()) return;
  out.key(key).begin_array();
  for (const std::string& value : values) out.string(value);
  out.end_array();
}

void text(json::Writer& out, std::string_view key, std::string_view value) {
  if (!value.empty()) out.field(key, value);
}

void count(json::Writer& out, std::string_view key, std::optional<int64_t> value) {
  if (value) out.field(key, *value);
}

void capabilities(json::Writer& out, const Capabilities& known) {
  count(out, "context_tokens", known.context_tokens);
  count(out, "output_tokens_max", known.output_tokens_max);
  bool any = false;
  for (const auto& name : kCapabilityNames) any = any || known[name.value] != Known::kUnknown;
  if (!any) return;
  out.key("capabilities").begin_object();
  for (const auto& name : kCapabilityNames)
    if (known[name.value] != Known::kUnknown) out.field(name.word, known[name.value] == Known::kYes);
  out.end_object();
}

void limits(json::Writer& out, const SupplierLimits& known) {
  if (known == SupplierLimits{}) return;
  out.key("limits").begin_object();
  count(out, "request_bytes", known.request_bytes);
  count(out, "tools", known.tools);
  count(out, "tool_name_chars", known.tool_name_chars);
  count(out, "call_id_chars", known.call_id_chars);
  text(out, "call_id_alphabet", known.call_id_alphabet);
  if (known.call_id_exact) out.field("call_id_exact", true);
  count(out, "stop_sequences", known.stop_sequences);
  count(out, "images", known.images);
  count(out, "image_bytes", known.image_bytes);
  out.end_object();
}

void rates(json::Writer& out, const Rates& known) {
  out.key("per_million").begin_object();
  auto rate = [&](std::string_view key, const std::optional<Money>& one) {
    if (!one) return;
    Result<Money> million = one->times(1'000'000);
    // It was divided by a million when it was read.
    CHECK(million.ok(), "a price per million tokens that does not fit");
    out.key(key).raw(million->amount());
  };
  rate("input", known.input);
  rate("cached_input", known.cached_input);
  rate("cache_write", known.cache_write);
  rate("output", known.output);
  rate("reasoning", known.reasoning);
  out.end_object();
}

void price(json::Writer& out, const Price& known) {
  out.key("price").begin_object();
  if (known.rates.input) out.field("currency", known.rates.input->currency().code());
  rates(out, known.rates);
  if (!known.bands.empty()) {
    out.key("above").begin_array();
    for (const PriceBand& band : known.bands) {
      out.begin_object().field("input_tokens", band.above);
      rates(out, band.rates);
      out.end_object();
    }
    out.end_array();
  }
  texts(out, "not_counted", known.not_counted);
  out.field("date", known.version.date).field("origin", known.version.origin).end_object();
}

}  // namespace

std::string to_json(const Supplier& supplier) {
  json::Writer out;
  out.begin_object().field("name", supplier.name);
  texts(out, "aliases", supplier.aliases);
  text(out, "title", supplier.title);
  text(out, "party", supplier.party);
  text(out, "region", supplier.region);
  out.field("base_url", supplier.endpoint.base_url);
  out.field("dialect", word(kWireDialectNames, supplier.endpoint.dialect));
  out.field("auth", word(kAuthKindNames, supplier.endpoint.auth));
  text(out, "auth_header", supplier.endpoint.auth_header);
  if (!supplier.also.empty()) {
    out.key("also").begin_array();
    for (const OtherEndpoint& other : supplier.also) {
      out.begin_object().field("dialect", word(kWireDialectNames, other.dialect));
      text(out, "base_url", other.base_url);
      if (other.auth) out.field("auth", word(kAuthKindNames, *other.auth));
      text(out, "auth_header", other.auth_header);
      out.end_object();
    }
    out.end_array();
  }
  texts(out, "key_env", supplier.key_env);
  std::vector<std::string> habits;
  for (ChatHabit habit : supplier.chat) habits.emplace_back(word(kChatHabitNames, habit));
  texts(out, "chat", habits);
  if (supplier.prefill != PrefillForm::kUnsaid) out.field("prefill", word(kPrefillFormNames, supplier.prefill));
  limits(out, supplier.limits);
  capabilities(out, over(supplier.owner, supplier.catalogue));
  text(out, "docs", supplier.docs);
  text(out, "note", supplier.note);
  out.end_object();
  return out.take();
}

std::string to_json(const CatalogueModel& model) {
  json::Writer out;
  out.begin_object().field("supplier", model.supplier).field("name", model.name);
  texts(out, "aliases", model.aliases);
  texts(out, "prefixes", model.prefixes);
  texts(out, "suffixes", model.suffixes);
  capabilities(out, over(model.owner, model.catalogue));
  if (model.price) price(out, *model.price);
  text(out, "retires", model.retires);
  text(out, "source", model.source);
  texts(out, "by_hand", model.by_hand);
  text(out, "note", model.note);
  out.end_object();
  return out.take();
}

}  // namespace perdure
