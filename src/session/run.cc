#include "session/run.h"

#include <algorithm>

#include "session/ledger_line.h"

#include "base/planted.h"
#include "session/index_value.h"

namespace perdure {
namespace {

size_t weight(const Record& record) {
  size_t bytes = 128;
  if (const auto* deltas = std::get_if<Deltas>(&record.body))
    for (const Delta& delta : deltas->deltas) bytes += 96 + delta.text.size();
  return bytes;
}

// What one commit needs besides records, when several were put.
void merge(Batch& into, Batch&& from) {
  if (from.unfinished) into.unfinished = from.unfinished;
  if (from.expires) into.expires = from.expires;
  if (from.create) into.create = std::move(from.create);
  for (IndexPut& put : from.put) {
    // Of two for one key the later counts; whether there may be one before belongs to the first.
    auto same = std::ranges::find(into.put, put.key, &IndexPut::key);
    if (same == into.put.end())
      into.put.push_back(std::move(put));
    else
      same->entry = std::move(put.entry);
  }
  std::move(from.remove.begin(), from.remove.end(), std::back_inserter(into.remove));
  std::move(from.timers.begin(), from.timers.end(), std::back_inserter(into.timers));
  std::move(from.remove_timers.begin(), from.remove_timers.end(), std::back_inserter(into.remove_timers));
  std::move(from.ledger.begin(), from.ledger.end(), std::back_inserter(into.ledger));
}

// The response's index entry says where the response ends.
void close_index(Batch& batch, uint64_t last) {
  for (IndexPut& put : batch.put) {
    if (put.key.kind != IndexKind::kResponse) continue;
    Result<IndexValue> value = IndexValue::decode(put.entry.value);
    CHECK(value.ok(), "a run's own index entry does not decode");
    value->last = last;
    put.entry.value = value->encode();
  }
}

}  // namespace

Run::Run(Loop& loop, TenantId tenant, std::unique_ptr<Journal> journal, RunLimits limits, Log log)
    : loop_(loop),
      tenant_(std::move(tenant)),
      journal_(std::move(journal)),
      limits_(limits),
      log_(std::move(log)),
      cancel_(loop),
      changed_(loop),
      work_(loop) {}

void Run::identify(const ResponseCreated& created, WallTime at, uint64_t first_seq) {
  id_ = created.id;
  request_ = created.request;
  key_ = created.key;
  created_ = at;
  first_seq_ = first_seq;
}

void Run::begin() {
  begun_ = true;
  work_.notify_all();
}

void Run::finish() {
  done = true;
  wake();
}

Task<Result<void>> Run::append(std::vector<Record>& records, Batch batch) {
  Instant began = loop_.now();
  Result<void> appended = co_await journal_->append(records, std::move(batch));
  if (pace_ != nullptr && appended.ok()) pace_->committed(loop_.now() - began);
  co_return appended;
}

Task<Result<void>> Run::commit_first(std::vector<Record> records, Batch batch, Deadline hold) {
  while (!stopping_ && !cancel_.requested() && pending_bytes_ <= limits_.pending_bytes_max && loop_.now() < hold.at)
    if (!co_await work_.wait(hold)) break;
  committing_ = true;
  std::move(pending_.begin(), pending_.end(), std::back_inserter(records));
  for (Batch& part : together_) merge(batch, std::move(part));
  pending_.clear();
  together_.clear();
  pending_bytes_ = 0;
  if (records.back().kind() == RecordKind::kResponseEnded) close_index(batch, journal_->head() + records.size());
  Result<void> appended = co_await append(records, std::move(batch));
  committing_ = false;
  if (!appended.ok()) {
    broken_ = appended.error();
    wake();
    work_.notify_all();
    co_return std::move(appended).error();
  }
  for (Record& record : records) show(std::move(record));
  begin();
  wake();
  co_return Result<void>();
}

LedgerEntry Run::account(const AttemptEnded& attempt) {
  auto open = std::ranges::find(attempts_, attempt.number, [](const OpenAttempt& each) { return each.started.number; });
  OpenAttempt began;
  if (open != attempts_.end()) {
    began = std::move(*open);
    attempts_.erase(open);
  }
  return {.tenant = tenant_,
          .time = loop_.wall(),
          .line = ledger_line({.response = id_,
                               .session = stored() ? session().to_string() : std::string(),
                               .key = key_,
                               .workload_model = request_->model,
                               .started = began.started,
                               .ended = attempt,
                               .took = loop_.now() - began.began})};
}

Result<void> Run::begin_with(Record record) {
  TRY_VOID(apply(response_, record));
  if (const auto* started = std::get_if<AttemptStarted>(&record.body)) attempts_.push_back({*started, loop_.now()});
  if (const auto* ended = std::get_if<AttemptEnded>(&record.body))
    std::erase_if(attempts_, [&](const OpenAttempt& each) { return each.started.number == ended->number; });
  visible_seq_ = record.seq;
  unstored_seq_ = record.seq;
  if (!stored()) {
    begun_ = true;
    window_bytes_ += weight(record);
    window_.push_back(std::make_shared<const Record>(std::move(record)));
  }
  return {};
}

void Run::put(Record&& record, std::optional<Batch> together) {
  if (!stored()) {
    record.seq = ++unstored_seq_;
    show(std::move(record));
    wake();
    return;
  }
  pending_bytes_ += weight(record);
  auto* deltas = std::get_if<Deltas>(&record.body);
  auto* last = pending_.empty() ? nullptr : std::get_if<Deltas>(&pending_.back().body);
  if (deltas != nullptr && last != nullptr && !together) {
    std::move(deltas->deltas.begin(), deltas->deltas.end(), std::back_inserter(last->deltas));
  } else {
    pending_.push_back(std::move(record));
  }
  if (together) together_.push_back(std::move(*together));
  work_.notify_all();
}

Task<Result<void>> Run::flush() {
  while (!broken_ && (!pending_.empty() || committing_)) (void)co_await changed_.wait();
  if (broken_) co_return *broken_;
  co_return Result<void>();
}

Task<Result<void>> Run::attempt_started(AttemptStarted attempt) {
  if (broken_) co_return *broken_;
  attempts_.push_back({attempt, loop_.now()});
  reserve.reset();
  put({.time = loop_.wall(), .body = std::move(attempt)});
  co_return Result<void>();
}

Task<Result<void>> Run::attempt_ended(AttemptEnded attempt) {
  if (broken_) co_return *broken_;
  LedgerEntry entry = account(attempt);
  if (stored()) {
    Batch together;
    together.ledger.push_back(std::move(entry));
    put({.time = loop_.wall(), .body = std::move(attempt)}, std::move(together));
  } else {
    ledger_.push_back(std::move(entry));
    put({.time = loop_.wall(), .body = std::move(attempt)});
  }
  co_return Result<void>();
}

Task<Result<void>> Run::deltas(std::vector<Delta> deltas) {
  if (broken_) co_return *broken_;
  if (planted(PlantedBug::kDoubledText) && committing_ && !deltas.empty() && deltas.back().kind == Delta::Kind::kText)
    deltas.push_back(deltas.back());
  put({.time = loop_.wall(), .body = Deltas{std::move(deltas)}});
  while (!broken_ && !cancel_.requested() && !keeps_all_ &&
         (stored() ? pending_bytes_ > limits_.pending_bytes_max : window_bytes_ > limits_.window_bytes_max))
    (void)co_await changed_.wait(deadline_in(loop_, std::chrono::seconds(1)));
  if (broken_) co_return *broken_;
  co_return Result<void>();
}

Task<void> Run::commit_loop() {
  while (stored()) {
    if (broken_) co_return;
    if (pending_.empty() || !begun_) {
      if (stopping_ && (begun_ || halt)) co_return;
      (void)co_await work_.wait();
      continue;
    }
    std::vector<Record> records = std::exchange(pending_, {});
    std::vector<Batch> together = std::exchange(together_, {});
    pending_bytes_ = 0;
    committing_ = true;
    if (planted(PlantedBug::kSendBeforeCommit)) {
      uint64_t seq = journal_->head();
      for (Record& record : records) {
        record.seq = ++seq;
        show(Record(record));
      }
      wake();
      (void)co_await sleep_for(loop_, std::chrono::milliseconds(20));
    }
    Duration wait = limits_.retry_first;
    for (;;) {
      Batch batch;
      for (const Batch& part : together) merge(batch, Batch(part));
      // Only here is it known at which seq the ending will stand.
      if (records.back().kind() == RecordKind::kResponseEnded) close_index(batch, journal_->head() + records.size());
      Result<void> appended = co_await append(records, std::move(batch));
      if (appended.ok()) break;
      Code code = appended.error().code;
      bool again = code == Code::kUnavailable || code == Code::kOverloaded || code == Code::kDeadline;
      if (!again || (halt && stopping_)) {
        log_.error("session.broken", {{"session", journal_->row().id.to_string()},
                                      {"class", to_string(code)},
                                      {"why", appended.error().message}});
        broken_ = std::move(appended).error();
        committing_ = false;
        wake();
        co_return;
      }
      log_.warn("commit.waits", {{"session", journal_->row().id.to_string()}, {"class", to_string(code)}});
      co_await sleep_for(loop_, wait);
      wait = std::min(wait * 2, limits_.retry_max);
    }
    committing_ = false;
    if (!planted(PlantedBug::kSendBeforeCommit))
      for (Record& record : records) show(std::move(record));
    wake();
  }
}

void Run::stop_commits() {
  stopping_ = true;
  work_.notify_all();
}

void Run::show(Record&& record) {
  visible_seq_ = record.seq;
  if (record.seq < first_seq_) return;
  if (is_of_response(record.kind())) {
    Result<void> applied = apply(response_, record);
    CHECK(applied.ok(), "a run's own records do not fold");
  }
  window_bytes_ += weight(record);
  window_.push_back(std::make_shared<const Record>(std::move(record)));
  if (!stored() || planted(PlantedBug::kUnboundedReader)) return;
  while (window_bytes_ > limits_.window_bytes_max && window_.size() > 1) {
    window_bytes_ -= weight(*window_.front());
    window_.pop_front();
  }
}

void Run::wake() { changed_.notify_all(); }

std::vector<SharedRecord> Run::visible_from(uint64_t first) const {
  std::vector<SharedRecord> out;
  if (window_.empty() || first < window_.front()->seq) return out;
  for (size_t i = first - window_.front()->seq; i < window_.size(); ++i) out.push_back(window_[i]);
  return out;
}

void Run::taken(uint64_t seq) {
  if (stored() || keeps_all_) return;
  while (!window_.empty() && window_.front()->seq <= seq) {
    window_bytes_ -= weight(*window_.front());
    window_.pop_front();
  }
  wake();
}

}  // namespace perdure
