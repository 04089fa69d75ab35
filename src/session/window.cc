#include "session/window.h"

#include <algorithm>
#include <set>

#include "wire/json.h"

namespace perdure {
namespace {

constexpr size_t kItemBytesMax = 24 << 10;  // of one item in a transcript
constexpr size_t kItemBytesHead = 16 << 10;

bool is_instruction(const Item& item) {
  return item.kind == ItemKind::kMessage && (item.role == Role::kSystem || item.role == Role::kDeveloper);
}
bool is_compaction(const Item& item) { return item.kind == ItemKind::kCompaction; }
bool is_user(const Item& item) { return item.kind == ItemKind::kMessage && item.role == Role::kUser; }

Item expanded(const Item& item) {
  Result<Compaction> compaction = unpack_compaction(item.encrypted);
  // Those of others are refused where requests are read.
  return compaction_message(compaction.ok() ? *compaction : Compaction{}, item.id);
}

size_t bytes_of(const Item& item) {
  size_t bytes = 16 + item.arguments.size() + item.output.size() + item.encrypted.size();
  for (const Part& part : item.content) bytes += part.text.size() + part.url.size() + part.file_data.size();
  return bytes;
}

void append_shortened(std::string& out, std::string_view text) {
  if (text.size() <= kItemBytesMax) {
    out += text;
    return;
  }
  size_t head = kItemBytesHead, tail = text.size() - (kItemBytesMax - kItemBytesHead);
  auto inside = [&](size_t at) { return (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80; };
  while (inside(head)) --head;
  while (tail < text.size() && inside(tail)) ++tail;
  out.append(text.substr(0, head)).append("\n[").append(std::to_string(tail - head)).append(" bytes left out]\n");
  out += text.substr(tail);
}

std::string text_of(const std::vector<Part>& parts) {
  std::string out;
  for (const Part& part : parts) {
    if (!out.empty()) out += '\n';
    if (part.kind == PartKind::kInputImage)
      out += "[an image]";
    else if (part.kind == PartKind::kInputFile)
      out.append("[a file").append(part.filename.empty() ? "" : ": " + part.filename).append("]");
    else
      out += part.text;
  }
  return out;
}

}  // namespace

bool is_kept(const Item& item) { return is_user(item) || is_instruction(item); }

bool holds_compaction(std::span<const Item> context) { return std::ranges::any_of(context, is_compaction); }

std::vector<Item> shown_context(std::vector<Item> context, bool compacted) {
  if (!holds_compaction(context)) return context;
  size_t last = context.size();
  for (size_t i = context.size(); compacted && i-- > 0 && last == context.size();)
    if (is_compaction(context[i])) last = i;

  std::vector<Item> out;
  size_t next = 0;
  if (last < context.size()) {
    Result<Compaction> compaction = unpack_compaction(context[last].encrypted);
    size_t tail = last;
    for (size_t i = 0; compaction.ok() && !compaction->from.empty() && i < last && tail == last; ++i)
      if (context[i].id == compaction->from) tail = i;
    for (; next < tail; ++next)
      if (is_kept(context[next])) out.push_back(std::move(context[next]));
    out.push_back(expanded(context[last]));
  }
  for (; next < context.size(); ++next) {
    Item& item = context[next];
    if (!is_compaction(item))
      out.push_back(std::move(item));
    else if (next != last && item.issuer != kWindowIssuer)
      out.push_back(expanded(item));
  }
  return out;
}

size_t tail_of(std::span<const Item> context, size_t input_from) {
  std::set<std::string_view> answered;
  for (const Item& item : context.subspan(input_from))
    if (item.kind == ItemKind::kFunctionCallOutput) answered.insert(item.call_id);
  size_t tail = input_from;
  for (size_t i = 0; i < input_from && tail == input_from; ++i)
    if (context[i].kind == ItemKind::kFunctionCall && answered.contains(context[i].call_id)) tail = i;
  if (tail == input_from) return tail;
  // What the same turn thought and said first belongs to its calls.
  auto of_the_turn = [&](const Item& item) {
    return item.kind == ItemKind::kReasoning || item.kind == ItemKind::kFunctionCall ||
           (item.kind == ItemKind::kMessage && item.role == Role::kAssistant);
  };
  while (tail > 0 && of_the_turn(context[tail - 1])) --tail;
  return tail;
}

bool worth_compacting(std::span<const Item> items) {
  return std::ranges::any_of(items,
                             [](const Item& item) { return !is_kept(item) && item.kind != ItemKind::kReasoning; });
}

std::string transcript_of(std::span<const Item> items) {
  std::string out;
  auto part = [&](std::string_view who, std::string_view text) {
    if (text.empty()) return;
    out.append("[").append(who).append("]\n");
    append_shortened(out, text);
    out += "\n\n";
  };
  for (const Item& item : items) {
    switch (item.kind) {
      case ItemKind::kMessage:
        part(name_of(item.role), text_of(item.content));
        break;
      case ItemKind::kFunctionCall:
        part("assistant calls the tool " + item.name, item.arguments);
        break;
      case ItemKind::kFunctionCallOutput: {
        std::string text = item.output_is_text ? item.output : text_of(item.content);
        part(item.tool_failed ? "the tool failed" : "the tool's result", text);
        break;
      }
      case ItemKind::kReasoning:
      case ItemKind::kCompaction:
        break;
    }
  }
  return out;
}

bool drop_oldest(std::vector<Item>& context) {
  size_t end = context.size();
  for (size_t i = context.size(); i-- > 0 && end == context.size();)
    if (is_user(context[i])) end = i;
  if (end == context.size()) return false;
  end = tail_of(context, end);
  size_t total = 0, may_go = 0;
  for (size_t i = 0; i < context.size(); ++i) total += bytes_of(context[i]);
  for (size_t i = 0; i < end; ++i) may_go += is_instruction(context[i]) ? 0 : 1;
  if (may_go == 0) return false;
  std::vector<Item> out;
  std::set<std::string> calls_gone;
  size_t dropped = 0;
  bool dropping = true;
  for (size_t i = 0; i < context.size(); ++i) {
    Item& item = context[i];
    // A turn of the user's is where the conversation may begin anew.
    if (dropping && (i >= end || (dropped >= total / 4 && is_user(item)))) dropping = false;
    bool goes = (dropping && !is_instruction(item)) ||
                (item.kind == ItemKind::kFunctionCallOutput && calls_gone.contains(item.call_id));
    if (!goes) {
      out.push_back(std::move(item));
      continue;
    }
    dropped += bytes_of(item);
    if (item.kind == ItemKind::kFunctionCall) calls_gone.insert(item.call_id);
  }
  context = std::move(out);
  return true;
}

const Item* orphaned_result(std::span<const Item> context) {
  std::set<std::string_view> calls;
  for (const Item& item : context) {
    if (item.kind == ItemKind::kFunctionCall) calls.insert(item.call_id);
    if (item.kind == ItemKind::kFunctionCallOutput && !calls.contains(item.call_id)) return &item;
  }
  return nullptr;
}

}  // namespace perdure
