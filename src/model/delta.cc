#include "model/delta.h"

#include "model/strict_reader.h"

namespace perdure {
namespace {

bool may_hold(ItemKind item, PartKind part) {
  switch (item) {
    case ItemKind::kMessage:
      return part == PartKind::kOutputText || part == PartKind::kRefusal;
    case ItemKind::kReasoning:
      return part == PartKind::kReasoningText || part == PartKind::kSummaryText;
    default:
      return false;
  }
}

std::vector<Part>& parts_of(Item& item, PartKind kind) {
  return kind == PartKind::kSummaryText ? item.summary : item.content;
}

}  // namespace

Result<void> AnswerItems::step(Place& place, const Delta& delta) {
  switch (delta.kind) {
    case Delta::Kind::kItemBegin:
      if (place.item_open) return corrupt("delta: an item begins within an item");
      if (delta.item.kind != ItemKind::kMessage && delta.item.kind != ItemKind::kFunctionCall &&
          delta.item.kind != ItemKind::kReasoning && delta.item.kind != ItemKind::kCompaction) {
        return corrupt("delta: an item of a kind that no model writes");
      }
      place = {.item_open = true, .item = delta.item.kind};
      return {};
    case Delta::Kind::kPartBegin:
      if (!place.item_open || place.part_open) return corrupt("delta: a part begins out of place");
      if (!may_hold(place.item, delta.part)) return corrupt("delta: a part that its item cannot hold");
      place.part_open = true;
      place.part = delta.part;
      return {};
    case Delta::Kind::kText:
      if (!place.part_open && !(place.item_open && place.item == ItemKind::kFunctionCall))
        return corrupt("delta: text out of place");
      return {};
    case Delta::Kind::kPartEnd:
      if (!place.part_open) return corrupt("delta: the end of no part");
      place.part_open = false;
      return {};
    case Delta::Kind::kItemEnd:
      if (!place.item_open || place.part_open) return corrupt("delta: an item ends out of place");
      if (delta.status == ItemStatus::kInProgress) return corrupt("delta: an item ends in progress");
      place.item_open = false;
      return {};
    case Delta::Kind::kOpaque:
      if (!place.item_open || place.part_open || place.sealed ||
          (place.item != ItemKind::kReasoning && place.item != ItemKind::kCompaction))
        return corrupt("delta: an opaque block out of place");
      if (delta.opaque == OpaqueKind::kNone || delta.text.empty())
        return corrupt("delta: an opaque block that is none");
      place.sealed = true;
      return {};
    case Delta::Kind::kAnnotation:
      if (!place.part_open || place.part != PartKind::kOutputText) return corrupt("delta: an annotation out of place");
      return {};
  }
  return corrupt("delta: of no kind known here");
}

void AnswerItems::put(const Delta& delta) {
  switch (delta.kind) {
    case Delta::Kind::kItemBegin: {
      Item item{.kind = delta.item.kind, .status = ItemStatus::kInProgress};
      item.id = delta.item.id;
      item.role = delta.item.role;
      item.phase = delta.item.phase;
      item.call_id = delta.item.call_id;
      item.name = delta.item.name;
      items_.push_back(std::move(item));
      break;
    }
    case Delta::Kind::kPartBegin:
      parts_of(items_.back(), delta.part).push_back(Part{.kind = delta.part});
      break;
    case Delta::Kind::kText: {
      Item& item = items_.back();
      (item.kind == ItemKind::kFunctionCall ? item.arguments : parts_of(item, place_.part).back().text) += delta.text;
      bytes_ += delta.text.size();
      break;
    }
    case Delta::Kind::kPartEnd:
      break;
    case Delta::Kind::kItemEnd:
      items_.back().status = delta.status;
      break;
    case Delta::Kind::kOpaque:
      items_.back().encrypted = delta.text;
      if (items_.back().kind == ItemKind::kReasoning) items_.back().opaque = delta.opaque;
      items_.back().issuer = delta.issuer;
      bytes_ += delta.text.size();
      break;
    case Delta::Kind::kAnnotation: {
      std::string& all = items_.back().content.back().annotations;
      all.empty() ? void(all = "[") : (all.pop_back(), void(all += ","));
      all.append(delta.text).append("]");
      bytes_ += delta.text.size();
      break;
    }
  }
}

Result<void> AnswerItems::apply(const Delta& delta) { return apply(std::span(&delta, 1)); }

Result<void> AnswerItems::apply(std::span<const Delta> deltas) {
  Place end = place_;
  for (const Delta& delta : deltas) TRY_VOID(step(end, delta));
  for (const Delta& delta : deltas) {
    const auto stepped = step(place_, delta);
    put(delta);
    (void)stepped;  // allowed above
  }
  return {};
}

}  // namespace perdure
