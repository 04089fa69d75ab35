#include "generation/relay.h"

#include <algorithm>

#include "base/spare_text.h"
#include "dialect/embeddings.h"
#include "generation/heard.h"
#include "generation/tried.h"

namespace perdure {
namespace {

constexpr size_t kErrorBodyMax = 64 << 10;
constexpr size_t kWholeAnswerMax = 64 << 20;
constexpr size_t kEventMax = 16 << 20;
constexpr std::string_view kHedgedAway = "hedged_away";
// Deployments of other dialects that are looked past for a second attempt.
constexpr int kForeignersMax = 32;

// The dialect's word for an answer that is in order, and holds what has no place here.
// The deployment does not have it, or its credential not the right: no other attempt there will do.
bool is_refusal(const Error& error) { return error.code == Code::kDenied || error.code == Code::kNotFound; }

bool is_foreign(const Error& error) { return error.reason == "unsupported_item"; }

}  // namespace

Error nobody_embeds(std::string_view model) {
  return {Code::kInvalid, "no supplier of the model \"" + std::string(model) + "\" has embeddings", "model",
          "model_not_supported"};
}

std::string Heard::text() const {
  std::string out;
  for (const Piece& piece : said)
    if (piece.kind == Piece::Kind::kText || piece.kind == Piece::Kind::kRefusal) out += piece.text;
  return out;
}

size_t end_of_events(std::string_view bytes) {
  for (size_t at = bytes.size(); at > 1; --at) {
    size_t line = bytes.rfind('\n', at - 1);
    if (line == std::string_view::npos || line == 0) return 0;
    if (bytes[line - 1] == '\n' || (bytes[line - 1] == '\r' && line > 1 && bytes[line - 2] == '\n')) return line + 1;
    at = line + 1;
  }
  return 0;
}

Relay::Relay(const RelayInput& input, Router& router, Loop& loop, Cancellation& gone, const GenerationLimits& limits,
             Log log)
    : input_(input),
      router_(router),
      loop_(loop),
      gone_(gone),
      limits_(limits),
      log_(std::move(log)),
      deadline_(deadline_in(loop, limits.total_time)),
      spoke_(loop),
      racing_(loop) {}

// An attempt is placed.
std::unique_ptr<Relay::Line> Relay::start(std::unique_ptr<AttemptLease> lease, int64_t number, int64_t beside) {
  auto line = std::make_unique<Line>();
  line->began = loop_.now();
  line->attempt = attempts_.size();
  // In place: these are many strings, and mostly empty ones.
  AttemptStarted& started = attempts_.emplace_back().started;
  started.number = number;
  started.provider = lease->provider().name();
  started.model = lease->model();
  if (input_.dialect == kEmbeddings) started.reason = "embeddings; ";
  started.reason += lease->reason();
  started.workload = lease->workload();
  started.expected = lease->expected_cost();
  started.beside = beside;
  if (lease->stand_in()) started.stand_in = lease->logical_model();
  line->lease = std::move(lease);
  return line;
}

Task<Result<std::unique_ptr<HttpAnswer>>> Relay::ask(AttemptLease& lease) {
  RelayCall call{.model = lease.model(), .stream = input_.stream, .traceparent = input_.traceparent};
  call.embeddings = input_.dialect == kEmbeddings;
  call.headers = input_.headers;
  std::string edited;
  if (lease.model() == input_.model) {
    call.body = input_.body;
  } else {
    edited.reserve(input_.body.size() + lease.model().size());
    edited += input_.body.substr(0, input_.name_at);
    json::append_string(edited, lease.model());
    edited += input_.body.substr(input_.name_at + input_.name_size);
    call.body = edited;
  }
  CO_TRY_VOID(lease.dispatch());
  co_return co_await lease.provider().relay(std::move(call), deadline_in(loop_, limits_.open_time).sooner(deadline_),
                                            lease.cancel());
}

Task<Result<std::string>> Relay::read_all(HttpAnswer& answer, size_t bytes_max) {
  std::string out = SpareText::take(SpareText::kLeast);
  for (;;) {
    CO_TRY(bool more, co_await answer.read(out, deadline_in(loop_, limits_.stall_time).sooner(deadline_)));
    if (!more) co_return out;
    if (out.size() > bytes_max) co_return Error{Code::kCorrupt, "the supplier's answer is too long"};
  }
}

void Relay::listen(Line& line, const std::vector<Piece>& pieces) {
  Heard& heard = line.heard;
  line.heard_bytes += text_bytes(pieces);
  if (!line.spoke && std::ranges::any_of(pieces, is_word)) {
    line.spoke = true;
    line.lease->spoke();
  }
  for (const Piece& piece : pieces) {
    switch (piece.kind) {
      case Piece::Kind::kStarted:
        heard.id = piece.id;
        heard.model = piece.model;
        break;
      case Piece::Kind::kRefusal:
      case Piece::Kind::kText:
        heard.text_bytes += piece.text.size();
        [[fallthrough]];
      case Piece::Kind::kReasoning:
      case Piece::Kind::kSummary:
        if (!heard.said.empty() && heard.said.back().kind == piece.kind && heard.said.back().index == piece.index)
          heard.said.back().text += piece.text;
        else
          heard.said.push_back(piece);
        break;
      case Piece::Kind::kToolCall:
      case Piece::Kind::kToolArguments:
        heard.calls = true;
        break;
      case Piece::Kind::kUsage:
        heard.usage = piece.usage;
        break;
      case Piece::Kind::kFinish:
        heard.finished = true;
        heard.finish = piece.finish;
        heard.finish_reason = piece.text;
        break;
      case Piece::Kind::kMessage:
      case Piece::Kind::kOpaque:
      case Piece::Kind::kAnnotation:
        heard.said.push_back(piece);
        break;
    }
  }
}

void Relay::understand(Line& line, std::string_view body) {
  std::string copy = SpareText::take(body.size());
  copy += body;
  Result<std::vector<Piece>> pieces = line.lease->provider().parse_answer(std::move(copy));
  if (pieces.ok()) listen(line, *pieces);
}

void Relay::end_attempt(Line& line, const Result<void>& outcome, std::string_view word) {
  AttemptCost cost = line.lease->settle({.usage = line.heard.usage,
                                         .whole = outcome.ok() || line.heard.finished,
                                         .began = outcome.ok() || !line.first,
                                         .in_doubt = !outcome.ok() && given_up_waiting(outcome.error()),
                                         .heard_bytes = line.heard_bytes});
  RelayedAttempt& attempt = attempts_[line.attempt];
  attempt.took = loop_.now() - line.began;
  attempt.ended.number = attempt.started.number;
  attempt.ended.outcome = word;
  attempt.ended.finish_reason = line.heard.finish_reason;
  attempt.ended.upstream_id = line.heard.id;
  attempt.ended.usage = line.heard.usage;
  if (line.heard.finish != Finish::kNone) attempt.ended.finish = name_of(line.heard.finish);
  attempt.ended.cost = std::move(cost);
  line.accounted = true;
  if (word == kHedgedAway) {
    line.lease->outrun();
    return;
  }
  Fault fault = line.lease->ended(outcome);
  if (outcome.ok()) return;
  const Error& error = outcome.error();
  attempt.ended.error = std::string(to_string(error.code)) + (error.reason.empty() ? "" : " " + error.reason);
  attempt.ended.upstream_status = error.upstream_status;
  log_.warn("attempt.failed", {{"provider", attempt.started.provider},
                               {"deployment", line.lease->deployment().name},
                               {"class", to_string(error.code)},
                               {"status", error.upstream_status},
                               {"fault", name_of(fault)},
                               {"relayed", true}});
}

void Relay::fail(Line& line, const Error& error) {
  std::string_view word = gone_.requested() ? "cancelled" : line.lease->withdrawn() ? "withdrawn" : "failed";
  end_attempt(line, error, word);
}

void Relay::let_go() {
  heard_ = std::move(line_->heard);
  line_.reset();
}

// The call, and what comes back up to the events of a stream: line.head.
Task<Result<void>> Relay::answer_of(Line& line) {
  Head& head = line.head;
  head.passed = true;
  CO_TRY(line.answer, co_await ask(*line.lease));
  head.status = line.answer->status;
  head.content_type = line.answer->headers.get("content-type");
  head.stream = head.status == 200 && input_.stream && !head.content_type.starts_with("application/json");
  if (head.stream) {
    line.parser = line.lease->provider().stream_parser();
    co_return Result<void>();
  }
  CO_TRY(std::string body, co_await read_all(*line.answer, head.status == 200 ? kWholeAnswerMax : kErrorBodyMax));
  head.body = std::move(body);
  if (head.status != 200)
    co_return line.lease->provider().error_of(head.status, line.answer->headers.get("retry-after"), head.body);
  if (line.accounted) co_return outrun_error();
  line.lease->came(loop_.now() - line.began);
  // A listener that does not understand holds nothing up.
  if (input_.dialect == kEmbeddings)
    line.heard.usage = embeddings_usage(head.body);
  else
    understand(line, head.body);
  co_return Result<void>();
}

Task<Result<Relay::Head>> Relay::open() {
  PlacementAsk placement{
      .model = input_.model, .traffic = input_.traffic, .needs = input_.needs, .tried = {}, .author = {}};
  const bool embeddings = input_.dialect == kEmbeddings;
  if (embeddings) placement.author = input_.model;
  const Workload& workload = router_.workload_of(placement.traffic, placement.model);
  if (workload.deadline) deadline_ = deadline_.sooner(deadline_in(loop_, *workload.deadline));
  CO_TRY(RateBook::Reserve reserve, router_.admit(placement.traffic, placement.needs));
  router_.answer_begun(placement);
  std::optional<Error> failed;
  for (int64_t number = 1;; ++number) {
    placement.tried = tried_;
    Result<std::unique_ptr<AttemptLease>> begun = co_await router_.begin(placement, deadline_, gone_);
    if (!begun.ok()) co_return failed ? std::move(*failed) : std::move(begun).error();
    reserve.let_go();
    std::unique_ptr<AttemptLease> lease = *std::move(begun);
    if (embeddings && !lease->provider().embeds()) {
      if (!failed) failed = nobody_embeds(input_.model);
      tried_.push_back({.deployment = lease->number(), .failures = 1, .never = true});
      continue;
    }
    if (!embeddings && lease->provider().relays() != input_.dialect) co_return Head{};
    std::optional<Duration> patience;
    if (input_.stream && !embeddings) patience = lease->hedge_after(workload);
    line_ = start(std::move(lease), number, 0);
    Result<void> outcome;
    if (patience)
      outcome = co_await first_word(*patience, placement, number);
    else
      outcome = co_await answer_of(*line_);
    author_ = line_->attempt;
    if (outcome.ok() && line_->head.stream) co_return line_->head;
    bool withdrawn = line_->lease->withdrawn();
    if (outcome.ok())
      end_attempt(*line_, outcome, "completed");
    else
      fail(*line_, outcome.error());
    Head head = std::move(line_->head);
    uint32_t deployment = line_->lease->number();
    let_go();
    if (outcome.ok()) co_return head;
    Error error = std::move(outcome).error();
    if (gone_.requested()) co_return error;
    if (withdrawn) continue;
    bool refused = is_refusal(error);
    if ((!refused && !worth_another_attempt(error)) || number >= limits_.fruitless_attempts_max) {
      // The client's own mistake is told in the supplier's own words; what the owner's credential did is not.
      if (error.code == Code::kInvalid && head.status >= 400 && !head.body.empty()) co_return head;
      co_return error;
    }
    note_failure(tried_, deployment, refused, number, limits_, loop_);
    failed = std::move(error);
  }
}

// --- hedging

Race::State Relay::state_of(const Line& line) {
  if (line.said && line.said->ok()) return Race::State::kSpeaks;
  return line.said ? Race::State::kOver : Race::State::kSilent;
}

// Until it has spoken or is over: line.said.
Task<void> Relay::race_on(Line& line) {
  Result<void> answered = co_await answer_of(line);
  if (!answered.ok())
    line.said = std::move(answered).error();
  else if (!line.head.stream)
    line.said = false;
  while (!line.said) {
    Instant asked = loop_.now();
    const size_t begin = line.held_back.size();
    line.held_back += std::exchange(line.tail, {});
    Result<bool> more = co_await line.answer->read(line.held_back, patience_with(line, asked));
    if (line.accounted) {  // it was left meanwhile
      line.said = outrun_error();
      break;
    }
    Result<bool> taken = take(line, line.held_back, begin, std::move(more), loop_.now() - asked);
    bool enough = line.spoke || line.heard.foreign || line.held_back.size() > kHeldBackMax;
    if (!taken.ok() && line.spoke) {
      // What came before the cut is passed on, and gone on with.
      line.said = true;
      line.cut = std::move(taken).error();
    } else if (!taken.ok() || !*taken || enough) {
      line.said = std::move(taken);
    }
  }
  spoke_.notify_all();
}

// A place for a second attempt: where this dialect is spoken.
std::unique_ptr<AttemptLease> Relay::begin_beside(const PlacementAsk& placement) {
  PlacementAsk ask = placement;
  ask.beside = line_->lease->number();
  ask.author = line_->lease->logical_model();
  std::vector<Tried> tried = tried_;
  for (int i = 0; i < kForeignersMax; ++i) {
    ask.tried = tried;
    Result<Placed> placed = router_.place(ask);
    if (!placed.ok()) return nullptr;
    if (router_.deployments()[placed->deployment].deployment.provider->relays() == input_.dialect) break;
    tried.push_back({.deployment = placed->deployment, .never = true});
  }
  std::unique_ptr<AttemptLease> lease = router_.begin_beside(ask, gone_);
  // By weight another may have come out of it than was looked at.
  if (lease && lease->provider().relays() != input_.dialect) lease.reset();
  return lease;
}

// Waits until an attempt speaks, or none is left; line_ is the one to go on with, or the one whose error it is. The
// other one is accounted for.
Task<Result<void>> Relay::first_word(Duration patience, const PlacementAsk& placement, int64_t& number) {
  const Instant late = loop_.now() + patience;
  const int64_t first_number = number;
  bool may_start = true, done = false;
  racing_.spawn(race_on(*line_));
  while (!done) {
    Race::State of_first = state_of(*line_);
    Race::State of_second = beside_ ? state_of(*beside_) : Race::State::kAbsent;
    switch (Race::next(of_first, of_second, loop_.now() >= late, may_start)) {
      case Race::Next::kWait:
        // One that failed leaves the field to the other.
        if (of_first == Race::State::kOver) leave(*line_, number);
        if (of_second == Race::State::kOver) leave(*beside_, number);
        (void)co_await spoke_.wait(may_start && !beside_ ? Deadline{late} : Deadline::never());
        break;
      case Race::Next::kStart:
        may_start = false;
        if (std::unique_ptr<AttemptLease> lease = begin_beside(placement)) {
          if (limits_.metrics != nullptr) limits_.metrics->hedged();
          beside_ = start(std::move(lease), ++number, first_number);
          racing_.spawn(race_on(*beside_));
        }
        break;
      case Race::Next::kSecond:
        if (limits_.metrics != nullptr) limits_.metrics->hedge_won();
        std::swap(line_, beside_);
        done = true;
        break;
      case Race::Next::kFailed:
        // Whose end nobody has accounted for is the one whose error is told.
        if (line_->accounted) std::swap(line_, beside_);
        done = true;
        break;
      case Race::Next::kFirst:
        done = true;
        break;
    }
  }
  if (beside_) leave(*beside_, number);
  co_await racing_.join();
  beside_.reset();
  if (!line_->said->ok()) co_return line_->said->error();
  co_return Result<void>();
}

// Leaves an attempt that is not gone on with: it was outrun, or has failed while another is on its way.
void Relay::leave(Line& line, int64_t number) {
  if (line.accounted) return;
  if (state_of(line) == Race::State::kOver) {
    const Error error = line.said->error();
    const bool withdrawn = line.lease->withdrawn();
    fail(line, error);
    if (!withdrawn && !gone_.requested())
      note_failure(tried_, line.lease->number(), is_refusal(error), number, limits_, loop_);
    return;
  }
  end_attempt(line, outrun_error(), kHedgedAway);
}

// --- what is passed on

Deadline Relay::patience_with(const Line& line, Instant asked) const {
  Duration patience = line.first ? limits_.open_time : line.lease->stall_limit(limits_.stall_time);
  return Deadline{asked + patience}.sooner(deadline_);
}

// What was read onto `events` from `begin` on: whole events stay there, and are listened to.
Result<bool> Relay::take(Line& line, std::string& events, size_t begin, Result<bool> more, Duration silence) {
  std::string_view fresh = std::string_view(events).substr(begin);
  // At its end a stream may lack the last empty line.
  size_t whole = more.ok() && !*more ? fresh.size() : end_of_events(fresh);
  line.tail = fresh.substr(whole);
  events.resize(begin + whole);
  Result<void> heard;
  if (whole > 0) {
    line.lease->came(silence);
    line.first = false;
    pieces_.clear();
    if (!line.heard.foreign) heard = line.parser->feed(std::string_view(events).substr(begin), pieces_);
    // What was asked for between the client and its supplier, as a tool that the supplier runs, is theirs.
    if (!heard.ok() && is_foreign(heard.error())) {
      line.heard.foreign = true;
      heard = {};
    }
    // An error inside the stream is not passed on: somebody else may be able to go on.
    if (heard.ok())
      listen(line, pieces_);
    else
      events.resize(begin);
  }
  if (heard.ok() && !more.ok()) heard = std::move(more).error();
  if (heard.ok() && line.tail.size() > kEventMax)
    heard = Error{Code::kCorrupt, "the supplier sent an event without end"};
  if (heard.ok() && !*more && !line.heard.foreign) heard = line.parser->end();
  if (!heard.ok()) return std::move(heard).error();
  return *more;
}

Task<Result<bool>> Relay::next(std::string& events) {
  if (ended_) co_return false;
  Line& line = *line_;
  Result<bool> taken = true;
  if (line.said) {
    // What was kept back until the first word.
    taken = line.cut ? Result<bool>(*std::exchange(line.cut, {})) : *std::exchange(line.said, {});
    events += std::exchange(line.held_back, {});
  } else {
    Instant asked = loop_.now();
    size_t begin = events.size();
    events += line.tail;
    line.tail.clear();
    Result<bool> more = co_await line.answer->read(events, patience_with(line, asked));
    taken = take(line, events, begin, std::move(more), loop_.now() - asked);
  }
  if (taken.ok() && *taken) co_return true;
  ended_ = true;
  if (taken.ok())
    end_attempt(line, {}, "completed");
  else
    end_attempt(line, taken.error(), gone_.requested() ? "cancelled" : line.lease->withdrawn() ? "withdrawn" : "cut");
  let_go();
  co_return taken;
}

}  // namespace perdure
