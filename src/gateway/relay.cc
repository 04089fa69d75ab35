// Relaying: what a supplier of the client's own dialect says is passed on as it is, and gone on with by another when it
// disappears in the middle.

#include "gateway/relay.h"

#include <optional>

#include "base/ids.h"
#include "base/spare_text.h"
#include "dialect/messages_render.h"
#include "dialect/responses_render.h"
#include "gateway/exchange.h"
#include "gateway/gateway.h"
#include "gateway/relayed_items.h"
#include "session/ledger_line.h"
#include "wire/sse.h"

namespace perdure {
namespace {

constexpr Duration kLedgerInterval = std::chrono::milliseconds(50);

// Takes what a generation says and writes it as the client's frames.
class FrameSink final : public GenerationSink {
 public:
  FrameSink(ClientStream& stream, PassedOn& passed, HttpReply& reply, Loop& loop)
      : stream_(stream), passed_(passed), reply_(reply), loop_(loop), written_at_(loop.now()), changed_(loop) {}

  // What the client has seen already: folded, not written.
  Result<void> seen(Record record) {
    std::vector<RenderedEvent> events;
    record.seq = ++seq_;
    record.time = loop_.wall();
    return stream_.add(record, events);
  }
  Task<Result<void>> put(Record record) {
    std::vector<RenderedEvent> events;
    record.seq = ++seq_;
    record.time = loop_.wall();
    CO_TRY_VOID(stream_.add(record, events));
    std::string bytes;
    for (const RenderedEvent& event : events) bytes += passed_.go_on(event);
    if (bytes.empty()) co_return Result<void>();
    co_return co_await write(std::move(bytes));
  }
  Task<Result<void>> write(std::string bytes) {
    while (writing_) (void)co_await changed_.wait();
    writing_ = true;
    Result<void> written = co_await reply_.write(bytes);
    writing_ = false;
    written_at_ = loop_.now();
    changed_.notify_all();
    co_return written;
  }
  // Until done(): the client hears something at least so often.
  Task<void> keep_alive(Duration silence) {
    while (!done_) {
      if (writing_ || loop_.now() < written_at_ + silence) {
        (void)co_await changed_.wait(writing_ ? Deadline::never() : Deadline{written_at_ + silence});
        continue;
      }
      Result<void> written = co_await write(std::string(stream_.keep_alive()));
      if (!written.ok()) co_return;  // the client has left; who makes the answer hears of it too
    }
  }
  void done() {
    done_ = true;
    changed_.notify_all();
  }
  Task<Result<void>> attempt_started(AttemptStarted attempt) override {
    attempts.push_back({.started = attempt, .ended = {}});
    began_.push_back(loop_.now());
    return put({.body = std::move(attempt)});
  }
  Task<Result<void>> deltas(std::vector<Delta> deltas) override { return put({.body = Deltas{std::move(deltas)}}); }
  Task<Result<void>> attempt_ended(AttemptEnded attempt) override {
    for (size_t i = 0; i < attempts.size(); ++i) {
      if (attempts[i].started.number != attempt.number) continue;
      attempts[i].ended = attempt;
      attempts[i].took = loop_.now() - began_[i];
    }
    return put({.body = std::move(attempt)});
  }

  std::vector<RelayedAttempt> attempts;

