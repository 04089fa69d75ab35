// Event streams, and answers of responses that are not stored.

#include "dialect/responses_render.h"
#include "gateway/exchange.h"
#include "gateway/gateway.h"
#include "wire/sse.h"

namespace perdure {

Task<void> Gateway::abandon(TenantId tenant, ResponseId id) {
  co_await responses_.abandon(std::move(tenant), std::move(id));
}

Task<void> Gateway::stream(Exchange& x, ResponseId id, int64_t after, bool stored) {
  // What is not stored ends with its client, also while nothing is being written.
  std::optional<Cancellation::Hook> on_leaving;
  if (!stored) on_leaving.emplace(&x.reply.gone(), [&] { leaving_.spawn(abandon(x.caller.tenant, id)); });

  Result<std::unique_ptr<EventReader>> reader = co_await responses_.follow(x.caller.tenant, id);
  if (!reader.ok()) {
    co_await x.fail(std::move(reader).error());
    co_return;
  }
  x.about(id);
  x.reply.headers.set("Cache-Control", "no-cache");
  metrics_.streams.add(1);
  std::vector<RenderedEvent> events;
  std::string bytes;
  bool broken = false;
  while (!broken && !(*reader)->finished()) {
    events.clear();
    Result<void> read = co_await (*reader)->next(events, deadline_in(loop_, options_.keep_alive));
    if (x.reply.gone().requested()) {
      x.cut = true;
      break;
    }
    if (!read.ok()) {
      if (!x.reply.begun()) {
        metrics_.streams.add(-1);
        co_await x.fail(std::move(read).error());
        co_return;
      }
      log_.warn("stream.cut", {{"response", id.value}, {"cause", to_string(read.error().code)}});
      broken = true;
      break;
    }
    bool first = !x.reply.begun();
    if (first) {
      x.status = 200;
      Result<void> begun = co_await x.reply.begin(200, "text/event-stream");
      if (!begun.ok()) {
        x.cut = true;
        break;
      }
    }
    if (events.empty() && !(*reader)->finished() && !first) bytes = (*reader)->stream().keep_alive();
    for (size_t i = 0; i <= events.size(); ++i) {
      if (i < events.size() && static_cast<int64_t>(events[i].sequence_number) > after) {
        append_sse(bytes, events[i].type, events[i].data);
        metrics_.events.add();
      }
      if (bytes.empty() || (i < events.size() && bytes.size() < options_.write_bytes_max)) continue;
      x.bytes += bytes.size();
      Result<void> written = co_await x.reply.write(bytes);
      bytes.clear();
      if (!written.ok()) {
        broken = x.cut = true;
        break;
      }
    }
    if (first) metrics_.first_byte_seconds.observe(std::chrono::duration<double>(loop_.now() - x.began).count());
  }
  metrics_.streams.add(-1);
  bool whole = (*reader)->finished() && !broken && !x.cut;
  std::string trailer((*reader)->stream().trailer());
  reader->reset();
  if (whole) {
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

Task<void> Gateway::answer_unstored(Exchange& x, ResponseId id) {
  Cancellation::Hook on_leaving(&x.reply.gone(), [&] { leaving_.spawn(abandon(x.caller.tenant, id)); });
  Result<std::unique_ptr<EventReader>> reader = co_await responses_.follow(x.caller.tenant, id);
  if (!reader.ok()) {
    co_await x.fail(std::move(reader).error());
    co_return;
  }
  std::vector<RenderedEvent> events;
  Result<void> read;
  while (read.ok() && !(*reader)->finished()) {
    events.clear();
    read = co_await (*reader)->next(events, Deadline::never());
  }
  if (read.ok()) {
    json::Writer out;
    write_response(out, (*reader)->response());
    reader->reset();
    co_await x.json(out.text());
  } else {
    reader->reset();
    co_await x.fail(std::move(read).error());
  }
  co_await abandon(x.caller.tenant, id);
}

}  // namespace perdure
