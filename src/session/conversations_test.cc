// Conversations over the memory store and a scripted supplier, in virtual time: what they hold, in which order, who may
// write, and what is destroyed when.
#include "session/conversations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/task_group.h"
#include "session/testing/session_world.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Item said(std::string text, Role role = Role::kUser) {
  Item item{.kind = ItemKind::kMessage, .role = role};
  item.content.push_back(
      {.kind = role == Role::kAssistant ? PartKind::kOutputText : PartKind::kInputText, .text = std::move(text)});
  return item;
}
std::string words_of(const Item& item) { return item.content.empty() ? item.name : item.content[0].text; }
std::vector<std::string> texts(const std::vector<Item>& items) {
  std::vector<std::string> out;
  for (const Item& item : items) out.push_back(words_of(item));
  return out;
}

struct ConversationWorld : World {
  std::vector<std::vector<std::string>> contexts;  // of every upstream call
  std::string reply = "ok";
  ConversationWorld() {
    script = [this](const ScriptedCall& call) {
      contexts.push_back(texts(call.context));
      return ScriptedAnswer{.pieces = {text_piece(reply), finish_piece()}};
    };
  }
  ConversationId make(std::vector<Item> items = {}, Metadata metadata = {}) {
    Result<Conversation> made = loop.run(
        conversations().create({.tenant = kTenant, .metadata = std::move(metadata), .items = std::move(items)}));
    CHECK(made.ok(), made.ok() ? "" : made.error().message);
    return made->id;
  }
  CreateCall ask_in(const ConversationId& id, std::string text) {
    CreateCall call = ask(std::move(text));
    call.request.conversation = id.value;
    return call;
  }
  Response turn(const ConversationId& id, std::string text) {
    Result<Created> made = create(ask_in(id, std::move(text)));
    CHECK(made.ok(), made.ok() ? "" : made.error().message);
    return whole(made->id);
  }
  std::vector<Item> items(const ConversationId& id) {
    Result<std::vector<Item>> read = loop.run(conversations().items(kTenant, id));
    CHECK(read.ok(), read.ok() ? "" : read.error().message);
    return *read;
  }
  SessionId session_of(const ConversationId& id) {
    return (*loop.run(store->find({kTenant, IndexKind::kConversation, id.value})))->session;
  }
  // How many payloads of a session are still there, and whether `text` is in any: payloads are sealed, so this reads
  // them through the product's own eyes and counts bytes.
  size_t bodies(SessionId session) {
    std::optional<SessionRow> row = *loop.run(store->session(session));
    size_t count = 0;
    for (const SealedRecord& record : *loop.run(store->read(session, 1, row->head, 64 << 20)))
      count += record.body.empty() ? 0 : 1;
    return count;
  }
};

TEST(Conversations, HoldWhatWasAddedAndSaid) {
  ConversationWorld w;
  ConversationId id = w.make({said("first"), said("second", Role::kAssistant)}, {{"topic", "x"}});
  EXPECT_THAT(id.value, testing::StartsWith("conv_"));
  Result<Conversation> read = w.loop.run(w.conversations().get(kTenant, id));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->metadata, (Metadata{{"topic", "x"}}));
  EXPECT_EQ(read->created, w.loop.wall());
  w.turn(id, "hello");
  ASSERT_TRUE(w.loop.run(w.conversations().add_items(kTenant, id, {said("third")})).ok());
  w.turn(id, "again");
  EXPECT_THAT(w.contexts, ElementsAre(ElementsAre("first", "second", "hello"),
                                      ElementsAre("first", "second", "hello", "ok", "third", "again")));
  std::vector<Item> items = w.items(id);
  EXPECT_THAT(texts(items), ElementsAre("first", "second", "hello", "ok", "third", "again", "ok"));
  std::set<std::string> ids;
  for (const Item& item : items) EXPECT_TRUE(!item.id.empty() && ids.insert(item.id).second) << item.id;
}

