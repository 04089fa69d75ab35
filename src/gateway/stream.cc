// Event streams, and answers of responses that are not stored.

#include "gateway/exchange.h"
#include "gateway/gateway.h"
#include "wire/sse.h"

namespace perdure {

Task<void> Gateway::abandon(TenantId tenant, ResponseId id) {
  co_await responses_.abandon(std::move(tenant), std::move(id));
}

Task<void> Gateway::stream(Exchange& x, Created created, int64_t after, bool fresh) {
  const ResponseId id = created.id;
  const bool stored = created.stored;
  // What is not stored ends with its client, also while nothing is being written.
  std::optional<Cancellation::Hook> on_leaving;
  if (!stored) on_leaving.emplace(&x.reply.gone(), [&] { leaving_.spawn(abandon(x.caller.tenant, id)); });

  std::unique_ptr<ClientStream> rendering = x.face->stream();
  Result<std::unique_ptr<EventReader>> reader =
      co_await responses_.follow(x.caller.tenant, id, std::move(rendering), std::move(created.run));
  if (!reader.ok()) {
    co_await x.fail(std::move(reader).error());
    co_return;
  }
  x.about(id);
  metrics_.streams.add(1);
  std::vector<RenderedEvent> events;
  std::string bytes;
  std::optional<Error> failed;  // before the reply began
  bool broken = false;
  Instant written_at = loop_.now();
  while (!broken && !(*reader)->finished()) {
    Result<void> read = co_await (*reader)->next(events, Deadline{written_at + options_.keep_alive});
    bool silent = loop_.now() - written_at >= options_.keep_alive;
    if (x.reply.gone().requested()) {
      x.cut = true;
      break;
    }
    if (!read.ok()) {
      if (!x.reply.begun()) {
        failed = std::move(read).error();
        break;
      }
      log_.warn("stream.cut", {{"response", id.value}, {"cause", to_string(read.error().code)}});
      broken = true;
      break;
    }
    bool first = !x.reply.begun();
    if (first) {
      // The head of the reply waits for what it says: whether there is an answer, and what it lost.
      const Response& answer = (*reader)->response();
      bool nothing_said = x.face->fails_by_status() ? answer.output().empty() : events.empty();
      bool unsettled = nothing_said || (answer.request->lenient && answer.placements.empty());
      if (unsettled && !(*reader)->finished() && !silent) continue;
      if (fresh && answer.output().empty()) failed = x.face->failure(answer);
      if (failed) break;
      x.say_what_was_left_out(answer);
      x.status = 200;
      x.reply.headers.set("Cache-Control", "no-cache");
      Result<void> begun = co_await x.reply.begin(200, "text/event-stream");
      if (!begun.ok()) {
        x.cut = true;
        break;
      }
    }
    if (events.empty() && !(*reader)->finished() && silent) bytes = (*reader)->stream().keep_alive();
    for (size_t i = 0; i <= events.size(); ++i) {
      if (i < events.size() && static_cast<int64_t>(events[i].sequence_number) > after) {
        append_sse(bytes, events[i].type, events[i].data);
        metrics_.events.add();
      }
      if (bytes.empty() || (i < events.size() && bytes.size() < options_.write_bytes_max)) continue;
      x.bytes += bytes.size();
      Result<void> written = co_await x.reply.write(bytes);
      written_at = loop_.now();
      bytes.clear();
      if (!written.ok()) {
        broken = x.cut = true;
        break;
      }
    }
    events.clear();
    if (first) metrics_.first_byte_seconds.observe(std::chrono::duration<double>(loop_.now() - x.began).count());
  }
  metrics_.streams.add(-1);
  bool whole = (*reader)->finished() && !broken && !x.cut;
  std::string trailer((*reader)->stream().trailer());
  reader->reset();
  if (failed) {
    co_await x.fail(*std::move(failed));
  } else if (whole) {
    // A response that ended before its first event was asked for has an empty tail, not an error.
    Result<void> ended;
    if (!x.reply.begun()) {
      x.status = 200;
      ended = co_await x.reply.begin(200, "text/event-stream");
    }
    if (ended.ok() && !trailer.empty()) ended = co_await x.reply.write(trailer);
    if (ended.ok()) ended = co_await x.reply.finish();
    x.cut = !ended.ok();
  } else {
    x.cut = true;
    x.reply.abort();
  }
  on_leaving.reset();
  if (!stored) co_await abandon(x.caller.tenant, id);
}

// Of what comes on the way nobody is told, so nothing is rendered but the whole.
Task<void> Gateway::answer_unstored(Exchange& x, ResponseId id) {
  Cancellation::Hook on_leaving(&x.reply.gone(), [&] { leaving_.spawn(abandon(x.caller.tenant, id)); });
  Result<Response> response = co_await responses_.wait(x.caller.tenant, id, nullptr);
  if (response.ok())
    co_await answer_with(x, *response);
  else
    co_await x.fail(std::move(response).error());
  co_await abandon(x.caller.tenant, id);
}

Task<void> Gateway::answer_with(Exchange& x, const Response& response) {
  x.say_what_was_left_out(response);
  if (std::optional<Error> failed = x.face->failure(response)) {
    co_await x.fail(*std::move(failed));
    co_return;
  }
  std::string body = x.face->whole(response);
  co_await x.json(body);
}

}  // namespace perdure
