#include "dialect/left_out.h"

#include <algorithm>
#include <map>

#include "dialect/say.h"
#include "dialect/upstream_error.h"

namespace perdure {

Result<void> LeftOut::refuse(std::string param, std::string_view what) {
  if (!lenient_) return unsayable(std::move(param), what);
  if (std::ranges::find(fields_, param) == fields_.end()) fields_.push_back(std::move(param));
  return {};
}

std::string context_param(const UpstreamAsk& ask, size_t index) {
  const size_t size = ask.context.size(), given = ask.request.input.size();
  const bool has_history = !ask.request.previous_response_id.empty() || !ask.request.conversation.empty();
  const size_t history = given > size || !has_history ? 0 : size - given;
  if (index >= history) return say("input[{}]", index - history);
  return ask.request.conversation.empty() ? "previous_response_id" : "conversation";
}

Result<void> refuse_logprobs(const Request& request, LeftOut& left_out) {
  if (request.top_logprobs.value_or(0) > 0) TRY_VOID(left_out.refuse("top_logprobs"));
  if (std::ranges::find(request.include, "message.output_text.logprobs") != request.include.end())
    TRY_VOID(left_out.refuse("include", "a wish for logprobs"));
  return {};
}

Result<void> refuse_names(const UpstreamAsk& ask, LeftOut& left_out) {
  for (size_t i = 0; i < ask.context.size(); ++i) {
    const Item& item = ask.context[i];
    if (item.kind == ItemKind::kMessage && !item.name.empty())
      TRY_VOID(left_out.refuse(context_param(ask, i) + ".name", "the name of a participant"));
  }
  return {};
}

bool allows_one(const ToolChoice& choice) {
  return choice.mode == ToolChoice::Mode::kAllowed && choice.allowed_required && choice.allowed.size() == 1;
}

std::vector<size_t> shown_tools(const Request& request) {
  const ToolChoice& choice = request.tool_choice;
  std::vector<size_t> out;
  for (size_t i = 0; i < request.tools.size(); ++i) {
    const bool allowed = std::ranges::find(choice.allowed, request.tools[i].name) != choice.allowed.end();
    if (choice.mode != ToolChoice::Mode::kAllowed || allows_one(choice) || allowed) out.push_back(i);
  }
  return out;
}

bool is_begun_by_client(const UpstreamAsk& ask) {
  if (ask.context.empty() || ask.request.dialect != ClientDialect::kMessages) return false;
  const Item& last = ask.context.back();
  return last.kind == ItemKind::kMessage && last.role == Role::kAssistant && last.status == ItemStatus::kInProgress;
}

Result<void> check_tool_pairs(const UpstreamAsk& ask) {
  struct Pairs {
    size_t calls = 0, outputs = 0;
  };
  std::map<std::string_view, Pairs> by_id;  // a model may use an id again
  for (size_t i = 0; i < ask.context.size(); ++i) {
    const Item& item = ask.context[i];
    if (item.kind == ItemKind::kFunctionCall) ++by_id[item.call_id].calls;
    if (item.kind != ItemKind::kFunctionCallOutput) continue;
    Pairs& pairs = by_id[item.call_id];
    if (++pairs.outputs > pairs.calls) {
      return Error{.code = Code::kInvalid,
                   .message = say("No tool call found for function call output with call_id {}.", item.call_id),
                   .param = context_param(ask, i),
                   .reason = "tool_call_not_found"};
    }
  }
  for (const auto& [call_id, pairs] : by_id) {
    if (pairs.outputs < pairs.calls) {
      return Error{.code = Code::kInvalid,
                   .message = say("No tool output found for function call {}.", call_id),
                   .param = "input",
                   .reason = "tool_output_not_found"};
    }
  }
  return {};
}

}  // namespace perdure
