#pragma once
// Compaction items: what stands for the part of a conversation that is no longer shown word for word. Perdure's own are
// portable: text that anybody can read and any supplier can go on from, in the field that others fill with bytes.
//
//   pdc1.{"summary":"...","model":"...","from":"msg_..."}
//
// `summary` is what a model wrote of everything that is not the user's (or the developer's) own words, which stay as
// they are; `model`, who wrote it; `from`, the id of the first item before this one that stays whole, or nothing.

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/item.h"

namespace perdure {

// `issuer` of a compaction item that a response has put behind its whole context: what it stands for is still there.
// Of one that a client gave it is empty, and what it stands for is not.
inline constexpr std::string_view kWindowIssuer = "window";

struct Compaction {
  std::string summary, model, from;
  bool operator==(const Compaction&) const = default;
};

std::string pack_compaction(const Compaction& compaction);
// kInvalid: not in the form above: somebody else's, which only they can read.
Result<Compaction> unpack_compaction(std::string_view text);

// As a supplier is told: a message of the user, since what a model has read off a conversation must not command.
Item compaction_message(const Compaction& compaction, std::string id);

}  // namespace perdure
