#pragma once
// ResponsesAnswerReader: what one event, or one whole answer, of the Responses dialect says. Suppliers differ in how
// much they stream: whatever an item, a part or the final response holds beyond what came as deltas is said when it is
// done, and nothing is said twice.

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/piece.h"
#include "wire/json.h"

namespace perdure {

class ResponsesAnswerReader {
 public:
  // One event. An error event, or a response that failed, is returned as the Error it stands for. Events of kinds that
  // are not known say nothing: what matters comes again with its item.
  Result<void> event(std::string_view type, json::Value event, std::vector<Piece>& out);
  // One whole response.
  Result<void> response(json::Value response, std::vector<Piece>& out);
  bool finished() const { return finished_; }

 private:
  struct Place {  // an item of the output, and what has been said of it
    std::string type, id;
    bool begun = false, sealed = false;
    int number = 0;                  // of the call, or of the reasoning
    size_t arguments = 0;            // bytes
    std::map<int64_t, size_t> text;  // bytes, by content_index
    std::map<int64_t, size_t> summary, annotations;
  };
  void start(json::Value response, std::vector<Piece>& out);
  Result<Place*> place(json::Value event, std::string_view type);
  Result<Place*> place(int64_t index, std::string_view type, std::string_view id);
  Result<void> begin(Place& place, json::Value item, std::vector<Piece>& out);
  Result<void> item(Place& place, json::Value item, std::vector<Piece>& out);
  Result<void> part(Place& place, int64_t index, json::Value part, std::vector<Piece>& out);
  void rest(Place& place, Piece::Kind kind, int64_t index, std::string_view whole, std::vector<Piece>& out);
  void say(Place& place, Piece::Kind kind, int64_t index, std::string_view text, std::vector<Piece>& out);
  Result<void> output(json::Value items, std::vector<Piece>& out);
  Result<void> end(json::Value response, std::vector<Piece>& out);

  std::map<int64_t, Place> places_;  // by output_index
  int messages_ = 0, calls_ = 0, reasonings_ = 0;
  bool started_ = false, refused_ = false, finished_ = false;
};

}  // namespace perdure
