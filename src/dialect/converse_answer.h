#pragma once
// ConverseAnswerReader: what one event of a ConverseStream, or one whole Converse answer, says.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/piece.h"
#include "wire/json.h"

namespace perdure {

class ConverseAnswerReader {
 public:
  // One event by its name ("contentBlockDelta"). kCorrupt: it makes no sense, or holds content of a kind that has no
  // place in an answer here. Events of unknown names are passed over.
  Result<void> event(std::string_view name, json::Value payload, std::vector<Piece>& out);
  // An answer of Converse.
  Result<void> whole(json::Value root, std::vector<Piece>& out);
  bool finished() const { return finished_; }  // the stop reason has come
  bool measured() const { return measured_; }  // and the usage

 private:
  struct Block {
    enum class Kind { kText, kReasoning, kCall, kInertCall };
    Kind kind = Kind::kText;
    int call = 0;       // its number among the calls
    bool text = false;  // of reasoning
    std::string signature;
    std::string redacted;  // base64
  };
  Result<void> start(json::Value payload, std::vector<Piece>& out);
  Result<void> delta(json::Value payload, std::vector<Piece>& out);
  Result<void> reasoning_delta(Block& block, json::Value reasoning, std::vector<Piece>& out);
  Result<void> content(json::Value block, std::vector<Piece>& out);
  Result<Block*> block_at(json::Value payload, Block::Kind kind);
  Result<void> begin_call(Block& block, json::Value tool_use, std::vector<Piece>& out);
  void end(Block& block, std::vector<Piece>& out);
  Result<void> stop(json::Value payload, std::vector<Piece>& out);
  void usage(json::Value payload, std::vector<Piece>& out);

  std::map<int64_t, Block> open_;  // by contentBlockIndex
  int calls_ = 0;
  bool inert_ = false;  // the tool that is there for form's sake was called
  bool finished_ = false, measured_ = false;
};

// The error that an exception of this dialect stands for. `status` 0: it came inside a stream.
Error converse_error(int status, std::string_view type, std::string_view message);

}  // namespace perdure
