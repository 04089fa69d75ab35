#pragma once
// MessagesAnswerReader: what a Messages answer says, event by event or whole. Pure.
//
// Events that are not known ask for nothing and are passed over; blocks and deltas that are not known would be content
// lost, and are refused by their type. So are blocks of tools that the supplier runs itself: none is ever asked for.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/piece.h"
#include "wire/json.h"

namespace perdure {

class MessagesAnswerReader {
 public:
  // `type` of the event, and its data. kCorrupt: not this dialect. Else as the supplier's `error` event says.
  Result<void> event(std::string_view type, json::Value data, std::vector<Piece>& out);
  // The whole answer.
  Result<void> whole(json::Value message, std::vector<Piece>& out);

  bool stopped() const { return stopped_; }                  // message_stop has come
  bool whole_so_far() const { return finished_ && !open_; }  // a stop reason has, and nothing is open

 private:
  enum class Block : uint8_t { kText, kThinking, kRedacted, kToolUse };
  struct Open {
    Block block = Block::kText;
    int64_t index = 0;      // theirs
    std::string signature;  // thinking; the data of a redacted block
    std::string input;      // of a call, as it began; said only if no arguments follow
    bool thought = false;   // it has text of thinking
    bool argued = false;    // arguments came
    size_t began = 0;       // characters of text before it
    std::vector<std::string> citations;
  };
  Result<void> start(json::Value message, std::vector<Piece>& out);
  Result<void> begin(int64_t index, json::Value block, std::vector<Piece>& out);
  Result<void> delta(json::Value delta, std::vector<Piece>& out);
  void end(std::vector<Piece>& out);
  void text(Piece::Kind kind, std::string_view text, std::vector<Piece>& out);
  void usage(json::Value usage, std::vector<Piece>& out);
  void finish(json::Value reason, json::Value sequence, json::Value details, std::vector<Piece>& out);

  std::optional<Open> open_;
  std::optional<int64_t> input_, cache_read_, cache_write_, output_, thought_;  // tokens; cumulative
  size_t characters_ = 0;                                                       // of text so far
  size_t held_ = 0;  // bytes of citations and signatures of the open block
  int calls_ = 0;
  bool started_ = false, spoke_ = false, finished_ = false, stopped_ = false;
};

// An error of the supplier's, by the words in its `error` object. `status` 0: it came inside a stream.
Error messages_error_of(json::Value error, int status);

}  // namespace perdure
