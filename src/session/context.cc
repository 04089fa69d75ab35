#include "session/context.h"

#include "store/blob.h"

#include <algorithm>
#include <set>

namespace perdure {
namespace {

constexpr size_t kPageBytes = 1 << 20;
constexpr size_t kForksMax = 10'000;

Error part_erased() { return {Code::kNotFound, "a part of the conversation was erased"}; }

// Folds the records of one session after those of its parents.
class ContextFold {
 public:
  ContextFold(LoadedSession& out, bool keep_last_records) : out_(out), keep_(keep_last_records) {}

  // A session begins; what was loaded so far is where it starts from.
  Result<void> begin_session() {
    TRY_VOID(end_session());
    flush(true);
    ++session_;
    out_.is_conversation = false;
    out_.conversation = {};
    return {};
  }
  Result<void> end_session() const { return missing_.empty() && !skipping_ ? Result<void>() : part_erased(); }

  Result<void> erased(const SealedRecord& sealed) {
    switch (static_cast<RecordKind>(sealed.kind)) {
      case RecordKind::kResponseCreated:
        flush(false);
        skipping_ = sealed.seq;
        return out_.is_conversation ? Result<void>() : part_erased();
      case RecordKind::kItemsAdded:
        flush(false);
        missing_.insert(sealed.seq);
        return out_.is_conversation ? Result<void>() : part_erased();
      case RecordKind::kItemsMoved:
      case RecordKind::kItemRemoved:
        return {};  // whatever replaced it says so
      default:
        return skipping_ ? Result<void>() : part_erased();
    }
  }

  Result<void> add(Record record) {
    if (skipping_ && is_of_response(record.kind()) && record.kind() != RecordKind::kResponseCreated) {
      const auto* ended = std::get_if<ResponseEnded>(&record.body);
      if (ended == nullptr) return {};
      if (contributes(ended->status)) missing_.insert(*skipping_);
      skipping_.reset();
      return {};
    }
    if (is_of_response(record.kind())) return add_of_response(std::move(record));
    flush(false);
    if (auto* added = std::get_if<ItemsAdded>(&record.body)) {
      for (Item& item : added->items) put(record.seq, std::move(item));
    } else if (auto* removed = std::get_if<ItemRemoved>(&record.body)) {
      std::erase_if(entries_, [&](const Entry& entry) { return entry.item.id == removed->id; });
    } else if (auto* moved = std::get_if<ItemsMoved>(&record.body)) {
      move(*moved);
    } else if (auto* created = std::get_if<ConversationCreated>(&record.body)) {
      out_.is_conversation = true;
      out_.conversation = created->id;
    } else if (record.kind() == RecordKind::kConversationDeleted) {
      out_.conversation = {};
    }
    return {};
  }

  void finish() {
    out_.context.reserve(entries_.size());
    for (Entry& entry : entries_) out_.context.push_back(std::move(entry.item));
  }

 private:
  struct Entry {
    size_t session;
    uint64_t position;
    Item item;
  };
  void put(uint64_t position, Item item) { entries_.push_back({session_, position, std::move(item)}); }

  void move(ItemsMoved& moved) {
    missing_.erase(moved.position);
    std::erase_if(entries_,
                  [&](const Entry& entry) { return entry.session == session_ && entry.position == moved.position; });
    auto at = std::ranges::find_if(
        entries_, [&](const Entry& entry) { return entry.session == session_ && entry.position > moved.position; });
    for (Item& item : moved.items) at = entries_.insert(at, Entry{session_, moved.position, std::move(item)}) + 1;
  }

  Result<void> add_of_response(Record record) {
    if (record.kind() == RecordKind::kResponseCreated) {
      if (skipping_) return part_erased();
      flush(false);
      out_.last.emplace();
    }
    if (!out_.last) return Error{Code::kCorrupt, "a journal goes on with a response that did not begin"};
    TRY_VOID(apply(*out_.last, record));
    if (const auto* deltas = std::get_if<Deltas>(&record.body))
      out_.last_text_deltas += std::ranges::count(deltas->deltas, Delta::Kind::kText, &Delta::kind);
    if (keep_) out_.last_records.push_back(std::move(record));
    return {};
  }

