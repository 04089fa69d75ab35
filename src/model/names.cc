#include "model/item_names.h"
#include "model/piece.h"
#include "model/record.h"
#include "model/record_names.h"

namespace perdure {
namespace {

constexpr Name<ItemKind> kItemKinds[] = {
    {ItemKind::kMessage, "message"},
    {ItemKind::kFunctionCall, "function_call"},
    {ItemKind::kFunctionCallOutput, "function_call_output"},
    {ItemKind::kReasoning, "reasoning"},
    {ItemKind::kCompaction, "compaction"},
};
constexpr Name<Role> kRoles[] = {
    {Role::kUser, "user"}, {Role::kAssistant, "assistant"}, {Role::kSystem, "system"}, {Role::kDeveloper, "developer"}};
constexpr Name<ItemStatus> kItemStatuses[] = {{ItemStatus::kInProgress, "in_progress"},
                                              {ItemStatus::kCompleted, "completed"},
                                              {ItemStatus::kIncomplete, "incomplete"}};
constexpr Name<PartKind> kPartKinds[] = {
    {PartKind::kInputText, "input_text"},     {PartKind::kOutputText, "output_text"},
    {PartKind::kRefusal, "refusal"},          {PartKind::kInputImage, "input_image"},
    {PartKind::kInputFile, "input_file"},     {PartKind::kReasoningText, "reasoning_text"},
    {PartKind::kSummaryText, "summary_text"},
};
constexpr Name<OpaqueKind> kOpaqueKinds[] = {
    {OpaqueKind::kEncrypted, "encrypted"}, {OpaqueKind::kSignature, "signature"}, {OpaqueKind::kRedacted, "redacted"}};
constexpr Name<ClientDialect> kClientDialects[] = {
    {ClientDialect::kResponses, "responses"}, {ClientDialect::kChat, "chat"}, {ClientDialect::kMessages, "messages"}};
constexpr Name<Finish> kFinishes[] = {
    {Finish::kStop, "stop"},
    {Finish::kLength, "length"},
    {Finish::kToolCalls, "tool_calls"},
    {Finish::kContentFilter, "content_filter"},
    {Finish::kOther, "other"},
    {Finish::kRefusal, "refusal"},
    {Finish::kStopSequence, "stop_sequence"},
    {Finish::kPause, "pause"},
    {Finish::kContextWindow, "context_window"},
};
constexpr Name<RecordKind> kRecordKinds[] = {
    {RecordKind::kResponseCreated, "response_created"},
    {RecordKind::kAttemptStarted, "attempt_started"},
    {RecordKind::kDeltas, "deltas"},
    {RecordKind::kAttemptEnded, "attempt_ended"},
    {RecordKind::kResponseEnded, "response_ended"},
    {RecordKind::kResponseDeleted, "response_deleted"},
    {RecordKind::kItemsAdded, "items_added"},
    {RecordKind::kItemRemoved, "item_removed"},
    {RecordKind::kItemsMoved, "items_moved"},
    {RecordKind::kConversationCreated, "conversation_created"},
    {RecordKind::kConversationUpdated, "conversation_updated"},
    {RecordKind::kConversationDeleted, "conversation_deleted"},
};
constexpr Name<ResponseStatus> kResponseStatuses[] = {
    {ResponseStatus::kQueued, "queued"},       {ResponseStatus::kInProgress, "in_progress"},
    {ResponseStatus::kCompleted, "completed"}, {ResponseStatus::kIncomplete, "incomplete"},
    {ResponseStatus::kFailed, "failed"},       {ResponseStatus::kCancelled, "cancelled"},
};

}  // namespace

std::span<const Name<ItemKind>> item_kinds() { return kItemKinds; }
std::span<const Name<Role>> roles() { return kRoles; }
std::span<const Name<ItemStatus>> item_statuses() { return kItemStatuses; }
std::span<const Name<PartKind>> part_kinds() { return kPartKinds; }
std::span<const Name<ResponseStatus>> response_statuses() { return kResponseStatuses; }

std::span<const Name<OpaqueKind>> opaque_kinds() { return kOpaqueKinds; }
std::span<const Name<ClientDialect>> client_dialects() { return kClientDialects; }

std::string_view name_of(OpaqueKind kind) { return word_of(opaque_kinds(), kind); }
std::string_view name_of(ClientDialect dialect) { return word_of(client_dialects(), dialect); }
std::string_view name_of(Finish finish) { return word_of(std::span<const Name<Finish>>(kFinishes), finish); }
Finish finish_named(std::string_view name) {
  return value_of(std::span<const Name<Finish>>(kFinishes), name).value_or(Finish::kNone);
}
std::string_view name_of(ItemKind kind) { return word_of(item_kinds(), kind); }
std::string_view name_of(Role role) { return word_of(roles(), role); }
std::string_view name_of(ItemStatus status) { return word_of(item_statuses(), status); }
std::string_view name_of(PartKind kind) { return word_of(part_kinds(), kind); }
std::string_view name_of(RecordKind kind) { return word_of(std::span<const Name<RecordKind>>(kRecordKinds), kind); }
std::string_view name_of(ResponseStatus status) { return word_of(response_statuses(), status); }

}  // namespace perdure
