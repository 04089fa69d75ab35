// Responses over the memory store and a scripted supplier, in virtual time: what is created is made, followed,
// continued after faults and restarts, chained, forked, repeated, cancelled and removed as the headers promise.
#include "session/responses.h"

#include <gtest/gtest.h>

#include "session/testing/session_world.h"
#include "store/testing/faulty_store.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

void expect_gapless(const std::vector<RenderedEvent>& events) {
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].sequence_number, i);
}

TEST(Responses, AnAnswerIsMadeAndReadBackTheSame) {
  World w;
  ResponseId id = w.create(w.ask("hello"))->id;
  std::vector<RenderedEvent> live = w.events(id);
  Response response = w.whole(id);
  EXPECT_EQ(response.status, ResponseStatus::kCompleted);
  EXPECT_EQ(text_of(response), kAnswer);
  std::vector<RenderedEvent> stored = w.events(id);
  ASSERT_EQ(live.size(), stored.size());
  for (size_t i = 0; i < live.size(); ++i) EXPECT_EQ(live[i].data, stored[i].data);
  expect_gapless(live);
  EXPECT_EQ(live.front().type, "response.created");
  EXPECT_EQ(live.back().type, "response.completed");
}

// Neither the store nor a second look says whether a create has happened: then that is what the client is told, and
// nothing is created a second time.
TEST(Responses, ACreateWhoseCommitNobodyKnowsAboutIsNotMadeAgain) {
  World w;
  ResponseId first = w.create(w.ask("hello"))->id;
  (void)w.whole(first);
  w.stop();
  bool armed = false, lost = false;
  FaultyStore faulty(*w.store, [&](std::string_view call) -> StoreFault {
    if (call == "commit" && std::exchange(armed, false)) {
      lost = true;
      return {.kind = StoreFault::Kind::kFailAfter};
    }
    if (call == "session" && lost) return {.kind = StoreFault::Kind::kFailBefore};
    return {};
  });
  Result<Lease> lease = w.loop.run(w.store->acquire(0));
  ASSERT_TRUE(lease.ok());
  w.responses = std::make_unique<Responses>(
      Responses::Options{.store = faulty, .lease = *lease, .master = Key256{1}, .limits = w.limits, .log = {}},
      std::vector<Loop*>{&w.loop}, std::vector<Router*>{&w.router});
  armed = true;
  Result<Created> second = w.create(w.ask("and then?", first.value));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::kUnknown);
  EXPECT_EQ(second.error().reason, "server_commit_unknown");
  lost = false;
  Result<std::vector<ResponseSummary>> all = w.loop.run(w.responses->list(kTenant, 0, 10));
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->size(), 2u);
  w.stop();
}

TEST(Responses, ACutAtEveryPieceIsContinuedWithoutASeam) {
  size_t pieces = text_pieces(kAnswer).size();
  for (size_t cut = 0; cut <= pieces; ++cut) {
    World w;
    w.script = [&, normal = w.script](const ScriptedCall& call) {
      if (call.number > 0) return normal(call);
      ScriptedAnswer answer{.pieces = text_pieces(kAnswer), .cut = Error{Code::kUnavailable, "cut"}};
      answer.pieces.resize(cut);
      return answer;
    };
    ResponseId id = w.create(w.ask("hello"))->id;
    Response response = w.whole(id);
    EXPECT_EQ(text_of(response), kAnswer) << "cut at " << cut;
    EXPECT_EQ(response.status, ResponseStatus::kCompleted);
    EXPECT_EQ(response.placements.size(), 2u);
    expect_gapless(w.events(id));
  }
}

TEST(Responses, ARestartAtEveryEventGoesOnWithTheSameAnswer) {
  size_t total = 0;
  {
    World w;
    total = w.events(w.create(w.ask("hello"))->id).size();
  }
  for (size_t seen = 1; seen < total; ++seen) {
    World w;
    ResponseId id = w.create(w.ask("hello"))->id;
    std::vector<RenderedEvent> before = w.events(id, seen);
    w.stop();
    w.start();
    Result<size_t> recovered = w.loop.run(w.responses->recover());
    ASSERT_TRUE(recovered.ok());
    EXPECT_EQ(text_of(w.whole(id)), kAnswer);
    std::vector<RenderedEvent> after = w.events(id);
    ASSERT_GE(after.size(), before.size());
    for (size_t i = 0; i < before.size(); ++i) EXPECT_EQ(before[i].data, after[i].data);
    expect_gapless(after);
    EXPECT_TRUE(w.loop.run(w.store->unfinished(std::nullopt, 10))->empty());
  }
}

