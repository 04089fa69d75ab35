#pragma once
// PassedOn: what a client has been shown of a stream that was relayed, and how the frames of another author go on
// behind it: in the client's own counts, whatever that author's would be. Pure. Inside the gateway only.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dialect/client_stream.h"
#include "gateway/client_dialect.h"
#include "gateway/relayed_items.h"
#include "wire/json.h"

namespace perdure {

class PassedOn {
 public:
  explicit PassedOn(ClientDialect dialect = ClientDialect::kResponses) : dialect_(dialect) {}

  // Whole events that were passed on. Looks at few of them: the last ones say how far the stream has come.
  void note(std::string_view events);
  // Whether the answer has begun for the client; until then another's begins it.
  bool begun() const { return begun_; }
  uint64_t next_sequence() const { return next_sequence_; }  // of Responses
  // Of Responses: the items that were announced, in order. At most one is open, the last.
  const std::vector<SeenItem>& items() const { return items_; }

  // `event` as it goes on, with what it takes to be in order. The first one settles where the counts begin.
  std::string go_on(const RenderedEvent& event);

 private:
  bool note_frame(json::Value frame);  // whether older frames have nothing to add
  void note_items(std::string_view events);
  void note_item(json::Value frame);
  std::string go_on_block(const RenderedEvent& event);
  void start_block(std::string& out, std::string_view type, std::string_view block);
  void stop_block(std::string& out);

  ClientDialect dialect_;
  bool begun_ = false;
  bool role_ = false;  // of Chat: who speaks has been said
  uint64_t next_sequence_ = 0;
  std::optional<uint64_t> shift_;  // of sequence numbers
  std::vector<SeenItem> items_;
  // Of Messages: how many blocks have begun, and the type of the one that is open, or nothing.
  int64_t blocks_ = 0;
  std::string open_;
};

}  // namespace perdure
