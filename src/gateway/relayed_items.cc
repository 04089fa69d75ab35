#include "gateway/relayed_items.h"

#include "base/ids.h"

namespace perdure {
namespace {

bool is_text(const Piece& piece, ItemKind item) {
  switch (piece.kind) {
    case Piece::Kind::kText:
    case Piece::Kind::kRefusal:
      return item == ItemKind::kMessage;
    case Piece::Kind::kReasoning:
    case Piece::Kind::kSummary:
      return item == ItemKind::kReasoning;
    default:
      return false;
  }
}

PartKind part_of(Piece::Kind kind) {
  switch (kind) {
    case Piece::Kind::kRefusal:
      return PartKind::kRefusal;
    case Piece::Kind::kReasoning:
      return PartKind::kReasoningText;
    case Piece::Kind::kSummary:
      return PartKind::kSummaryText;
    default:
      return PartKind::kOutputText;
  }
}

class Items {
 public:
  explicit Items(Random& random) : random_(random) {}

  void begin(ItemKind kind, std::string id, std::string phase) {
    close();
    const bool reasoning = kind == ItemKind::kReasoning;
    if (id.empty()) id = make_id(random_, reasoning ? "rs_" : "msg_");
    Item item{.kind = kind, .id = std::move(id), .status = ItemStatus::kInProgress};
    if (!reasoning) item.role = Role::kAssistant, item.phase = std::move(phase);
    out_.push_back(Delta::item_begin(std::move(item)));
    open_ = kind;
    item_open_ = true;
    sealed_ = false;
    parts_ = 0;
  }
  void begin_part(PartKind part) {
    end_part();
    out_.push_back(Delta::part_begin(part));
    part_ = part;
    part_open_ = true;
    ++parts_;
  }
  void end_part() {
    if (part_open_) out_.push_back(Delta::part_end());
    part_open_ = false;
  }
  void close() {
    end_part();
    if (item_open_) out_.push_back(Delta::item_end(ItemStatus::kCompleted));
    item_open_ = false;
  }
  void text(const Piece& piece, std::string_view text) {
    const PartKind part = part_of(piece.kind);
    if (part_open_ && (part != part_ || (part == PartKind::kSummaryText && piece.index != summary_))) end_part();
    if (!part_open_) begin_part(part);
    summary_ = piece.index;
    out_.push_back(Delta::append(std::string(text)));
  }
  void block(const Piece& piece) {
    if (!item_open_ || open_ != ItemKind::kReasoning || sealed_ || piece.opaque == OpaqueKind::kNone) return;
    end_part();
    out_.push_back(Delta::opaque_block(piece.opaque, piece.text, piece.issuer));
    sealed_ = true;
  }
  void annotation(const Piece& piece) {
    if (part_open_ && part_ == PartKind::kOutputText) out_.push_back(Delta::annotation(piece.text));
  }
  bool is_open(ItemKind kind) const { return item_open_ && open_ == kind; }
  bool part_open() const { return part_open_; }
  size_t parts() const { return parts_; }
  std::vector<Delta> take() { return std::move(out_); }

 private:
  Random& random_;
  std::vector<Delta> out_;
  ItemKind open_ = ItemKind::kMessage;
  bool item_open_ = false, part_open_ = false, sealed_ = false;
  size_t parts_ = 0;
  PartKind part_ = PartKind::kOutputText;
  int summary_ = 0;
};

void as_said(const std::vector<Piece>& said, Items& items) {
  std::string phase;
  for (const Piece& piece : said) {
    switch (piece.kind) {
      case Piece::Kind::kText:
      case Piece::Kind::kRefusal:
        if (!items.is_open(ItemKind::kMessage)) items.begin(ItemKind::kMessage, "", std::exchange(phase, {}));
        items.text(piece, piece.text);
        break;
      case Piece::Kind::kReasoning:
      case Piece::Kind::kSummary:
        if (!items.is_open(ItemKind::kReasoning)) items.begin(ItemKind::kReasoning, "", "");
        items.text(piece, piece.text);
        break;
      case Piece::Kind::kOpaque:
        if (!items.is_open(ItemKind::kReasoning) || piece.index != 0) items.begin(ItemKind::kReasoning, "", "");
        items.block(piece);
        items.close();
        break;
      case Piece::Kind::kMessage:
        if (items.is_open(ItemKind::kMessage)) items.close();
        phase = piece.text;
        break;
      case Piece::Kind::kAnnotation:
        items.annotation(piece);
        break;
      default:
        break;
    }
  }
}

// What was said is divided among the items by how much text each of them holds.
void as_seen(const std::vector<Piece>& said, const std::vector<SeenItem>& seen, Items& items) {
  size_t at = 0, from = 0;  // in `said`; in the text of said[at]
  for (const SeenItem& one : seen) {
    items.begin(one.kind, one.id, one.phase);
    size_t left = one.ended ? one.text_bytes : SIZE_MAX;
    for (; at < said.size(); ++at, from = 0) {
      const Piece& piece = said[at];
      if (is_text(piece, one.kind)) {
        if (left == 0) break;
        const std::string_view text = std::string_view(piece.text).substr(from, left);
        items.text(piece, text);
        left -= text.size();
        if (from + text.size() < piece.text.size()) {
          from += text.size();
          break;
        }
      } else if (piece.kind == Piece::Kind::kAnnotation) {
        items.annotation(piece);
      } else if (piece.kind == Piece::Kind::kOpaque) {
        if (one.ended && !one.sealed) break;
        items.block(piece);
      } else if (piece.kind != Piece::Kind::kMessage) {
        break;
      }
    }
    if (one.ended) {
      items.close();
      continue;
    }
    if (one.part_open && one.parts > items.parts()) items.begin_part(one.part);
    if (!one.part_open && one.parts > 0) items.end_part();
  }
}

}  // namespace

std::vector<Delta> relayed_items(const std::vector<Piece>& said, const std::vector<SeenItem>& seen, Random& random) {
  Items items(random);
  seen.empty() ? as_said(said, items) : as_seen(said, seen, items);
  return items.take();
}

}  // namespace perdure
