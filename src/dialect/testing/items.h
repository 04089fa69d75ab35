#pragma once
// Items of a conversation, in as few words as a test wants them.

#include "model/item.h"

namespace perdure {

inline Item user(std::string text) { return {.role = Role::kUser, .content = {{.text = std::move(text)}}}; }
inline Item assistant(std::string text) {
  return {.role = Role::kAssistant, .content = {{.kind = PartKind::kOutputText, .text = std::move(text)}}};
}
inline Item call(std::string id, std::string arguments = "{}", std::string name = "f") {
  return {.kind = ItemKind::kFunctionCall,
          .call_id = std::move(id),
          .name = std::move(name),
          .arguments = std::move(arguments)};
}
inline Item output(std::string id, std::string text) {
  return {.kind = ItemKind::kFunctionCallOutput, .call_id = std::move(id), .output = std::move(text)};
}

}  // namespace perdure