TEST(Conversations, AResponseIsAddedOnlyWhenItHasComeToItsEnd) {
  ConversationWorld w;
  ConversationId id = w.make();
  w.script = [](const ScriptedCall&) { return ScriptedAnswer{.refusal = Error{Code::kInvalid, "no"}}; };
  EXPECT_EQ(w.turn(id, "refused").status, ResponseStatus::kFailed);
  EXPECT_THAT(w.items(id), IsEmpty());
  w.script = [](const ScriptedCall&) { return ScriptedAnswer{.pieces = text_pieces(kAnswer), .pause = 1s}; };
  ResponseId cancelled = w.create(w.ask_in(id, "cancelled"))->id;
  w.events(cancelled, 6);
  EXPECT_THAT(w.items(id), IsEmpty()) << "not before its end";
  EXPECT_EQ(w.loop.run(w.responses->cancel(kTenant, cancelled))->status, ResponseStatus::kCancelled);
  EXPECT_THAT(w.items(id), IsEmpty());
  w.script = [](const ScriptedCall& call) {
    EXPECT_EQ(call.context.size(), 1u);
    return ScriptedAnswer{.pieces = {text_piece("cut"), finish_piece(Finish::kLength)}};
  };
  EXPECT_EQ(w.turn(id, "long").status, ResponseStatus::kIncomplete);
  EXPECT_THAT(texts(w.items(id)), ElementsAre("long", "cut"));
}

TEST(Conversations, WhoComesWhileItIsBusyWaitsInLine) {
  ConversationWorld w;
  ConversationId id = w.make();
  w.script = [&](const ScriptedCall& call) {
    w.contexts.push_back(texts(call.context));
    return ScriptedAnswer{.pieces = {text_piece("to " + words_of(call.context.back())), finish_piece()}, .pause = 2s};
  };
  std::vector<std::string> done;
  auto one = [](ConversationWorld& world, ConversationId conv, std::string text,
                std::vector<std::string>& out) -> Task<void> {
    Result<Created> made = co_await world.responses->create(world.ask_in(conv, text));
    if (!made.ok()) {
      out.push_back(text + " " + made.error().reason);
      co_return;
    }
    (void)co_await world.responses->wait(kTenant, made->id, nullptr);
    out.push_back(text);
  };
  auto add = [](ConversationWorld& world, ConversationId conv, std::vector<std::string>& out) -> Task<void> {
    Result<std::vector<Item>> added = co_await world.conversations().add_items(kTenant, conv, {said("note")});
    out.push_back(added.ok() ? "added" : added.error().reason);
  };
  TaskGroup group(w.loop);
  for (std::string text : {"a", "b"}) {
    group.spawn(one(w, id, text, done));
    w.loop.run_until([] { return false; }, 1ms);
  }
  group.spawn(add(w, id, done));
  w.loop.run_until([] { return false; }, 1ms);
  group.spawn(one(w, id, "c", done));
  w.loop.run(group.join());
  EXPECT_THAT(done, testing::UnorderedElementsAre("a", "b", "added", "c"));
  EXPECT_THAT(texts(w.items(id)), ElementsAre("a", "to a", "b", "to b", "note", "c", "to c"));
  EXPECT_THAT(w.contexts.back(), ElementsAre("a", "to a", "b", "to b", "note", "c"));
}

TEST(Conversations, TheLineIsBoundedInNumberAndTime) {
  ConversationWorld w;
  w.stop();
  w.limits.waiting_max = 1;
  w.limits.waiting_time = 10s;
  w.start();
  ConversationId id = w.make();
  w.script = [](const ScriptedCall&) {
    return ScriptedAnswer{.pieces = {text_piece("slow"), finish_piece()}, .pause = 4s};
  };
  ResponseId first = w.create(w.ask_in(id, "a"))->id;
  std::vector<std::string> outcomes;
  auto one = [](ConversationWorld& world, ConversationId conv, std::vector<std::string>& out) -> Task<void> {
    Result<Created> made = co_await world.responses->create(world.ask_in(conv, "x"));
    out.push_back(made.ok() ? "made" : made.error().reason + " " + std::string(to_string(made.error().code)));
  };
  TaskGroup group(w.loop);
  group.spawn(one(w, id, outcomes));
  w.loop.run_until([] { return false; }, 1ms);
  group.spawn(one(w, id, outcomes));  // one waits already
  w.loop.run(group.join());
  EXPECT_THAT(outcomes, ElementsAre("conversation_locked conflict", "made"));
  w.script = [](const ScriptedCall&) {
    return ScriptedAnswer{.pieces = {text_piece("slow"), finish_piece()}, .pause = 1min};
  };
  w.stop();
  w.limits.generation.stall_time = 5min;
  w.start();
  EXPECT_TRUE(w.loop.run(w.responses->recover()).ok());
  ConversationId other = w.make();
  ResponseId slow = w.create(w.ask_in(other, "a"))->id;
  Instant began = w.loop.now();
  Result<Created> late = w.create(w.ask_in(other, "b"));
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().reason, "conversation_locked");
  EXPECT_GE(w.loop.now() - began, 10s);
  EXPECT_LT(w.loop.now() - began, 11s);
  (void)first, (void)slow;
}

