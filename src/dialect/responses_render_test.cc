#include "dialect/responses_render.h"

#include "dialect/ended_error.h"

#include <gtest/gtest.h>

#include <algorithm>

#include <set>

#include "model/testing/samples.h"

namespace perdure {
namespace {

json::Document parse(const std::string& text) {
  auto document = json::Document::parse(text);
  EXPECT_TRUE(document.ok()) << text;
  return *std::move(document);
}

std::string rendered(const Response& response) {
  json::Writer out;
  write_response(out, response);
  return out.take();
}

// What Open Responses demands of the resource beyond the presence of every field.
void expect_resource(json::Value r) {
  for (const char* name : {"id",
                           "object",
                           "created_at",
                           "completed_at",
                           "status",
                           "incomplete_details",
                           "model",
                           "previous_response_id",
                           "instructions",
                           "output",
                           "error",
                           "tools",
                           "tool_choice",
                           "truncation",
                           "parallel_tool_calls",
                           "text",
                           "top_p",
                           "presence_penalty",
                           "frequency_penalty",
                           "top_logprobs",
                           "temperature",
                           "reasoning",
                           "usage",
                           "max_output_tokens",
                           "max_tool_calls",
                           "store",
                           "background",
                           "service_tier",
                           "metadata",
                           "safety_identifier",
                           "prompt_cache_key"}) {
    EXPECT_FALSE(r[name].missing()) << name;
  }
  const std::set<std::string_view> nullable = {
      "completed_at", "incomplete_details", "previous_response_id", "instructions",      "error",           "reasoning",
      "usage",        "max_output_tokens",  "max_tool_calls",       "safety_identifier", "prompt_cache_key"};
  for (const auto& member : r.members()) {
    if (!nullable.contains(member.key)) EXPECT_FALSE(member.value.null()) << member.key;
  }
  EXPECT_EQ(r["object"].text(), "response");
  EXPECT_TRUE(r["created_at"].integer().has_value());
  EXPECT_TRUE(r["metadata"].is_object());
  EXPECT_TRUE(r["text"]["format"].is_object());
  for (json::Value tool : r["tools"].elements()) {
    for (const char* name : {"type", "name", "description", "parameters", "strict"})
      EXPECT_FALSE(tool[name].missing()) << name;
  }
  for (json::Value item : r["output"].elements()) {
    for (const char* name : {"type", "id", "status"}) EXPECT_TRUE(item[name].is_string()) << name;
    if (item["type"].text() == "reasoning") EXPECT_TRUE(item["summary"].is_array());
    for (const auto& member : item.members()) EXPECT_FALSE(member.value.null()) << member.key;
    for (json::Value part : item["content"].elements()) {
      if (part["type"].text() == "output_text") EXPECT_TRUE(part["annotations"].is_array());
      EXPECT_TRUE(part["logprobs"].missing());
    }
  }
  if (!r["usage"].null()) {
    EXPECT_TRUE(r["usage"]["total_tokens"].integer());
    EXPECT_TRUE(r["usage"]["input_tokens_details"]["cached_tokens"].integer());
    EXPECT_TRUE(r["usage"]["output_tokens_details"]["reasoning_tokens"].integer());
  }
}

// A story as records, and what comes of it.
class Story {
 public:
  explicit Story(Request request) { add(ResponseCreated{ResponseId("resp_1"), std::move(request), KeyId()}); }
  Story& add(decltype(Record::body) body) {
    records_.push_back(
        {.seq = records_.size() + 1,
         .time = WallTime(std::chrono::milliseconds(1'700'000'000'900 + 1000 * static_cast<int64_t>(records_.size()))),
         .body = std::move(body)});
    return *this;
  }
  Story& deltas(std::vector<Delta> list) { return add(Deltas{std::move(list)}); }
  std::vector<RenderedEvent> events(ReasoningEvents reasoning = ReasoningEvents::kOpenAi) {
    std::vector<RenderedEvent> out;
    renderer_ = EventRenderer(reasoning);
    for (const Record& record : records_) {
      auto added = renderer_.add(record, out);
      EXPECT_TRUE(added.ok()) << added.error().message;
    }
    return out;
  }
  const Response& response() { return events(), renderer_.response(); }

