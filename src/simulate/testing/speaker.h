#pragma once
// Speaker: a conversation put into the words of one dialect, and an answer read back: just enough of a client, written
// apart from the product's, to hold one conversation with simulated suppliers of every dialect in turn.

#include <memory>
#include <string>
#include <vector>

#include "simulate/testing/bench.h"

namespace perdure::simulate {

// One step of a conversation, as its owner keeps it.
struct Step {
  enum class Kind { kUser, kAssistant, kResults };
  Kind kind = Kind::kUser;
  std::string text;
  std::string image;                 // user: the bytes of a PNG
  std::vector<ToolCall> calls;       // assistant
  std::vector<std::string> results;  // of the calls in the step before, in their order
  std::string issuer, opaque;        // assistant: whose reasoning it is, and the reasoning as its dialect wrote it
};

struct Offer {
  std::string name, schema;
};

class Speaker {
 public:
  virtual ~Speaker() = default;
  virtual std::string_view name() const = 0;
  // Where a conversation is posted, and what. A stream is asked for in the path, or in the body, or both.
  virtual std::string path(bool stream) const = 0;
  virtual HeaderList headers() const { return {}; }
  virtual std::string body(const std::vector<Step>& steps, const std::vector<Offer>& tools, bool stream) const = 0;
  Reply send(Bench& bench, const std::vector<Step>& steps, const std::vector<Offer>& tools) const {
    return bench.post(path(false), body(steps, tools, false), headers());
  }
  virtual Step read(json::Value reply) const = 0;  // an assistant's step; calls without ids
};

std::vector<std::unique_ptr<Speaker>> all_speakers();

}  // namespace perdure::simulate
