#pragma once
// A World for tests of sessions: Responses over the memory store and a scripted supplier, in virtual time. It can be
// stopped and started again over the same store.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "async/sim_loop.h"
#include "provider/testing/scripted_provider.h"
#include "session/conversations.h"
#include "session/responses.h"
#include "store/memory_store.h"

namespace perdure {

inline constexpr std::string_view kAnswer =
    "An answer that is long enough to be cut in many places, and whole all the same.";
inline const TenantId kTenant{"default"};

struct World {
  SimLoop loop{7};
  std::unique_ptr<Store> store = memory_store(Key256{});
  ScriptedProvider::Script script = [](const ScriptedCall& call) {
    std::vector<Piece> pieces = text_pieces(kAnswer.substr(call.held.size()));
    pieces.push_back(finish_piece());
    return ScriptedAnswer{.pieces = std::move(pieces)};
  };
  ScriptedProvider provider{loop, [this](const ScriptedCall& call) { return script(call); }};
  Router router{loop, {Deployment::simple("*", provider)}};
  std::unique_ptr<Responses> responses;

  explicit World() { start(); }
  ~World() { stop(); }
  SessionLimits limits;
  void start() {
    Result<Lease> lease = loop.run(store->acquire(0));
    limits.generation.stall_time = std::chrono::seconds(5);
    responses = std::make_unique<Responses>(
        Responses::Options{.store = *store, .lease = *lease, .master = Key256{1}, .limits = limits, .log = {}},
        std::vector<Loop*>{&loop}, std::vector<Router*>{&router});
  }
  void stop() {
    if (!responses) return;
    loop.run(responses->stop({loop.now()}));
    responses.reset();
  }
  CreateCall ask(std::string text, std::string previous = "") {
    CreateCall call{.tenant = kTenant};
    call.request.model = "m";
    call.request.previous_response_id = std::move(previous);
    call.request.input.push_back(
        {.kind = ItemKind::kMessage, .content = {{.kind = PartKind::kInputText, .text = std::move(text)}}});
    return call;
  }
  Conversations conversations() { return Conversations(*responses); }
  Result<Created> create(CreateCall call) { return loop.run(responses->create(std::move(call))); }
  Response whole(ResponseId id) {
    Result<Response> response = loop.run(responses->wait(kTenant, std::move(id), nullptr));
    CHECK(response.ok(), response.ok() ? "" : response.error().message);
    return *response;
  }
  // Every event of a response; stops early after `most` when given.
  std::vector<RenderedEvent> events(ResponseId id, size_t most = SIZE_MAX) {
    return events_of(std::move(id), nullptr, most);
  }
  std::vector<RenderedEvent> events_of(ResponseId id, std::shared_ptr<HeldRun> held, size_t most = SIZE_MAX) {
    auto read = [](World& w, ResponseId rid, std::shared_ptr<HeldRun> made,
                   size_t n) -> Task<std::vector<RenderedEvent>> {
      std::vector<RenderedEvent> out;
      Result<std::unique_ptr<EventReader>> reader =
          co_await w.responses->follow(kTenant, rid, nullptr, std::move(made));
      CHECK(reader.ok(), "follow");
      while (!(*reader)->finished() && out.size() < n) {
        Result<void> next = co_await (*reader)->next(out, deadline_in(w.loop, std::chrono::seconds(60)));
        CHECK(next.ok(), next.ok() ? "" : next.error().message);
      }
      co_return out;
    };
    return loop.run(read(*this, std::move(id), std::move(held), most));
  }
};

inline std::string text_of(const Response& response) {
  std::string text;
  for (const Item& item : response.output())
    for (const Part& part : item.content) text += part.text;
  return text;
}

}  // namespace perdure
