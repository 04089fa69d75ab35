#include "session/conversations.h"

#include <algorithm>
#include <set>

#include "session/host.h"
#include "session/keys_of.h"
#include "session/window.h"
#include "store/blob.h"

namespace perdure {
namespace {

Error busy() {
  return {Code::kConflict, "the conversation is being written by others; try again when the response in it has ended",
          "conversation", "conversation_locked"};
}

IndexKey repeat_key(const NewConversation& call) {
  return {call.tenant, IndexKind::kIdempotency, "conversations/" + call.idempotency_key};
}

std::string fingerprint(const NewConversation& call, const ConversationId& id) {
  std::string_view body(reinterpret_cast<const char*>(call.body_hash.data()), call.body_hash.size());
  Hash256 hash = sha256(id.value + std::string(body));
  return to_hex({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

// Every item has an id, and no two the same.
void name_items(std::vector<Item>& items, const std::vector<Item>& others, Random& random) {
  std::set<std::string> taken;
  for (const Item& item : others) taken.insert(item.id);
  for (Item& item : items)
    if (item.id.empty() || !taken.insert(item.id).second) {
      item.id = make_item_id(random, item.kind);
      taken.insert(item.id);
    }
}

Result<void> check_results(const std::vector<Item>& context) {
  if (const Item* orphan = orphaned_result(context))
    return Error{Code::kInvalid, "No tool call found for function call output with call_id " + orphan->call_id + ".",
                 "items", "tool_call_not_found"};
  return {};
}

}  // namespace

Error no_such_conversation(const ConversationId& id, std::string param) {
  return {Code::kNotFound, "Conversation with id '" + id.value + "' not found.", std::move(param),
          "conversation_not_found"};
}
Error no_such_item(const std::string& id) {
  return {Code::kNotFound, "Item with id '" + id + "' not found.", "", "item_not_found"};
}

// --- on the session's home
// ---------------------------------------------------------------------------------------------

Task<Result<Conversation>> ResponsesHost::conversation_of(ConversationId id, const IndexEntry& entry,
                                                          const SessionRow& row) {
  CO_TRY(ConversationValue value, ConversationValue::decode(entry.value));
  CO_TRY(std::optional<Key256> key, co_await keys_.open(row));
  CO_TRY(std::vector<Record> records, co_await read_records(store_, row.id, &key, value.metadata, value.metadata, 1));
  Conversation out{.id = std::move(id), .created = value.created, .metadata = {}};
  if (records.size() != 1) co_return Error{Code::kCorrupt, "a conversation's record is missing"};
  if (auto* created = std::get_if<ConversationCreated>(&records[0].body))
    out.metadata = std::move(created->metadata);
  else if (auto* updated = std::get_if<ConversationUpdated>(&records[0].body))
    out.metadata = std::move(updated->metadata);
  else
    co_return Error{Code::kCorrupt, "a conversation's index entry points elsewhere"};
  co_return out;
}

Task<Result<OpenConversation>> ResponsesHost::open_conversation(TenantId tenant, ConversationId id) {
  OpenConversation open;
  CO_TRY(std::optional<IndexEntry> entry, co_await store_.find(conversation_key(tenant, id)));
  if (!entry) co_return no_such_conversation(id);
  Result<Turn> turn =
      co_await turnstiles_.take(entry->session, limits_.waiting_max, deadline_in(loop_, limits_.waiting_time));
  if (!turn.ok() && turn.error().code == Code::kConflict) co_return busy();
  if (!turn.ok()) co_return std::move(turn).error();
  open.turn = *std::move(turn);
  // It may have been deleted, or changed, while this one waited.
  CO_TRY(entry, co_await store_.find(conversation_key(tenant, id)));
  if (!entry) co_return no_such_conversation(id);
  CO_TRY(std::optional<SessionRow> row, co_await store_.session(entry->session));
  if (!row) co_return Error{Code::kCorrupt, "a conversation's session is missing"};
  // A response that could not be ended here waits for the next start.
  if (row->unfinished) co_return busy();
  open.entry = std::move(*entry);
  open.row = std::move(*row);
  co_return open;
}

Task<Result<Conversation>> ResponsesHost::create_conversation(NewConversation call) {
  if (stopping_) co_return server_stopping();
  const bool keyed = !call.idempotency_key.empty();
  name_items(call.items, {}, loop_.random());
  CO_TRY_VOID(check_results(call.items));
  for (int attempt = 0;; ++attempt) {
    if (keyed) {
      CO_TRY(std::optional<IndexEntry> entry, co_await store_.find(repeat_key(call)));
      if (entry) {
        size_t space = entry->value.find(' ');
        ConversationId id(entry->value.substr(space + 1));
        if (entry->value.substr(0, space) != fingerprint(call, id))
          co_return Error{Code::kConflict, "this Idempotency-Key was used before with another request",
                          "Idempotency-Key", "idempotency_key_reused"};
        CO_TRY(std::optional<IndexEntry> own, co_await store_.find(conversation_key(call.tenant, id)));
        if (!own) co_return no_such_conversation(id);
        co_return co_await get_conversation(id, std::move(*own));
      }
    }
    ConversationId id(make_id(loop_.random(), "conv_"));
    WallTime now = loop_.wall();
    SessionRow row{.id = session_id_of_this_home(), .tenant = call.tenant, .created = now, .expires = WallTime::max()};
    CO_TRY(KeyRing::NewKey made, co_await keys_.make(call.tenant, row.id));
    row.wrapped_key = std::move(made.wrapped);
    ConversationValue value{.created = now, .metadata = 1, .idempotency = keyed ? repeat_key(call).key : std::string()};
    Batch batch;
    batch.create = row;
    batch.put.push_back({conversation_key(call.tenant, id), {row.id, 1, value.encode()}, true});
    if (keyed) batch.put.push_back({repeat_key(call), {row.id, 1, fingerprint(call, id) + " " + id.value}, true});
    std::vector<Record> records;
    records.push_back({.time = now, .body = ConversationCreated{.id = id, .key = call.key, .metadata = call.metadata}});
    if (!call.items.empty()) records.push_back({.time = now, .body = ItemsAdded{call.items}});
    CO_TRY(Key256 blob_key, co_await keys_.blob_key(call.tenant, made.key.has_value()));
    Journal journal(store_, lease_, row, made.key, loop_.random(), blob_key);
    Result<void> done = co_await journal.append(records, std::move(batch));
    if (done.ok()) co_return Conversation{.id = id, .created = now, .metadata = call.metadata};
    if (done.error().code != Code::kConflict || !keyed || attempt > 2) co_return std::move(done).error();
  }
}

Task<Result<Conversation>> ResponsesHost::get_conversation(ConversationId id, IndexEntry entry) {
  CO_TRY(std::optional<SessionRow> row, co_await store_.session(entry.session));
  if (!row || row->wrapped_key.empty()) co_return no_such_conversation(id);
  Result<Conversation> read = co_await conversation_of(id, entry, *row);
  if (read.ok() || read.error().code != Code::kNotFound) co_return read;
  co_return no_such_conversation(id);
}

Task<Result<Conversation>> ResponsesHost::update_conversation(TenantId tenant, ConversationId id, Metadata metadata) {
  CO_TRY(OpenConversation open, co_await open_conversation(tenant, id));
  CO_TRY(std::optional<Key256> key, co_await keys_.open(open.row));
  CO_TRY(ConversationValue value, ConversationValue::decode(open.entry.value));
  value.metadata = open.row.head + 1;
  Batch batch;
  batch.put.push_back({conversation_key(tenant, id), {open.row.id, 1, value.encode()}});
  Journal journal(store_, lease_, open.row, key, loop_.random());
  std::vector<Record> records;
  records.push_back({.time = loop_.wall(), .body = ConversationUpdated{metadata}});
  CO_TRY_VOID(co_await journal.append(records, std::move(batch)));
  co_return Conversation{.id = std::move(id), .created = value.created, .metadata = std::move(metadata)};
}

Task<Result<std::vector<Item>>> ResponsesHost::add_items(TenantId tenant, ConversationId id, std::vector<Item> items) {
  CO_TRY(OpenConversation open, co_await open_conversation(tenant, id));
  CO_TRY(std::optional<Key256> key, co_await keys_.open(open.row));
  CO_TRY(LoadedSession loaded,
         co_await load_session(store_, keys_, open.row, open.row.head, limits_.context_bytes_max, false));
  const size_t bytes = loaded.bytes;
  std::vector<Item> context = std::move(loaded).take_all(false);
  name_items(items, context, loop_.random());
  context.insert(context.end(), items.begin(), items.end());
  CO_TRY_VOID(check_results(context));
  CO_TRY(Key256 blob_key, co_await keys_.blob_key(tenant, key.has_value()));
  Journal journal(store_, lease_, open.row, key, loop_.random(), blob_key);
  std::vector<Record> records;
  records.push_back({.time = loop_.wall(), .body = ItemsAdded{items}});
  if (bytes + encode_payload(records[0]).size() > limits_.context_bytes_max)
    co_return Error{Code::kInvalid, "the conversation would be longer than this server allows", "items",
                    "context_too_long"};
  CO_TRY_VOID(co_await journal.append(records, Batch{}));
  co_return items;
}

Task<Result<std::vector<Item>>> ResponsesHost::conversation_items(TenantId tenant, ConversationId id) {
  CO_TRY(std::optional<IndexEntry> entry, co_await store_.find(conversation_key(tenant, id)));
  if (!entry) co_return no_such_conversation(id);
  CO_TRY(std::optional<SessionRow> row, co_await store_.session(entry->session));
  if (!row) co_return no_such_conversation(id);
  Result<LoadedSession> loaded =
      co_await load_session(store_, keys_, *row, row->head, limits_.context_bytes_max, false);
  if (!loaded.ok() && loaded.error().code == Code::kNotFound) {
    // Deleted between the two reads, or damaged: the index knows.
    CO_TRY(entry, co_await store_.find(conversation_key(tenant, id)));
    if (!entry) co_return no_such_conversation(id);
  }
  if (!loaded.ok()) co_return std::move(loaded).error();
  co_return std::move(*loaded).take_all(false);
}

Task<Result<Conversation>> ResponsesHost::remove_item(TenantId tenant, ConversationId id, std::string item) {
  CO_TRY(OpenConversation open, co_await open_conversation(tenant, id));
  if (open.row.legal_hold) co_return Error{Code::kConflict, "the conversation is under legal hold", "", "legal_hold"};
  CO_TRY(std::optional<Key256> key, co_await keys_.open(open.row));
  CO_TRY(LoadedSession loaded,
         co_await load_session(store_, keys_, open.row, open.row.head, limits_.context_bytes_max, false));
  std::vector<Item> items = std::move(loaded).take_all(false);
  if (std::ranges::find(items, item, &Item::id) == items.end()) co_return no_such_item(item);
  CO_TRY(Scrubbed scrubbed, co_await scrub(open.row, {}, item));
  Batch batch;
  batch.erase = std::move(scrubbed.erase);
  std::vector<Record> records;
  records.push_back({.time = loop_.wall(), .body = ItemRemoved{item}});
  for (ItemsMoved& moved : scrubbed.moved) records.push_back({.time = loop_.wall(), .body = std::move(moved)});
  CO_TRY(Key256 blob_key, co_await keys_.blob_key(tenant, key.has_value()));
  Journal journal(store_, lease_, open.row, key, loop_.random(), blob_key);
  CO_TRY_VOID(co_await journal.append(records, std::move(batch)));
  co_return co_await conversation_of(id, open.entry, open.row);
}

Task<Result<bool>> ResponsesHost::remove_conversation(TenantId tenant, ConversationId id) {
  CO_TRY(std::optional<IndexEntry> entry, co_await store_.find(conversation_key(tenant, id)));
  if (!entry) co_return no_such_conversation(id);
  if (auto busy_run = by_session_.find(entry->session); busy_run != by_session_.end()) {
    RunPtr run = busy_run->second;
    run->cancel().request();
    while (!run->done) (void)co_await run->changed().wait();
  }
  CO_TRY(OpenConversation open, co_await open_conversation(tenant, id));
  if (open.row.legal_hold) co_return Error{Code::kConflict, "the conversation is under legal hold", "", "legal_hold"};
  CO_TRY(std::optional<Key256> key, co_await keys_.open(open.row));
  CO_TRY(ConversationValue value, ConversationValue::decode(open.entry.value));
  CO_TRY(uint64_t needed, co_await needed_upto(open.row.id));
  Batch batch;
  batch.remove.push_back(conversation_key(tenant, id));
  if (!value.idempotency.empty()) batch.remove.push_back({tenant, IndexKind::kIdempotency, value.idempotency});
  for (uint64_t next = 1; next <= open.row.head;) {
    CO_TRY(std::vector<SealedRecord> page, co_await store_.read(open.row.id, next, open.row.head, 1 << 20));
    if (page.empty()) break;
    for (const SealedRecord& sealed : page) {
      next = sealed.seq + 1;
      if (static_cast<RecordKind>(sealed.kind) != RecordKind::kResponseCreated || sealed.body.empty()) continue;
      CO_TRY(std::string plain, co_await open_whole(store_, key ? &*key : nullptr, open.row.id, sealed));
      CO_TRY(Record record, decode_payload(sealed.seq, sealed.time, RecordKind::kResponseCreated, sealed.codec, plain));
      const ResponseId& response = std::get<ResponseCreated>(record.body).id;
      CO_TRY(std::optional<IndexEntry> of_response, co_await store_.find(response_key(tenant, response)));
      if (!of_response) continue;  // deleted before
      CO_TRY(IndexValue known, IndexValue::decode(of_response->value));
      batch.remove.push_back(response_key(tenant, response));
      if (!known.idempotency.empty()) batch.remove.push_back({tenant, IndexKind::kIdempotency, known.idempotency});
      batch.remove_timers.push_back(response.value);
    }
  }
  // The tombstone goes with the rest; where forks need the beginning, that and the key stay for them.
  const uint64_t tombstone = open.row.head + 1;
  batch.erase = {{needed + 1, tombstone}};
  batch.erase_key = needed == 0;
  Journal journal(store_, lease_, open.row, key, loop_.random());
  std::vector<Record> records;
  records.push_back({.time = loop_.wall(), .body = ConversationDeleted{id}});
  CO_TRY_VOID(co_await journal.append(records, std::move(batch)));
  co_return true;
}

// --- the face
// ----------------------------------------------------------------------------------------------------------

Task<Result<IndexEntry>> Conversations::find(TenantId tenant, ConversationId id) {
  CO_TRY(std::optional<IndexEntry> entry, co_await responses_.options_.store.find(conversation_key(tenant, id)));
  if (!entry) co_return no_such_conversation(id);
  co_return std::move(*entry);
}

Task<Result<Conversation>> Conversations::create(NewConversation call) {
  ResponsesHost* host = &responses_.here();
  co_return co_await call_on(host->loop(), [&] { return host->create_conversation(std::move(call)); });
}

Task<Result<Conversation>> Conversations::get(TenantId tenant, ConversationId id) {
  CO_TRY(IndexEntry entry, co_await find(tenant, id));
  ResponsesHost* host = &responses_.home(entry.session);
  co_return co_await call_on(host->loop(), [&] { return host->get_conversation(id, entry); });
}

Task<Result<Conversation>> Conversations::update(TenantId tenant, ConversationId id, Metadata metadata) {
  CO_TRY(IndexEntry entry, co_await find(tenant, id));
  ResponsesHost* host = &responses_.home(entry.session);
  co_return co_await call_on(host->loop(), [&] { return host->update_conversation(tenant, id, std::move(metadata)); });
}

Task<Result<void>> Conversations::remove(TenantId tenant, ConversationId id) {
  CO_TRY(IndexEntry entry, co_await find(tenant, id));
  ResponsesHost* host = &responses_.home(entry.session);
  CO_TRY([[maybe_unused]] bool done,
         co_await call_on(host->loop(), [&] { return host->remove_conversation(tenant, id); }));
  co_return Result<void>();
}

Task<Result<std::vector<Item>>> Conversations::add_items(TenantId tenant, ConversationId id, std::vector<Item> items) {
  CO_TRY(IndexEntry entry, co_await find(tenant, id));
  ResponsesHost* host = &responses_.home(entry.session);
  co_return co_await call_on(host->loop(), [&] { return host->add_items(tenant, id, std::move(items)); });
}

Task<Result<std::vector<Item>>> Conversations::items(TenantId tenant, ConversationId id) {
  CO_TRY(IndexEntry entry, co_await find(tenant, id));
  ResponsesHost* host = &responses_.home(entry.session);
  co_return co_await call_on(host->loop(), [&] { return host->conversation_items(tenant, id); });
}

Task<Result<Conversation>> Conversations::remove_item(TenantId tenant, ConversationId id, std::string item) {
  CO_TRY(IndexEntry entry, co_await find(tenant, id));
  ResponsesHost* host = &responses_.home(entry.session);
  co_return co_await call_on(host->loop(), [&] { return host->remove_item(tenant, id, std::move(item)); });
}

}  // namespace perdure
