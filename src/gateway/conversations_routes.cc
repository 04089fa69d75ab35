// Routes of OpenAI's Conversations: conversations, and the items in them. Responses are made in one by
// POST /v1/responses with `conversation`.

#include <algorithm>

#include "dialect/conversations_request.h"
#include "dialect/responses_render.h"
#include "gateway/exchange.h"
#include "gateway/gateway.h"
#include "gateway/item_list.h"
#include "session/conversations.h"
#include "store/seal.h"

namespace perdure {
namespace {

std::string render(const Conversation& conversation) {
  json::Writer out;
  write_conversation(out, conversation.id, conversation.created, conversation.metadata);
  return out.take();
}

Task<void> reply_with(Exchange& x, Result<Conversation> conversation) {
  if (!conversation.ok()) {
    co_await x.fail(std::move(conversation).error());
    co_return;
  }
  std::string body = render(*conversation);
  co_await x.json(body);
}

}  // namespace

// The body of a request that must have one; failures are answered already then.
Task<std::optional<json::Document>> Gateway::body_of(Exchange& x) {
  if (Result<void> checked = check_headers(x); !checked.ok()) {
    co_await x.fail_as(checked.error().param.empty() ? 415 : 400, std::move(checked).error());
    co_return std::nullopt;
  }
  Result<json::Document> document = json::Document::parse(std::move(x.request.body));
  if (document.ok()) co_return *std::move(document);
  co_await x.fail(std::move(document).error());
  co_return std::nullopt;
}

Task<void> Gateway::create_conversation(Exchange& x) {
  Result<std::string> key = idempotency_key_of(x.request);
  if (!key.ok()) {
    co_await x.fail(std::move(key).error());
    co_return;
  }
  NewConversation call{.tenant = x.caller.tenant, .key = x.caller.key, .metadata = {}, .items = {}};
  call.idempotency_key = *std::move(key);
  if (!call.idempotency_key.empty()) call.body_hash = sha256(x.request.body);
  if (!x.request.body.empty()) {  // nothing needs to be said to begin one
    std::optional<json::Document> document = co_await body_of(x);
    if (!document) co_return;
    Result<ConversationBody> body = parse_conversation_create(document->root());
    if (!body.ok()) {
      co_await x.fail(std::move(body).error());
      co_return;
    }
    call.metadata = std::move(body->metadata);
    call.items = std::move(body->items);
  }
  Result<Conversation> made = co_await conversations_.create(std::move(call));
  co_await reply_with(x, std::move(made));
}

Task<void> Gateway::fetch_conversation(Exchange& x) {
  Result<Conversation> found = co_await conversations_.get(x.caller.tenant, ConversationId(x.id));
  co_await reply_with(x, std::move(found));
}

Task<void> Gateway::update_conversation(Exchange& x) {
  std::optional<json::Document> document = co_await body_of(x);
  if (!document) co_return;
  Result<Metadata> metadata = parse_conversation_update(document->root());
  if (!metadata.ok()) {
    co_await x.fail(std::move(metadata).error());
    co_return;
  }
  Result<Conversation> updated =
      co_await conversations_.update(x.caller.tenant, ConversationId(x.id), *std::move(metadata));
  co_await reply_with(x, std::move(updated));
}

Task<void> Gateway::remove_conversation(Exchange& x) {
  ConversationId id(x.id);
  Result<void> removed = co_await conversations_.remove(x.caller.tenant, id);
  if (!removed.ok()) {
    co_await x.fail(std::move(removed).error());
    co_return;
  }
  json::Writer out;
  write_conversation_deleted(out, id);
  co_await x.json(out.text());
}

Task<void> Gateway::add_conversation_items(Exchange& x) {
  if (std::optional<Error> refused = refuse_idempotency_key(x.request)) {
    co_await x.fail(*std::move(refused));
    co_return;
  }
  Result<std::vector<std::string>> include = query_include(x.request);
  if (!include.ok()) {
    co_await x.fail(std::move(include).error());
    co_return;
  }
  std::optional<json::Document> document = co_await body_of(x);
  if (!document) co_return;
  Result<std::vector<Item>> items = parse_conversation_items(document->root());
  if (!items.ok()) {
    co_await x.fail(std::move(items).error());
    co_return;
  }
  Result<std::vector<Item>> added =
      co_await conversations_.add_items(x.caller.tenant, ConversationId(x.id), *std::move(items));
  if (!added.ok()) {
    co_await x.fail(std::move(added).error());
    co_return;
  }
  std::string body = item_list(*added, std::ranges::find(*include, "reasoning.encrypted_content") != include->end());
  co_await x.json(body);
}

Task<void> Gateway::list_conversation_items(Exchange& x) {
  Result<ItemListAsk> ask = item_list_ask(x.request);
  if (!ask.ok()) {
    co_await x.fail(std::move(ask).error());
    co_return;
  }
  Result<std::vector<Item>> items = co_await conversations_.items(x.caller.tenant, ConversationId(x.id));
  if (!items.ok()) {
    co_await x.fail(std::move(items).error());
    co_return;
  }
  Result<std::string> body = item_list(*std::move(items), *ask, "this conversation");
  if (!body.ok()) {
    co_await x.fail(std::move(body).error());
    co_return;
  }
  co_await x.json(*body);
}

Task<void> Gateway::fetch_conversation_item(Exchange& x) {
  Result<std::vector<std::string>> include = query_include(x.request);
  if (!include.ok()) {
    co_await x.fail(std::move(include).error());
    co_return;
  }
  Result<std::vector<Item>> items = co_await conversations_.items(x.caller.tenant, ConversationId(x.id));
  if (!items.ok()) {
    co_await x.fail(std::move(items).error());
    co_return;
  }
  auto found = std::ranges::find(*items, x.item, &Item::id);
  if (found == items->end()) {
    co_await x.fail(no_such_item(x.item));
    co_return;
  }
  json::Writer out;
  write_public_item(out, *found, std::ranges::find(*include, "reasoning.encrypted_content") != include->end());
  co_await x.json(out.text());
}

Task<void> Gateway::remove_conversation_item(Exchange& x) {
  Result<Conversation> left = co_await conversations_.remove_item(x.caller.tenant, ConversationId(x.id), x.item);
  co_await reply_with(x, std::move(left));
}

}  // namespace perdure