  void flush(bool named) {
    if (!out_.last) return;
    if (named || !out_.is_conversation || contributes(out_.last->status)) {
      std::vector<Item> items;
      add_to_context(items, *out_.last);
      for (Item& item : items) put(out_.last->first_seq, std::move(item));
    }
    out_.last.reset();
    out_.last_records.clear();
    out_.last_text_deltas = 0;
  }

  LoadedSession& out_;
  bool keep_;
  size_t session_ = 0;
  std::vector<Entry> entries_;
  std::set<uint64_t> missing_;        // erased, and not yet replaced
  std::optional<uint64_t> skipping_;  // an erased response, from here on
};

}  // namespace

bool contributes(ResponseStatus status) {
  return status == ResponseStatus::kCompleted || status == ResponseStatus::kIncomplete;
}

void add_to_context(std::vector<Item>& context, const Response& response) {
  context.insert(context.end(), response.request->input.begin(), response.request->input.end());
  for (const Item& item : response.output())
    if (item.status != ItemStatus::kInProgress) context.push_back(item);
}

std::vector<Item> LoadedSession::take_all(bool named) && {
  if (last && (named || !is_conversation || contributes(last->status))) add_to_context(context, *last);
  return std::move(context);
}

namespace {
Error too_long() {
  return {Code::kInvalid, "the conversation is longer than this server allows", "", "context_too_long"};
}
}  // namespace

Task<Result<LoadedSession>> load_session(Store& store, KeyRing& keys, SessionRow row, uint64_t upto, size_t bytes_max,
                                         bool keep_last_records) {
  struct Stretch {
    SessionRow row;
    uint64_t upto;
  };
  std::vector<Stretch> stretches{{std::move(row), upto}};
  while (stretches.back().row.parent) {
    if (stretches.size() > kForksMax) co_return Error{Code::kCorrupt, "a session's forks do not end"};
    uint64_t parent_upto = stretches.back().row.parent_seq;
    CO_TRY(std::optional<SessionRow> parent, co_await store.session(*stretches.back().row.parent));
    if (!parent) co_return Error{Code::kCorrupt, "a session's parent is missing"};
    stretches.push_back({std::move(*parent), parent_upto});
  }
  std::ranges::reverse(stretches);

  LoadedSession loaded;
  ContextFold fold(loaded, keep_last_records);
  for (Stretch& stretch : stretches) {
    CO_TRY_VOID(fold.begin_session());
    CO_TRY(std::optional<Key256> key, co_await keys.open(stretch.row));
    for (uint64_t next = 1; next <= stretch.upto;) {
      CO_TRY(std::vector<SealedRecord> page, co_await store.read(stretch.row.id, next, stretch.upto, kPageBytes));
      if (page.empty()) co_return Error{Code::kCorrupt, "a session's journal ends early"};
      for (const SealedRecord& sealed : page) {
        next = sealed.seq + 1;
        loaded.bytes += sealed.body.size();
        if (loaded.bytes > bytes_max) co_return too_long();
        if (static_cast<RecordKind>(sealed.kind) == RecordKind::kResponseDeleted) continue;
        if (sealed.body.empty()) {
          CO_TRY_VOID(fold.erased(sealed));
          continue;
        }
        CO_TRY(std::string plain, co_await open_whole(store, key ? &*key : nullptr, stretch.row.id, sealed));
        if (!sealed.blobs.empty()) loaded.bytes += plain.size();
        if (loaded.bytes > bytes_max) co_return too_long();
        CO_TRY(Record record,
               decode_payload(sealed.seq, sealed.time, static_cast<RecordKind>(sealed.kind), sealed.codec, plain));
        CO_TRY_VOID(fold.add(std::move(record)));
      }
    }
  }
  CO_TRY_VOID(fold.end_session());
  fold.finish();
  co_return loaded;
}

}  // namespace perdure
