#pragma once
// Surface: one vendor's part of the address space: which requests it serves, who may call, how a request becomes a
// Call, and what an error looks like. One for each of OpenAI (and Azure), Anthropic, Google and AWS; the supplier asks
// them in turn.

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/random.h"
#include "base/time.h"
#include "http/server.h"
#include "simulate/account.h"
#include "simulate/call.h"

namespace perdure::simulate {

// Why a request is refused; each surface says it in its own shape.
struct Failure {
  int status = 400;
  std::string message;
  std::string param = {};  // the field at fault
  std::string code = {};   // the service's own word, where it has one
  int64_t retry_after_s = -1;

  static Failure of(const Error& error) {
    return {error.code == Code::kNotFound ? 404 : 400, error.message, error.param, error.reason};
  }
};

// What is drawn for one request: ids come from it, and nothing else of the supplier's past does.
struct Origin {
  uint64_t number = 0;
  WallTime wall{};
};

struct Plain {
  std::string json;
};
using Outcome = std::variant<std::unique_ptr<Call>, Plain, Failure>;

class Surface {
 public:
  virtual ~Surface() = default;
  virtual bool serves(const HttpRequest& request) const = 0;
  virtual std::optional<Failure> stranger(const HttpRequest& request, WallTime now) const = 0;  // nothing: may call
  // Requests for answers are counted, kept, and meet faults; others are simply replied to.
  virtual bool asks_for_answer(const HttpRequest& request) const = 0;
  virtual Outcome route(HttpRequest& request, const Origin& origin) = 0;
  virtual std::string error(const Failure& failure, Headers& headers) const = 0;
  virtual void stamp(Headers& headers, Random& random) const = 0;  // the id of the request
};

}  // namespace perdure::simulate
