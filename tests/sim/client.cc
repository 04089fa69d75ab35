#include "client.h"

#include "dialect/responses_render.h"
#include "session/conversations.h"

namespace perdure::sim {
namespace {

using namespace std::chrono_literals;

std::string text_of(const Response& response) {
  std::string text;
  for (const Item& item : response.output())
    if (item.kind == ItemKind::kMessage)
      for (const Part& part : item.content) text += part.text;
  return text;
}

std::vector<std::pair<std::string, std::string>> calls_of(const Response& response) {
  std::vector<std::pair<std::string, std::string>> calls;
  for (const Item& item : response.output())
    if (item.kind == ItemKind::kFunctionCall) calls.emplace_back(item.name, item.arguments);
  return calls;
}

std::string calls_text(const std::vector<std::pair<std::string, std::string>>& calls) {
  std::string out;
  for (const auto& [name, arguments] : calls) out += name + arguments + " ";
  return out;
}

std::string attempts_text(const Response& response) {
  std::string out;
  for (const Placement& p : response.placements) {
    out += "\n  attempt " + std::to_string(p.started.number) + " from byte " + std::to_string(p.output_from) + ": " +
           p.started.reason;
    if (p.ended)
      out += " -> " + p.ended->outcome + " " + p.ended->error + " " + p.ended->finish_reason + " seam " +
             p.ended->seam + " trimmed " + std::to_string(p.ended->trimmed_bytes);
  }
  return out;
}

bool failed_once(const Response& response) {
  for (const Placement& placement : response.placements)
    if (!placement.ended || placement.ended->outcome != "completed") return true;
  return response.placements.empty();
}

// The account of an answer that has ended: every attempt that went out is in it and has ended, what was outrun has
// written nothing, nobody has written more than it was heard to say, and all that is shown was written by somebody,
// once.
void judge_account(Scene& scene, const Errand& errand, const Response& response) {
  Rules& rules = scene.rules;
  auto about = [&](const std::string& what) {
    return "account: " + what + " (errand " + std::to_string(errand.number) + ", " + response.id.value + ")" +
           attempts_text(response);
  };
  std::map<std::pair<std::string, std::string>, size_t> wrote;
  std::vector<size_t> shown(response.output().size());
  int64_t attempts = 0;
  for (const Placement& placement : response.placements) {
    if (!placement.ended) {
      rules.violate(about("attempt " + std::to_string(placement.started.number) + " has no end"));
      continue;
    }
    if (placement.ended->outcome == "compacted" || placement.started.reason.starts_with("compaction")) continue;
    ++attempts;
    const bool outrun = placement.ended->outcome == "hedged_away";
    scene.report.counts.outrun += outrun;
    if (outrun && !placement.wrote.empty())
      rules.violate(about("attempt " + std::to_string(placement.started.number) + " was outrun, and has written"));
    for (const WrittenRange& range : placement.wrote) {
      wrote[{placement.started.provider, placement.started.model}] += range.to - range.from;
      if (range.item < shown.size()) shown[range.item] += range.to - range.from;
    }
  }
  for (const auto& [whose, bytes] : wrote) {
    auto heard = errand.heard.find(whose);
    if (heard == errand.heard.end() || heard->second < bytes)
      rules.violate(about(whose.first + " is said to have written " + std::to_string(bytes) + " bytes, and said " +
                          std::to_string(heard == errand.heard.end() ? 0 : heard->second)));
  }
  for (size_t i = 0; i < shown.size(); ++i)
    if (response.output()[i].kind != ItemKind::kCompaction && shown[i] != perdure::text_of(response.output()[i]).size())
      rules.violate(about("item " + std::to_string(i) + " was not written once by somebody"));
  if (errand.countable && attempts < errand.attempts)
    rules.violate(about(std::to_string(errand.attempts) + " attempts went out"));
}

}  // namespace

void judge_answer(Scene& scene, const Errand& errand, const Prompt& prompt, bool cancelled, const Response& response) {
  Rules& rules = scene.rules;
  const std::string text = text_of(response);
  const auto calls = calls_of(response);
  auto about = [&](std::string what) {
    return what + " (errand " + std::to_string(errand.number) + ", " + response.id.value + ")\n  got  " + text + " " +
           calls_text(calls) + "\n  want " + prompt.answer + " " + calls_text(prompt.calls) + attempts_text(response);
  };
  judge_account(scene, errand, response);
  if (response.status == ResponseStatus::kCompleted) {
    if (text != prompt.answer) rules.violate(about("I1: not the uncut answer"));
    if (calls != prompt.calls) rules.violate(about("I1: not the uncut answer's calls"));
    if (errand.stored) rules.purses().seen(errand.number);
    return;
  }
  if (!prompt.answer.starts_with(text)) rules.violate(about("I1: no beginning of the uncut answer"));
  if (!calls.empty() && calls != prompt.calls) rules.violate(about("I1: a part of a group of calls was shown"));
  if (response.status == ResponseStatus::kCancelled) {
    ++scene.report.counts.cancelled;
    if (!cancelled) rules.violate(about("an answer ended cancelled that nobody cancelled"));
    return;
  }
  ++scene.report.counts.honest_ends;
  const Workload& workload = scene.setup.workload_of(errand.who);
  const bool by_rule = workload.continuation != ContinuationRule::kContinue && failed_once(response);
  if (!by_rule && !rules.may_have_been_stranded(errand))
    rules.violate(about("an answer ended " + std::string(name_of(response.status)) + " though it could go on: " +
                        (response.ended ? response.ended->error_message + response.ended->incomplete_reason : "")));
}

Client::Client(Scene& scene, int number, int turns)
    : scene_(scene),
      number_(number),
      turns_(turns),
      random_(scene.seed * 1000 + static_cast<uint64_t>(number)),
      who_(draw_identity(scene.setup, random_)),
      beside_(scene.loop),
      converses_(random_.below(4) == 0) {}

Task<void> Client::run() {
  ++scene_.report.counts.sessions;
  co_await sleep(random_.below(2000));
  for (int i = 0; i < turns_ && scene_.holds(); ++i) {
    co_await turn();
    co_await sleep(random_.below(1000));
  }
  co_await beside_.join();
}

void Client::client_fault(FaultKind kind, const Turn& turn) {
  ++scene_.report.counts.faults;
  ++scene_.report.counts.coverage.states[static_cast<size_t>(kind)][static_cast<size_t>(turn.errand->phase)];
  scene_.say("client " + std::to_string(number_) + ": " + std::string(name_of(kind)) + " " + turn.id.value);
}

void Client::begin_anew() {
  previous_.clear();
  conversation_.clear();
  open_.ids.clear();
  begun_only_ = false;
}

Task<void> Client::open_conversation(uint64_t unique) {
  NewConversation call{.tenant = who_.tenant, .key = who_.key, .metadata = {}, .items = {}};
  call.idempotency_key = "conversation-" + std::to_string(unique);
  while (scene_.holds()) {
    std::optional<Result<Conversation>> made =
        co_await scene_.lives.call([&](Process& p) -> Task<Result<Conversation>> {
          Conversations conversations(p.responses());
          co_return co_await conversations.create(call);
        });
    if (made && made->ok()) {
      conversation_ = (*made)->id.value;
      co_return;
    }
    co_await pause(20);
  }
}

void Client::renew_errand(Turn& turn) {
  if (turn.errand != nullptr) turn.errand->phase = Phase::kIdle;
  uint64_t number = scene_.next_errand++;
  turn.errand = &scene_.rules.begin(number, who_);
  turn.errand->phase = Phase::kCreating;
  turn.errand->stored = turn.stored;
  turn.request.instructions = Rules::tag(number);
}

Task<void> Client::turn() {
  if (random_.below(10) == 0) co_await nonsense();
  Turn turn;
  const uint64_t unique = static_cast<uint64_t>(number_) * 100 + ++said_;
  if (random_.below(8) == 0) begin_anew();
  if (!open_.ids.empty()) {
    turn.prompt = results_prompt(open_, unique);
  } else {
    do turn.prompt = draw_prompt(scene_.setup, random_, unique);
    while (begun_only_ && turn.prompt.kind != Prompt::Kind::kSay && turn.prompt.kind != Prompt::Kind::kCount);
  }
  turn.request = request_of(turn.prompt, who_, 0, open_);
  // More than any answer has: it says what may be expected of its price.
  if (!turn.prompt.thinks && random_.below(4) != 0) turn.request.max_output_tokens = 400;
  turn.stored = converses_ || random_.below(8) != 0;
  if (converses_) {
    if (conversation_.empty()) co_await open_conversation(unique);
    turn.request.conversation = conversation_;
  } else {
    turn.request.previous_response_id = previous_;
  }
  // The scripted model does not care what its context has become, as long as it is told what to say.
  const bool told = turn.prompt.kind == Prompt::Kind::kSay || turn.prompt.kind == Prompt::Kind::kCount;
  if (turn.stored && told && random_.below(8) == 0) turn.request.compact_threshold = 60;
  turn.request.store = turn.stored;
  turn.request.background = turn.stored && random_.below(10) == 0;
  turn.keyed = turn.stored && random_.below(3) != 0;
  turn.key = "turn-" + std::to_string(unique);
  auto soon = [&](size_t most) { return 2 + random_.below(most); };
  switch (random_.below(30)) {
    case 0:
    case 1:
      turn.cancel_at = soon(12);
      break;
    case 2:
    case 3:
      turn.leave_at = soon(20);
      break;
    case 4:
      if (turn.stored) turn.delete_at = soon(12);
      break;
  }
  renew_errand(turn);
  bool created = co_await create(turn);
  if (!created) co_return;
  ++scene_.report.counts.generations;
  turn.errand->phase = Phase::kWaiting;

  for (uint64_t wait = 20;; wait = std::min<uint64_t>(wait * 2, 1000)) {
    if (!scene_.holds()) co_return;
    size_t stop_at = std::min(
        {turn.cancel_at.value_or(SIZE_MAX), turn.leave_at.value_or(SIZE_MAX), turn.delete_at.value_or(SIZE_MAX)});
    size_t seen = turn.seen.size();
    std::optional<Result<Followed>> followed =
        co_await scene_.lives.call([&](Process& p) { return follow(p, turn, stop_at); });
    if (turn.seen.size() > seen) wait = 20;
    if (followed && followed->ok() && **followed == Followed::kToTheEnd) break;
    if (followed && !followed->ok()) {
      const Error& error = followed->error();
      if (error.code == Code::kCorrupt) scene_.rules.violate("I1: " + error.message);
      if (error.code == Code::kNotFound && turn.stored) scene_.rules.violate("I1: a created response is gone");
    }
    // What is not stored ends with the process, or with its stream.
    if (!turn.stored && (!followed || !followed->ok())) co_return scene_.rules.end(turn.errand->number);
    if (turn.seen.size() >= stop_at && turn.cancel_at) {
      turn.cancel_at.reset();
      turn.cancelled = true;
      client_fault(FaultKind::kCancels, turn);
      (void)co_await scene_.lives.call([&](Process& p) { return p.responses().cancel(who_.tenant, turn.id); });
    } else if (turn.seen.size() >= stop_at && turn.leave_at) {
      client_fault(FaultKind::kLeaves, turn);
      ++scene_.report.counts.left;
      if (turn.stored)
        scene_.remembered.push_back({turn.errand->number, who_.tenant, turn.id, turn.prompt, turn.seen, false});
      else
        (void)co_await scene_.lives.call([&](Process& p) -> Task<bool> {
          co_await p.responses().abandon(who_.tenant, turn.id);
          co_return true;
        });
      begin_anew();
      co_return;
    } else if (turn.seen.size() >= stop_at && turn.delete_at) {
      client_fault(FaultKind::kDeletes, turn);
      co_await remove(turn.id);
      if (converses_) begin_anew();  // it may have ended first: then the conversation holds what it brought
      co_return scene_.rules.end(turn.errand->number);
    } else {
      co_await pause(wait);
    }
  }
  co_await check(turn);
  scene_.rules.end(turn.errand->number);
  if (mine_.size() > 1 && random_.below(15) == 0) {
    size_t which = random_.below(mine_.size());
    ResponseId id = mine_[which];
    mine_.erase(mine_.begin() + static_cast<ptrdiff_t>(which));
    co_await remove(id);
  }
}

Task<std::optional<Result<Created>>> Client::create_once(Turn& turn) {
  CreateCall call{.tenant = who_.tenant, .key = who_.key, .request = turn.request};
  if (turn.keyed) {
    call.idempotency_key = turn.key;
    call.body_hash = sha256(turn.prompt.text + turn.key);
  }
  co_return co_await scene_.lives.call([&](Process& p) { return p.responses().create(call); });
}

// The same create at the same time, as an impatient client or a proxy repeats it.
Task<void> Client::create_beside(Turn& turn, std::set<std::string>& ids) {
  std::optional<Result<Created>> created = co_await create_once(turn);
  if (created && created->ok()) ids.insert((*created)->id.value);
}

Task<bool> Client::create(Turn& turn) {
  std::set<std::string> ids;
  int lost_replies = turn.keyed && random_.below(6) == 0 ? 1 : 0;  // the reply never came: the client repeats
  bool beside = turn.keyed && random_.below(6) == 0;
  for (uint64_t wait = 20;; wait = std::min<uint64_t>(wait * 2, 2000)) {
    if (!scene_.holds()) co_return false;
    if (beside) {
      client_fault(FaultKind::kRepeats, turn);
      beside_.spawn(create_beside(turn, ids));
    }
    Instant asked = scene_.loop.now();
    std::optional<Result<Created>> created = co_await create_once(turn);
    if (std::exchange(beside, false)) co_await beside_.join();
    if (created && created->ok()) {
      ids.insert((*created)->id.value);
      if (lost_replies-- <= 0) break;
      client_fault(FaultKind::kRepeats, turn);
      continue;
    }
    turn.errand->countable = false;  // it may have been begun
    // Without a key nobody can know whether it happened: the next try is another errand.
    if (!created && !turn.keyed) {
      if (turn.stored) ++scene_.unheard[who_.tenant.value];
      renew_errand(turn);
    }
    if (created) {
      const Error& error = created->error();
      if (error.reason == "budget_exceeded") {
        ++scene_.report.counts.short_of_money;
        scene_.rules.purses().refused(who_, asked);
      }
      bool denied = error.code == Code::kDenied && scene_.rules.may_be_denied(who_, asked - 1s);
      if ((error.code == Code::kInvalid || error.code == Code::kNotFound || error.code == Code::kDenied) && !denied) {
        scene_.rules.violate("a good create was refused: " + error.message + " (" + error.param + ")");
        co_return false;
      }
    }
    co_await pause(wait);
  }
  if (ids.size() != 1) scene_.rules.violate("I3: a repeated create made " + std::to_string(ids.size()) + " responses");
  turn.id = ResponseId(*ids.begin());
  if (turn.stored) ++scene_.created[who_.tenant.value];
  co_return true;
}

// Follows from the first event on, checking what was seen before.
Task<Result<Client::Followed>> Client::follow(Process& process, Turn& turn, size_t stop_at) {
  uint64_t life = scene_.lives.number();
  CO_TRY(std::unique_ptr<EventReader> reader, co_await process.responses().follow(who_.tenant, turn.id));
  size_t position = 0;
  while (!reader->finished()) {
    std::vector<RenderedEvent> events;
    CO_TRY_VOID(co_await reader->next(events, deadline_in(scene_.loop, 5s)));
    if (life != scene_.lives.number()) co_return Followed::kLost;  // crashed: these never reached the client
    for (RenderedEvent& event : events) {
      if (event.sequence_number != position) co_return Error{Code::kCorrupt, "sequence numbers have a gap"};
      if (position < turn.seen.size()) {
        if (turn.seen[position] != event.data)
          co_return Error{Code::kCorrupt, "event " + std::to_string(position) + " of " + turn.id.value +
                                              " changed after a crash:\n  was " + turn.seen[position] + "\n  is  " +
                                              event.data};
      } else {
        scene_.note(event.data);
        turn.seen.push_back(std::move(event.data));
        ++scene_.report.counts.events;
        if (position > 1) turn.errand->phase = Phase::kStreaming;
      }
      ++position;
    }
    if (turn.seen.size() >= stop_at) co_return Followed::kStopped;
  }
  if (position < turn.seen.size()) co_return Error{Code::kCorrupt, "events that a client saw are missing"};
  if (!turn.stored) {
    judge_answer(scene_, *turn.errand, turn.prompt, turn.cancelled, reader->response());
    after(turn, reader->response());
  }
  co_return Followed::kToTheEnd;
}

void Client::after(const Turn& turn, const Response& response) {
  open_.ids.clear();
  if (!turn.stored) {  // nothing can go on from it
    previous_.clear();
    begun_only_ = false;
    return;
  }
  previous_ = turn.id.value;
  mine_.push_back(turn.id);
  begun_only_ = begun_only_ || response.status != ResponseStatus::kCompleted;
  for (const Item& item : response.output())
    if (item.kind == ItemKind::kFunctionCall) open_.ids.push_back(item.call_id);
  // Bedrock is always offered a tool where a history has calls, and the scripted model calls whatever it is offered.
  if (turn.prompt.kind == Prompt::Kind::kResults || (turn.prompt.kind == Prompt::Kind::kTools && open_.ids.empty()))
    begin_anew();
}

Task<void> Client::check(Turn& turn) {
  if (!turn.stored) {
    co_await scene_.lives.call([&](Process& p) -> Task<bool> {
      co_await p.responses().abandon(who_.tenant, turn.id);
      co_return true;
    });
    co_return;
  }
  for (;;) {
    std::optional<Result<Response>> got =
        co_await scene_.lives.call([&](Process& p) { return p.responses().get(who_.tenant, turn.id); });
    if (!got || !got->ok()) {
      if (got && got->error().code == Code::kNotFound) co_return scene_.rules.violate("I1: an answer is gone");
      co_await pause(20);
      continue;
    }
    const Response& response = **got;
    judge_answer(scene_, *turn.errand, turn.prompt, turn.cancelled, response);
    // Streamed = fetched: the resource in the last event is the one that is fetched.
    json::Writer writer;
    write_response(writer, response);
    if (turn.seen.back().find(writer.text()) == std::string::npos)
      scene_.rules.violate("I1: the fetched response is not the streamed one");
    after(turn, response);
    if (random_.below(10) == 0)
      scene_.remembered.push_back({turn.errand->number, who_.tenant, turn.id, turn.prompt, std::move(turn.seen), true});
    co_return;
  }
}

Task<void> Client::remove(ResponseId id) {
  // What a conversation holds of it stays, so that it need not be left.
  if (previous_ == id.value) begin_anew();
  std::erase(mine_, id);
  std::erase_if(scene_.remembered, [&](const Remembered& r) { return r.id == id; });
  for (;;) {
    std::optional<Result<void>> removed =
        co_await scene_.lives.call([&](Process& p) { return p.responses().remove(who_.tenant, id); });
    bool gone = removed && (removed->ok() || removed->error().code == Code::kNotFound);
    if (gone) break;
    co_await pause(50);
  }
  ++scene_.report.counts.deleted;
  --scene_.created[who_.tenant.value];
  scene_.deleted.emplace_back(who_.tenant, id);
  scene_.note("deleted " + id.value);
}

// I6: refused in the caller's words, and nothing is left behind. I8: nothing is learnt of what belongs to others.
Task<void> Client::nonsense() {
  CreateCall bad{.tenant = who_.tenant, .key = who_.key};
  bad.request.model = who_.model;
  bad.request.previous_response_id = "resp_" + std::to_string(random_.next());
  std::optional<Result<Created>> refused =
      co_await scene_.lives.call([&](Process& p) { return p.responses().create(bad); });
  if (refused &&
      (refused->ok() || (refused->error().code == Code::kNotFound && refused->error().param != "previous_response_id")))
    scene_.rules.violate("I6: a create with an unknown previous response was not refused by name");
  if (mine_.empty()) co_return;
  TenantId stranger("stranger");
  std::optional<Result<Response>> stolen =
      co_await scene_.lives.call([&](Process& p) { return p.responses().get(stranger, mine_.back()); });
  if (stolen && (stolen->ok() || (stolen->error().code == Code::kDenied)))
    scene_.rules.violate("I8: a stranger learnt that another tenant's response exists");
}

}  // namespace perdure::sim