 private:
  std::vector<Record> records_;
  EventRenderer renderer_;
};

Story whole_story(ResponseStatus status = ResponseStatus::kCompleted) {
  Story story(Request{.model = "m"});
  story.add(AttemptStarted{}).deltas(sample_deltas()).add(AttemptEnded{.outcome = "completed"});
  story.add(ResponseEnded{.status = status,
                          .incomplete_reason = status == ResponseStatus::kIncomplete ? "interrupted" : "",
                          .error_code = status == ResponseStatus::kFailed ? "server_error" : "",
                          .error_message = status == ResponseStatus::kFailed ? "It broke." : "",
                          .usage = {10, 2, 30, 4, true}});
  return story;
}

std::vector<std::string> types(const std::vector<RenderedEvent>& events) {
  std::vector<std::string> out;
  for (const auto& event : events) out.push_back(event.type);
  return out;
}

void expect_events(const std::vector<RenderedEvent>& events) {
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].sequence_number, i);
    EXPECT_EQ(events[i].data.find_first_of("\r\n"), std::string::npos);
    const json::Document document = parse(events[i].data);
    EXPECT_EQ(document.root()["type"].text(), events[i].type);
    EXPECT_EQ(document.root()["sequence_number"].integer(), static_cast<int64_t>(i));
    if (json::Value response = document.root()["response"]; !response.missing()) expect_resource(response);
  }
}

TEST(WriteResponse, HasEveryFieldWithDefaults) {
  const std::string text = rendered(Story(Request{.model = "m"}).response());
  expect_resource(parse(text).root());
  EXPECT_EQ(
      text,
      R"({"id":"resp_1","object":"response","created_at":1700000000,"completed_at":null,"status":"in_progress","background":false,"error":null,)"
      R"("incomplete_details":null,"instructions":null,"max_output_tokens":null,"max_tool_calls":null,"model":"m","output":[],)"
      R"("parallel_tool_calls":true,"previous_response_id":null,"prompt_cache_key":null,"reasoning":null,"safety_identifier":null,)"
      R"("service_tier":"default","store":true,"temperature":1,"top_p":1,"presence_penalty":0,"frequency_penalty":0,)"
      R"("text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_logprobs":0,"truncation":"disabled","usage":null,"metadata":{}})");
}

TEST(WriteResponse, EchoesWhatWasAsked) {
  Request request = sample_request();
  request.tools[0].parameters = "{\n  \"type\": \"object\"\r\n}";
  Story story(request);
  const std::string text = rendered(story.response());
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const json::Document document = parse(text);
  json::Value r = document.root();
  expect_resource(r);
  EXPECT_EQ(r["status"].text(), "queued");
  EXPECT_EQ(r["background"].boolean(), true);
  EXPECT_EQ(r["tools"].at(0)["strict"].boolean(), true);
  EXPECT_TRUE(r["tools"].at(1)["parameters"].null());
  EXPECT_EQ(r["tool_choice"].raw(),
            R"({"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"look"}]})");
  EXPECT_EQ(
      r["text"].raw(),
      R"({"format":{"type":"json_schema","name":"shape","description":"A shape.","schema":{"type":"object"},"strict":false},"verbosity":"low"})");
  EXPECT_EQ(r["reasoning"].raw(), R"({"effort":"high","summary":"auto"})");
  EXPECT_EQ(r["metadata"].raw(), R"({"a":"1","b":""})");
  EXPECT_EQ(r["temperature"].raw(), "0.1");
  EXPECT_EQ(r["previous_response_id"].text(), "resp_0");
}

