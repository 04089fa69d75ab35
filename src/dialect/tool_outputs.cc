#include "dialect/tool_outputs.h"

#include "dialect/left_out.h"
#include "dialect/say.h"

namespace perdure {

ToolOutputs::ToolOutputs(const UpstreamAsk& ask) : ask_(ask) {
  for (size_t i = 0; i < ask.context.size(); ++i) {
    const Item& item = ask.context[i];
    if (item.kind == ItemKind::kFunctionCallOutput) by_id_[item.call_id].indexes.push_back(i);
  }
}

Result<size_t> ToolOutputs::take(const std::string& call_id) {
  Outputs& outputs = by_id_[call_id];
  if (outputs.taken == outputs.indexes.size()) {
    return Error{.code = Code::kInvalid,
                 .message = say("No tool output found for function call {}.", call_id),
                 .param = "input",
                 .reason = "tool_output_not_found"};
  }
  return outputs.indexes[outputs.taken++];
}

Result<void> ToolOutputs::check_all_taken() const {
  for (const auto& [call_id, outputs] : by_id_) {
    if (outputs.taken == outputs.indexes.size()) continue;
    return Error{.code = Code::kInvalid,
                 .message = say("No tool call found for function call output with call_id {}.", call_id),
                 .param = context_param(ask_, outputs.indexes[outputs.taken]),
                 .reason = "tool_call_not_found"};
  }
  return {};
}

void write_arguments_object(json::Writer& out, const std::string& arguments) {
  if (arguments.find_first_not_of(" \t\r\n\v\f") == std::string::npos) {
    out.raw("{}");
    return;
  }
  auto document = json::Document::parse(arguments);
  if (document.ok() && document->root().is_object()) {
    out.raw(document->root().raw());
  } else {
    out.begin_object().field("invalid_arguments", arguments).end_object();
  }
}

}  // namespace perdure