TEST(Conversations, ARestartAtEveryEventAddsTheResponseOnceAndWhole) {
  size_t total = 0;
  auto answer = [](const ScriptedCall& call) {
    std::vector<Piece> pieces = text_pieces(kAnswer.substr(call.held.size()));
    pieces.push_back(finish_piece());
    return ScriptedAnswer{.pieces = std::move(pieces)};
  };
  {
    ConversationWorld w;
    w.script = answer;
    ConversationId id = w.make({said("before")});
    total = w.events(w.create(w.ask_in(id, "hello"))->id).size();
  }
  for (size_t seen = 1; seen < total; ++seen) {
    ConversationWorld w;
    w.script = answer;
    ConversationId id = w.make({said("before")});
    ResponseId response = w.create(w.ask_in(id, "hello"))->id;
    w.events(response, seen);
    w.stop();
    w.start();
    EXPECT_THAT(texts(w.items(id)), testing::AnyOf(ElementsAre("before"), ElementsAre("before", "hello", kAnswer)));
    ASSERT_TRUE(w.loop.run(w.responses->recover()).ok());
    Result<std::vector<Item>> added = w.loop.run(w.conversations().add_items(kTenant, id, {said("after")}));
    ASSERT_TRUE(added.ok()) << "waits for the response that goes on";
    EXPECT_THAT(texts(w.items(id)), ElementsAre("before", "hello", kAnswer, "after"));
  }
}

TEST(Conversations, MetadataIsReplacedAndSurvives) {
  ConversationWorld w;
  ConversationId id = w.make({}, {{"a", "1"}, {"b", "2"}});
  Result<Conversation> updated = w.loop.run(w.conversations().update(kTenant, id, {{"c", "3"}}));
  ASSERT_TRUE(updated.ok());
  WallTime created = updated->created;
  w.turn(id, "x");
  w.stop();
  w.start();
  Result<Conversation> read = w.loop.run(w.conversations().get(kTenant, id));
  EXPECT_EQ(read->metadata, (Metadata{{"c", "3"}}));
  EXPECT_EQ(read->created, created);
}

TEST(Conversations, ATenantSeesNothingOfAnother) {
  ConversationWorld w;
  ConversationId id = w.make({said("secret")});
  std::string item = w.items(id)[0].id;
  TenantId stranger{"stranger"};
  Conversations c = w.conversations();
  EXPECT_EQ(w.loop.run(c.get(stranger, id)).error().code, Code::kNotFound);
  EXPECT_EQ(w.loop.run(c.update(stranger, id, {})).error().code, Code::kNotFound);
  EXPECT_EQ(w.loop.run(c.items(stranger, id)).error().code, Code::kNotFound);
  EXPECT_EQ(w.loop.run(c.add_items(stranger, id, {said("x")})).error().code, Code::kNotFound);
  EXPECT_EQ(w.loop.run(c.remove_item(stranger, id, item)).error().code, Code::kNotFound);
  EXPECT_EQ(w.loop.run(c.remove(stranger, id)).error().code, Code::kNotFound);
  CreateCall call = w.ask_in(id, "x");
  call.tenant = stranger;
  Result<Created> made = w.create(std::move(call));
  EXPECT_EQ(made.error().code, Code::kNotFound);
  EXPECT_EQ(made.error().message, w.loop.run(c.get(stranger, id)).error().message);
  EXPECT_THAT(texts(w.items(id)), ElementsAre("secret"));
}

TEST(Conversations, DeletionErasesEverything) {
  ConversationWorld w;
  ConversationId id = w.make({said("a")});
  ResponseId response = w.turn(id, "b").id;
  SessionId session = w.session_of(id);
  ASSERT_TRUE(w.loop.run(w.conversations().remove(kTenant, id)).ok());
  EXPECT_EQ(w.loop.run(w.conversations().get(kTenant, id)).error().code, Code::kNotFound);
  EXPECT_EQ(w.loop.run(w.conversations().remove(kTenant, id)).error().code, Code::kNotFound);
  EXPECT_EQ(w.loop.run(w.responses->get(kTenant, response)).error().code, Code::kNotFound);
  EXPECT_EQ(w.create(w.ask_in(id, "x")).error().code, Code::kNotFound);
  EXPECT_EQ(w.create(w.ask("x", response.value)).error().reason, "previous_response_not_found");
  EXPECT_EQ(w.bodies(session), 0u);
  EXPECT_TRUE((*w.loop.run(w.store->session(session)))->wrapped_key.empty());
  EXPECT_TRUE(w.loop.run(w.store->due(WallTime::max(), 10))->empty());
}

