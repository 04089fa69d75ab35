#include "dialect/converse_answer.h"

#include <algorithm>

#include "dialect/converse_upstream.h"
#include "dialect/say.h"
#include "wire/base64.h"

namespace perdure {
namespace {

constexpr size_t kOpenMax = 1024;
constexpr int kCallsMax = 1024;
constexpr size_t kOpaqueMax = 8 << 20;

Error malformed(std::string_view what) {
  return {.code = Code::kCorrupt, .message = say("The supplier's answer is not of the Converse dialect: {}.", what)};
}

int64_t count_of(json::Value value) { return std::clamp<int64_t>(value.integer().value_or(0), 0, int64_t{1} << 53); }

// Input tokens are told without what was read from the cache or written to it.
Usage usage_of(json::Value value) {
  Usage usage{.known = true};
  usage.cached_tokens = count_of(value["cacheReadInputTokens"]);
  usage.cache_write_tokens = count_of(value["cacheWriteInputTokens"]);
  usage.input_tokens = count_of(value["inputTokens"]) + usage.cached_tokens + usage.cache_write_tokens;
  usage.output_tokens = count_of(value["outputTokens"]);
  return usage;
}

Finish finish_of(std::string_view word) {
  if (word == "end_turn") return Finish::kStop;
  if (word == "tool_use") return Finish::kToolCalls;
  if (word == "max_tokens") return Finish::kLength;
  if (word == "stop_sequence") return Finish::kStopSequence;
  if (word == "guardrail_intervened" || word == "content_filtered") return Finish::kContentFilter;
  if (word == "model_context_window_exceeded") return Finish::kContextWindow;
  if (word == "refusal") return Finish::kRefusal;
  if (word == "pause_turn") return Finish::kPause;
  return Finish::kOther;  // malformed_model_output, malformed_tool_use, and what is to come
}

std::string_view member_of(json::Value value) {
  for (const auto& member : value.members()) {
    if (!member.value.absent()) return member.key;
  }
  return "nothing";
}

void add_text(Piece::Kind kind, std::string_view text, std::vector<Piece>& out) {
  if (!text.empty()) out.push_back({.kind = kind, .text = std::string(text)});
}

void add_citation(json::Value citation, std::vector<Piece>& out) {
  json::Writer note;
  note.begin_object().field("type", "x_citation").key("citation").raw(citation.raw()).end_object();
  out.push_back({.kind = Piece::Kind::kAnnotation, .text = note.take()});
}

// Without white space between its tokens; what is inside strings, and every number, stays as it is.
std::string compact(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  bool quoted = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (quoted && c == '\\') {
      out += c;
      out += json[++i];
      continue;
    }
    if (c == '"') quoted = !quoted;
    if (quoted || (c != ' ' && c != '\t' && c != '\r' && c != '\n')) out += c;
  }
  return out;
}

// A blob that comes in several deltas is encoded delta by delta: each may end in padding. False: not base64.
bool append_base64(std::string& whole, std::string_view piece) {
  if (whole.empty()) {
    whole = piece;  // as it came, when nothing follows
    return true;
  }
  // The last group of what is there joins the bytes of the piece.
  const size_t kept = whole.size() - std::min<size_t>(whole.size(), 4);
  const auto last = from_base64(std::string_view(whole).substr(kept)), next = from_base64(piece);
  if (!last || !next) return false;
  whole.resize(kept);
  whole += to_base64(*last + *next);
  return true;
}

}  // namespace

Result<void> ConverseAnswerReader::event(std::string_view name, json::Value payload, std::vector<Piece>& out) {
  if (!payload.is_object()) return malformed("an event is not an object");
  if (name == "contentBlockStart") return start(payload, out);
  if (name == "contentBlockDelta") return delta(payload, out);
  if (name == "contentBlockStop") {
    const auto at = open_.find(payload["contentBlockIndex"].integer().value_or(-1));
    if (at == open_.end()) return {};  // a block without content
    end(at->second, out);
    open_.erase(at);
    return {};
  }
  if (name == "messageStop") return stop(payload, out);
  if (name == "metadata") usage(payload["usage"], out);
  return {};  // messageStart: its role is known
}

