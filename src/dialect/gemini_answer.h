#pragma once
// GeminiAnswerReader: what one GenerateContentResponse says, be it a whole answer or one event of a stream. Whole or
// streamed, the same answer gives the same pieces but for how its texts are cut.

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "dialect/gemini_arguments.h"
#include "dialect/gemini_citations.h"
#include "model/piece.h"
#include "wire/json.h"

namespace perdure {

class GeminiAnswerReader {
 public:
  // An error object in its place is returned as the Error it stands for. kCorrupt: not this dialect, or a part that
  // this model of answers has no place for (an image, code that was run).
  Result<void> read(json::Value root, std::vector<Piece>& out);
  bool finished() const { return finished_; }

 private:
  // A call whose arguments come in pieces.
  struct Open {
    std::string id, name, signature;
    GeminiArguments arguments;
  };
  Result<void> candidate(json::Value candidate, std::vector<Piece>& out);
  Result<void> part(json::Value part, std::vector<Piece>& out);
  Result<void> function_call(json::Value call, std::string_view signature, std::vector<Piece>& out);
  Result<void> begin_call(std::string_view id, std::string_view name, std::string_view signature, std::string arguments,
                          std::vector<Piece>& out);
  Result<void> end_open(std::vector<Piece>& out);
  void usage(json::Value value, std::vector<Piece>& out);
  void finish(Finish finish, std::string_view word, std::vector<Piece>& out);
  GeminiCitations citations_;
  std::optional<Open> open_;
  Usage usage_;
  int calls_ = 0;
  bool started_ = false, finished_ = false;
};

// The error that an error object of Google's APIs stands for. `status` 0: it came inside an answer with a good status.
Error gemini_error_of(json::Value error, int status);
Error parse_gemini_error(int status, std::string_view retry_after, std::string_view body);

}  // namespace perdure
