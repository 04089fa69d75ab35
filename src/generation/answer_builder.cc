#include "generation/answer_builder.h"

#include <algorithm>

#include "base/check.h"
#include "base/ids.h"
#include "generation/structured.h"

namespace perdure {
namespace {

constexpr size_t kCallsMax = 128;
constexpr size_t kCallBytesMax = 8 << 20;
constexpr size_t kRemainderMax = 16 << 20;
constexpr size_t kBeginning = 2;  // deltas that begin an item and its part
constexpr size_t kEnding = 2;     // those that end them

}  // namespace

AnswerBuilder::AnswerBuilder(const Request& request, AnswerItems held, int64_t held_tokens, Random& random)
    : request_(request), random_(random), answer_(std::move(held)), tokens_(held_tokens) {
  if (!answer_.part_open()) return;
  const Item& open = answer_.items().back();
  part_ = open.content.empty() ? PartKind::kSummaryText : open.content.back().kind;
}

void AnswerBuilder::begin_attempt(bool prefill, Language language) {
  group_.clear();
  alone_.reset();
  call_bytes_ = 0;
  finish_ = Finish::kNone;
  finish_reason_.clear();
  stop_sequence_.clear();
  upstream_id_.clear();
  usage_ = {};
  hide_reasoning_ = !answer_.items().empty();
  std::string text = visible_text();
  seam_.reset();
  held_.reset();
  remainder_.clear();
  seam_kind_.clear();
  dropped_ = 0;
  if (text.empty()) return;
  if (request_.format.kind != TextFormat::Kind::kText && !prefill)
    held_ = std::move(text);
  else
    seam_.emplace(std::move(text), prefill, language);
}

bool AnswerBuilder::closed() const {
  return !answer_.items().empty() && !answer_.item_open() && answer_.items().back().kind != ItemKind::kReasoning;
}

std::string AnswerBuilder::visible_text() const {
  std::string text;
  for (const Item& item : answer_.items())
    if (item.kind == ItemKind::kMessage)
      for (const Part& part : item.content) text += part.text;
  return text;
}

void AnswerBuilder::emit(std::vector<Delta>& out, Delta delta) {
  Result<void> applied = answer_.apply(delta);
  CHECK(applied.ok(), "the builder broke the order of deltas");
  out.push_back(std::move(delta));
}

void AnswerBuilder::close_open(std::vector<Delta>& out, ItemStatus status) {
  if (answer_.part_open()) emit(out, Delta::part_end());
  if (answer_.item_open()) emit(out, Delta::item_end(status));
}

void AnswerBuilder::begin_item(std::vector<Delta>& out, ItemKind kind) {
  close_open(out, ItemStatus::kCompleted);
  bool reasoning = kind == ItemKind::kReasoning;
  Item begun{.kind = kind, .id = make_id(random_, reasoning ? "rs_" : "msg_"), .status = ItemStatus::kInProgress};
  if (!reasoning) {
    begun.role = Role::kAssistant;
    begun.phase = std::exchange(phase_, {});
  }
  emit(out, Delta::item_begin(std::move(begun)));
  summary_ = -1;
}

void AnswerBuilder::show(std::vector<Delta>& out, PartKind part, std::string text) {
  if (text.empty()) return;
  bool reasoning = part == PartKind::kReasoningText || part == PartKind::kSummaryText;
  ItemKind kind = reasoning ? ItemKind::kReasoning : ItemKind::kMessage;
  bool open = answer_.item_open() && answer_.items().back().kind == kind;
  if (!open) {
    if (alone_) {
      Piece block = *std::exchange(alone_, std::nullopt);
      opaque_item(out, block.opaque, std::move(block.text), std::move(block.issuer));
    }
    begin_item(out, kind);
  }
  if (answer_.part_open() && part_ != part) emit(out, Delta::part_end());
  if (!answer_.part_open()) {
    emit(out, Delta::part_begin(part));
    part_ = part;
  }
  emit(out, Delta::append(std::move(text)));
  ++tokens_;
}

// Reasoning is shown as it comes; that of an attempt which goes on with an answer stays hidden.
void AnswerBuilder::reason(std::vector<Delta>& out, const Piece& piece) {
  if (hide_reasoning_ || !group_.empty()) return;
  bool summary = piece.kind == Piece::Kind::kSummary;
  bool open = answer_.item_open() && answer_.items().back().kind == ItemKind::kReasoning;
  if (summary && open && answer_.part_open() && summary_ >= 0 && summary_ != piece.index) emit(out, Delta::part_end());
  show(out, summary ? PartKind::kSummaryText : PartKind::kReasoningText, piece.text);
  if (summary && !piece.text.empty()) summary_ = piece.index;
}

void AnswerBuilder::opaque_item(std::vector<Delta>& out, OpaqueKind kind, std::string block, std::string issuer) {
  begin_item(out, ItemKind::kReasoning);
  emit(out, Delta::opaque_block(kind, std::move(block), std::move(issuer)));
  emit(out, Delta::item_end(ItemStatus::kCompleted));
}

// A block ends the reasoning that is open. One that stands alone belongs to what comes next, and shares its fate.
void AnswerBuilder::opaque(std::vector<Delta>& out, const Piece& piece) {
  if (hide_reasoning_ || piece.text.empty() || piece.opaque == OpaqueKind::kNone) return;
  if (!group_.empty()) {
    group_.push_back({.index = -1, .arguments = piece.text, .opaque = piece.opaque, .issuer = piece.issuer});
    return;
  }
  bool open = answer_.item_open() && answer_.items().back().kind == ItemKind::kReasoning;
  if (open && piece.index == 0) {
    if (answer_.part_open()) emit(out, Delta::part_end());
    emit(out, Delta::opaque_block(piece.opaque, piece.text, piece.issuer));
    emit(out, Delta::item_end(ItemStatus::kCompleted));
    return;
  }
  if (alone_) opaque_item(out, alone_->opaque, alone_->text, alone_->issuer);
  alone_ = piece;
}

// Text of the supplier, through the seam where there is one.
Result<void> AnswerBuilder::say(std::vector<Delta>& out, PartKind part, const std::string& text) {
  if (!seam_ && !held_) {
    show(out, part, text);
    return {};
  }
  // A refusal is no remainder of a text, nor a text of a refusal.
  if (part != part_ && answer_.part_open() && !text.empty())
    return Error{Code::kUnavailable, "the model that was asked to go on refused to", "", "seam_refused"};
  if (held_) {
    if (remainder_.size() + text.size() > kRemainderMax)
      return Error{Code::kCorrupt, "the supplier's answer is too long to be held back"};
    remainder_ += text;
    return {};
  }
  TRY(std::string shown, seam_->feed(text));
  show(out, part, std::move(shown));
  return {};
}

Result<void> AnswerBuilder::hold(const Piece& piece) {
  auto held = std::ranges::find_if(group_, [&](const Held& h) { return h.index >= 0 && h.index == piece.index; });
  if (held == group_.end()) {
    if (group_.size() >= kCallsMax) return Error{Code::kCorrupt, "the supplier's answer holds too many tool calls"};
    if (alone_) {
      group_.push_back({.index = -1, .arguments = alone_->text, .opaque = alone_->opaque, .issuer = alone_->issuer});
      alone_.reset();
    }
    held = group_.insert(group_.end(), Held{.index = piece.index});
  }
  if (piece.kind == Piece::Kind::kToolCall) {
    held->call_id = piece.call_id;
    held->name = piece.name;
  }
  held->arguments += piece.text;
  call_bytes_ += piece.text.size();
  if (call_bytes_ > kCallBytesMax) return Error{Code::kCorrupt, "the supplier's tool arguments are too long"};
  return {};
}

Result<std::vector<Delta>> AnswerBuilder::add(const std::vector<Piece>& pieces) {
  std::vector<Delta> out;
  out.reserve(pieces.size() + (answer_.item_open() ? 0 : kBeginning));  // in most cases enough: deltas are large
  for (const Piece& piece : pieces) {
    switch (piece.kind) {
      case Piece::Kind::kStarted:
        upstream_id_ = piece.id;
        break;
      case Piece::Kind::kText:
        TRY_VOID(say(out, PartKind::kOutputText, piece.text));
        break;
      case Piece::Kind::kRefusal:
        TRY_VOID(say(out, PartKind::kRefusal, piece.text));
        break;
      case Piece::Kind::kReasoning:
      case Piece::Kind::kSummary:
        reason(out, piece);
        break;
      case Piece::Kind::kOpaque:
        opaque(out, piece);
        break;
      case Piece::Kind::kMessage:
        // What goes on with an answer goes on with its last message.
        if (hide_reasoning_) break;
        if (answer_.item_open() && answer_.items().back().kind == ItemKind::kMessage)
          close_open(out, ItemStatus::kCompleted);
        phase_ = piece.text;
        break;
      case Piece::Kind::kAnnotation:
        if (answer_.part_open() && part_ == PartKind::kOutputText) emit(out, Delta::annotation(piece.text));
        break;
      case Piece::Kind::kToolCall:
      case Piece::Kind::kToolArguments:
        TRY_VOID(hold(piece));
        break;
      case Piece::Kind::kUsage:
        usage_ = piece.usage;
        break;
      case Piece::Kind::kFinish:
        finish_ = piece.finish;
        finish_reason_ = piece.text;
        stop_sequence_ = piece.name;
        break;
    }
  }
  return out;
}

bool AnswerBuilder::permitted(const std::string& function) const {
  const ToolChoice& choice = request_.tool_choice;
  if (choice.mode == ToolChoice::Mode::kNone) return false;
  if (choice.mode == ToolChoice::Mode::kAllowed)
    return std::ranges::find(choice.allowed, function) != choice.allowed.end();
  return true;
}

Result<std::vector<Delta>> AnswerBuilder::complete() {
  std::vector<Delta> out;
  out.reserve(kEnding);
  PartKind part = answer_.part_open() ? part_ : PartKind::kOutputText;
  if (held_ && (!remainder_.empty() || group_.empty())) {
    TRY(Joined joined, join_structured(*held_, remainder_, request_.format));
    seam_kind_ = joined.kind;
    dropped_ = joined.dropped;
    show(out, part, std::move(joined.remainder));
  }
  if (seam_) {
    TRY(std::string rest, seam_->finish());
    show(out, part, std::move(rest));
  }
  bool cut_short = finish_ == Finish::kLength || finish_ == Finish::kContentFilter || finish_ == Finish::kContextWindow;
  close_open(out, cut_short ? ItemStatus::kIncomplete : ItemStatus::kCompleted);
  if (cut_short) return out;  // the last call may be half written
  if (alone_) {
    Piece block = *std::exchange(alone_, std::nullopt);
    opaque_item(out, block.opaque, std::move(block.text), std::move(block.issuer));
  }
  for (Held& held : group_) {
    if (held.index < 0) {
      opaque_item(out, held.opaque, std::move(held.arguments), std::move(held.issuer));
      continue;
    }
    if (!permitted(held.name)) continue;
    Item begun{.kind = ItemKind::kFunctionCall, .id = make_id(random_, "fc_"), .status = ItemStatus::kInProgress};
    begun.call_id = held.call_id.empty() ? make_id(random_, "call_") : held.call_id;
    begun.name = held.name;
    emit(out, Delta::item_begin(std::move(begun)));
    emit(out, Delta::append(held.arguments.empty() ? "{}" : held.arguments));
    emit(out, Delta::item_end(ItemStatus::kCompleted));
    // Held to here, since not every supplier can be told; the model may call again when it has the output.
    if (request_.parallel_tool_calls == false) break;
  }
  return out;
}

std::vector<Delta> AnswerBuilder::close(ItemStatus status) {
  std::vector<Delta> out;
  close_open(out, status);
  return out;
}

}  // namespace perdure