TEST(Conversations, DeletionEndsTheResponseThatIsBeingMade) {
  ConversationWorld w;
  ConversationId id = w.make();
  w.script = [](const ScriptedCall&) { return ScriptedAnswer{.pieces = text_pieces(kAnswer), .pause = 1s}; };
  ResponseId response = w.create(w.ask_in(id, "a"))->id;
  w.events(response, 5);
  SessionId session = w.session_of(id);
  ASSERT_TRUE(w.loop.run(w.conversations().remove(kTenant, id)).ok());
  EXPECT_EQ(w.loop.run(w.responses->get(kTenant, response)).error().code, Code::kNotFound);
  EXPECT_EQ(w.bodies(session), 0u);
  EXPECT_TRUE(w.loop.run(w.store->unfinished(std::nullopt, 10))->empty());
}

TEST(Conversations, AForkKeepsWhatItStartsFromAfterTheDeletion) {
  ConversationWorld w;
  ConversationId id = w.make({said("a")});
  ResponseId inside = w.turn(id, "b").id;
  w.turn(id, "c");
  ResponseId fork = w.create(w.ask("d", inside.value))->id;
  w.whole(fork);
  EXPECT_THAT(w.contexts.back(), ElementsAre("a", "b", "ok", "d"));
  EXPECT_THAT(texts(w.items(id)), ElementsAre("a", "b", "ok", "c", "ok")) << "a fork is not part of it";
  SessionId session = w.session_of(id);
  size_t before = w.bodies(session);
  ASSERT_TRUE(w.loop.run(w.conversations().remove(kTenant, id)).ok());
  EXPECT_LT(w.bodies(session), before);
  ResponseId next = w.create(w.ask("e", fork.value))->id;
  w.whole(next);
  EXPECT_THAT(w.contexts.back(), ElementsAre("a", "b", "ok", "d", "ok", "e"));
  // With the last of the fork goes what was kept for it.
  ASSERT_TRUE(w.loop.run(w.responses->remove(kTenant, fork)).ok());
  ASSERT_TRUE(w.loop.run(w.responses->remove(kTenant, next)).ok());
  EXPECT_EQ(w.bodies(session), 0u);
  EXPECT_TRUE((*w.loop.run(w.store->session(session)))->wrapped_key.empty());
}

TEST(Conversations, ARemovedItemIsGoneAndItsBytesToo) {
  ConversationWorld w;
  ConversationId id = w.make({said("one"), said("two"), said("three")});
  w.turn(id, "four");
  SessionId session = w.session_of(id);
  std::vector<Item> items = w.items(id);
  ASSERT_TRUE(w.loop.run(w.conversations().remove_item(kTenant, id, items[1].id)).ok());
  EXPECT_THAT(texts(w.items(id)), ElementsAre("one", "three", "four", "ok"));
  // The record that held all three is erased, and the other two are said again in their place.
  std::optional<SessionRow> row = *w.loop.run(w.store->session(session));
  std::vector<SealedRecord> records = *w.loop.run(w.store->read(session, 1, row->head, 1 << 20));
  EXPECT_TRUE(records[1].body.empty());
  EXPECT_EQ(static_cast<RecordKind>(records.back().kind), RecordKind::kItemsMoved);
  ASSERT_TRUE(w.loop.run(w.conversations().remove_item(kTenant, id, items[0].id)).ok());
  ASSERT_TRUE(w.loop.run(w.conversations().remove_item(kTenant, id, items[2].id)).ok());
  EXPECT_THAT(texts(w.items(id)), ElementsAre("four", "ok"));
  w.turn(id, "five");
  EXPECT_THAT(w.contexts.back(), ElementsAre("four", "ok", "five"));
  EXPECT_EQ(w.loop.run(w.conversations().remove_item(kTenant, id, items[0].id)).error().reason, "item_not_found");
}

TEST(Conversations, AnItemOfALivingResponseStaysWithThatOnly) {
  ConversationWorld w;
  ConversationId id = w.make();
  w.reply = "answer";
  ResponseId response = w.turn(id, "question").id;
  w.turn(id, "more");
  std::vector<Item> items = w.items(id);
  ASSERT_TRUE(w.loop.run(w.conversations().remove_item(kTenant, id, items[1].id)).ok());
  EXPECT_THAT(texts(w.items(id)), ElementsAre("question", "more", "answer"));
  EXPECT_EQ(words_of(w.loop.run(w.responses->get(kTenant, response))->output()[0]), "answer");
  SessionId session = w.session_of(id);
  size_t before = w.bodies(session);
  // When the response goes, so do the bytes of the removed item; the other one stays in the conversation.
  ASSERT_TRUE(w.loop.run(w.responses->remove(kTenant, response)).ok());
  EXPECT_LT(w.bodies(session), before + 2);
  EXPECT_THAT(texts(w.items(id)), ElementsAre("question", "more", "answer"));
  w.turn(id, "on");
  EXPECT_THAT(w.contexts.back(), ElementsAre("question", "more", "answer", "on"));
}

