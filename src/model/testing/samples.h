#pragma once
// Values with every field filled, for the tests of this module.

#include <map>

#include "model/record.h"

namespace perdure {

inline std::vector<Item> sample_items() {
  std::vector<Item> items;
  Item user{.id = "msg_1", .role = Role::kUser};
  user.content = {{.text = "Grüße, \"you\"\n\xf0\x9f\x98\x80"},
                  {.kind = PartKind::kInputImage, .url = "data:image/png;base64,AAAA"},
                  {.kind = PartKind::kInputImage, .url = "https://example.com/x.png", .detail = "high"},
                  {.kind = PartKind::kInputFile, .file_data = "data:text/plain;base64,AA==", .filename = "a.txt"},
                  {.kind = PartKind::kInputFile, .url = "https://example.com/a.pdf"}};
  items.push_back(user);
  Item assistant{.id = "msg_2", .status = ItemStatus::kIncomplete, .role = Role::kAssistant, .phase = "commentary"};
  assistant.content = {{.kind = PartKind::kOutputText, .text = "text", .annotations = R"([{"type":"url_citation"}])"},
                       {.kind = PartKind::kOutputText},
                       {.kind = PartKind::kRefusal, .text = "no"}};
  items.push_back(assistant);
  items.push_back(
      {.kind = ItemKind::kFunctionCall, .id = "fc_1", .call_id = "call_1", .name = "look", .arguments = "{\"a\": 1"});
  items.push_back({.kind = ItemKind::kFunctionCallOutput, .id = "fco_1", .call_id = "call_1", .output = "42"});
  Item parts{.kind = ItemKind::kFunctionCallOutput, .id = "fco_2", .call_id = "call_1", .output_is_text = false};
  parts.content = {{.text = "one"}, {.text = "two"}};
  items.push_back(parts);
  Item reasoning{.kind = ItemKind::kReasoning, .id = "rs_1", .encrypted = "b3BhcXVl"};
  reasoning.opaque = OpaqueKind::kEncrypted;
  reasoning.issuer = "acme";
  reasoning.content = {{.kind = PartKind::kReasoningText, .text = "hm"}};
  reasoning.summary = {{.kind = PartKind::kSummaryText, .text = "thought"}};
  items.push_back(reasoning);
  items.push_back({.kind = ItemKind::kCompaction, .id = "cmp_1", .encrypted = "b3BhcXVl", .issuer = "acme"});
  return items;
}

inline Request sample_request() {
  Request r{.model = "default", .instructions = "Be brief.", .input = sample_items()};
  r.tools = {{.name = "look",
              .description = "Looks.",
              .parameters = R"({"type":"object","n":1e400,"big":12345678901234567890})",
              .strict = true},
             {.name = "bare"}};
  r.tool_choice = {.mode = ToolChoice::Mode::kAllowed, .allowed_required = true, .allowed = {"look"}};
  r.format = {.kind = TextFormat::Kind::kJsonSchema,
              .name = "shape",
              .description = "A shape.",
              .schema = R"({"type":"object"})",
              .strict = false};
  r.verbosity = "low";
  r.temperature = 0.1;
  r.top_p = 1;
  r.presence_penalty = -0.5;
  r.frequency_penalty = 2;
  r.max_output_tokens = 16;
  r.max_tool_calls = 3;
  r.top_logprobs = 0;
  r.parallel_tool_calls = false;
  r.reasoning_effort = "high";
  r.reasoning_summary = "auto";
  r.truncation = "auto";
  r.service_tier = "flex";
  r.user = "u";
  r.safety_identifier = "s";
  r.prompt_cache_key = "k";
  r.include = {"reasoning.encrypted_content"};
  r.metadata = {{"a", "1"}, {"b", ""}};
  r.previous_response_id = "resp_0";
  r.background = true;
  r.stream = true;
  return r;
}

inline std::vector<Delta> sample_deltas() {
  return {
      Delta::item_begin({.kind = ItemKind::kReasoning, .id = "rs_1"}),
      Delta::part_begin(PartKind::kSummaryText),
      Delta::append("short"),
      Delta::part_end(),
      Delta::part_begin(PartKind::kReasoningText),
      Delta::append("hm"),
      Delta::part_end(),
      Delta::item_end(ItemStatus::kCompleted),
      Delta::item_begin({.kind = ItemKind::kMessage, .id = "msg_1", .role = Role::kAssistant, .phase = "final_answer"}),
      Delta::part_begin(PartKind::kOutputText),
      Delta::append("Hel"),
      Delta::append("lo"),
      Delta::append(std::string(200, '!')),
      Delta::part_end(),
      Delta::part_begin(PartKind::kRefusal),
      Delta::append("no"),
      Delta::part_end(),
      Delta::item_end(ItemStatus::kCompleted),
      Delta::item_begin({.kind = ItemKind::kFunctionCall,
                         .id = "fc_1",
                         .role = Role::kAssistant,
                         .call_id = "call_1",
                         .name = "look"}),
      Delta::append("{\"a\":"),
      Delta::append("1"),
      Delta::item_end(ItemStatus::kIncomplete),
  };
}

// What came later: every field that sample_request() has not.
inline Request sample_messages_request() {
  Request r{.model = "claude"};
  r.dialect = ClientDialect::kMessages;
  r.reasoning_tokens_max = 2048;
  r.top_k = 40;
  r.seed = 7;
  r.stop = {"END", "\n\n"};
  r.conversation = "conv_1";
  r.compact_threshold = 100000;
  r.include_usage = true;
  r.lenient = true;
  r.tools = {{.name = "look", .description = {}, .parameters = "{}", .strict = {}, .cache = "5m"}};
  Item redacted{.kind = ItemKind::kReasoning, .id = "rs_2", .encrypted = "xyz"};
  redacted.opaque = OpaqueKind::kRedacted;
  redacted.issuer = "acme";
  Item output{.kind = ItemKind::kFunctionCallOutput, .id = "fco_1", .call_id = "call_1", .output = "broken"};
  output.tool_failed = true;
  output.cache = "1h";
  Item user{.kind = ItemKind::kMessage, .id = "msg_1"};
  user.content = {{.kind = PartKind::kInputText, .text = "t", .cache = "1h"},
                  {.kind = PartKind::kInputImage, .url = "data:image/png;base64,AA==", .cache = "5m"},
                  {.kind = PartKind::kInputFile, .file_data = "data:text/plain;base64,AA==", .cache = "5m"}};
  r.input = {redacted, output, user};
  return r;
}

inline std::vector<Delta> sample_opaque_deltas() {
  return {
      Delta::item_begin({.kind = ItemKind::kReasoning, .id = "rs_1"}),
      Delta::opaque_block(OpaqueKind::kSignature, "c2ln", "acme"),
      Delta::item_end(ItemStatus::kCompleted),
      Delta::item_begin({.kind = ItemKind::kMessage, .id = "msg_1", .role = Role::kAssistant}),
      Delta::part_begin(PartKind::kOutputText),
      Delta::append("Hello"),
      Delta::annotation(R"({"type":"url_citation"})"),
      Delta::annotation(R"({"type":"file_citation"})"),
      Delta::part_end(),
      Delta::item_end(ItemStatus::kCompleted),
  };
}

// By name, as in tests/compat. A released sample never changes: what has changed since gets a sample of its own.
inline std::map<std::string, Record> sample_records() {
  const WallTime t{std::chrono::milliseconds(1'700'000'000'123)};
  std::map<std::string, Record> out;
  out["created_full"] = {1, t, ResponseCreated{ResponseId("resp_1"), sample_request(), KeyId("key_1")}};
  out["created_bare"] = {1, t, ResponseCreated{ResponseId("resp_1"), Request{.model = "m"}, KeyId()}};
  out["started_full"] = {2, t, AttemptStarted{2, "acme", "acme-large", true, "cut"}};
  out["started_bare"] = {2, t, AttemptStarted{1, "acme", "acme-large", false, ""}};
  out["deltas_full"] = {3, t, Deltas{sample_deltas()}};
  out["created_messages"] = {1, t, ResponseCreated{ResponseId("resp_1"), sample_messages_request(), KeyId("key_1")}};
  out["started_dropped"] = {2, t, AttemptStarted{1, "acme", "acme-large", false, "", {"top_k", "input[0]"}}};
  out["started_expected"] = {
      2, t,
      AttemptStarted{.provider = "acme",
                     .model = "acme-large",
                     .workload = "batch",
                     .expected = {.unknown = "running", .estimate = "0.00125", .currency = "EUR"}}};
  out["started_beside"] = {2, t, AttemptStarted{.number = 2, .provider = "acme", .model = "acme-large", .beside = 1}};
  out["attempt_ended_cost"] = {
      4, t,
      AttemptEnded{
          .number = 2,
          .outcome = "completed",
          .cost = {.amount = "0.000125", .currency = "USD", .price_date = "2026-08-01", .price_origin = "a list"}}};
  out["started_stand_in"] = {
      2, t, AttemptStarted{.number = 2, .provider = "acme", .model = "acme-large", .stand_in = "large"}};
  out["deltas_opaque"] = {3, t, Deltas{sample_opaque_deltas()}};
  out["attempt_ended_stop"] = {
      4, t,
      AttemptEnded{
          1, "completed", "stop_sequence", "msg_1", "", 0, 0, {10, 2, 30, 4, true, 3}, "stop_sequence", "END"}};
  out["attempt_ended_seam"] = {4, t, AttemptEnded{.number = 2, .outcome = "completed", .seam = "overlap"}};
  out["ended_stop"] = {
      5, t, ResponseEnded{ResponseStatus::kCompleted, "", "", "", {10, 2, 30, 4, true, 3}, "stop_sequence", "END"}};
  out["deltas_none"] = {3, t, Deltas{}};
  out["deltas_text"] = {3, t, Deltas{{Delta::append("a"), Delta::append(""), Delta::append("bc")}}};
  out["attempt_ended_full"] = {
      4, t, AttemptEnded{2, "cut", "length", "chatcmpl-1", "unavailable: reset", 503, 17, {10, 2, 30, 4, true}}};
  out["attempt_ended_bare"] = {4, t, AttemptEnded{1, "completed", "", "", "", 0, 0, {}}};
  out["ended_completed"] = {5, t, ResponseEnded{ResponseStatus::kCompleted, "", "", "", {10, 0, 30, 0, true}}};
  out["ended_failed"] = {5, t, ResponseEnded{ResponseStatus::kFailed, "", "server_error", "It failed.", {}}};
  ResponseEnded refused{ResponseStatus::kFailed, "", "unsupported_parameter", "It cannot be said.", {}};
  refused.error_param = "seed";
  out["ended_refused"] = {5, t, refused};
  out["ended_incomplete"] = {
      5, t, ResponseEnded{ResponseStatus::kIncomplete, "max_output_tokens", "", "", {0, 0, 0, 0, true}}};
  out["ended_cancelled"] = {5, t, ResponseEnded{ResponseStatus::kCancelled, "", "", "", {}}};
  out["deleted"] = {6, t, ResponseDeleted{ResponseId("resp_1")}};
  out["items_added"] = {2, t, ItemsAdded{sample_items()}};
  out["items_added_none"] = {2, t, ItemsAdded{}};
  out["item_removed"] = {3, t, ItemRemoved{"msg_1"}};
  out["items_moved"] = {4, t, ItemsMoved{2, {sample_items()[2]}}};
  out["conversation_created"] = {
      1, t, ConversationCreated{ConversationId("conv_1"), KeyId("key_1"), {{"topic", "Grüße"}, {"", ""}}}};
  out["conversation_created_bare"] = {1, t, ConversationCreated{ConversationId("conv_1"), {}, {}}};
  out["conversation_updated"] = {5, t, ConversationUpdated{{{"a", "b"}}}};
  out["conversation_deleted"] = {6, t, ConversationDeleted{ConversationId("conv_1")}};
  return out;
}

}  // namespace perdure
