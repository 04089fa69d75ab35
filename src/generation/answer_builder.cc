#include "generation/answer_builder.h"

#include <algorithm>

#include "base/check.h"
#include "base/ids.h"

namespace perdure {
namespace {

constexpr size_t kCallsMax = 128;
constexpr size_t kCallBytesMax = 8 << 20;

}  // namespace

AnswerBuilder::AnswerBuilder(const Request& request, AnswerItems held, int64_t held_tokens, Random& random)
    : request_(request), random_(random), answer_(std::move(held)), tokens_(held_tokens) {}

void AnswerBuilder::begin_attempt() {
  calls_.clear();
  call_bytes_ = 0;
  finish_ = Finish::kNone;
  finish_reason_.clear();
  upstream_id_.clear();
  usage_ = {};
  hide_reasoning_ = !answer_.items().empty();
  std::string text = visible_text();
  trimmer_.reset();
  if (!text.empty()) trimmer_.emplace(std::move(text));
}

bool AnswerBuilder::closed() const {
  return !answer_.items().empty() && !answer_.item_open() && answer_.items().back().kind != ItemKind::kReasoning;
}

std::string AnswerBuilder::visible_text() const {
  for (const Item& item : answer_.items())
    if (item.kind == ItemKind::kMessage && !item.content.empty()) return item.content.back().text;
  return {};
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

void AnswerBuilder::show(std::vector<Delta>& out, PartKind part, std::string text) {
  if (text.empty()) return;
  bool reasoning = part == PartKind::kReasoningText;
  ItemKind kind = reasoning ? ItemKind::kReasoning : ItemKind::kMessage;
  bool open = answer_.item_open() && answer_.items().back().kind == kind;
  if (!open) {
    close_open(out, ItemStatus::kCompleted);
    Item begun{.kind = kind, .id = make_id(random_, reasoning ? "rs_" : "msg_"), .status = ItemStatus::kInProgress};
    if (!reasoning) begun.role = Role::kAssistant;
    emit(out, Delta::item_begin(std::move(begun)));
  }
  if (answer_.part_open() && answer_.items().back().content.back().kind != part) emit(out, Delta::part_end());
  if (!answer_.part_open()) emit(out, Delta::part_begin(part));
  emit(out, Delta::append(std::move(text)));
  ++tokens_;
}

Result<std::vector<Delta>> AnswerBuilder::add(const std::vector<Piece>& pieces) {
  std::vector<Delta> out;
  for (const Piece& piece : pieces) {
    switch (piece.kind) {
      case Piece::Kind::kStarted:
        upstream_id_ = piece.id;
        break;
      case Piece::Kind::kText:
        show(out, PartKind::kOutputText, trimmer_ ? trimmer_->feed(piece.text) : piece.text);
        break;
      case Piece::Kind::kRefusal:
        show(out, PartKind::kRefusal, trimmer_ ? trimmer_->feed(piece.text) : piece.text);
        break;
      case Piece::Kind::kReasoning: {
        // Shown only as the beginning of an answer and in one piece: a later attempt's reasoning stays hidden.
        bool first = answer_.items().empty();
        bool going_on = !hide_reasoning_ && answer_.items().size() == 1 && answer_.item_open() &&
                        answer_.items()[0].kind == ItemKind::kReasoning;
        if (first || going_on) show(out, PartKind::kReasoningText, piece.text);
        break;
      }
      case Piece::Kind::kToolCall:
      case Piece::Kind::kToolArguments: {
        if (calls_.size() >= kCallsMax && !calls_.contains(piece.index))
          return Error{Code::kCorrupt, "the supplier's answer holds too many tool calls"};
        Call& call = calls_[piece.index];
        if (piece.kind == Piece::Kind::kToolCall) {
          call.call_id = piece.call_id;
          call.name = piece.name;
        }
        call.arguments += piece.text;
        call_bytes_ += piece.text.size();
        if (call_bytes_ > kCallBytesMax) return Error{Code::kCorrupt, "the supplier's tool arguments are too long"};
        break;
      }
      case Piece::Kind::kUsage:
        usage_ = piece.usage;
        break;
      case Piece::Kind::kFinish:
        finish_ = piece.finish;
        finish_reason_ = piece.text;
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

std::vector<Delta> AnswerBuilder::complete() {
  std::vector<Delta> out;
  if (trimmer_) show(out, PartKind::kOutputText, trimmer_->finish());
  bool cut_short = finish_ == Finish::kLength || finish_ == Finish::kContentFilter;
  close_open(out, cut_short ? ItemStatus::kIncomplete : ItemStatus::kCompleted);
  if (cut_short) return out;  // the last call may be half written
  for (auto& [index, call] : calls_) {
    if (!permitted(call.name)) continue;
    Item begun{.kind = ItemKind::kFunctionCall, .id = make_id(random_, "fc_"), .status = ItemStatus::kInProgress};
    begun.call_id = call.call_id.empty() ? make_id(random_, "call_") : call.call_id;
    begun.name = call.name;
    emit(out, Delta::item_begin(std::move(begun)));
    emit(out, Delta::append(call.arguments.empty() ? "{}" : call.arguments));
    emit(out, Delta::item_end(ItemStatus::kCompleted));
  }
  return out;
}

std::vector<Delta> AnswerBuilder::close(ItemStatus status) {
  std::vector<Delta> out;
  close_open(out, status);
  return out;
}

}  // namespace perdure