Result<ConverseAnswerReader::Block*> ConverseAnswerReader::block_at(json::Value payload, Block::Kind kind) {
  const auto index = payload["contentBlockIndex"].integer();
  if (!index || *index < 0) return malformed("a block has no index");
  const auto [at, fresh] = open_.try_emplace(*index, Block{.kind = kind});
  if (open_.size() > kOpenMax) return malformed("too many blocks are open");
  const bool call = at->second.kind == Block::Kind::kCall || at->second.kind == Block::Kind::kInertCall;
  if (!fresh && (kind == Block::Kind::kCall ? !call : at->second.kind != kind))
    return malformed("a block changes its kind");
  return &at->second;
}

Result<void> ConverseAnswerReader::start(json::Value payload, std::vector<Piece>& out) {
  json::Value start = payload["start"], tool_use = start["toolUse"];
  if (!tool_use.is_object()) {
    if (start.size() == 0) return {};  // of text or reasoning: says nothing
    return malformed(say("a block of a kind that has no place here: {}", member_of(start)));
  }
  if (open_.contains(payload["contentBlockIndex"].integer().value_or(-1))) return malformed("a block begins twice");
  TRY(Block * block, block_at(payload, Block::Kind::kCall));
  return begin_call(*block, tool_use, out);
}

Result<void> ConverseAnswerReader::begin_call(Block& block, json::Value tool_use, std::vector<Piece>& out) {
  const std::string_view id = tool_use["toolUseId"].text(), name = tool_use["name"].text();
  if (name.empty()) return malformed("a tool call has no name");
  if (!tool_use["type"].absent()) return malformed("a call of a tool of the supplier's own");
  if (name == kInertTool) {
    block.kind = Block::Kind::kInertCall;
    inert_ = true;
    return {};
  }
  if (calls_ == kCallsMax) return malformed("too many tool calls");
  block.call = calls_++;
  out.push_back(
      {.kind = Piece::Kind::kToolCall, .index = block.call, .call_id = std::string(id), .name = std::string(name)});
  return {};
}

Result<void> ConverseAnswerReader::delta(json::Value payload, std::vector<Piece>& out) {
  json::Value delta = payload["delta"];
  if (!delta.is_object()) return malformed("a delta is not an object");
  if (json::Value text = delta["text"]; !text.absent()) {
    if (!text.is_string()) return malformed("text is not a string");
    TRY([[maybe_unused]] Block * block, block_at(payload, Block::Kind::kText));
    add_text(Piece::Kind::kText, text.text(), out);
    return {};
  }
  if (json::Value tool_use = delta["toolUse"]; !tool_use.absent()) {
    if (!open_.contains(payload["contentBlockIndex"].integer().value_or(-1)))
      return malformed("arguments before their call");
    TRY(Block * block, block_at(payload, Block::Kind::kCall));
    const std::string_view text = tool_use["input"].text();
    if (block->kind == Block::Kind::kCall && !text.empty())
      out.push_back({.kind = Piece::Kind::kToolArguments, .text = std::string(text), .index = block->call});
    return {};
  }
  if (json::Value reasoning = delta["reasoningContent"]; !reasoning.absent()) {
    TRY(Block * block, block_at(payload, Block::Kind::kReasoning));
    return reasoning_delta(*block, reasoning, out);
  }
  if (json::Value citation = delta["citation"]; citation.is_object()) {
    add_citation(citation, out);
    return {};
  }
  if (delta.size() == 0) return {};
  return malformed(say("a delta of a kind that has no place here: {}", member_of(delta)));
}

Result<void> ConverseAnswerReader::reasoning_delta(Block& block, json::Value reasoning, std::vector<Piece>& out) {
  add_text(Piece::Kind::kReasoning, reasoning["text"].text(), out);
  block.text = block.text || !reasoning["text"].text().empty();
  block.signature += reasoning["signature"].text();
  if (json::Value redacted = reasoning["redactedContent"]; !redacted.text().empty()) {
    if (!append_base64(block.redacted, redacted.text())) return malformed("redacted reasoning is not base64");
  }
  if (block.signature.size() + block.redacted.size() > kOpaqueMax) return malformed("an opaque block is too long");
  return {};
}

