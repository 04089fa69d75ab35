#pragma once
// The `messages` and `system` of a Messages request -> items. Used by messages_client_request.cc.

#include <string>
#include <vector>

#include "base/result.h"
#include "dialect/request_reader.h"
#include "model/item.h"
#include "wire/json.h"

namespace perdure {

// What is not to be had here: refused, or, for a lenient request, noted.
class NotHere {
 public:
  NotHere(bool lenient, std::vector<std::string>& left_out) : lenient_(lenient), left_out_(left_out) {}
  void refuse(RequestReader& in, std::string param, std::string what) {
    lenient_ ? left_out_.push_back(std::move(param)) : in.fail(not_supported(std::move(param), std::move(what)));
  }
  // Also what nobody knows.
  Result<void> finish(RequestReader& in) {
    if (lenient_) in.leave_out_unknown(left_out_);
    return in.finish();
  }

 private:
  bool lenient_;
  std::vector<std::string>& left_out_;
};

// "cache_control" of the object that `in` reads: its time to live, or empty.
std::string parse_cache_control(RequestReader& in);

// `continues`: behind others that are not here, so that results may be of calls that those made.
Result<std::vector<Item>> parse_messages_items(json::Value messages, NotHere& not_here, bool continues = false);
// The blocks of a system prompt, at `where`, as one message.
Result<Item> parse_system_blocks(json::Value blocks, const std::string& where, NotHere& not_here);

}  // namespace perdure