TEST(WriteResponse, T27_SaysHowItEnded) {
  {
    const std::string text = rendered(whole_story().response());
    const json::Document document = parse(text);
    expect_resource(document.root());
    EXPECT_EQ(document.root()["status"].text(), "completed");
    EXPECT_EQ(document.root()["completed_at"].integer(), 1700000004);
    EXPECT_EQ(
        document.root()["usage"].raw(),
        R"({"input_tokens":10,"input_tokens_details":{"cached_tokens":2},"output_tokens":30,"output_tokens_details":{"reasoning_tokens":4},"total_tokens":40})");
  }
  const json::Document failed = parse(rendered(whole_story(ResponseStatus::kFailed).response()));
  EXPECT_EQ(failed.root()["error"].raw(), R"({"code":"server_error","message":"It broke.","type":"server_error"})");
  EXPECT_TRUE(failed.root()["completed_at"].null());
  const json::Document incomplete = parse(rendered(whole_story(ResponseStatus::kIncomplete).response()));
  EXPECT_EQ(incomplete.root()["incomplete_details"].raw(), R"({"reason":"interrupted"})");
  const json::Document cancelled = parse(rendered(whole_story(ResponseStatus::kCancelled).response()));
  EXPECT_EQ(cancelled.root()["status"].text(), "cancelled");
  EXPECT_TRUE(cancelled.root()["incomplete_details"].null());
}

TEST(WriteResponse, T9_NamesTheFieldAtFault) {
  Response response;
  response.id = ResponseId("resp_1");
  response.status = ResponseStatus::kFailed;
  response.ended = ResponseEnded{.status = ResponseStatus::kFailed,
                                 .error_code = "unsupported_parameter",
                                 .error_message = "Not to be said.",
                                 .error_param = "input[2].output[1]"};
  EXPECT_EQ(
      parse(rendered(response)).root()["error"].raw(),
      R"({"code":"unsupported_parameter","message":"input[2].output[1]: Not to be said.","type":"server_error"})");
  const std::optional<Error> error = ended_error(response);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->param, "input[2].output[1]") << "other APIs say it in their own words";
  EXPECT_EQ(error->message, "Not to be said.");
}

TEST(EventRenderer, T24_TellsAResponseInOrder) {
  const auto events = whole_story().events();
  expect_events(events);
  EXPECT_EQ(types(events), (std::vector<std::string>{"response.created",
                                                     "response.in_progress",
                                                     "response.output_item.added",
                                                     "response.reasoning_summary_part.added",
                                                     "response.reasoning_summary_text.delta",
                                                     "response.reasoning_summary_text.done",
                                                     "response.reasoning_summary_part.done",
                                                     "response.content_part.added",
                                                     "response.reasoning_text.delta",
                                                     "response.reasoning_text.done",
                                                     "response.content_part.done",
                                                     "response.output_item.done",
                                                     "response.output_item.added",
                                                     "response.content_part.added",
                                                     "response.output_text.delta",
                                                     "response.output_text.delta",
                                                     "response.output_text.delta",
                                                     "response.output_text.done",
                                                     "response.content_part.done",
                                                     "response.content_part.added",
                                                     "response.refusal.delta",
                                                     "response.refusal.done",
                                                     "response.content_part.done",
                                                     "response.output_item.done",
                                                     "response.output_item.added",
                                                     "response.function_call_arguments.delta",
                                                     "response.function_call_arguments.delta",
                                                     "response.function_call_arguments.done",
                                                     "response.output_item.done",
                                                     "response.completed"}));
  EXPECT_EQ(
      events[2].data,
      R"({"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"type":"reasoning","id":"rs_1","status":"in_progress","summary":[]}})");
  EXPECT_EQ(
      events[3].data,
      R"({"type":"response.reasoning_summary_part.added","sequence_number":3,"item_id":"rs_1","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}})");
  EXPECT_EQ(
      events[12].data,
      R"({"type":"response.output_item.added","sequence_number":12,"output_index":1,"item":{"type":"message","id":"msg_1","status":"in_progress","role":"assistant","phase":"final_answer","content":[]}})");
  EXPECT_EQ(
      events[13].data,
      R"({"type":"response.content_part.added","sequence_number":13,"item_id":"msg_1","output_index":1,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}})");
  EXPECT_EQ(
      events[15].data,
      R"({"type":"response.output_text.delta","sequence_number":15,"item_id":"msg_1","output_index":1,"content_index":0,"logprobs":[],"delta":"lo"})");
  EXPECT_EQ(
      events[21].data,
      R"({"type":"response.refusal.done","sequence_number":21,"item_id":"msg_1","output_index":1,"content_index":1,"refusal":"no"})");
  EXPECT_EQ(
      events[27].data,
      R"({"type":"response.function_call_arguments.done","sequence_number":27,"item_id":"fc_1","output_index":2,"name":"look","arguments":"{\"a\":1"})");
  EXPECT_EQ(
      events[28].data,
      R"({"type":"response.output_item.done","sequence_number":28,"output_index":2,"item":{"type":"function_call","id":"fc_1","status":"incomplete","call_id":"call_1","name":"look","arguments":"{\"a\":1"}})");
}

