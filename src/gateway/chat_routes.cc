// Routes of stored chat completions, and streams of stored responses read again in any client's dialect.

#include <algorithm>

#include "dialect/chat_render.h"
#include "gateway/exchange.h"
#include "gateway/gateway.h"

namespace perdure {
namespace {

constexpr size_t kScanPage = 200;

Error no_such_completion(std::string_view id) {
  return {Code::kNotFound, "there is no stored chat completion with the id \"" + std::string(id) + "\"", "",
          "not_found"};
}

struct Wanted {
  std::string model, after;
  std::vector<std::pair<std::string, std::string>> metadata;
  size_t limit = 20;
  bool ascending = true;

  bool takes(const Response& response) const {
    const Request& request = *response.request;
    if (request.dialect != ClientDialect::kChat || !request.store) return false;
    if (!model.empty() && request.model != model) return false;
    return std::ranges::all_of(metadata, [&](const auto& pair) {
      return std::ranges::find(request.metadata, pair) != request.metadata.end();
    });
  }
};

Result<bool> ascending(const HttpRequest& request) {
  auto order = request.query.find("order");
  if (order == request.query.end() || order->second == "asc") return true;
  if (order->second == "desc") return false;
  return Error{Code::kInvalid, "order must be asc or desc", "order"};
}

Result<Wanted> wanted_of(const HttpRequest& request) {
  Wanted out;
  TRY(const int64_t limit, query_number(request, "limit", 20, 1, 100));
  out.limit = static_cast<size_t>(limit);
  TRY(out.ascending, ascending(request));
  for (const auto& [name, value] : request.query) {
    if (name == "model") out.model = value;
    if (name == "after") out.after = value;
    if (name.starts_with("metadata[") && name.ends_with("]"))
      out.metadata.emplace_back(name.substr(9, name.size() - 10), value);
  }
  return out;
}

void write_list_end(json::Writer& out, std::string_view first, std::string_view last, bool more) {
  out.end_array();
  for (auto [name, id] : {std::pair("first_id", first), std::pair("last_id", last)}) {
    out.key(name);
    id.empty() ? out.null() : out.string(id);
  }
  out.field("has_more", more).end_object();
}

}  // namespace

Task<Result<Response>> Gateway::stored_chat(const Exchange& x) {
  ResponseId id = response_id_of_chat(x.id);
  Result<Response> response = co_await responses_.get(x.caller.tenant, id);
  if (!response.ok() && response.error().code == Code::kNotFound) co_return no_such_completion(x.id);
  if (response.ok() && response->request->dialect != ClientDialect::kChat) co_return no_such_completion(x.id);
  co_return std::move(response);
}

Task<void> Gateway::list_chats(Exchange& x) {
  Result<Wanted> wanted = wanted_of(x.request);
  if (!wanted.ok()) {
    co_await x.fail(std::move(wanted).error());
    co_return;
  }
  // The store lists the newest first; what was asked for oldest first is turned round, and therefore seen whole. Newest
  // first, a list ends early when much was looked at and something was found: whoever asks for the next one goes on
  // from there.
  ResponseId after = response_id_of_chat(wanted->after);
  Result<uint64_t> cursor = uint64_t{0};
  if (!after.empty()) cursor = co_await responses_.cursor_of(x.caller.tenant, after);
  if (!cursor.ok()) {
    bool unknown = cursor.error().code == Code::kNotFound;
    co_await x.fail(unknown ? Error{Code::kInvalid, "after names no stored chat completion", "after"} : cursor.error());
    co_return;
  }
  bool older_are_wanted = true, older_are_there = true, cut_short = false;
  std::vector<Response> found;
  uint64_t before = wanted->ascending ? 0 : *cursor;
  size_t scanned = 0;
  const size_t page_size = std::min(kScanPage, options_.list_scan_max);
  while (older_are_wanted && older_are_there && !cut_short) {
    if (x.reply.gone().requested()) co_return;  // nobody waits for it any more
    Result<std::vector<ResponseSummary>> page = co_await responses_.list(x.caller.tenant, before, page_size);
    if (!page.ok()) {
      co_await x.fail(std::move(page).error());
      co_return;
    }
    older_are_there = page->size() == page_size;
    for (const ResponseSummary& summary : *page) {
      before = summary.cursor;
      ++scanned;
      if (wanted->ascending && summary.id == after) {  // all that follow are older
        older_are_wanted = false;
        break;
      }
      Result<Response> response = co_await responses_.get(x.caller.tenant, summary.id);
      if (!response.ok() && response.error().code == Code::kNotFound) continue;  // deleted meanwhile
      if (!response.ok()) {
        co_await x.fail(std::move(response).error());
        co_return;
      }
      if (!wanted->takes(*response)) continue;
      found.push_back(*std::move(response));
      if (wanted->ascending && found.size() > wanted->limit + 1) found.erase(found.begin());  // the newest
      if (!wanted->ascending && found.size() > wanted->limit) older_are_wanted = false;
      if (!older_are_wanted) break;
    }
    cut_short = scanned >= options_.list_scan_max && (wanted->ascending || !found.empty());
  }
  const bool unseen = cut_short && older_are_wanted && older_are_there;
  const bool more = unseen || found.size() > wanted->limit;
  if (unseen && wanted->ascending) {
    co_await x.fail(
        {Code::kInvalid, "there are too many responses to list from the oldest on; ask with order=desc", "order"});
    co_return;
  }
  if (wanted->ascending) std::ranges::reverse(found);
  if (found.size() > wanted->limit) found.pop_back();
  json::Writer out;
  out.begin_object().field("object", "list").key("data").begin_array();
  for (const Response& response : found) write_chat_completion(out, response);
  std::string first = found.empty() ? "" : chat_id_of(found.front().id);
  std::string last = found.empty() ? "" : chat_id_of(found.back().id);
  write_list_end(out, first, last, more);
  co_await x.json(out.text());
}

Task<void> Gateway::fetch_chat(Exchange& x) {
  Result<Response> response = co_await stored_chat(x);
  if (!response.ok()) {
    co_await x.fail(std::move(response).error());
    co_return;
  }
  x.about(response->id);
  json::Writer out;
  write_chat_completion(out, *response);
  co_await x.json(out.text());
}

// The journal holds what was asked and what was answered; neither is changed afterwards.
Task<void> Gateway::update_chat(Exchange& x) {
  Result<Response> response = co_await stored_chat(x);
  if (!response.ok()) {
    co_await x.fail(std::move(response).error());
    co_return;
  }
  co_await x.fail({Code::kInvalid, "Not supported here: the metadata of a stored completion is set when it is created.",
                   "metadata", "unsupported_parameter"});
}

Task<void> Gateway::remove_chat(Exchange& x) {
  Result<Response> response = co_await stored_chat(x);
  if (!response.ok()) {
    co_await x.fail(std::move(response).error());
    co_return;
  }
  ResponseId id = response->id;
  Result<void> removed = co_await responses_.remove(x.caller.tenant, id);
  if (!removed.ok()) {
    co_await x.fail(std::move(removed).error());
    co_return;
  }
  x.about(id);
  json::Writer out;
  out.begin_object().field("object", "chat.completion.deleted").field("id", chat_id_of(id)).field("deleted", true);
  co_await x.json(out.end_object().text());
}

Task<void> Gateway::chat_messages(Exchange& x) {
  Result<int64_t> limit = query_number(x.request, "limit", 20, 1, 100);
  Result<bool> oldest_first = ascending(x.request);
  if (!limit.ok() || !oldest_first.ok()) {
    co_await x.fail(!limit.ok() ? limit.error() : oldest_first.error());
    co_return;
  }
  Result<Response> response = co_await stored_chat(x);
  if (!response.ok()) {
    co_await x.fail(std::move(response).error());
    co_return;
  }
  x.about(response->id);
  std::vector<std::string> messages = chat_messages_of(*response);
  const std::string prefix = chat_id_of(response->id) + "-";
  std::vector<std::string> ids;
  for (size_t i = 0; i < messages.size(); ++i) ids.push_back(prefix + std::to_string(i));
  if (!*oldest_first) std::ranges::reverse(messages), std::ranges::reverse(ids);
  size_t from = 0;
  if (auto after = x.request.query.find("after"); after != x.request.query.end()) {
    auto found = std::ranges::find(ids, after->second);
    if (found == ids.end()) {
      co_await x.fail({Code::kInvalid, "after names no message of this completion", "after"});
      co_return;
    }
    from = static_cast<size_t>(found - ids.begin()) + 1;
  }
  size_t to = std::min(messages.size(), from + static_cast<size_t>(*limit));
  json::Writer out;
  out.begin_object().field("object", "list").key("data").begin_array();
  for (size_t i = from; i < to; ++i) out.raw(messages[i]);
  write_list_end(out, from < to ? ids[from] : "", from < to ? ids[to - 1] : "", to < messages.size());
  co_await x.json(out.text());
}

// GET /v1/x/responses/{id}/stream?dialect=chat&after=N: the stream of a stored response, from its first frame or behind
// the Nth, while it is being made or afterwards, in the dialect that was asked for or else the one that it came in by.
Task<void> Gateway::resume(Exchange& x) {
  Result<int64_t> after = query_number(x.request, "after", -1, 0, INT64_MAX);
  if (!after.ok()) {
    co_await x.fail(std::move(after).error());
    co_return;
  }
  ResponseId id = response_id_of_chat(x.id);
  ClientDialect dialect = ClientDialect::kResponses;
  if (auto named = x.request.query.find("dialect"); named != x.request.query.end()) {
    bool known = false;
    for (ClientDialect one : {ClientDialect::kResponses, ClientDialect::kChat, ClientDialect::kMessages}) {
      if (name_of(one) != named->second || face_of(one).dialect() != one) continue;
      dialect = one;
      known = true;
    }
    if (!known) {
      co_await x.fail({Code::kInvalid, "dialect must be responses, chat or messages", "dialect"});
      co_return;
    }
  } else {
    Result<Response> response = co_await responses_.get(x.caller.tenant, id);
    if (!response.ok()) {
      co_await x.fail(std::move(response).error());
      co_return;
    }
    dialect = response->request->dialect;
  }
  x.face = &face_of(dialect, options_.reasoning_events);
  co_await stream(x, {.id = id}, *after);
}

}  // namespace perdure
