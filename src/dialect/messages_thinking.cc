// What a model is told about thinking, and which model takes what.

#include <algorithm>
#include <charconv>

#include "dialect/messages_request.h"
#include "dialect/upstream_error.h"

namespace perdure {
namespace {

constexpr int64_t kBudgetMin = 1024;
constexpr std::string_view kEfforts[] = {"minimal", "low", "medium", "high", "xhigh", "max"};
constexpr int64_t kBudgets[] = {kBudgetMin, 2048, 8192, 16384, 32768, 32768};

// Major and minor of "claude-opus-4-5-20251101" and "claude-3-5-haiku-latest", as 405 and 305; 0: no version.
int claude_version(std::string_view name) {
  int numbers[2] = {0, 0}, found = 0;
  for (size_t i = 0; i < name.size() && found < 2;) {
    const size_t end = std::min(name.find_first_of("-.@:", i), name.size());
    int number = 0;
    const auto [at, fault] = std::from_chars(name.data() + i, name.data() + end, number);
    const bool small = fault == std::errc{} && at == name.data() + end && number < 100;  // else a word or a date
    if (small) numbers[found++] = number;
    if (!small && found > 0) break;
    i = end + 1;
  }
  return found == 0 ? 0 : numbers[0] * 100 + numbers[1];
}

std::string_view effort_word(std::string_view effort, const MessagesVariant& variant) {
  if (effort == "minimal") return "low";
  if (effort == "max" && !variant.max_effort) return variant.xhigh ? "xhigh" : "high";
  if (effort == "xhigh" && !variant.xhigh) return "high";
  return effort;
}

std::string_view display_word(std::string_view summary) {
  if (summary.empty()) return {};
  return summary == "none" ? "omitted" : "summarized";
}

}  // namespace

MessagesVariant messages_variant_of(std::string_view model) {
  MessagesVariant out;
  const size_t claude = model.find("claude-");
  if (claude == std::string_view::npos) return out;
  int version = claude_version(model.substr(claude + 7));
  if (version == 0) version = model.substr(claude).starts_with("claude-instant") ? 100 : 9900;  // a name without: new
  const bool opus = model.find("opus", claude) != std::string_view::npos;
  out.thinking_budget = version >= 307 && version < 407;
  out.thinking_adaptive = version >= 406;
  out.effort = version >= 406 || (version == 405 && opus);
  out.max_effort = version >= 406;
  out.xhigh = version >= 407;
  out.structured_output = out.strict_tools = version >= 405 || (version == 401 && opus);
  out.prefill = version < 406;
  out.sampling = version < 407;
  out.temperature_with_top_p = version < 401;
  return out;
}

bool is_forced(const Request& request) {
  const ToolChoice& choice = request.tool_choice;
  return !request.tools.empty() &&
         (choice.mode == ToolChoice::Mode::kRequired || choice.mode == ToolChoice::Mode::kFunction ||
          (choice.mode == ToolChoice::Mode::kAllowed && choice.allowed_required));
}

Result<MessagesThinking> messages_thinking(const UpstreamAsk& ask, const MessagesVariant& variant, int64_t limit,
                                           const MessagesTurns& turns, LeftOut& left_out) {
  using Kind = MessagesThinking::Kind;
  const Request& request = ask.request;
  const std::string& effort = request.reasoning_effort;
  const bool graded = !effort.empty() && effort != "none";
  const std::optional<int64_t>& most = request.reasoning_tokens_max;
  const bool thinks = variant.thinking_budget || variant.thinking_adaptive;
  MessagesThinking out;

  const auto* step = std::ranges::find(kEfforts, effort);
  if (graded && step == std::ranges::end(kEfforts)) {
    TRY_VOID(left_out.refuse("reasoning.effort", "a reasoning effort of this name"));
    return out;
  }
  if (graded && variant.effort) out.effort = effort_word(effort, variant);
  if (most && *most <= 0) {  // no thinking; an effort is about the answer alone
    if (graded && !variant.effort) TRY_VOID(left_out.refuse("reasoning.effort", "an effort without thinking"));
    if (!graded && thinks) out.kind = Kind::kDisabled;
    return out;
  }
  if (!graded && !most) {
    if (effort == "none" && thinks) out.kind = Kind::kDisabled;
    return out;
  }

  // What goes on with an answer's own words does not think before it does.
  if (turns.begun) {
    if (ask.held.empty() && (most || !variant.effort))
      TRY_VOID(left_out.refuse(most ? "thinking.budget_tokens" : "reasoning.effort",
                               "a wish for reasoning together with the beginning of its answer"));
    return out;
  }
  if (is_forced(request)) {
    // It is the reasoning that gives way.
    if ((most || !variant.effort) && !request.lenient)
      return unsayable("tool_choice", "a forced tool choice together with reasoning");
    if (most || !variant.effort) TRY_VOID(left_out.refuse(most ? "thinking.budget_tokens" : "reasoning.effort"));
    return out;
  }
  if (most && !variant.thinking_budget) {
    TRY_VOID(left_out.refuse("thinking.budget_tokens", "a budget of tokens for reasoning"));
    if (variant.thinking_adaptive) out.kind = Kind::kAdaptive;
  } else if (!most && variant.thinking_adaptive) {
    out.kind = Kind::kAdaptive;
  } else if (variant.thinking_budget) {
    // The budget is part of the limit, and the answer needs its part too.
    const int64_t wanted = most ? *most : kBudgets[step - std::ranges::begin(kEfforts)];
    out.budget = wanted < limit ? wanted : limit - std::max<int64_t>(limit / 4, 1);
    if (most && ask.held.empty() && out.budget < kBudgetMin) {
      TRY_VOID(left_out.refuse("thinking.budget_tokens",
                               "a budget for reasoning that its limit on the output leaves no room for"));
    }
    if (!turns.bare_loop && out.budget >= kBudgetMin) out.kind = Kind::kBudget;
  } else if (!variant.effort) {
    TRY_VOID(left_out.refuse("reasoning.effort", "a wish for reasoning: this model does not reason on request"));
  }
  // On the way within a budget, what was thought is shown unless it is said otherwise.
  const std::string_view display = display_word(request.reasoning_summary);
  if (out.kind == Kind::kAdaptive || (out.kind == Kind::kBudget && display == "omitted")) out.display = display;
  return out;
}

}  // namespace perdure