 private:
  ClientStream& stream_;
  PassedOn& passed_;
  HttpReply& reply_;
  Loop& loop_;
  uint64_t seq_ = 0;
  std::vector<Instant> began_;  // by attempt
  Instant written_at_;
  bool writing_ = false, done_ = false;
  Notifier changed_;
};

// What a client that has seen a beginning is told in the end, in its own words. There is no ending behind it.
std::string broken_off(const Exchange& x, const PassedOn& passed, const Error& why) {
  const Error error{.code = Code::kUnavailable,
                    .message = "The answer broke off and no supplier could go on with it.",
                    .reason = why.reason.empty() ? "interrupted" : why.reason};
  std::string bytes;
  switch (x.face->dialect()) {
    case ClientDialect::kChat:
      append_sse(bytes, "", render_openai_error(error));
      break;
    case ClientDialect::kMessages:
      append_sse(bytes, "error", render_messages_error(error, x.request_id));
      break;
    case ClientDialect::kResponses:
      append_sse(bytes, "error", render_error_event(error, passed.next_sequence()));
      break;
  }
  return bytes;
}

}  // namespace

Result<RelayInput> relay_input(json::Value root, std::string dialect) {
  json::Value model = root["model"];
  if (!model.is_string() || model.text().empty())
    return Error{Code::kInvalid, "Missing required parameter: 'model'.", "model", "missing_required_parameter"};
  RelayInput input{.dialect = std::move(dialect), .model = std::string(model.text()), .body = root.raw()};
  input.name_at = static_cast<size_t>(model.raw().data() - root.raw().data());
  input.name_size = model.raw().size();
  input.stream = root["stream"].boolean().value_or(false);
  if (root["tools"].size() > 0) input.needs.capabilities.add(Capability::kTools);
  if (root["response_format"]["type"].text() == "json_schema" || root["text"]["format"]["type"].text() == "json_schema")
    input.needs.capabilities.add(Capability::kStructuredOutput);
  input.needs.context_tokens = static_cast<int64_t>(input.body.size() / 8);
  for (const char* name : {"max_output_tokens", "max_completion_tokens", "max_tokens"})
    if (auto limit = root[name].integer(); limit && *limit > 0) input.needs.output_tokens = *limit;
  return input;
}

void Gateway::enter(const Exchange& x, const std::string& model, const std::vector<RelayedAttempt>& attempts) {
  for (const RelayedAttempt& attempt : attempts)
    ledger_.push_back({.tenant = x.caller.tenant,
                       .time = loop_.wall(),
                       .line = ledger_line({.response = x.response,
                                            .session = "",
                                            .key = x.caller.key,
                                            .workload_model = model,
                                            .started = attempt.started,
                                            .ended = attempt.ended,
                                            .took = attempt.took,
                                            .relayed = true})});
  if (ledger_waits_ || ledger_.empty()) return;
  ledger_waits_ = true;
  leaving_.spawn(write_ledger());
}

Task<void> Gateway::write_ledger() {
  co_await sleep_for(loop_, kLedgerInterval);
  ledger_waits_ = false;
  co_await responses_.account(std::exchange(ledger_, {}));
}

// Another author goes on from what was heard. False: it cannot be gone on with, and the client is still there to be
// told.
Task<Result<bool>> Gateway::go_on(Exchange& x, RelayTurn& turn, const Heard& heard, RelayedAttempt author) {
  // Of calls, and of what is not understood here, the client has parts that nobody can take back; of an answer that was
  // whole only the end is missing, and nobody but its supplier may give that.
  if (heard.calls || heard.foreign || heard.finished) co_return false;
  Result<Request> request = turn.read(turn.input.body);
  if (!request.ok()) co_return false;
  std::unique_ptr<ClientStream> stream = turn.stream();
  FrameSink sink(*stream, turn.passed, x.reply, loop_);
  std::vector<Delta> held = relayed_items(heard.said, turn.passed.items(), loop_.random());
  AnswerItems items;
  if (!items.apply(held).ok()) co_return false;
  ResponseId id(heard.id.empty() ? make_id(loop_.random(), "resp_") : heard.id);
  Record created{.body = ResponseCreated{.id = id, .request = *request, .key = x.caller.key}};
  if (!turn.passed.begun()) {
    // Nothing was shown yet: the answer begins here.
    CO_TRY_VOID(co_await sink.put(std::move(created)));
  } else {
    Result<void> folded = sink.seen(std::move(created));
    // The fold numbers attempts from one; those that brought nothing are the ledger's business.
    author.started.number = author.ended.number = 1;
    author.started.beside = 0;
    if (folded.ok()) folded = sink.seen({.body = author.started});
    if (folded.ok() && !held.empty()) folded = sink.seen({.body = Deltas{std::move(held)}});
    if (folded.ok()) folded = sink.seen({.body = author.ended});
    if (!folded.ok()) co_return false;
  }
  GenerationInput input{.request = &*request, .traffic = turn.input.traffic, .context = request->input};
  const bool shown = !items.items().empty();
  input.held = std::move(items);
  input.held_tokens = static_cast<int64_t>(heard.text_bytes / 4);
  input.broke_off = true;
  input.attempts = turn.passed.begun() ? 1 : 0;
  input.usage = heard.usage;
  // Whoever wrote what was shown; with `one_author` nobody else goes on.
  const std::string& stand_in = author.started.stand_in;
  if (shown) input.author = stand_in.empty() ? request->model : stand_in;
  input.traceparent = turn.input.traceparent;
  bool halt = false;
  TaskGroup waiting(loop_);
  waiting.spawn(sink.keep_alive(options_.keep_alive));
  std::optional<ResponseEnded> ended = co_await generate(std::move(input), *options_.router, sink, loop_,
                                                         {x.reply.gone(), halt}, *options_.generation, log_);
  sink.done();
  co_await waiting.join();
  enter(x, turn.input.model, sink.attempts);
  if (!ended || x.reply.gone().requested()) co_return false;
  Result<void> last = co_await sink.put({.body = *std::move(ended)});
  if (last.ok() && !stream->trailer().empty()) last = co_await x.reply.write(stream->trailer());
  if (last.ok()) last = co_await x.reply.finish();
  if (!last.ok()) co_return std::move(last).error();
  co_return true;
}

Task<bool> Gateway::relay(Exchange& x, RelayTurn turn) {
  if (options_.router == nullptr || options_.generation == nullptr) co_return false;
  turn.input.traffic = {.tenant = x.caller.tenant, .key = x.caller.key};
  Relay relay(turn.input, *options_.router, loop_, x.reply.gone(), *options_.generation, log_);
  Result<Relay::Head> head = co_await relay.open();
  if (!head.ok()) {
    enter(x, turn.input.model, relay.attempts());
    co_await x.fail(std::move(head).error());
    co_return true;
  }
  if (!head->passed) {
    enter(x, turn.input.model, relay.attempts());
    co_return false;
  }
  metrics_.relayed.add();
  if (!head->stream) {
    enter(x, turn.input.model, relay.attempts());
    co_await x.send(head->status, head->content_type, head->body);
    SpareText::give(std::move(head->body));
    co_return true;
  }
  x.status = 200;
  x.reply.headers.set("Cache-Control", "no-cache");
  metrics_.streams.add(1);
  Result<void> written = co_await x.reply.begin(200, head->content_type);
  std::string events;
  Result<bool> more = true;
  while (written.ok() && more.ok() && *more) {
    events.clear();
    more = co_await relay.next(events);
    if (events.empty()) continue;
    x.bytes += events.size();
    turn.passed.note(events);
    written = co_await x.reply.write(events);
  }
  if (written.ok() && more.ok()) written = co_await x.reply.finish();
  bool whole = written.ok() && more.ok();
  enter(x, turn.input.model, relay.attempts());
  if (written.ok() && !more.ok() && !x.reply.gone().requested()) {
    Result<bool> gone_on = co_await go_on(x, turn, relay.heard(), relay.author());
    whole = gone_on.ok() && *gone_on;
    if (!gone_on.ok()) written = std::move(gone_on).error();
  }
  metrics_.streams.add(-1);
  if (!whole) {
    x.cut = true;
    // Never an ending that the supplier did not give; but what happened can be said.
    if (written.ok() && !more.ok() && !x.reply.gone().requested()) {
      written = co_await x.reply.write(broken_off(x, turn.passed, more.error()));
      if (written.ok()) written = co_await x.reply.finish();
      if (written.ok()) co_return true;
    }
    x.reply.abort();
  }
  co_return true;
}

}  // namespace perdure