TEST(Conversations, ItemsOutliveTheirResponses) {
  ConversationWorld w;
  ConversationId id = w.make();
  ResponseId response = w.turn(id, "a").id;
  EXPECT_EQ(*w.loop.run(w.responses->expire(w.loop.wall() + std::chrono::hours(24 * 31))), 1u);
  EXPECT_EQ(w.loop.run(w.responses->get(kTenant, response)).error().code, Code::kNotFound);
  EXPECT_THAT(texts(w.items(id)), ElementsAre("a", "ok"));
  w.turn(id, "b");
  EXPECT_THAT(w.contexts.back(), ElementsAre("a", "ok", "b"));
}

TEST(Conversations, WhatContributedNothingIsDestroyedWithItsResponse) {
  ConversationWorld w;
  ConversationId id = w.make({said("a")});
  auto normal = w.script;
  w.script = [](const ScriptedCall&) { return ScriptedAnswer{.refusal = Error{Code::kInvalid, "no"}}; };
  ResponseId failed = w.turn(id, "a secret that was refused").id;
  w.script = normal;
  w.turn(id, "b");
  SessionId session = w.session_of(id);
  std::vector<SealedRecord> before = *w.loop.run(w.store->read(session, 1, 100, 1 << 20));
  ASSERT_TRUE(w.loop.run(w.responses->remove(kTenant, failed)).ok());
  std::vector<SealedRecord> after = *w.loop.run(w.store->read(session, 1, 100, 1 << 20));
  EXPECT_TRUE(after[2].body.empty()) << "what was asked is gone";
  EXPECT_FALSE(before[2].body.empty());
  EXPECT_THAT(texts(w.items(id)), ElementsAre("a", "b", "ok"));
  w.turn(id, "c");
  EXPECT_THAT(w.contexts.back(), ElementsAre("a", "b", "ok", "c"));
}

TEST(Conversations, AResultNeedsItsCall) {
  ConversationWorld w;
  Item result{.kind = ItemKind::kFunctionCallOutput, .call_id = "call_1", .output = "42"};
  Item call{.kind = ItemKind::kFunctionCall, .call_id = "call_1", .name = "f", .arguments = "{}"};
  Result<Conversation> orphan = w.loop.run(w.conversations().create({.tenant = kTenant, .items = {result}}));
  EXPECT_EQ(orphan.error().reason, "tool_call_not_found");
  ConversationId id = w.make({call});
  EXPECT_TRUE(w.loop.run(w.conversations().add_items(kTenant, id, {result})).ok());
  EXPECT_EQ(w.loop.run(w.conversations().add_items(kTenant, w.make(), {result})).error().reason, "tool_call_not_found");
}

TEST(Conversations, ARepeatedCreateHappensOnce) {
  ConversationWorld w;
  auto keyed = [&](std::string body) {
    NewConversation call{.tenant = kTenant, .items = {said(body)}, .idempotency_key = "k"};
    call.body_hash = sha256(body);
    return w.loop.run(w.conversations().create(std::move(call)));
  };
  Result<Conversation> first = keyed("a"), again = keyed("a");
  ASSERT_TRUE(first.ok() && again.ok());
  EXPECT_EQ(first->id, again->id);
  EXPECT_EQ(keyed("b").error().reason, "idempotency_key_reused");
  ASSERT_TRUE(w.loop.run(w.conversations().remove(kTenant, first->id)).ok());
  EXPECT_NE(keyed("b")->id, first->id) << "the key goes with the conversation";
}

TEST(Conversations, IdsThatAreTakenAreReplaced) {
  ConversationWorld w;
  ConversationId id = w.make({said("a")});
  std::string taken = w.items(id)[0].id;
  CreateCall call = w.ask_in(id, "b");
  call.request.input[0].id = taken;
  w.whole(w.create(std::move(call))->id);
  std::vector<Item> items = w.items(id);
  EXPECT_THAT(texts(items), ElementsAre("a", "b", "ok"));
  EXPECT_NE(items[1].id, taken);
}

}  // namespace
}  // namespace perdure
