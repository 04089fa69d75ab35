#include "provider/testing/scripted_provider.h"

namespace perdure {
namespace {

class Answer final : public UpstreamAnswer {
 public:
  Answer(Loop& loop, ScriptedAnswer script, Cancellation& cancel)
      : loop_(loop), script_(std::move(script)), cancel_(cancel) {}
  Task<Result<bool>> next(std::vector<Piece>& out, Deadline deadline) override {
    Deadline ready{loop_.now() + script_.pause};
    if (next_ == script_.pieces.size() && !script_.cut) co_return false;
    bool cancelled = co_await cancel_.wait(ready.sooner(deadline));
    if (cancelled) co_return Error{Code::kCancelled, "cancelled"};
    if (deadline.at < ready.at) co_return Error{Code::kDeadline, "nothing came in time"};
    if (next_ == script_.pieces.size()) co_return *script_.cut;
    out.push_back(script_.pieces[next_++]);
    co_return true;
  }

 private:
  Loop& loop_;
  ScriptedAnswer script_;
  Cancellation& cancel_;
  size_t next_ = 0;
};

}  // namespace

Task<Result<std::unique_ptr<UpstreamAnswer>>> ScriptedProvider::open(UpstreamCall call, Deadline,
                                                                     Cancellation& cancel) {
  ScriptedCall seen{
      calls_++, call.model, call.held, call.ask, {call.context.begin(), call.context.end()}, call.max_output_tokens};
  ScriptedAnswer answer = script_(seen);
  if (answer.refusal) co_return *answer.refusal;
  co_return std::unique_ptr<UpstreamAnswer>(std::make_unique<Answer>(loop_, std::move(answer), cancel));
}

Piece text_piece(std::string text) { return {.kind = Piece::Kind::kText, .text = std::move(text)}; }

Piece finish_piece(Finish finish) {
  return {.kind = Piece::Kind::kFinish, .text = finish == Finish::kLength ? "length" : "stop", .finish = finish};
}

Piece tool_piece(int index, std::string call_id, std::string name, std::string arguments) {
  return {.kind = Piece::Kind::kToolCall,
          .text = std::move(arguments),
          .index = index,
          .call_id = std::move(call_id),
          .name = std::move(name)};
}

std::vector<Piece> text_pieces(std::string_view text) {
  std::vector<Piece> out;
  for (size_t from = 0; from < text.size();) {
    size_t to = std::min(text.size(), from + 4);
    while (to < text.size() && (static_cast<unsigned char>(text[to]) & 0xc0) == 0x80) ++to;
    out.push_back(text_piece(std::string(text.substr(from, to - from))));
    from = to;
  }
  return out;
}

}  // namespace perdure