// However the deltas are spread over records, and however many attempts they took, the client sees the same.
TEST(EventRenderer, T34_DoesNotShowHowRecordsWereCut) {
  const auto at_once = whole_story().events();
  const auto deltas = sample_deltas();
  for (size_t cut = 0; cut <= deltas.size(); ++cut) {
    Story story(Request{.model = "m"});
    story.add(AttemptStarted{})
        .deltas({deltas.begin(), deltas.begin() + static_cast<ptrdiff_t>(cut)})
        .add(AttemptEnded{.outcome = "cut"});
    story.add(AttemptStarted{.number = 2, .continuation = true})
        .deltas({deltas.begin() + static_cast<ptrdiff_t>(cut), deltas.end()})
        .add(AttemptEnded{.number = 2, .outcome = "completed"});
    story.add(ResponseEnded{.usage = {10, 2, 30, 4, true}});
    const auto events = story.events();
    expect_events(events);
    ASSERT_EQ(events.size(), at_once.size());
    for (size_t i = 0; i + 1 < events.size(); ++i) EXPECT_EQ(events[i].data, at_once[i].data) << "cut at " << cut;
  }
  Story single(Request{.model = "m"});
  single.add(AttemptStarted{});
  for (const Delta& delta : deltas) single.deltas({delta});
  const auto one_by_one = single.events();
  for (size_t i = 0; i < one_by_one.size(); ++i) EXPECT_EQ(one_by_one[i].data, at_once[i].data);
}

TEST(EventRenderer, TellsASeamToWhoeverAskedForIt) {
  const auto deltas = sample_deltas();
  Story story(Request{.model = "m", .include = {"x_perdure.seam"}});
  story.add(AttemptStarted{.provider = "first", .model = "a"})
      .deltas({deltas.begin(), deltas.begin() + 12})
      .add(AttemptEnded{.outcome = "cut"});
  story.add(AttemptStarted{.number = 2, .provider = "second", .model = "b", .continuation = true})
      .deltas({deltas.begin() + 12, deltas.end()})
      .add(AttemptEnded{.number = 2, .outcome = "completed"});
  const auto events = story.events();
  expect_events(events);
  const auto told = std::ranges::find(events, "x_perdure.seam", &RenderedEvent::type);
  ASSERT_NE(told, events.end());
  EXPECT_EQ(told->data,
            R"({"type":"x_perdure.seam","sequence_number":)" + std::to_string(told->sequence_number) +
                R"(,"item_id":"msg_1","output_index":1,"bytes_before":12,"from":{"provider":"first","model":"a"},)"
                R"("to":{"provider":"second","model":"b"},"outcome":"cut"})");
}

