#pragma once
// ResponseShelf: responses that a simulated supplier was told to keep (--state yes), for previous_response_id and GET.
// Bounded: beyond it the oldest are forgotten.

#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

namespace perdure::simulate {

class ResponseShelf {
 public:
  struct Kept {
    std::vector<std::string> items;  // JSON, input and output in order
    std::string json;                // the response
  };

  void put(const std::string& id, Kept kept) {
    if (!kept_.insert_or_assign(id, std::move(kept)).second) return;
    order_.push_back(id);
    while (order_.size() > kResponsesMax) {
      kept_.erase(order_.front());
      order_.pop_front();
    }
  }
  const Kept* find(const std::string& id) const {
    const auto found = kept_.find(id);
    return found == kept_.end() ? nullptr : &found->second;
  }
  bool remove(const std::string& id) { return kept_.erase(id) > 0; }

 private:
  static constexpr size_t kResponsesMax = 1000;
  std::unordered_map<std::string, Kept> kept_;
  std::deque<std::string> order_;
};

}  // namespace perdure::simulate