TEST(Responses, ToolCallsComeAsOneGroupOrNotAtAll) {
  World w;
  w.script = [](const ScriptedCall& call) {
    ScriptedAnswer answer{.pieces = {tool_piece(0, "call_a", "f", "{\"x\":1}"), tool_piece(1, "call_b", "g", "{}")}};
    if (call.number == 0) {
      answer.cut = Error{Code::kUnavailable, "cut"};
    } else {
      answer.pieces.push_back(finish_piece(Finish::kToolCalls));
    }
    return answer;
  };
  Response response = w.whole(w.create(w.ask("use tools"))->id);
  ASSERT_EQ(response.output().size(), 2u);
  EXPECT_EQ(response.output()[0].call_id, "call_a");
  EXPECT_EQ(response.output()[1].name, "g");
  EXPECT_EQ(response.status, ResponseStatus::kCompleted);
}

TEST(Responses, AllowedToolsAreAHardLimit) {
  World w;
  w.script = [](const ScriptedCall&) {
    return ScriptedAnswer{.pieces = {tool_piece(0, "call_a", "f", "{}"), tool_piece(1, "call_b", "g", "{}"),
                                     finish_piece(Finish::kToolCalls)}};
  };
  CreateCall call = w.ask("use tools");
  call.request.tool_choice.mode = ToolChoice::Mode::kAllowed;
  call.request.tool_choice.allowed = {"g"};
  Response response = w.whole(w.create(std::move(call))->id);
  ASSERT_EQ(response.output().size(), 1u);
  EXPECT_EQ(response.output()[0].name, "g");
}

TEST(Responses, WhatCannotGoOnEndsHonestly) {
  World w;
  w.script = [](const ScriptedCall& call) {
    if (call.number == 0)
      return ScriptedAnswer{.pieces = text_pieces("Some text"), .cut = Error{Code::kUnavailable, "cut"}};
    return ScriptedAnswer{.refusal = Error{Code::kUnavailable, "down"}};
  };
  Response shown = w.whole(w.create(w.ask("a"))->id);
  EXPECT_EQ(shown.status, ResponseStatus::kIncomplete);
  EXPECT_EQ(shown.ended->incomplete_reason, "interrupted");
  EXPECT_EQ(text_of(shown), "Some text");
  EXPECT_EQ(shown.output()[0].status, ItemStatus::kIncomplete);

  w.script = [](const ScriptedCall&) { return ScriptedAnswer{.refusal = Error{Code::kInvalid, "no such thing"}}; };
  size_t calls = w.provider.calls();
  Response refused = w.whole(w.create(w.ask("b"))->id);
  EXPECT_EQ(refused.status, ResponseStatus::kFailed);
  EXPECT_EQ(w.provider.calls(), calls + 1) << "a bad request is not worth another attempt";
}

TEST(Responses, AStallIsAFault) {
  World w;
  w.script = [normal = w.script](const ScriptedCall& call) {
    if (call.number > 0) return normal(call);
    return ScriptedAnswer{.pieces = text_pieces(kAnswer), .pause = 1h};
  };
  EXPECT_EQ(text_of(w.whole(w.create(w.ask("hello"))->id)), kAnswer);
}

TEST(Responses, ChainsAppendAndForksCopyOnWrite) {
  World w;
  std::vector<size_t> contexts;
  w.script = [&](const ScriptedCall& call) {
    contexts.push_back(call.context.size());
    return ScriptedAnswer{.pieces = {text_piece("ok"), finish_piece()}};
  };
  ResponseId a = w.create(w.ask("a"))->id;
  w.whole(a);
  ResponseId b = w.create(w.ask("b", a.value))->id;
  w.whole(b);
  ResponseId c = w.create(w.ask("c", a.value))->id;  // a is no longer the head: a fork
  w.whole(c);
  ResponseId d = w.create(w.ask("d", c.value))->id;
  w.whole(d);
  EXPECT_EQ(contexts, (std::vector<size_t>{1, 3, 3, 5}));
  auto session_of = [&](const ResponseId& id) {
    return (*w.loop.run(w.store->find({kTenant, IndexKind::kResponse, id.value})))->session;
  };
  EXPECT_EQ(session_of(a), session_of(b));
  EXPECT_NE(session_of(a), session_of(c));
  EXPECT_EQ(session_of(c), session_of(d));
}

