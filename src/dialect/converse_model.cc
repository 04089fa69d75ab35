// What Converse has no field for: reasoning, top_k and one call at a time, in the words of the model's maker.

#include <algorithm>
#include <array>
#include <charconv>

#include "dialect/converse_request.h"
#include "dialect/upstream_error.h"

namespace perdure {
namespace {

constexpr int64_t kBudgetMin = 1024;

bool has(std::string_view text, std::string_view word) { return text.find(word) != std::string_view::npos; }

// The number that `text` begins with; -1: none. A date is no number of a version.
int version_number(std::string_view text) {
  int out = -1;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out > 99 ? -1 : out;
}

ConverseFamily claude_family(std::string_view name) {
  for (std::string_view old :
       {"claude-v", "claude-instant", "claude-3-5", "claude-3-opus", "claude-3-sonnet", "claude-3-haiku"})
    if (has(name, old)) return ConverseFamily::kClaudePlain;
  if (has(name, "claude-3-7")) return ConverseFamily::kClaudeBudget;
  for (std::string_view tier : {"claude-opus-", "claude-sonnet-", "claude-haiku-"}) {
    const size_t at = name.find(tier);
    if (at == std::string_view::npos) continue;
    const std::string_view version = name.substr(at + tier.size());
    const size_t dash = version.find('-');
    const int minor = dash == std::string_view::npos ? -1 : version_number(version.substr(dash + 1));
    if (version_number(version) == 4 && minor < 6) return ConverseFamily::kClaudeBudget;
  }
  return ConverseFamily::kClaude;
}

bool is_claude(ConverseFamily family) {
  return family == ConverseFamily::kClaude || family == ConverseFamily::kClaudeBudget ||
         family == ConverseFamily::kClaudePlain;
}

int64_t budget_of(std::string_view effort) {
  if (effort == "minimal") return kBudgetMin;
  if (effort == "low") return 2048;
  if (effort == "medium") return 8192;
  return effort == "high" ? 16384 : 32768;
}

// The nearest effort among low, medium, high (and, for Claude, what lies above).
std::string effort_word(std::string_view effort, bool above_high) {
  if (effort == "minimal") return "low";
  if (!above_high && (effort == "xhigh" || effort == "max")) return "high";
  return std::string(effort);
}

class ModelFields {
 public:
  ModelFields(const UpstreamAsk& ask, ConverseFamily family, const ConverseTools& tools, LeftOut& left_out)
      : ask_(ask), family_(family), tools_(tools), left_out_(left_out) {}

  Result<ConverseModelFields> write() {
    out_.begin_object();
    TRY_VOID(write_reasoning());
    TRY_VOID(write_one_call_at_a_time());
    TRY_VOID(write_top_k());
    out_.end_object();
    fields_.additional = out_.take();
    if (fields_.additional == "{}") fields_.additional.clear();
    return std::move(fields_);
  }

 private:
  Result<void> write_reasoning() {
    const Request& request = ask_.request;
    const std::string& effort = request.reasoning_effort;
    const bool budget = request.reasoning_tokens_max.value_or(0) > 0;
    if ((effort.empty() || effort == "none") && !budget) return {};
    constexpr std::array<std::string_view, 6> kEfforts = {"minimal", "low", "medium", "high", "xhigh", "max"};
    if (!effort.empty() && effort != "none" && std::ranges::find(kEfforts, effort) == kEfforts.end())
      return left_out_.refuse("reasoning.effort", "a reasoning effort of this name");
    switch (family_) {
      case ConverseFamily::kClaude:
      case ConverseFamily::kClaudeBudget:
        return write_thinking(effort == "none" ? "" : effort, budget);
      case ConverseFamily::kNova:
        if (budget) TRY_VOID(refuse_budget());
        if (effort.empty()) return {};
        out_.key("reasoningConfig").begin_object().field("type", "enabled");
        out_.field("maxReasoningEffort", effort_word(effort, false)).end_object();
        return {};
      case ConverseFamily::kGptOss:
        if (budget) TRY_VOID(refuse_budget());
        if (!effort.empty()) out_.field("reasoning_effort", effort_word(effort, false));
        return {};
      default:
        return left_out_.refuse(budget ? "thinking.budget_tokens" : "reasoning.effort",
                                "a wish for reasoning: this model does not reason on request");
    }
  }

