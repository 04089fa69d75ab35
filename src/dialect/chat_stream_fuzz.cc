// Any bytes as a supplier's stream: cut anywhere it gives the pieces of the whole, and calls begin before their
// arguments. The first two bytes choose the cuts.

#include <cstdint>
#include <string>

#include "dialect/chat_upstream.h"
#include "dialect/testing/cut_anywhere.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace perdure;
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  (void)CutAnywhere(data, []() -> std::unique_ptr<AnswerParser> {
    return std::make_unique<ChatStreamParser>();
  }).check(bytes);
  (void)parse_chat_answer(std::string(bytes)).ok();
  (void)parse_chat_error(500, bytes.substr(0, 4), bytes);
  return 0;
}
