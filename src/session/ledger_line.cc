#include "session/ledger_line.h"

#include "wire/json.h"

namespace perdure {

std::string ledger_line(const LedgerFacts& facts) {
  const AttemptStarted& started = facts.started;
  const AttemptEnded& ended = facts.ended;
  json::Writer line;
  line.begin_object().field("response", facts.response.value).field("session", facts.session);
  line.field("stored", !facts.session.empty()).field("key", facts.key.value);
  line.field("workload", started.workload).field("workload_model", facts.workload_model);
  line.field("attempt", ended.number).field("provider", started.provider).field("model", started.model);
  if (started.beside != 0) line.field("beside", started.beside);
  line.field("continuation", started.continuation).field("reason", started.reason);
  line.field("outcome", ended.outcome).field("finish_reason", ended.finish_reason).field("error", ended.error);
  line.field("upstream_status", ended.upstream_status).field("trimmed_bytes", ended.trimmed_bytes);
  if (!ended.seam.empty()) line.field("seam", ended.seam);
  if (facts.relayed) line.field("relayed", true);
  line.field("milliseconds", int64_t{std::chrono::duration_cast<std::chrono::milliseconds>(facts.took).count()});
  line.field("usage_known", ended.usage.known).field("input_tokens", ended.usage.input_tokens);
  line.field("cached_tokens", ended.usage.cached_tokens);
  line.field("cache_write_tokens", ended.usage.cache_write_tokens).field("output_tokens", ended.usage.output_tokens);
  line.field("reasoning_tokens", ended.usage.reasoning_tokens);
  write_cost(line.key("cost"), ended.cost);
  line.end_object();
  return line.take();
}

}  // namespace perdure
