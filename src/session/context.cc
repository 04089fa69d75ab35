#include "session/context.h"

#include <algorithm>

namespace perdure {
namespace {

constexpr size_t kPageBytes = 1 << 20;
constexpr size_t kForksMax = 10'000;

}  // namespace

void add_to_context(std::vector<Item>& context, const Response& response) {
  context.insert(context.end(), response.request.input.begin(), response.request.input.end());
  for (const Item& item : response.output())
    if (item.status != ItemStatus::kInProgress) context.push_back(item);
}

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
  size_t bytes = 0;
  for (Stretch& stretch : stretches) {
    CO_TRY(std::optional<Key256> key, co_await keys.open(stretch.row));
    for (uint64_t next = 1; next <= stretch.upto;) {
      CO_TRY(std::vector<SealedRecord> page, co_await store.read(stretch.row.id, next, stretch.upto, kPageBytes));
      if (page.empty()) co_return Error{Code::kCorrupt, "a session's journal ends early"};
      for (const SealedRecord& sealed : page) {
        next = sealed.seq + 1;
        bytes += sealed.body.size();
        if (bytes > bytes_max)
          co_return Error{Code::kInvalid, "the conversation is longer than this server allows", "previous_response_id",
                          "context_too_long"};
        if (static_cast<RecordKind>(sealed.kind) == RecordKind::kResponseDeleted) continue;
        if (sealed.body.empty()) co_return Error{Code::kNotFound, "a part of the conversation was erased"};
        CO_TRY(std::string plain, open(key ? &*key : nullptr, stretch.row.id, sealed));
        CO_TRY(Record record,
               decode_payload(sealed.seq, sealed.time, static_cast<RecordKind>(sealed.kind), sealed.codec, plain));
        if (record.kind() == RecordKind::kResponseCreated) {
          if (loaded.last) add_to_context(loaded.context, *loaded.last);
          loaded.last.emplace();
          loaded.last_records.clear();
          loaded.last_text_deltas = 0;
        }
        if (!loaded.last) co_return Error{Code::kCorrupt, "a journal begins without a response"};
        CO_TRY_VOID(apply(*loaded.last, record));
        if (const auto* deltas = std::get_if<Deltas>(&record.body))
          loaded.last_text_deltas += std::ranges::count(deltas->deltas, Delta::Kind::kText, &Delta::kind);
        if (keep_last_records) loaded.last_records.push_back(std::move(record));
      }
    }
  }
  co_return loaded;
}

}  // namespace perdure
