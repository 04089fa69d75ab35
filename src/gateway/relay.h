#pragma once
// RelayTurn: one request that may be passed on as it is. Inside the gateway only.

#include <functional>
#include <memory>
#include <string>

#include "dialect/client_stream.h"
#include "gateway/client_dialect.h"
#include "gateway/passed_on.h"
#include "generation/relay.h"
#include "model/request.h"

namespace perdure {

struct RelayTurn {
  RelayInput input;
  PassedOn passed;
  // The whole request, from input.body: needed only by an author who goes on in the middle.
  std::function<Result<Request>(std::string_view body)> read;
  // Renders what such an author says. The response's id is the one that the first supplier gave.
  std::function<std::unique_ptr<ClientStream>()> stream;
};

// The request for an author who goes on with a relayed answer. What cannot be said elsewhere is left out, as of a
// lenient request, but for what decides the form of the answer (several choices, probabilities of tokens, sound):
// kInvalid then, and the answer ends broken off rather than in another form.
Result<Request> read_to_go_on(const ClientDialectFace& face, std::string_view body);

// `turn.input` from a request's JSON: the model's name and where it stands, and what it needs of a supplier as far as
// that can be seen without reading it all. It refers to the document of `root`. kInvalid: there is no model.
Result<RelayInput> relay_input(json::Value root, std::string dialect);

}  // namespace perdure
