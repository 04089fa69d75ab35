#pragma once
// Deltas: how an answer grows, in canonical form. At most one item and one part are open at a time, in order, so
// indexes and sequence numbers follow from counting. A function_call's arguments are text without a part.

#include <span>
#include <string>
#include <vector>

#include "model/item.h"

namespace perdure {

struct Delta {
  enum class Kind : uint8_t {
    kItemBegin = 1,
    kPartBegin,
    kText,
    kPartEnd,
    kItemEnd,
    kOpaque,      // a reasoning item's opaque block, or what a compaction item holds; once, outside its parts
    kAnnotation,  // of the open output_text
  };
  Kind kind = Kind::kText;
  Item item;                                   // kItemBegin: kind, id, role, phase, call_id, name; nothing else
  PartKind part = PartKind::kOutputText;       // kPartBegin
  std::string text;                            // kText; kOpaque: the block; kAnnotation: one JSON object
  OpaqueKind opaque = OpaqueKind::kNone;       // kOpaque
  std::string issuer;                          // kOpaque
  ItemStatus status = ItemStatus::kCompleted;  // kItemEnd
  bool operator==(const Delta&) const = default;

  static Delta item_begin(Item begun) { return {.kind = Kind::kItemBegin, .item = std::move(begun)}; }
  static Delta part_begin(PartKind kind) { return {.kind = Kind::kPartBegin, .part = kind}; }
  static Delta append(std::string text) { return {.kind = Kind::kText, .text = std::move(text)}; }
  static Delta opaque_block(OpaqueKind kind, std::string block, std::string issuer) {
    return {.kind = Kind::kOpaque, .text = std::move(block), .opaque = kind, .issuer = std::move(issuer)};
  }
  static Delta annotation(std::string json) { return {.kind = Kind::kAnnotation, .text = std::move(json)}; }
  static Delta part_end() { return {.kind = Kind::kPartEnd}; }
  static Delta item_end(ItemStatus status) { return {.kind = Kind::kItemEnd, .status = status}; }
};

// The items that a sequence of deltas has built so far. kCorrupt: the order above was broken; nothing was applied.
class AnswerItems {
 public:
  Result<void> apply(const Delta& delta);
  Result<void> apply(std::span<const Delta> deltas);  // all or none
  const std::vector<Item>& items() const { return items_; }
  bool item_open() const { return place_.item_open; }
  bool part_open() const { return place_.part_open; }
  size_t bytes() const { return bytes_; }  // of text so far

 private:
  // Where the next delta lands: all that decides whether it may come.
  struct Place {
    bool item_open = false, part_open = false, sealed = false;  // sealed: the opaque block has come
    ItemKind item = ItemKind::kMessage;
    PartKind part = PartKind::kOutputText;
  };
  static Result<void> step(Place& place, const Delta& delta);
  void put(const Delta& delta);  // after step() allowed it
  std::vector<Item> items_;
  Place place_;
  size_t bytes_ = 0;
};

}  // namespace perdure
