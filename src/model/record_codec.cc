// Codec 1. A kDeltas payload is a row of operations, binary, because nearly all bytes of a journal are the text in it:
//
//   1 item begins   kind, role: a byte each; id, phase, call_id, name: a string each
//   2 part begins   kind: a byte
//   3 texts         count; the length of each; all of them as one run of bytes
//   4 part ends
//   5 item ends     status: a byte
//   6 opaque block  kind: a byte; the block, its issuer: a string each
//   7 annotation    JSON: a string
//
// count, lengths: LEB128; a string: its length, then its bytes. Other records are small or already JSON, so they are
// one object of canonical JSON.

#include <limits>
#include <type_traits>

#include "model/item_names.h"
#include "model/record.h"
#include "model/record_names.h"
#include "model/strict_reader.h"

namespace perdure {
namespace {

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_string(std::string& out, std::string_view text) {
  put_varint(out, text.size());
  out += text;
}

// Takes from the front of the bytes it was given; once something did not fit, nothing does.
class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : rest_(bytes) {}
  bool empty() const { return rest_.empty(); }
  bool good() const { return good_; }
  size_t left() const { return rest_.size(); }

  std::string_view take(uint64_t size) {
    if (!good_ || size > rest_.size()) return good_ = false, std::string_view{};
    std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  uint8_t byte() {
    std::string_view taken = take(1);
    return taken.empty() ? 0 : static_cast<uint8_t>(taken[0]);
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 63; shift += 7) {
      const uint8_t b = byte();
      if (!good_) return 0;
      value |= static_cast<uint64_t>(b & 0x7f) << shift;
      if (b < 0x80) {
        if (b == 0 && shift != 0) good_ = false;  // one number, one spelling
        return value;
      }
    }
    good_ = false;
    return 0;
  }
  std::string string() { return std::string(take(varint())); }
  template <class E>
  E word(std::span<const Name<E>> names) {
    auto value = value_of(names, byte());
    if (!value) good_ = false;
    return value.value_or(names[0].value);
  }

