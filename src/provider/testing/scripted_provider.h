#pragma once
// ScriptedProvider: a Provider whose answers a test writes. Each call asks `script` what to say; pieces come one by one
// with a pause before each, then the end or an error.

#include <functional>

#include "provider/provider.h"

namespace perdure {

struct ScriptedAnswer {
  std::vector<Piece> pieces;
  std::optional<Error> refusal;  // instead of an answer
  std::optional<Error> cut;      // instead of the end
  Duration pause = std::chrono::milliseconds(10);
};

struct ScriptedCall {
  size_t number = 0;  // 0, 1, ...
  std::string model, held, ask;
  std::vector<Item> context;
  std::optional<int64_t> max_output_tokens;
};

class ScriptedProvider final : public Provider {
 public:
  using Script = std::function<ScriptedAnswer(const ScriptedCall&)>;
  ScriptedProvider(Loop& loop, Script script, std::string name = "scripted")
      : loop_(loop), script_(std::move(script)), name_(std::move(name)) {}
  const std::string& name() const override { return name_; }
  Task<Result<std::unique_ptr<UpstreamAnswer>>> open(UpstreamCall call, Deadline deadline,
                                                     Cancellation& cancel) override;
  size_t calls() const { return calls_; }

 private:
  Loop& loop_;
  Script script_;
  std::string name_;
  size_t calls_ = 0;
};

Piece text_piece(std::string text);
Piece finish_piece(Finish finish = Finish::kStop);
Piece tool_piece(int index, std::string call_id, std::string name, std::string arguments);
// `text` in pieces of about four bytes, never inside a UTF-8 sequence.
std::vector<Piece> text_pieces(std::string_view text);

}  // namespace perdure
