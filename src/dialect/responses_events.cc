#include <algorithm>

#include "dialect/responses_render.h"

namespace perdure {
namespace {

struct PartEvents {
  std::string_view delta, done;
  std::string_view text_name;  // of the field that holds the whole text in the *.done event
};

PartEvents events_of(PartKind kind, ReasoningEvents reasoning) {
  switch (kind) {
    case PartKind::kRefusal:
      return {"response.refusal.delta", "response.refusal.done", "refusal"};
    case PartKind::kReasoningText:
      if (reasoning == ReasoningEvents::kOpenResponses)
        return {"response.reasoning.delta", "response.reasoning.done", "text"};
      return {"response.reasoning_text.delta", "response.reasoning_text.done", "text"};
    case PartKind::kSummaryText:
      return {"response.reasoning_summary_text.delta", "response.reasoning_summary_text.done", "text"};
    default:
      return {"response.output_text.delta", "response.output_text.done", "text"};
  }
}

json::Writer whole_response(const Response& response) {
  json::Writer out;
  out.begin_object();
  write_response(out.key("response"), response);
  out.end_object();
  return out;
}

std::string_view terminal_event(ResponseStatus status) {
  switch (status) {
    case ResponseStatus::kCompleted:
      return "response.completed";
    case ResponseStatus::kFailed:
      return "response.failed";
    // Neither OpenAI's API nor Open Responses has an event for a cancelled response, but every client waits for one of
    // the three terminal events. It did not fail, and what there is of it is incomplete; the resource says "cancelled".
    default:
      return "response.incomplete";
  }
}

}  // namespace

void EventRenderer::event(std::string_view type, json::Writer fields, std::vector<RenderedEvent>& out) {
  json::Writer head;
  head.begin_object().field("type", type).field("sequence_number", static_cast<int64_t>(next_));
  RenderedEvent event{.sequence_number = next_++, .type = std::string(type), .data = head.take()};
  event.data.append(",").append(std::string_view(fields.text()).substr(1));
  // Annotations are kept as they came, line breaks between tokens included.
  std::ranges::replace_if(event.data, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  out.push_back(std::move(event));
}

// Where the author changes, for clients that asked to be told (include: ["x_perdure.seam"]). Attempts that wrote
// nothing (they failed, were outrun, or compacted) are nobody's authors.
void EventRenderer::seam(Place place, std::vector<RenderedEvent>& out) {
  auto open = std::ranges::find_if(response_.placements, &Placement::open);
  size_t author = open != response_.placements.end() ? static_cast<size_t>(open - response_.placements.begin())
                                                     : response_.placements.size() - 1;
  if (response_.placements[author].wrote.empty()) return;
  std::optional<size_t> earlier = std::exchange(author_, author);
  if (!earlier || *earlier == author) return;
  if (std::ranges::find(response_.request->include, "x_perdure.seam") == response_.request->include.end()) return;
  const Placement& before = response_.placements[*earlier];
  const Placement& after = response_.placements[author];
  json::Writer fields;
  fields.begin_object();
  if (place.item < place.items) {
    fields.field("item_id", response_.output()[place.item].id);
    fields.field("output_index", static_cast<int64_t>(place.item));
  }
  fields.field("bytes_before", static_cast<int64_t>(after.output_from));
  for (const auto& [name, placement] : {std::pair("from", &before), std::pair("to", &after)})
    fields.key(name)
        .begin_object()
        .field("provider", placement->started.provider)
        .field("model", placement->started.model)
        .end_object();
  fields.field("outcome", before.ended ? std::string_view(before.ended->outcome) : std::string_view());
  event("x_perdure.seam", std::move(fields.end_object()), out);
}

void EventRenderer::deltas(const std::vector<Delta>& deltas, Place place, std::vector<RenderedEvent>& out) {
  const auto fields_of_item = [&] {
    json::Writer fields;
    fields.begin_object().field("item_id", response_.output()[place.item].id);
    fields.field("output_index", static_cast<int64_t>(place.item));
    return fields;
  };
  const auto fields_of_part = [&](bool with_part) {
    json::Writer fields = fields_of_item();
    if (place.part == PartKind::kSummaryText) {
      fields.field("summary_index", static_cast<int64_t>(place.summaries - 1));
    } else {
      fields.field("content_index", static_cast<int64_t>(place.contents - 1));
    }
    if (!with_part && place.part == PartKind::kOutputText) fields.key("logprobs").begin_array().end_array();
    return fields;
  };
  const auto part_event = [&](std::string_view suffix, const Part& part) {
    json::Writer fields = fields_of_part(true);
    write_public_part(fields.key("part"), part);
    fields.end_object();
    const bool summary = place.part == PartKind::kSummaryText;
    event(std::string(summary ? "response.reasoning_summary_part." : "response.content_part.").append(suffix),
          std::move(fields), out);
  };
  const auto item_event = [&](std::string_view type, const Item& item) {
    json::Writer fields;
    fields.begin_object().field("output_index", static_cast<int64_t>(place.item));
    write_public_item(fields.key("item"), item, shows_encrypted(*response_.request));
    fields.end_object();
    event(type, std::move(fields), out);
  };

  for (const Delta& delta : deltas) {
    switch (delta.kind) {
      case Delta::Kind::kItemBegin: {
        place.item = place.items++;
        place.contents = place.summaries = 0;
        Item begun{
            .kind = delta.item.kind, .id = delta.item.id, .status = ItemStatus::kInProgress, .role = delta.item.role};
        begun.phase = delta.item.phase;
        begun.call_id = delta.item.call_id;
        begun.name = delta.item.name;
        item_event("response.output_item.added", begun);
        break;
      }
      case Delta::Kind::kPartBegin:
        place.part = delta.part;
        place.annotations = 0;
        ++(delta.part == PartKind::kSummaryText ? place.summaries : place.contents);
        part_event("added", Part{.kind = delta.part});
        break;
      case Delta::Kind::kText: {
        const bool call = response_.output()[place.item].kind == ItemKind::kFunctionCall;
        json::Writer fields = call ? fields_of_item() : fields_of_part(false);
        fields.field("delta", delta.text).end_object();
        event(call ? "response.function_call_arguments.delta" : events_of(place.part, reasoning_).delta,
              std::move(fields), out);
        break;
      }
      case Delta::Kind::kPartEnd: {
        const Item& item = response_.output()[place.item];
        const Part& part =
            place.part == PartKind::kSummaryText ? item.summary[place.summaries - 1] : item.content[place.contents - 1];
        const PartEvents names = events_of(place.part, reasoning_);
        json::Writer fields = fields_of_part(false);
        fields.field(names.text_name, part.text).end_object();
        event(names.done, std::move(fields), out);
        part_event("done", part);
        break;
      }
      case Delta::Kind::kItemEnd: {
        const Item& item = response_.output()[place.item];
        if (item.kind == ItemKind::kFunctionCall) {
          json::Writer fields = fields_of_item();
          fields.field("name", item.name).field("arguments", item.arguments).end_object();
          event("response.function_call_arguments.done", std::move(fields), out);
        }
        item_event("response.output_item.done", item);
        break;
      }
      case Delta::Kind::kOpaque:
        break;  // shown with the whole item
      case Delta::Kind::kAnnotation: {
        json::Writer fields = fields_of_part(true);
        fields.field("annotation_index", static_cast<int64_t>(place.annotations++));
        fields.key("annotation").raw(delta.text).end_object();
        event("response.output_text.annotation.added", std::move(fields), out);
        break;
      }
    }
  }
}

Result<void> EventRenderer::add(const Record& record, std::vector<RenderedEvent>& out) {
  // Where the record begins; afterwards response_ holds all of it, and what has ended in it no longer changes.
  Place place{.items = response_.output().size()};
  if (response_.answer.item_open()) {
    const Item& open = response_.output().back();
    place.item = place.items - 1;
    place.contents = open.content.size();
    place.summaries = open.summary.size();
    place.part = part_;
    place.annotations = annotations_;
  }
  TRY_VOID(apply(response_, record));

  switch (record.kind()) {
    case RecordKind::kResponseCreated:
      event("response.created", whole_response(response_), out);
      if (response_.status == ResponseStatus::kQueued) event("response.queued", whole_response(response_), out);
      break;
    case RecordKind::kAttemptStarted:
      if (response_.placements.size() == 1) event("response.in_progress", whole_response(response_), out);
      break;
    case RecordKind::kDeltas: {
      seam(place, out);
      const auto& list = std::get<Deltas>(record.body).deltas;
      for (const Delta& delta : list) {
        if (delta.kind == Delta::Kind::kPartBegin) part_ = delta.part, annotations_ = 0;
        if (delta.kind == Delta::Kind::kAnnotation) ++annotations_;
      }
      deltas(list, place, out);
      break;
    }
    case RecordKind::kResponseEnded: {
      const auto& ended = std::get<ResponseEnded>(record.body);
      if (ended.status == ResponseStatus::kFailed) {  // an error in a stream is followed by response.failed
        RenderedEvent error{.sequence_number = next_, .type = "error", .data = {}};
        error.data = render_error_event({.code = Code::kUnavailable,
                                         .message = ended.error_message,
                                         .reason = ended.error_code.empty() ? "server_error" : ended.error_code},
                                        next_++);
        out.push_back(std::move(error));
      }
      event(terminal_event(ended.status), whole_response(response_), out);
      break;
    }
    default:  // attempts' ends, and what is about the session
      break;
  }
  return {};
}

}  // namespace perdure