 private:
  std::string_view rest_;
  bool good_ = true;
};

std::string encode_deltas(const std::vector<Delta>& deltas) {
  std::string out;
  for (size_t i = 0; i < deltas.size();) {
    const Delta& delta = deltas[i];
    out += static_cast<char>(delta.kind);
    switch (delta.kind) {
      case Delta::Kind::kItemBegin:
        out += static_cast<char>(delta.item.kind);
        out += static_cast<char>(delta.item.role);
        put_string(out, delta.item.id);
        put_string(out, delta.item.phase);
        put_string(out, delta.item.call_id);
        put_string(out, delta.item.name);
        break;
      case Delta::Kind::kPartBegin:
        out += static_cast<char>(delta.part);
        break;
      case Delta::Kind::kText: {
        size_t end = i;
        while (end < deltas.size() && deltas[end].kind == Delta::Kind::kText) ++end;
        put_varint(out, end - i);
        for (size_t t = i; t < end; ++t) put_varint(out, deltas[t].text.size());
        for (size_t t = i; t < end; ++t) out += deltas[t].text;
        i = end;
        continue;
      }
      case Delta::Kind::kPartEnd:
        break;
      case Delta::Kind::kItemEnd:
        out += static_cast<char>(delta.status);
        break;
      case Delta::Kind::kOpaque:
        out += static_cast<char>(delta.opaque);
        put_string(out, delta.text);
        put_string(out, delta.issuer);
        break;
      case Delta::Kind::kAnnotation:
        put_string(out, delta.text);
        break;
    }
    ++i;
  }
  return out;
}

Result<Deltas> decode_deltas(std::string_view payload) {
  Deltas out;
  Bytes in(payload);
  while (in.good() && !in.empty()) {
    switch (static_cast<Delta::Kind>(in.byte())) {
      case Delta::Kind::kItemBegin: {
        Item item{.status = ItemStatus::kCompleted};
        item.kind = in.word(item_kinds());
        item.role = in.word(roles());
        item.id = in.string();
        item.phase = in.string();
        item.call_id = in.string();
        item.name = in.string();
        out.deltas.push_back(Delta::item_begin(std::move(item)));
        break;
      }
      case Delta::Kind::kPartBegin:
        out.deltas.push_back(Delta::part_begin(in.word(part_kinds())));
        break;
      case Delta::Kind::kText: {
        const uint64_t count = in.varint();
        if (count == 0 || count > in.left()) return corrupt("deltas: a count of texts that cannot be");
        std::vector<uint64_t> sizes;
        for (uint64_t t = 0; t < count && in.good(); ++t) sizes.push_back(in.varint());
        for (uint64_t size : sizes) {
          out.deltas.push_back(Delta::append(std::string(in.take(size))));
          if (!in.good()) break;
        }
        break;
      }
      case Delta::Kind::kPartEnd:
        out.deltas.push_back(Delta::part_end());
        break;
      case Delta::Kind::kItemEnd:
        out.deltas.push_back(Delta::item_end(in.word(item_statuses())));
        break;
      case Delta::Kind::kOpaque: {
        OpaqueKind kind = in.word(opaque_kinds());
        std::string block = in.string();
        out.deltas.push_back(Delta::opaque_block(kind, std::move(block), in.string()));
        break;
      }
      case Delta::Kind::kAnnotation:
        out.deltas.push_back(Delta::annotation(in.string()));
        break;
      default:
        return corrupt("deltas: an operation that is not known here");
    }
  }
  if (!in.good()) return corrupt("deltas: the bytes end too early or are not a number or word");
  return out;
}

constexpr int64_t kTokensMax = int64_t{1} << 53;  // sums of counts stay far from overflow

void write_usage(json::Writer& out, const Usage& usage) {
  if (usage == Usage{}) return;
  out.key("usage").begin_object();
  out.field("input_tokens", usage.input_tokens).field("cached_tokens", usage.cached_tokens);
  out.field("output_tokens", usage.output_tokens).field("reasoning_tokens", usage.reasoning_tokens);
  if (usage.cache_write_tokens != 0) out.field("cache_write_tokens", usage.cache_write_tokens);
  out.field("known", usage.known).end_object();
}

Result<Usage> read_usage(json::Value value) {
  Usage usage;
  if (value.missing()) return usage;
  StrictReader in(value, "usage");
  const std::pair<std::string_view, int64_t*> counts[] = {{"input_tokens", &usage.input_tokens},
                                                          {"cached_tokens", &usage.cached_tokens},
                                                          {"cache_write_tokens", &usage.cache_write_tokens},
                                                          {"output_tokens", &usage.output_tokens},
                                                          {"reasoning_tokens", &usage.reasoning_tokens}};
  for (const auto& [name, count] : counts) {
    in.optional_integer(name, *count);
    if (*count < 0 || *count > kTokensMax) in.fail(name, "is not a count");
  }
  in.optional_boolean("known", usage.known);
  TRY_VOID(in.finish());
  return usage;
}

void write_optional(json::Writer& out, std::string_view name, const std::string& text) {
  if (!text.empty()) out.field(name, text);
}
void write_optional(json::Writer& out, std::string_view name, int64_t value) {
  if (value != 0) out.field(name, value);
}

void write_items(json::Writer& out, const std::vector<Item>& items) {
  out.key("items").begin_array();
  for (const Item& item : items) write_item(out, item);
  out.end_array();
}
void write_metadata(json::Writer& out, const Metadata& metadata) {
  out.key("metadata").begin_object();
  for (const auto& [name, value] : metadata) out.field(name, value);
  out.end_object();
}

struct Encoder {
  std::string operator()(const ResponseCreated& r) const {
    json::Writer out;
    out.begin_object().field("id", r.id.value);
    write_optional(out, "key", r.key.value);
    write_request(out.key("request"), *r.request);
    return out.end_object().take();
  }
  std::string operator()(const AttemptStarted& r) const {
    json::Writer out;
    out.begin_object().field("number", r.number).field("provider", r.provider).field("model", r.model);
    if (r.continuation) out.field("continuation", true);
    write_optional(out, "reason", r.reason);
    if (!r.dropped.empty()) {
      out.key("dropped").begin_array();
      for (const std::string& field : r.dropped) out.string(field);
      out.end_array();
    }
    write_optional(out, "workload", r.workload);
    if (!r.expected.empty()) write_cost(out.key("expected"), r.expected);
    write_optional(out, "stand_in", r.stand_in);
    if (r.beside != 0) out.field("beside", r.beside);
    return out.end_object().take();
  }
  std::string operator()(const Deltas& r) const { return encode_deltas(r.deltas); }
  std::string operator()(const AttemptEnded& r) const {
    json::Writer out;
    out.begin_object().field("number", r.number).field("outcome", r.outcome);
    write_optional(out, "finish_reason", r.finish_reason);
    write_optional(out, "finish", r.finish);
    write_optional(out, "stop_sequence", r.stop_sequence);
    write_optional(out, "seam", r.seam);
    write_optional(out, "upstream_id", r.upstream_id);
    write_optional(out, "error", r.error);
    write_optional(out, "upstream_status", r.upstream_status);
    write_optional(out, "trimmed_bytes", r.trimmed_bytes);
    write_usage(out, r.usage);
    if (!r.cost.empty()) write_cost(out.key("cost"), r.cost);
    return out.end_object().take();
  }
  std::string operator()(const ResponseEnded& r) const {
    json::Writer out;
    out.begin_object().field("status", name_of(r.status));
    write_optional(out, "incomplete_reason", r.incomplete_reason);
    write_optional(out, "error_code", r.error_code);
    write_optional(out, "error_message", r.error_message);
    write_optional(out, "error_param", r.error_param);
    write_optional(out, "finish", r.finish);
    write_optional(out, "stop_sequence", r.stop_sequence);
    write_usage(out, r.usage);
    return out.end_object().take();
  }
  std::string operator()(const ResponseDeleted& r) const {
    json::Writer out;
    return out.begin_object().field("id", r.id.value).end_object().take();
  }
  std::string operator()(const ItemsAdded& r) const {
    json::Writer out;
    out.begin_object();
    write_items(out, r.items);
    return out.end_object().take();
  }
  std::string operator()(const ItemRemoved& r) const {
    json::Writer out;
    return out.begin_object().field("id", r.id).end_object().take();
  }
  std::string operator()(const ItemsMoved& r) const {
    json::Writer out;
    out.begin_object().field("position", static_cast<int64_t>(r.position));
    write_items(out, r.items);
    return out.end_object().take();
  }
  std::string operator()(const ConversationCreated& r) const {
    json::Writer out;
    out.begin_object().field("id", r.id.value);
    write_optional(out, "key", r.key.value);
    write_metadata(out, r.metadata);
    return out.end_object().take();
  }
  std::string operator()(const ConversationUpdated& r) const {
    json::Writer out;
    out.begin_object();
    write_metadata(out, r.metadata);
    return out.end_object().take();
  }
  std::string operator()(const ConversationDeleted& r) const {
    json::Writer out;
    return out.begin_object().field("id", r.id.value).end_object().take();
  }
};

Result<ResponseCreated> decode_created(json::Value value) {
  ResponseCreated r;
  StrictReader in(value, "response_created");
  in.text("id", r.id.value);
  in.optional_text("key", r.key.value);
  TRY(r.request, read_request(in.any("request")));
  TRY_VOID(in.finish());
  return r;
}

Result<AttemptStarted> decode_started(json::Value value) {
  AttemptStarted r;
  StrictReader in(value, "attempt_started");
  in.optional_integer("number", r.number);
  in.text("provider", r.provider);
  in.text("model", r.model);
  in.optional_boolean("continuation", r.continuation);
  in.optional_text("reason", r.reason);
  in.texts("dropped", r.dropped);
  in.optional_text("workload", r.workload);
  TRY(r.expected, read_cost(in.any("expected")));
  in.optional_text("stand_in", r.stand_in);
  in.optional_integer("beside", r.beside);
  TRY_VOID(in.finish());
  return r;
}

Result<AttemptEnded> decode_attempt_ended(json::Value value) {
  AttemptEnded r;
  StrictReader in(value, "attempt_ended");
  in.optional_integer("number", r.number);
  in.text("outcome", r.outcome);
  in.optional_text("finish_reason", r.finish_reason);
  in.optional_text("finish", r.finish);
  in.optional_text("stop_sequence", r.stop_sequence);
  in.optional_text("seam", r.seam);
  in.optional_text("upstream_id", r.upstream_id);
  in.optional_text("error", r.error);
  in.optional_integer("upstream_status", r.upstream_status);
  in.optional_integer("trimmed_bytes", r.trimmed_bytes);
  TRY(r.usage, read_usage(in.any("usage")));
  TRY(r.cost, read_cost(in.any("cost")));
  TRY_VOID(in.finish());
  return r;
}

Result<ResponseEnded> decode_response_ended(json::Value value) {
  ResponseEnded r;
  StrictReader in(value, "response_ended");
  in.word("status", response_statuses(), r.status);
  in.optional_text("incomplete_reason", r.incomplete_reason);
  in.optional_text("error_code", r.error_code);
  in.optional_text("error_message", r.error_message);
  in.optional_text("error_param", r.error_param);
  in.optional_text("finish", r.finish);
  in.optional_text("stop_sequence", r.stop_sequence);
  TRY(r.usage, read_usage(in.any("usage")));
  TRY_VOID(in.finish());
  return r;
}

Result<ResponseDeleted> decode_deleted(json::Value value) {
  ResponseDeleted r;
  StrictReader in(value, "response_deleted");
  in.text("id", r.id.value);
  TRY_VOID(in.finish());
  return r;
}

Result<std::vector<Item>> read_items(json::Value array) {
  std::vector<Item> items;
  for (json::Value element : array.elements()) {
    TRY(Item item, read_item(element));
    items.push_back(std::move(item));
  }
  return items;
}

Metadata read_metadata(StrictReader& in) {
  Metadata metadata;
  for (const auto& member : in.object("metadata").members()) {
    if (!member.value.is_string()) in.fail("metadata", "holds what is not a string");
    metadata.emplace_back(member.key, member.value.text());
  }
  return metadata;
}

Result<ItemsAdded> decode_items_added(json::Value value) {
  ItemsAdded r;
  StrictReader in(value, "items_added");
  TRY(r.items, read_items(in.array("items")));
  TRY_VOID(in.finish());
  return r;
}

Result<ItemRemoved> decode_item_removed(json::Value value) {
  ItemRemoved r;
  StrictReader in(value, "item_removed");
  in.text("id", r.id);
  TRY_VOID(in.finish());
  return r;
}

Result<ItemsMoved> decode_items_moved(json::Value value) {
  ItemsMoved r;
  int64_t position = 0;
  StrictReader in(value, "items_moved");
  in.optional_integer("position", position);
  if (position < 1) in.fail("position", "is not a place in a journal");
  r.position = static_cast<uint64_t>(position);
  TRY(r.items, read_items(in.array("items")));
  TRY_VOID(in.finish());
  return r;
}

Result<ConversationCreated> decode_conversation_created(json::Value value) {
  ConversationCreated r;
  StrictReader in(value, "conversation_created");
  in.text("id", r.id.value);
  in.optional_text("key", r.key.value);
  r.metadata = read_metadata(in);
  TRY_VOID(in.finish());
  return r;
}

Result<ConversationUpdated> decode_conversation_updated(json::Value value) {
  ConversationUpdated r;
  StrictReader in(value, "conversation_updated");
  r.metadata = read_metadata(in);
  TRY_VOID(in.finish());
  return r;
}

Result<ConversationDeleted> decode_conversation_deleted(json::Value value) {
  ConversationDeleted r;
  StrictReader in(value, "conversation_deleted");
  in.text("id", r.id.value);
  TRY_VOID(in.finish());
  return r;
}

}  // namespace