TEST(Responses, TwoAtOnceFromOneResponseBothHappen) {
  World w;
  ResponseId a = w.create(w.ask("a"))->id;
  w.whole(a);
  ResponseId b = w.create(w.ask("b", a.value))->id;
  ResponseId c = w.create(w.ask("c", a.value))->id;
  EXPECT_EQ(text_of(w.whole(b)), kAnswer);
  EXPECT_EQ(text_of(w.whole(c)), kAnswer);
}

TEST(Responses, ARepeatedCreateHappensOnce) {
  World w;
  auto keyed = [&](std::string text) {
    CreateCall call = w.ask(text);
    call.idempotency_key = "k1";
    call.body_hash = sha256(text);
    return call;
  };
  Result<Created> first = w.create(keyed("a"));
  Result<Created> again = w.create(keyed("a"));
  ASSERT_TRUE(first.ok() && again.ok());
  EXPECT_EQ(first->id, again->id);
  EXPECT_TRUE(again->repeated);
  Result<Created> other = w.create(keyed("b"));
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().reason, "idempotency_key_reused");
  w.whole(first->id);
  EXPECT_EQ(w.provider.calls(), 1u);
}

TEST(Responses, ATenantSeesNothingOfAnother) {
  World w;
  ResponseId id = w.create(w.ask("a"))->id;
  w.whole(id);
  TenantId stranger{"stranger"};
  EXPECT_EQ(w.loop.run(w.responses->get(stranger, id)).error().code, Code::kNotFound);
  EXPECT_EQ(w.loop.run(w.responses->cancel(stranger, id)).error().code, Code::kNotFound);
  EXPECT_EQ(w.loop.run(w.responses->remove(stranger, id)).error().code, Code::kNotFound);
  CreateCall chained = w.ask("b", id.value);
  chained.tenant = stranger;
  EXPECT_EQ(w.create(std::move(chained)).error().reason, "previous_response_not_found");
}

TEST(Responses, CancelEndsTheAnswerWhereItIs) {
  World w;
  ResponseId id = w.create(w.ask("a"))->id;
  w.events(id, 8);
  Result<Response> cancelled = w.loop.run(w.responses->cancel(kTenant, id));
  ASSERT_TRUE(cancelled.ok());
  EXPECT_EQ(cancelled->status, ResponseStatus::kCancelled);
  EXPECT_TRUE(kAnswer.starts_with(text_of(*cancelled)));
  EXPECT_EQ(w.loop.run(w.responses->cancel(kTenant, id))->status, ResponseStatus::kCancelled);
}

TEST(Responses, RemovalKeepsWhatDescendantsNeedAndErasesTheRest) {
  World w;
  ResponseId a = w.create(w.ask("a"))->id;
  w.whole(a);
  ResponseId b = w.create(w.ask("b", a.value))->id;
  w.whole(b);
  SessionId session = (*w.loop.run(w.store->find({kTenant, IndexKind::kResponse, a.value})))->session;
  ASSERT_TRUE(w.loop.run(w.responses->remove(kTenant, a)).ok());
  EXPECT_EQ(w.loop.run(w.responses->get(kTenant, a)).error().code, Code::kNotFound);
  EXPECT_EQ(text_of(w.whole(b)), kAnswer);
  ResponseId c = w.create(w.ask("c", b.value))->id;
  EXPECT_EQ(text_of(w.whole(c)), kAnswer);
  ASSERT_TRUE(w.loop.run(w.responses->remove(kTenant, c)).ok());
  ASSERT_TRUE(w.loop.run(w.responses->remove(kTenant, b)).ok());
  std::optional<SessionRow> row = *w.loop.run(w.store->session(session));
  EXPECT_TRUE(row->wrapped_key.empty()) << "the key is destroyed with the last response";
  for (const SealedRecord& record : *w.loop.run(w.store->read(session, 1, row->head, 1 << 20)))
    EXPECT_TRUE(record.body.empty());
}