TEST(EventRenderer, ASeamIsBetweenAuthors) {
  const auto deltas = sample_deltas();
  Story story(Request{.model = "m", .include = {"x_perdure.seam"}});
  story.add(AttemptStarted{.number = 1, .provider = "compactor", .model = "a"})
      .deltas({Delta::item_begin({.kind = ItemKind::kCompaction, .id = "cmp_1"}),
               Delta::opaque_block(OpaqueKind::kEncrypted, "what was said", ""),
               Delta::item_end(ItemStatus::kCompleted)})
      .add(AttemptEnded{.number = 1, .outcome = "compacted"})
      .add(AttemptStarted{.number = 2, .provider = "slow", .model = "a"})
      .add(AttemptStarted{.number = 3, .provider = "first", .model = "a", .beside = 2})
      .add(AttemptEnded{.number = 2, .outcome = "hedged_away"})
      .deltas({deltas.begin(), deltas.begin() + 12})
      .add(AttemptEnded{.number = 3, .outcome = "cut"})
      .add(AttemptStarted{.number = 4, .provider = "down", .model = "a"})
      .add(AttemptEnded{.number = 4, .outcome = "failed"})
      .add(AttemptStarted{.number = 5, .provider = "second", .model = "a"})
      .deltas({deltas.begin() + 12, deltas.end()})
      .add(AttemptEnded{.number = 5, .outcome = "completed"});
  std::vector<std::string> seams;
  for (const RenderedEvent& event : story.events()) {
    if (event.type != "x_perdure.seam") continue;
    json::Document told = parse(event.data);
    seams.push_back(std::string(told.root()["from"]["provider"].text()) + " " +
                    std::string(told.root()["to"]["provider"].text()) + " " +
                    std::string(told.root()["outcome"].text()));
  }
  EXPECT_EQ(seams, std::vector<std::string>{"first second cut"});
}

TEST(EventRenderer, QueuesWhatRunsInTheBackground) {
  Story story(Request{.model = "m", .background = true});
  story.add(AttemptStarted{});
  const auto events = story.events();
  expect_events(events);
  EXPECT_EQ(types(events), (std::vector<std::string>{"response.created", "response.queued", "response.in_progress"}));
  EXPECT_EQ(parse(events[0].data).root()["response"]["status"].text(), "queued");
  EXPECT_EQ(parse(events[2].data).root()["response"]["status"].text(), "in_progress");
}

TEST(EventRenderer, EndsInTheEventsThatClientsWaitFor) {
  const auto failed = whole_story(ResponseStatus::kFailed).events();
  expect_events(failed);
  ASSERT_GE(failed.size(), 2u);
  EXPECT_EQ(failed[failed.size() - 2].type, "error");
  const json::Document error = parse(failed[failed.size() - 2].data);
  EXPECT_EQ(error.root()["error"].raw(),
            R"({"message":"It broke.","type":"server_error","param":null,"code":"server_error"})");
  EXPECT_EQ(failed.back().type, "response.failed");
  EXPECT_EQ(whole_story(ResponseStatus::kIncomplete).events().back().type, "response.incomplete");
  const auto cancelled = whole_story(ResponseStatus::kCancelled).events();
  EXPECT_EQ(cancelled.back().type, "response.incomplete");
  EXPECT_EQ(parse(cancelled.back().data).root()["response"]["status"].text(), "cancelled");
}

TEST(EventRenderer, RefusesRecordsOutOfOrderAndStaysAsItWas) {
  EventRenderer renderer;
  std::vector<RenderedEvent> events;
  EXPECT_EQ(renderer.add({.seq = 1, .body = AttemptStarted{}}, events).error().code, Code::kCorrupt);
  ASSERT_TRUE(
      renderer.add({.seq = 1, .body = ResponseCreated{ResponseId("r"), Request{.model = "m"}, {}}}, events).ok());
  ASSERT_TRUE(renderer.add({.seq = 2, .body = AttemptStarted{}}, events).ok());
  const size_t before = events.size();
  EXPECT_FALSE(renderer.add({.seq = 3, .body = Deltas{{Delta::append("x")}}}, events).ok());
  EXPECT_EQ(events.size(), before);
  EXPECT_FALSE(renderer.finished());
}

