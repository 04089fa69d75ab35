#include "deployments.h"

#include "corpus.h"
#include "dialect/chat_upstream.h"
#include "dialect/converse_upstream.h"
#include "dialect/gemini_upstream.h"
#include "dialect/messages_upstream.h"
#include "dialect/responses_upstream.h"
#include "simulate/chat_request.h"
#include "simulate/converse_request.h"
#include "simulate/gemini_request.h"
#include "simulate/messages_request.h"
#include "simulate/responses_request.h"

namespace perdure::fidelity {

std::string_view name_of(Dialect dialect) {
  constexpr std::string_view kNames[] = {"chat", "responses", "messages", "converse", "gemini"};
  return kNames[static_cast<size_t>(dialect)];
}

Deployment deployment_of(Dialect dialect, uint64_t which) {
  switch (dialect) {
    case Dialect::kMessages: {
      const std::string models[] = {"claude-opus-4-7", "claude-sonnet-4-5", "claude-3-haiku-20240307"};
      const std::string& model = models[which % 3];
      return {dialect, model, messages_variant_of(model).prefill};
    }
    case Dialect::kConverse: {
      const std::string models[] = {"anthropic.claude-opus-4-7", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
                                    "anthropic.claude-3-haiku-20240307-v1:0"};
      return {dialect, models[which % 3]};
    }
    case Dialect::kGemini: {
      const std::string models[] = {"gemini-3-pro-preview", "gemini-2.5-flash", "gemini-2.0-flash"};
      return {dialect, models[which % 3]};
    }
    default:
      return {dialect, "m"};
  }
}

std::unique_ptr<UpstreamDialect> upstream_of(Dialect dialect) {
  switch (dialect) {
    case Dialect::kChat:
      return chat_upstream({});
    case Dialect::kResponses:
      return responses_upstream();
    case Dialect::kMessages:
      return messages_upstream();
    case Dialect::kConverse:
      return converse_upstream();
    case Dialect::kGemini:
      return gemini_upstream();
  }
  return nullptr;
}

Result<simulate::Prompt> read_by_supplier(const Deployment& at, const std::string& body,
                                          const simulate::Signer& signer) {
  switch (at.dialect) {
    case Dialect::kChat: {
      TRY(auto read, simulate::parse_chat_request(body));
      return simulate::Prompt(std::move(read));
    }
    case Dialect::kResponses: {
      TRY(auto read, simulate::parse_responses_request(body, signer, nullptr));
      return simulate::Prompt(std::move(read));
    }
    case Dialect::kMessages: {
      TRY(auto read, simulate::parse_messages_request(body, signer, {.prefill = at.prefill}));
      return simulate::Prompt(std::move(read));
    }
    case Dialect::kConverse:
      return simulate::parse_converse_request(body, at.model, signer);
    case Dialect::kGemini: {
      TRY(auto read, simulate::parse_gemini_request(body, at.model, signer));
      return simulate::Prompt(std::move(read));
    }
  }
  return Error{};
}

std::string text_of(const std::vector<Part>& parts) {
  std::string out;
  for (const Part& part : parts) out += part.text;
  return out;
}

std::vector<Item> sealed_for(Dialect dialect, std::vector<Item> context, const simulate::Signer& signer) {
  for (size_t i = 0; i < context.size(); ++i) {
    Item& item = context[i];
    if (item.kind != ItemKind::kReasoning || item.issuer != kOurs) continue;
    const std::string text = text_of(item.content);
    const bool redacted = item.opaque == OpaqueKind::kRedacted;
    switch (dialect) {
      case Dialect::kChat:
        item.encrypted = "nothing that this dialect has a place for";
        break;
      case Dialect::kResponses:
        item.encrypted = signer.seal(simulate::kReasoningPurpose, text + "?");
        item.opaque = OpaqueKind::kEncrypted;
        if (!text.empty()) item.summary = {{.kind = PartKind::kSummaryText, .text = text}};
        item.content.clear();
        break;
      case Dialect::kMessages:
        item.encrypted = signer.seal(redacted ? simulate::kRedactedPurpose : simulate::kThinkingPurpose,
                                     text.empty() ? "hidden" : text);
        break;
      case Dialect::kConverse:
        item.encrypted =
            signer.seal(redacted ? simulate::kRedactedContentPurpose : simulate::kReasoningContentPurpose, text);
        break;
      case Dialect::kGemini: {
        const bool of_call = text.empty() && i + 1 < context.size() && context[i + 1].kind == ItemKind::kFunctionCall;
        item.encrypted = signer.seal(simulate::kThoughtPurpose, of_call ? context[i + 1].name : "");
        item.opaque = OpaqueKind::kSignature;
        break;
      }
    }
  }
  return context;
}

}  // namespace perdure::fidelity
