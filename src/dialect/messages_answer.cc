#include "dialect/messages_answer.h"

#include <algorithm>
#include <utility>

#include "dialect/messages_citations.h"
#include "dialect/say.h"

namespace perdure {
namespace {

constexpr int kCallsMax = 1024;
constexpr size_t kHeldMax = 16 << 20;

Error malformed(std::string_view what) {
  return {.code = Code::kCorrupt, .message = say("The supplier's answer is not of the Messages dialect: {}.", what)};
}

// A type as messages may show it.
std::string_view plain(std::string_view type) {
  const bool word = std::ranges::all_of(type, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
  return word && !type.empty() && type.size() <= 64 ? type : "no known name";
}

Error unexpected(std::string_view what, std::string_view type) {
  return {.code = Code::kCorrupt,
          .message = say("The supplier's answer holds {} of the type {}, which was not asked for.", what, plain(type)),
          .reason = "unsupported_item"};
}

Finish finish_of(std::string_view word) {
  if (word == "end_turn") return Finish::kStop;
  if (word == "max_tokens") return Finish::kLength;
  if (word == "stop_sequence") return Finish::kStopSequence;
  if (word == "tool_use") return Finish::kToolCalls;
  if (word == "pause_turn") return Finish::kPause;
  if (word == "refusal") return Finish::kRefusal;
  if (word == "model_context_window_exceeded") return Finish::kContextWindow;
  return Finish::kOther;
}

// Counts are cumulative: the later one stands, unless a server sends zeros where it has nothing to say.
void merge(std::optional<int64_t>& count, json::Value value) {
  const std::optional<int64_t> said = value.integer();
  if (!said || (*said == 0 && count.value_or(0) > 0)) return;
  count = std::clamp<int64_t>(*said, 0, int64_t{1} << 53);
}

}  // namespace

Result<void> MessagesAnswerReader::event(std::string_view type, json::Value data, std::vector<Piece>& out) {
  if (stopped_ || type == "ping") return {};
  if (type == "error") return messages_error_of(data["error"], 0);
  if (type == "message_start") return start(data["message"], out);
  const bool of_block = type.starts_with("content_block_");
  if (!of_block && type != "message_delta" && type != "message_stop") return {};
  if (!started_) return malformed("there is no message_start");
  if (type == "message_stop") {
    if (open_) return malformed("the message stops within a block");
    if (!finished_) return malformed("the message stops without a stop reason");
    stopped_ = true;
    return {};
  }
  if (type == "message_delta") {
    if (open_) return malformed("the message ends within a block");
    usage(data["usage"], out);
    const json::Value delta = data["delta"];
    finish(delta["stop_reason"], delta["stop_sequence"], delta["stop_details"], out);
    return {};
  }
  const std::optional<int64_t> index = data["index"].integer();
  if (!index) return malformed("a block has no index");
  if (type == "content_block_start") {
    if (open_) return malformed("a block begins within a block");
    if (finished_) return malformed("a block begins after the stop reason");
    return begin(*index, data["content_block"], out);
  }
  if (!open_ || open_->index != *index) return malformed("an event of a block that is not open");
  if (type == "content_block_delta") return delta(data["delta"], out);
  if (type == "content_block_stop") end(out);
  return {};
}

Result<void> MessagesAnswerReader::whole(json::Value message, std::vector<Piece>& out) {
  TRY_VOID(start(message, out));
  if (!finished_) return malformed("there is no stop reason");
  stopped_ = true;
  return {};
}

Result<void> MessagesAnswerReader::start(json::Value message, std::vector<Piece>& out) {
  if (started_) return malformed("a message begins within a message");
  if (!message.is_object() || !message["content"].is_array()) return malformed("there is no message");
  started_ = true;
  out.push_back({.kind = Piece::Kind::kStarted,
                 .id = std::string(message["id"].text()),
                 .model = std::string(message["model"].text())});
  // In a stream there is nothing yet, but for servers that begin with a whole answer.
  const auto blocks = message["content"].elements();
  for (size_t i = 0; i < blocks.size(); ++i) {
    TRY_VOID(begin(static_cast<int64_t>(i), blocks[i], out));
    end(out);
  }
  usage(message["usage"], out);
  finish(message["stop_reason"], message["stop_sequence"], message["stop_details"], out);
  return {};
}

Result<void> MessagesAnswerReader::begin(int64_t index, json::Value block, std::vector<Piece>& out) {
  if (!block.is_object()) return malformed("a block is not an object");
  const std::string_view type = block["type"].text();
  Open open{.index = index, .began = characters_};
  held_ = 0;
  if (type == "text") {
    open_ = std::move(open);
    text(Piece::Kind::kText, block["text"].text(), out);
    const json::Value citations = block["citations"];
    for (json::Value citation : citations.elements()) open_->citations.emplace_back(citation.raw());
  } else if (type == "thinking") {
    open.block = Block::kThinking;
    open.signature = block["signature"].text();
    open_ = std::move(open);
    open_->thought = !block["thinking"].text().empty();
    text(Piece::Kind::kReasoning, block["thinking"].text(), out);
  } else if (type == "redacted_thinking") {
    open.block = Block::kRedacted;
    open.signature = block["data"].text();
    if (open.signature.empty()) return malformed("a redacted block has no data");
    open_ = std::move(open);
  } else if (type == "tool_use") {
    // A call by code that runs at the supplier is not for the client to answer.
    if (const json::Value caller = block["caller"]; !caller.absent() && caller["type"].text() != "direct")
      return unexpected("a call by a tool", caller["type"].text());
    const std::string_view name = block["name"].text();
    if (name.empty()) return malformed("a call has no name");
    if (calls_ == kCallsMax) return malformed("too many calls");
    if (const json::Value input = block["input"]; input.size() != 0) open.input = input.raw();
    open.block = Block::kToolUse;
    open_ = std::move(open);
    out.push_back({.kind = Piece::Kind::kToolCall,
                   .index = calls_++,
                   .call_id = std::string(block["id"].text()),
                   .name = std::string(name)});
  } else {
    return unexpected("a block", type);
  }
  return {};
}

Result<void> MessagesAnswerReader::delta(json::Value delta, std::vector<Piece>& out) {
  const std::string_view type = delta["type"].text();
  const Block block = open_->block;
  if (type == "text_delta" && block == Block::kText) {
    text(Piece::Kind::kText, delta["text"].text(), out);
  } else if (type == "thinking_delta" && block == Block::kThinking) {
    open_->thought = open_->thought || !delta["thinking"].text().empty();
    text(Piece::Kind::kReasoning, delta["thinking"].text(), out);
  } else if (type == "signature_delta" && block == Block::kThinking) {
    open_->signature += delta["signature"].text();
    held_ += delta["signature"].text().size();
  } else if (type == "input_json_delta" && block == Block::kToolUse) {
    const std::string_view part = delta["partial_json"].text();
    if (part.empty()) return {};
    open_->argued = true;
    out.push_back({.kind = Piece::Kind::kToolArguments, .text = std::string(part), .index = calls_ - 1});
  } else if (type == "citations_delta" && block == Block::kText) {
    const json::Value citation = delta["citation"];
    if (!citation.is_object()) return malformed("a citation is not an object");
    open_->citations.emplace_back(citation.raw());
    held_ += citation.raw().size();
  } else {
    const bool known = type == "text_delta" || type == "thinking_delta" || type == "signature_delta" ||
                       type == "input_json_delta" || type == "citations_delta";
    return known ? malformed("a delta that its block cannot hold") : unexpected("a delta", type);
  }
  return held_ <= kHeldMax ? Result<void>() : malformed("a signature or its citations are too long");
}

void MessagesAnswerReader::end(std::vector<Piece>& out) {
  Open open = *std::exchange(open_, std::nullopt);
  switch (open.block) {
    case Block::kText:
      for (const std::string& citation : open.citations) {
        auto document = json::Document::parse(citation);
        if (!document || !document->root().is_object()) continue;
        out.push_back({.kind = Piece::Kind::kAnnotation,
                       .text = annotation_of_citation(document->root(), open.began, characters_)});
      }
      return;
    case Block::kThinking:
    case Block::kRedacted:
      if (open.signature.empty()) return;
      spoke_ = true;
      out.push_back({.kind = Piece::Kind::kOpaque,
                     .text = std::move(open.signature),
                     .index = open.thought ? 0 : 1,  // a block without text is not what ends the text of another
                     .opaque = open.block == Block::kRedacted ? OpaqueKind::kRedacted : OpaqueKind::kSignature});
      return;
    case Block::kToolUse:
      spoke_ = true;
      if (!open.argued && !open.input.empty())
        out.push_back({.kind = Piece::Kind::kToolArguments, .text = std::move(open.input), .index = calls_ - 1});
      return;
  }
}

void MessagesAnswerReader::text(Piece::Kind kind, std::string_view text, std::vector<Piece>& out) {
  if (text.empty()) return;
  spoke_ = true;
  if (kind == Piece::Kind::kText) characters_ += characters_in(text);
  out.push_back({.kind = kind, .text = std::string(text)});
}

// Their input is what was neither read from a cache nor written to one; ours is all of it.
void MessagesAnswerReader::usage(json::Value usage, std::vector<Piece>& out) {
  if (!usage.is_object()) return;
  merge(input_, usage["input_tokens"]);
  merge(cache_read_, usage["cache_read_input_tokens"]);
  merge(cache_write_, usage["cache_creation_input_tokens"]);
  merge(output_, usage["output_tokens"]);
  merge(thought_, usage["output_tokens_details"]["thinking_tokens"]);
  Usage all{.known = true};
  all.cached_tokens = cache_read_.value_or(0);
  all.cache_write_tokens = cache_write_.value_or(0);
  all.input_tokens = input_.value_or(0) + all.cached_tokens + all.cache_write_tokens;
  all.output_tokens = output_.value_or(0);
  all.reasoning_tokens = std::min(thought_.value_or(0), all.output_tokens);
  out.push_back({.kind = Piece::Kind::kUsage, .usage = all});
}

void MessagesAnswerReader::finish(json::Value reason, json::Value sequence, json::Value details,
                                  std::vector<Piece>& out) {
  if (finished_ || reason.text().empty()) return;
  finished_ = true;
  const Finish finish = finish_of(reason.text());
  // A refusal of which nothing else is said has its explanation beside it.
  if (finish == Finish::kRefusal && !spoke_) text(Piece::Kind::kRefusal, details["explanation"].text(), out);
  out.push_back({.kind = Piece::Kind::kFinish,
                 .text = std::string(reason.text()),
                 .name = std::string(finish == Finish::kStopSequence ? sequence.text() : std::string_view()),
                 .finish = finish});
}

}  // namespace perdure
