#include "simulate/testing/bench.h"

#include <gtest/gtest.h>

#include "wire/sse.h"

namespace perdure::simulate {

Task<Reply> fetch(Loop& loop, HttpClient& client, std::string method, std::string url, std::string body,
                  HeaderList headers, Duration patience) {
  Reply out;
  HttpCall call;
  call.method = method;
  call.url = *parse_url(url);
  call.body = std::move(body);
  for (auto& [name, value] : headers) call.headers.add(name, value);
  const Instant start = loop.now();
  const Deadline deadline = deadline_in(loop, patience);
  auto answer = co_await client.send(std::move(call), deadline, nullptr);
  if (!answer.ok()) co_return out;
  out.status = (*answer)->status;
  out.headers = (*answer)->headers;
  for (;;) {
    const size_t before = out.body.size();
    auto more = co_await (*answer)->read(out.body, deadline);
    if (out.body.size() > before) {
      if (before == 0) out.first = loop.now() - start;
      ++out.reads;
    }
    out.all = loop.now() - start;
    if (!more.ok()) co_return out;
    if (*more) continue;
    out.whole = true;
    co_return out;
  }
}

std::vector<std::pair<std::string, std::string>> events_of(std::string_view body) {
  std::vector<std::pair<std::string, std::string>> out;
  SseParser parser;
  const auto fed = parser.feed(body, [&](const SseEvent& event) -> Result<void> {
    out.emplace_back(event.event, event.data);
    return {};
  });
  EXPECT_TRUE(fed.ok());
  return out;
}

json::Document parsed(std::string_view json) {
  auto document = json::Document::parse(std::string(json));
  if (document.ok()) return std::move(*document);
  ADD_FAILURE() << "not JSON: " << json;
  return std::move(*json::Document::parse("null"));
}

std::string json_text(std::string_view text) {
  std::string out;
  json::append_string(out, text);
  return out;
}

}  // namespace perdure::simulate
