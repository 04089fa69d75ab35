#include "generation/metrics.h"

#include <algorithm>

namespace perdure {

GenerationMetrics::GenerationMetrics(Registry& registry)
    : hedges_(registry.counter("perdure_hedges_total", "Second attempts beside a first one that stayed silent.")),
      hedges_won_(registry.counter("perdure_hedges_won_total", "Of those, how many spoke first.")) {
  std::string help = "Attempts that have ended, by outcome.";
  for (size_t i = 0; i < kOutcomes.size(); ++i)
    outcomes_[i] = &registry.counter("perdure_attempts_total", std::exchange(help, {}),
                                     "outcome=\"" + std::string(kOutcomes[i]) + "\"");
  help =
      "Continuations, by how their text was joined with what was shown before; ambiguous: it may have been joined "
      "wrongly, since the text repeats itself.";
  for (size_t i = 0; i < kSeams.size(); ++i)
    seams_[i] =
        &registry.counter("perdure_seams_total", std::exchange(help, {}), "kind=\"" + std::string(kSeams[i]) + "\"");
}

void GenerationMetrics::ended(const AttemptEnded& attempt) {
  auto outcome = std::ranges::find(kOutcomes, attempt.outcome);
  if (outcome == kOutcomes.end()) --outcome;
  outcomes_[static_cast<size_t>(outcome - kOutcomes.begin())]->add();
  std::string_view seam =
      attempt.error.find(" seam_") != std::string::npos ? "given_up" : std::string_view(attempt.seam);
  auto kind = std::ranges::find(kSeams, seam);
  if (kind != kSeams.end()) seams_[static_cast<size_t>(kind - kSeams.begin())]->add();
}

}  // namespace perdure
