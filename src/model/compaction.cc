#include "model/compaction.h"

namespace perdure {
namespace {

constexpr std::string_view kMark = "pdc1.";
constexpr std::string_view kHeading =
    "What came before was compacted. The user's own messages are above, word for word. A model's summary of everything "
    "else:\n\n";

}  // namespace

std::string pack_compaction(const Compaction& compaction) {
  json::Writer out;
  out.begin_object().field("summary", compaction.summary);
  if (!compaction.model.empty()) out.field("model", compaction.model);
  if (!compaction.from.empty()) out.field("from", compaction.from);
  return std::string(kMark) + out.end_object().take();
}

Result<Compaction> unpack_compaction(std::string_view text) {
  const Error foreign{Code::kInvalid, "This compaction item is opaque: only who made it can read it."};
  if (!text.starts_with(kMark)) return foreign;
  Result<json::Document> document = json::Document::parse(std::string(text.substr(kMark.size())));
  if (!document.ok() || !document->root()["summary"].is_string())
    return Error{Code::kInvalid, "This compaction item is damaged."};
  const json::Value root = document->root();
  return Compaction{std::string(root["summary"].text()), std::string(root["model"].text()),
                    std::string(root["from"].text())};
}

Item compaction_message(const Compaction& compaction, std::string id) {
  Item item{.kind = ItemKind::kMessage, .id = std::move(id), .role = Role::kUser};
  item.content.push_back({.kind = PartKind::kInputText, .text = std::string(kHeading) + compaction.summary});
  return item;
}

}  // namespace perdure