TEST(Responses, WhatARecoveredResponseAppendsIsStoredOnceToo) {
  World w;
  const std::string why(20'000, 'x');  // a supplier's own words
  auto normal = w.script;
  w.script = [&](const ScriptedCall&) { return ScriptedAnswer{.refusal = Error{Code::kInvalid, why}}; };
  auto references = [&] {
    std::vector<BlobRow> blobs = w.loop.run(w.store->blobs(std::nullopt, 100)).value();
    return blobs.size() == 1 ? blobs[0].references : 0;
  };
  EXPECT_EQ(w.whole(w.create(w.ask("hello"))->id).ended->error_message, why);
  EXPECT_EQ(references(), 1u);
  std::swap(w.script, normal);
  ResponseId id = w.create(w.ask("hello"))->id;
  (void)w.events(id, 1);
  w.stop();
  std::swap(w.script, normal);
  w.start();
  ASSERT_EQ(*w.loop.run(w.responses->recover()), 1u);
  EXPECT_EQ(w.whole(id).ended->error_message, why);
  EXPECT_EQ(references(), 2u);
}

TEST(Responses, ALongPayloadIsStoredOnceForATenantAndGoesWithItsLastResponse) {
  World w;
  const std::string picture = "data:image/png;base64," + std::string(100'000, 'A');
  auto with_picture = [&](TenantId tenant, std::string previous = "") {
    CreateCall call = w.ask("what is that?", std::move(previous));
    call.tenant = std::move(tenant);
    call.request.input[0].content.push_back({.kind = PartKind::kInputImage, .url = picture});
    return call;
  };
  auto blobs = [&] { return w.loop.run(w.store->blobs(std::nullopt, 100)).value(); };
  ResponseId a = w.create(with_picture(kTenant))->id;
  w.whole(a);
  ResponseId b = w.create(with_picture(kTenant))->id;
  w.whole(b);
  ResponseId c = w.create(with_picture(kTenant, b.value))->id;
  w.whole(c);
  ASSERT_EQ(blobs().size(), 1u);
  EXPECT_EQ(blobs()[0].references, 3u);
  ASSERT_TRUE(w.create(with_picture(TenantId("other"))).ok());
  EXPECT_EQ(blobs().size(), 2u) << "nothing is shared between tenants";
  EXPECT_EQ((*w.loop.run(w.responses->input_items(kTenant, c)))[0].content[1].url, picture);
  w.stop();
  w.start();
  EXPECT_EQ(w.loop.run(w.responses->get(kTenant, b))->request->input[0].content[1].url, picture);
  size_t shown = 0;
  w.script = [&, normal = w.script](const ScriptedCall& call) {
    for (const Item& item : call.context)
      for (const Part& part : item.content) shown += part.url == picture;
    return normal(call);
  };
  w.whole(w.create(w.ask("and now?", c.value))->id);
  EXPECT_EQ(shown, 2u);
  ASSERT_TRUE(w.loop.run(w.responses->remove(kTenant, a)).ok());
  auto of_tenant = [&] { return std::max(blobs()[0].references, blobs().back().references); };
  EXPECT_EQ(of_tenant(), 2u);
  // Nobody else's, and nobody of this tenant: gone with the last of them, and still there for the other tenant.
  std::vector<ResponseSummary> left = *w.loop.run(w.responses->list(kTenant, 0, 100));
  for (const ResponseSummary& one : left) ASSERT_TRUE(w.loop.run(w.responses->remove(kTenant, one.id)).ok());
  ASSERT_EQ(blobs().size(), 1u);
  EXPECT_EQ(blobs()[0].references, 1u);
  ResponseId others = w.loop.run(w.responses->list(TenantId("other"), 0, 100))->at(0).id;
  EXPECT_EQ(w.loop.run(w.responses->get(TenantId("other"), others))->request->input[0].content[1].url, picture);
  EXPECT_EQ(w.loop.run(w.responses->get(kTenant, others)).error().code, Code::kNotFound);
}

TEST(Responses, WhatIsNotStoredIsFollowedOnceAndThenGone) {
  World w;
  CreateCall call = w.ask("a");
  call.request.store = false;
  ResponseId id = w.create(std::move(call))->id;
  std::vector<RenderedEvent> events = w.events(id);
  expect_gapless(events);
  EXPECT_EQ(events.back().type, "response.completed");
  w.loop.run(w.responses->abandon(kTenant, id));
  EXPECT_EQ(w.loop.run(w.responses->get(kTenant, id)).error().code, Code::kNotFound);
  EXPECT_TRUE(w.loop.run(w.store->sessions(std::nullopt, 10))->empty());
}

TEST(Responses, ExpiryRemovesWhatOutlivedItsRetention) {
  World w;
  ResponseId id = w.create(w.ask("a"))->id;
  w.whole(id);
  EXPECT_EQ(*w.loop.run(w.responses->expire(w.loop.wall())), 0u);
  EXPECT_EQ(*w.loop.run(w.responses->expire(w.loop.wall() + std::chrono::hours(24 * 31))), 1u);
  EXPECT_EQ(w.loop.run(w.responses->get(kTenant, id)).error().code, Code::kNotFound);
}

TEST(Responses, TheLimitOfTokensSurvivesTheSeam) {
  World w;
  std::vector<std::optional<int64_t>> limits;
  w.script = [&](const ScriptedCall& call) {
    limits.push_back(call.max_output_tokens);
    ScriptedAnswer answer{.pieces = text_pieces("abcdefgh"), .cut = Error{Code::kUnavailable, "cut"}};
    if (call.number == 1) answer = {.pieces = {text_piece("ijkl"), finish_piece(Finish::kLength)}};
    return answer;
  };
  CreateCall call = w.ask("a");
  call.request.max_output_tokens = 16;
  Response response = w.whole(w.create(std::move(call))->id);
  EXPECT_EQ(limits, (std::vector<std::optional<int64_t>>{16, 14}));
  EXPECT_EQ(response.status, ResponseStatus::kIncomplete);
  EXPECT_EQ(response.ended->incomplete_reason, "max_output_tokens");
}

TEST(Responses, WhoGoesOnFromAResponseThatIsBeingMadeWaitsForItsEnd) {
  World w;
  w.script = [normal = w.script](const ScriptedCall& call) {
    ScriptedAnswer answer = normal(call);
    answer.pause = 50ms;
    return answer;
  };
  ResponseId a = w.create(w.ask("a"))->id;
  Result<Created> b = w.create(w.ask("b", a.value));
  ASSERT_TRUE(b.ok()) << b.error().message;
  EXPECT_EQ(w.loop.run(w.responses->get(kTenant, a))->status, ResponseStatus::kCompleted);
  EXPECT_EQ(text_of(w.whole(b->id)), kAnswer);

  w.stop();
  w.limits.waiting_time = 100ms;
  w.start();
  ResponseId c = w.create(w.ask("c"))->id;
  Result<Created> hasty = w.create(w.ask("d", c.value));
  EXPECT_EQ(hasty.error().reason, "previous_response_in_progress");
  EXPECT_EQ(hasty.error().code, Code::kConflict);
  w.stop();
  w.limits.waiting_max = 0;
  w.limits.waiting_time = 1h;
  w.start();
  ResponseId e = w.create(w.ask("e"))->id;
  EXPECT_EQ(w.create(w.ask("f", e.value)).error().reason, "previous_response_in_progress");
  w.whole(e);
}

TEST(Responses, ARemovalWhileTheSessionIsBeingWrittenGoesThroughItsWriter) {
  World w;
  ResponseId a = w.create(w.ask("a"))->id;
  w.whole(a);
  ResponseId b = w.create(w.ask("b", a.value))->id;
  w.events(b, 4);
  ASSERT_TRUE(w.loop.run(w.responses->remove(kTenant, a)).ok());
  EXPECT_EQ(w.loop.run(w.responses->get(kTenant, a)).error().code, Code::kNotFound);
  EXPECT_EQ(text_of(w.whole(b)), kAnswer);
  expect_gapless(w.events(b));
}

TEST(Responses, AResultOfNoCallIsRefused) {
  World w;
  CreateCall call = w.ask("a");
  call.request.input.push_back({.kind = ItemKind::kFunctionCallOutput, .call_id = "call_1", .output = "42"});
  Result<Created> made = w.create(std::move(call));
  EXPECT_EQ(made.error().code, Code::kInvalid);
  EXPECT_EQ(made.error().message, "No tool call found for function call output with call_id call_1.");
  EXPECT_EQ(w.provider.calls(), 0u);
}

TEST(Responses, WhatOnlyTheCallerRemembersIsContext) {
  World w;
  std::vector<std::vector<std::string>> contexts;
  w.script = [&](const ScriptedCall& call) {
    contexts.emplace_back();
    for (const Item& item : call.context) contexts.back().push_back(item.content[0].text);
    return ScriptedAnswer{.pieces = {text_piece("ok"), finish_piece()}};
  };
  ResponseId base = w.create(w.ask("base"))->id;
  w.whole(base);
  auto going_on = [&](bool stored) {
    CreateCall call = w.ask("now", "resp_not_stored");
    call.request.store = stored;
    call.remembered = Remembered{.stored = base.value, .items = w.ask("remembered").request.input};
    return call;
  };
  ResponseId unstored = w.create(going_on(false))->id;
  w.events(unstored);
  w.loop.run(w.responses->abandon(kTenant, unstored));
  EXPECT_EQ(contexts.back(), (std::vector<std::string>{"base", "ok", "remembered", "now"}));
  ResponseId stored = w.create(going_on(true))->id;
  EXPECT_EQ(w.whole(stored).request->previous_response_id, "resp_not_stored");
  std::vector<RenderedEvent> live = w.events(stored);
  expect_gapless(live);
  // It stands on its own now, also after a restart.
  w.stop();
  w.start();
  EXPECT_EQ(w.loop.run(w.responses->get(kTenant, stored))->request->input.size(), 1u);
  EXPECT_EQ(w.events(stored).size(), live.size());
  ResponseId next = w.create(w.ask("next", stored.value))->id;
  w.whole(next);
  EXPECT_EQ(contexts.back(), (std::vector<std::string>{"base", "ok", "remembered", "now", "ok", "next"}));
  ASSERT_TRUE(w.loop.run(w.responses->remove(kTenant, stored)).ok());
  EXPECT_EQ(w.loop.run(w.responses->get(kTenant, next))->status, ResponseStatus::kCompleted);
}

TEST(Responses, WhatIsNotGeneratedAsksNobodyAndIsGoneOnFrom) {
  World w;
  std::vector<size_t> contexts;
  w.script = [&](const ScriptedCall& call) {
    contexts.push_back(call.context.size());
    return ScriptedAnswer{.pieces = {text_piece("ok"), finish_piece()}};
  };
  CreateCall call = w.ask("warm");
  call.generate = false;
  ResponseId warm = w.create(std::move(call))->id;
  Response response = w.whole(warm);
  EXPECT_EQ(response.status, ResponseStatus::kCompleted);
  EXPECT_TRUE(response.output().empty());
  EXPECT_EQ(w.provider.calls(), 0u);
  std::vector<RenderedEvent> events = w.events(warm);
  EXPECT_EQ(events.front().type, "response.created");
  EXPECT_EQ(events.back().type, "response.completed");
  EXPECT_TRUE(w.loop.run(w.store->unfinished(std::nullopt, 10))->empty());
  w.whole(w.create(w.ask("go", warm.value))->id);
  EXPECT_EQ(contexts, (std::vector<size_t>{2}));
  CreateCall unstored = w.ask("warm");
  unstored.generate = false;
  unstored.request.store = false;
  EXPECT_EQ(w.events(w.create(std::move(unstored))->id).back().type, "response.completed");
}

TEST(Responses, ABackgroundResponseThatIsNotToBeStoredIsKeptForPolling) {
  World w;
  CreateCall call = w.ask("a");
  call.request.store = false;
  call.request.background = true;
  ResponseId id = w.create(std::move(call))->id;
  EXPECT_EQ(w.whole(id).request->store, false);
  EXPECT_EQ(*w.loop.run(w.responses->expire(w.loop.wall() + 9min)), 0u);
  EXPECT_EQ(w.loop.run(w.responses->get(kTenant, id))->status, ResponseStatus::kCompleted);
  EXPECT_EQ(*w.loop.run(w.responses->expire(w.loop.wall() + 11min)), 1u);
  EXPECT_EQ(w.loop.run(w.responses->get(kTenant, id)).error().code, Code::kNotFound);
}

}  // namespace
}  // namespace perdure