std::string encode_payload(const Record& record) { return std::visit(Encoder{}, record.body); }

Result<Record> decode_payload(uint64_t seq, WallTime time, RecordKind kind, uint8_t codec, std::string_view payload) {
  if (codec != 1) return corrupt("record: a codec that is not known here");
  Record record{.seq = seq, .time = time, .body = {}};
  if (kind == RecordKind::kDeltas) {
    TRY(record.body, decode_deltas(payload));
    return record;
  }
  auto document = json::Document::parse(std::string(payload));
  if (!document) return corrupt("record: " + document.error().message);
  const json::Value root = document->root();
  switch (kind) {
    case RecordKind::kResponseCreated: {
      TRY(record.body, decode_created(root));
      return record;
    }
    case RecordKind::kAttemptStarted: {
      TRY(record.body, decode_started(root));
      return record;
    }
    case RecordKind::kDeltas:
      break;
    case RecordKind::kAttemptEnded: {
      TRY(record.body, decode_attempt_ended(root));
      return record;
    }
    case RecordKind::kResponseEnded: {
      TRY(record.body, decode_response_ended(root));
      return record;
    }
    case RecordKind::kResponseDeleted: {
      TRY(record.body, decode_deleted(root));
      return record;
    }
    case RecordKind::kItemsAdded: {
      TRY(record.body, decode_items_added(root));
      return record;
    }
    case RecordKind::kItemRemoved: {
      TRY(record.body, decode_item_removed(root));
      return record;
    }
    case RecordKind::kItemsMoved: {
      TRY(record.body, decode_items_moved(root));
      return record;
    }
    case RecordKind::kConversationCreated: {
      TRY(record.body, decode_conversation_created(root));
      return record;
    }
    case RecordKind::kConversationUpdated: {
      TRY(record.body, decode_conversation_updated(root));
      return record;
    }
    case RecordKind::kConversationDeleted: {
      TRY(record.body, decode_conversation_deleted(root));
      return record;
    }
  }
  return corrupt("record: a kind that is not known here");
}

}  // namespace perdure