TEST(Errors, AreMappedInOnePlace) {
  const struct {
    Error error;
    int status;
    std::string text;
  } cases[] = {
      {{.code = Code::kInvalid, .message = "M.", .param = "input[0]", .reason = "invalid_value"},
       400,
       R"({"error":{"message":"M.","type":"invalid_request_error","param":"input[0]","code":"invalid_value"}})"},
      {{.code = Code::kDenied, .message = "M.", .reason = "unauthenticated"},
       401,
       R"({"error":{"message":"M.","type":"authentication_error","param":null,"code":"unauthenticated"}})"},
      {{.code = Code::kDenied, .message = "M."},
       403,
       R"({"error":{"message":"M.","type":"permission_error","param":null,"code":null}})"},
      {{.code = Code::kNotFound, .message = "M."},
       404,
       R"({"error":{"message":"M.","type":"invalid_request_error","param":null,"code":null}})"},
      {{.code = Code::kConflict, .message = "M."},
       409,
       R"({"error":{"message":"M.","type":"invalid_request_error","param":null,"code":null}})"},
      {{.code = Code::kOverloaded, .message = "M.", .reason = "rate_limit_exceeded"},
       429,
       R"({"error":{"message":"M.","type":"too_many_requests","param":null,"code":"rate_limit_exceeded"}})"},
      {{.code = Code::kOverloaded, .message = "M.", .reason = "server_busy"},
       503,
       R"({"error":{"message":"M.","type":"server_error","param":null,"code":"server_busy"}})"},
      {{.code = Code::kUnavailable, .message = "M."},
       503,
       R"({"error":{"message":"M.","type":"server_error","param":null,"code":null}})"},
      {{.code = Code::kUnknown, .message = "M."},
       503,
       R"({"error":{"message":"M.","type":"server_error","param":null,"code":null}})"},
      {{.code = Code::kDeadline, .message = "M."},
       504,
       R"({"error":{"message":"M.","type":"server_error","param":null,"code":null}})"},
      {{.code = Code::kCancelled, .message = "M."},
       503,
       R"({"error":{"message":"M.","type":"server_error","param":null,"code":null}})"},
      {{.code = Code::kCorrupt, .message = "M."},
       500,
       R"({"error":{"message":"M.","type":"server_error","param":null,"code":null}})"},
      {{.code = Code::kInternal, .message = "M."},
       500,
       R"({"error":{"message":"M.","type":"server_error","param":null,"code":null}})"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(http_status(c.error), c.status);
    EXPECT_EQ(render_openai_error(c.error), c.text);
  }
  EXPECT_EQ(
      render_error_event({.code = Code::kUnavailable, .message = "M."}, 7),
      R"({"type":"error","sequence_number":7,"error":{"message":"M.","type":"server_error","param":null,"code":null}})");
}

TEST(ResponsesRender, EventsOfReasoningHaveOneOfTwoNames) {
  Story story = whole_story();
  const auto openai = story.events(), open = story.events(ReasoningEvents::kOpenResponses);
  ASSERT_EQ(openai.size(), open.size());
  size_t renamed = 0;
  for (size_t i = 0; i < open.size(); ++i) {
    std::string type = openai[i].type, data = openai[i].data;
    for (std::string* text : {&type, &data})
      if (size_t at = text->find("response.reasoning_text."); at != std::string::npos)
        text->replace(at, 24, "response.reasoning."), renamed += text == &type ? 1 : 0;
    EXPECT_EQ(open[i].type, type);
    EXPECT_EQ(open[i].data, data);
  }
  EXPECT_GE(renamed, 2u);
}

}  // namespace
}  // namespace perdure