void ConverseAnswerReader::end(Block& block, std::vector<Piece>& out) {
  const auto add = [&](OpaqueKind kind, std::string& bytes) {
    if (bytes.empty()) return;
    // A block without text is not what ends the text of another.
    out.push_back(
        {.kind = Piece::Kind::kOpaque, .text = std::move(bytes), .index = block.text ? 0 : 1, .opaque = kind});
  };
  add(OpaqueKind::kSignature, block.signature);
  add(OpaqueKind::kRedacted, block.redacted);
}

Result<void> ConverseAnswerReader::stop(json::Value payload, std::vector<Piece>& out) {
  json::Value reason = payload["stopReason"];
  if (!reason.is_string()) return malformed("there is no stop reason");
  if (finished_) return {};
  finished_ = true;
  for (auto& [index, block] : open_) end(block, out);
  open_.clear();
  Piece finish{.kind = Piece::Kind::kFinish, .text = std::string(reason.text()), .finish = finish_of(reason.text())};
  if (finish.finish == Finish::kToolCalls && inert_ && calls_ == 0) finish.finish = Finish::kStop;
  json::Value fields = payload["additionalModelResponseFields"];
  for (json::Value met : {fields["stop_sequence"], fields["delta"]["stop_sequence"]}) {
    if (met.is_string()) finish.name = met.text();
  }
  out.push_back(std::move(finish));
  return {};
}

void ConverseAnswerReader::usage(json::Value usage, std::vector<Piece>& out) {
  if (!usage.is_object()) return;
  measured_ = true;
  out.push_back({.kind = Piece::Kind::kUsage, .usage = usage_of(usage)});
}

Result<void> ConverseAnswerReader::content(json::Value block, std::vector<Piece>& out) {
  if (!block.is_object()) return malformed("a content block is not an object");
  if (json::Value text = block["text"]; text.is_string()) {
    add_text(Piece::Kind::kText, text.text(), out);
    return {};
  }
  if (json::Value tool_use = block["toolUse"]; tool_use.is_object()) {
    Block call{.kind = Block::Kind::kCall};
    TRY_VOID(begin_call(call, tool_use, out));
    json::Value input = tool_use["input"];
    if (call.kind == Block::Kind::kCall && !input.absent())
      out.push_back({.kind = Piece::Kind::kToolArguments, .text = compact(input.raw()), .index = call.call});
    return {};
  }
  if (json::Value reasoning = block["reasoningContent"]; reasoning.is_object()) {
    Block read{.kind = Block::Kind::kReasoning};
    json::Value text = reasoning["reasoningText"];
    add_text(Piece::Kind::kReasoning, text["text"].text(), out);
    read.text = !text["text"].text().empty();
    read.signature = text["signature"].text();
    read.redacted = reasoning["redactedContent"].text();
    if (!text.is_object() && read.redacted.empty())
      return malformed(say("reasoning of a kind that has no place here: {}", member_of(reasoning)));
    end(read, out);
    return {};
  }
  if (json::Value cited = block["citationsContent"]; cited.is_object()) {
    for (json::Value part : cited["content"].elements()) add_text(Piece::Kind::kText, part["text"].text(), out);
    for (json::Value citation : cited["citations"].elements()) add_citation(citation, out);
    return {};
  }
  return malformed(say("a block of a kind that has no place here: {}", member_of(block)));
}

Result<void> ConverseAnswerReader::whole(json::Value root, std::vector<Piece>& out) {
  json::Value blocks = root["output"]["message"]["content"];
  if (!blocks.is_array() && !root["output"].absent()) return malformed("there is no content");
  for (json::Value block : blocks.elements()) TRY_VOID(content(block, out));
  usage(root["usage"], out);
  return stop(root, out);
}

}  // namespace perdure
