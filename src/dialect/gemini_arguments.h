#pragma once
// Arguments of a call that Vertex AI streams in pieces, each with the place where it belongs (PartialArg: a JSON path
// and a scalar, or the next part of a string) -> one JSON object. Numbers keep the bytes that they were written with.
// Bounded: 8 MiB, 65'536 values, 64 levels, 4096 fields of one object; more is kCorrupt, as is a path that makes no
// sense.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/json.h"

namespace perdure {

class GeminiArguments {
 public:
  // One element of partialArgs.
  Result<void> add(json::Value partial);
  // A whole `args` object, of a call that goes on.
  Result<void> add_whole(json::Value args);
  // The object so far; "{}" when nothing came.
  std::string take();

 private:
  enum class Kind : uint8_t { kUnset, kScalar, kString, kArray, kObject };
  struct Node {
    Kind kind = Kind::kUnset;
    bool goes_on = false;           // a string that is not whole yet
    std::string text;               // kScalar: JSON; kString: the string
    std::vector<std::string> keys;  // kObject
    std::vector<Node> nodes;        // kObject, kArray
  };
  struct Step {
    bool index = false;
    size_t number = 0;
    std::string name;
  };
  static Result<std::vector<Step>> steps_of(std::string_view path);
  Result<Node*> at(std::string_view path);
  Result<Node*> child(Node& node, const Step& step);
  Result<void> count(size_t bytes);
  Result<void> copy(Node& node, json::Value value, size_t depth);
  static void write(json::Writer& out, const Node& node);
  Node root_{.kind = Kind::kObject};
  size_t bytes_ = 0, values_ = 0;
};

}  // namespace perdure
