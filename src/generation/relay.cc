#include "generation/relay.h"

#include <algorithm>

#include "dialect/embeddings.h"
#include "generation/heard.h"
#include "generation/retry.h"

namespace perdure {
namespace {

constexpr size_t kErrorBodyMax = 64 << 10;
constexpr size_t kWholeAnswerMax = 64 << 20;
constexpr size_t kEventMax = 16 << 20;

// The dialect's word for an answer that is in order, and holds what has no place here.
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
      deadline_(deadline_in(loop, limits.total_time)) {}

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
  std::string out;
  for (;;) {
    CO_TRY(bool more, co_await answer.read(out, deadline_in(loop_, limits_.stall_time).sooner(deadline_)));
    if (!more) co_return out;
    if (out.size() > bytes_max) co_return Error{Code::kCorrupt, "the supplier's answer is too long"};
  }
}

void Relay::listen(const std::vector<Piece>& pieces) {
  heard_bytes_ += text_bytes(pieces);
  for (const Piece& piece : pieces) {
    switch (piece.kind) {
      case Piece::Kind::kStarted:
        heard_.id = piece.id;
        heard_.model = piece.model;
        break;
      case Piece::Kind::kRefusal:
      case Piece::Kind::kText:
        heard_.text_bytes += piece.text.size();
        [[fallthrough]];
      case Piece::Kind::kReasoning:
      case Piece::Kind::kSummary:
        if (!heard_.said.empty() && heard_.said.back().kind == piece.kind && heard_.said.back().index == piece.index)
          heard_.said.back().text += piece.text;
        else
          heard_.said.push_back(piece);
        break;
      case Piece::Kind::kToolCall:
      case Piece::Kind::kToolArguments:
        heard_.calls = true;
        break;
      case Piece::Kind::kUsage:
        heard_.usage = piece.usage;
        break;
      case Piece::Kind::kFinish:
        heard_.finished = true;
        heard_.finish = piece.finish;
        heard_.finish_reason = piece.text;
        break;
      case Piece::Kind::kMessage:
      case Piece::Kind::kOpaque:
      case Piece::Kind::kAnnotation:
        heard_.said.push_back(piece);
        break;
    }
  }
}

void Relay::end_attempt(const Result<void>& outcome, std::string_view word) {
  AttemptCost cost = lease_->settle({.usage = heard_.usage,
                                     .whole = outcome.ok() || heard_.finished,
                                     .began = outcome.ok() || !first_,
                                     .in_doubt = !outcome.ok() && given_up_waiting(outcome.error()),
                                     .heard_bytes = heard_bytes_});
  Fault fault = lease_->ended(outcome);
  RelayedAttempt& attempt = attempts_.back();
  attempt.took = loop_.now() - began_;
  attempt.ended.number = attempt.started.number;
  attempt.ended.outcome = word;
  attempt.ended.finish_reason = heard_.finish_reason;
  attempt.ended.upstream_id = heard_.id;
  attempt.ended.usage = heard_.usage;
  if (heard_.finish != Finish::kNone) attempt.ended.finish = name_of(heard_.finish);
  attempt.ended.cost = std::move(cost);
  if (outcome.ok()) return;
  const Error& error = outcome.error();
  attempt.ended.error = std::string(to_string(error.code)) + (error.reason.empty() ? "" : " " + error.reason);
  attempt.ended.upstream_status = error.upstream_status;
  log_.warn("attempt.failed", {{"provider", attempt.started.provider},
                               {"deployment", lease_->deployment().name},
                               {"class", to_string(error.code)},
                               {"status", error.upstream_status},
                               {"fault", name_of(fault)},
                               {"relayed", true}});
}

void Relay::let_go() {
  // In this order: the answer listens to the lease's cancellation as long as it lives.
  answer_.reset();
  lease_.reset();
}

Task<Result<Relay::Head>> Relay::open() {
  PlacementAsk placement{
      .model = input_.model, .traffic = input_.traffic, .needs = input_.needs, .tried = {}, .author = {}};
  const bool embeddings = input_.dialect == kEmbeddings;
  if (embeddings) placement.author = input_.model;
  const Workload& workload = router_.workload_of(placement.traffic, placement.model);
  if (workload.deadline) deadline_ = deadline_.sooner(deadline_in(loop_, *workload.deadline));
  router_.answer_begun(placement);
  std::optional<Error> failed;
  for (int64_t number = 1;; ++number) {
    placement.tried = tried_;
    Result<std::unique_ptr<AttemptLease>> begun = co_await router_.begin(placement, deadline_, gone_);
    if (!begun.ok()) co_return failed ? std::move(*failed) : std::move(begun).error();
    lease_ = *std::move(begun);
    if (embeddings && !lease_->provider().embeds()) {
      if (!failed) failed = nobody_embeds(input_.model);
      tried_.push_back({.deployment = lease_->number(), .failures = 1, .never = true});
      let_go();
      continue;
    }
    if (!embeddings && lease_->provider().relays() != input_.dialect) co_return Head{};
    began_ = loop_.now();
    // In place: these are many strings, and mostly empty ones.
    AttemptStarted& started = attempts_.emplace_back().started;
    started.number = number;
    started.provider = lease_->provider().name();
    started.model = lease_->model();
    if (embeddings) started.reason = "embeddings; ";
    started.reason += lease_->reason();
    started.workload = lease_->workload();
    started.expected = lease_->expected_cost();
    if (lease_->stand_in()) started.stand_in = lease_->logical_model();
    Result<std::unique_ptr<HttpAnswer>> asked = co_await ask(*lease_);
    Result<void> outcome;
    Head head{.passed = true};
    if (asked.ok()) {
      answer_ = *std::move(asked);
      head.status = answer_->status;
      head.content_type = answer_->headers.get("content-type");
      head.stream = head.status == 200 && input_.stream && !head.content_type.starts_with("application/json");
      if (head.stream) {
        parser_ = lease_->provider().stream_parser();
        co_return head;
      }
      Result<std::string> body = co_await read_all(*answer_, head.status == 200 ? kWholeAnswerMax : kErrorBodyMax);
      if (!body.ok()) {
        outcome = std::move(body).error();
      } else if (head.status == 200) {
        lease_->came(loop_.now() - began_);
        // A listener that does not understand holds nothing up.
        if (embeddings)
          heard_.usage = embeddings_usage(*body);
        else if (Result<std::vector<Piece>> pieces = lease_->provider().parse_answer(*body); pieces.ok())
          listen(*pieces);
        head.body = *std::move(body);
      } else {
        outcome = lease_->provider().error_of(head.status, answer_->headers.get("retry-after"), *body);
        head.body = *std::move(body);
      }
    } else {
      outcome = std::move(asked).error();
    }
    bool withdrawn = lease_->withdrawn();
    end_attempt(outcome, outcome.ok()        ? "completed"
                         : gone_.requested() ? "cancelled"
                         : withdrawn         ? "withdrawn"
                                             : "failed");
    if (outcome.ok()) co_return head;
    Error error = std::move(outcome).error();
    uint32_t deployment = lease_->number();
    let_go();
    if (gone_.requested()) co_return error;
    if (withdrawn) continue;
    bool refused = error.code == Code::kDenied || error.code == Code::kNotFound;
    if ((!refused && !worth_another_attempt(error)) || number >= limits_.fruitless_attempts_max) {
      // The client's own mistake is told in the supplier's own words; what the owner's credential did is not.
      if (error.code == Code::kInvalid && head.status >= 400 && !head.body.empty()) co_return head;
      co_return error;
    }
    auto found = std::ranges::find(tried_, deployment, &Tried::deployment);
    if (found == tried_.end()) found = tried_.insert(found, Tried{.deployment = deployment});
    ++found->failures;
    found->never = refused;
    found->not_before =
        loop_.now() + backoff(number, Error{}, limits_.backoff_first, limits_.backoff_max, loop_.random());
    failed = std::move(error);
  }
}

Task<Result<bool>> Relay::next(std::string& events) {
  if (ended_) co_return false;
  size_t begin = events.size();
  events += tail_;
  tail_.clear();
  Duration patience = first_ ? limits_.open_time : lease_->stall_limit(limits_.stall_time);
  Instant asked = loop_.now();
  Result<bool> more = co_await answer_->read(events, Deadline{asked + patience}.sooner(deadline_));
  std::string_view fresh = std::string_view(events).substr(begin);
  // At its end a stream may lack the last empty line.
  size_t whole = more.ok() && !*more ? fresh.size() : end_of_events(fresh);
  tail_ = fresh.substr(whole);
  events.resize(begin + whole);
  Result<void> heard;
  if (whole > 0) {
    lease_->came(loop_.now() - asked);
    first_ = false;
    pieces_.clear();
    if (!heard_.foreign) heard = parser_->feed(std::string_view(events).substr(begin), pieces_);
    // What was asked for between the client and its supplier, as a tool that the supplier runs, is theirs.
    if (!heard.ok() && is_foreign(heard.error())) {
      heard_.foreign = true;
      heard = {};
    }
    // An error inside the stream is not passed on: somebody else may be able to go on.
    if (heard.ok())
      listen(pieces_);
    else
      events.resize(begin);
  }
  if (heard.ok() && !more.ok()) heard = std::move(more).error();
  if (heard.ok() && tail_.size() > kEventMax) heard = Error{Code::kCorrupt, "the supplier sent an event without end"};
  if (heard.ok() && !*more && !heard_.foreign) heard = parser_->end();
  if (!heard.ok()) {
    end_attempt(heard, gone_.requested() ? "cancelled" : lease_->withdrawn() ? "withdrawn" : "cut");
    let_go();
    ended_ = true;
    co_return std::move(heard).error();
  }
  if (*more) co_return true;
  end_attempt({}, "completed");
  let_go();
  ended_ = true;
  co_return false;
}

}  // namespace perdure