  Result<void> refuse_budget() {
    return left_out_.refuse("thinking.budget_tokens", "a budget of tokens for reasoning");
  }

  Result<void> write_thinking(const std::string& effort, bool budget) {
    // Claude does not think before it goes on with what was begun for it.
    if (!ask_.held.empty() && ask_.ask.empty()) return {};
    // Nor when it is told what to call.
    if (tools_.forced) {
      if (!ask_.request.lenient) return unsayable("tool_choice", "a forced tool choice together with reasoning");
      return left_out_.refuse("reasoning.effort");
    }
    if (family_ == ConverseFamily::kClaude) {
      if (budget) TRY_VOID(refuse_budget());
      out_.key("thinking").begin_object().field("type", "adaptive").end_object();
      fields_.thinks = true;
      if (!effort.empty()) fields_.effort = effort_word(effort, true);
      return {};
    }
    // The budget is part of the limit on the output, and must be smaller. A limit too small for both leaves no room
    // for thinking.
    int64_t tokens = budget ? *ask_.request.reasoning_tokens_max : budget_of(effort);
    if (ask_.max_output_tokens && tokens >= *ask_.max_output_tokens) tokens = *ask_.max_output_tokens / 2;
    // Another supplier wrote the turn whose tools are being answered: it cannot begin with thoughts of Claude's.
    if (tokens < kBudgetMin || tools_.bare_loop) return {};
    fields_.thinks = true;
    out_.key("thinking").begin_object().field("type", "enabled").field("budget_tokens", tokens).end_object();
    return {};
  }

  // Beside a toolChoice, which says what is forced, the maker's field must not say its type again.
  Result<void> write_one_call_at_a_time() {
    if (ask_.request.parallel_tool_calls.value_or(true) || !tools_.any) return {};
    if (!is_claude(family_)) return {};  // there is no word for it; what is shown of an answer keeps to it
    out_.key("tool_choice").begin_object();
    if (!tools_.forced) out_.field("type", "auto");
    out_.field("disable_parallel_tool_use", true).end_object();
    return {};
  }

  Result<void> write_top_k() {
    if (!ask_.request.top_k) return {};
    if (fields_.thinks) return left_out_.refuse("top_k", "'top_k' together with reasoning");
    if (is_claude(family_)) {
      out_.field("top_k", *ask_.request.top_k);
    } else if (family_ == ConverseFamily::kNova || family_ == ConverseFamily::kNovaPlain) {
      out_.key("inferenceConfig").begin_object().field("topK", *ask_.request.top_k).end_object();
    } else {
      return left_out_.refuse("top_k");
    }
    return {};
  }

  const UpstreamAsk& ask_;
  ConverseFamily family_;
  const ConverseTools& tools_;
  LeftOut& left_out_;
  json::Writer out_;
  ConverseModelFields fields_;
};

}  // namespace

ConverseFamily converse_family(std::string_view model) {
  if (has(model, "claude")) return claude_family(model);
  if (has(model, "nova-2")) return ConverseFamily::kNova;
  if (has(model, "amazon.nova")) return ConverseFamily::kNovaPlain;
  if (has(model, "gpt-oss")) return ConverseFamily::kGptOss;
  return ConverseFamily::kOther;
}

Result<ConverseModelFields> converse_model_fields(const UpstreamAsk& ask, ConverseFamily family,
                                                  const ConverseTools& tools, LeftOut& left_out) {
  return ModelFields(ask, family, tools, left_out).write();
}

}  // namespace perdure
