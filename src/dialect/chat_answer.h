#pragma once
// ChatAnswerReader: what one chunk, or one whole answer, of the Chat Completions dialect says. It takes the variations
// that suppliers are known for, and it never repeats the start, a call's name or the finish.

#include <string>
#include <vector>

#include "base/result.h"
#include "model/piece.h"
#include "wire/json.h"

namespace perdure {

class ChatAnswerReader {
 public:
  // One chat.completion.chunk or chat.completion. An error object in its place is returned as the Error it stands for.
  Result<void> read(json::Value root, std::vector<Piece>& out);
  bool finished() const { return finished_; }

 private:
  struct Call {
    int64_t theirs = 0;  // the supplier's index
    std::string id;
    int index = -1;     // ours, in the order of names; -1: its name has not come yet
    std::string early;  // arguments that came before the name
  };
  struct Choice {
    json::Value index, usage, delta, message, text, finish_reason, stop_reason, matched_stop;
  };
  Result<void> choice(const Choice& choice, json::Value usage, std::vector<Piece>& out);
  Result<void> message(json::Value message, std::vector<Piece>& out);
  Result<void> parts(json::Value parts, std::vector<Piece>& out);
  Result<void> details(json::Value details, std::vector<Piece>& out);
  void signature(json::Value extra_content, std::vector<Piece>& out);
  void note_citations(json::Value citations, json::Value search_results);
  Result<void> tool_call(json::Value call, size_t position, std::vector<Piece>& out);
  Call& call_for(int64_t theirs, std::string_view id, std::string_view name);
  std::vector<Call> calls_;
  int named_ = 0;
  std::vector<std::string> citations_;  // annotations to come with the finish
  bool started_ = false, refused_ = false, finished_ = false;
};

// The error that an error object of this dialect stands for. `status` 0: it came inside an answer with a good status.
Error chat_error_of(json::Value error, int status);

}  // namespace perdure
