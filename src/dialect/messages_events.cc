#include <algorithm>

#include "dialect/call_arguments.h"
#include "dialect/ended_error.h"
#include "dialect/messages_blocks.h"
#include "dialect/messages_citations.h"
#include "dialect/messages_render.h"

namespace perdure {

using json::Writer;

void MessagesStream::event(std::string_view type, Writer fields, std::vector<RenderedEvent>& out) {
  Writer head;
  head.begin_object().field("type", type);
  RenderedEvent event{.sequence_number = next_++, .type = std::string(type), .data = head.take()};
  const std::string_view rest = std::string_view(fields.text()).substr(1);
  event.data.append(rest == "}" ? "" : ",").append(rest);
  // Citations and arguments are kept as they came, line breaks between tokens included.
  std::ranges::replace_if(event.data, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  out.push_back(std::move(event));
}

void MessagesStream::start_block(std::string_view block, std::vector<RenderedEvent>& out) {
  block_open_ = true;
  Writer fields;
  fields.begin_object().field("index", blocks_).key("content_block").raw(block).end_object();
  event("content_block_start", std::move(fields), out);
}

void MessagesStream::delta(std::string_view type, std::string_view name, std::string_view text,
                           std::vector<RenderedEvent>& out) {
  Writer fields;
  fields.begin_object().field("index", blocks_).key("delta").begin_object();
  fields.field("type", type).field(name, text).end_object().end_object();
  event("content_block_delta", std::move(fields), out);
}

void MessagesStream::stop_block(std::vector<RenderedEvent>& out) {
  if (!block_open_) return;
  Writer fields;
  fields.begin_object().field("index", blocks_++).end_object();
  event("content_block_stop", std::move(fields), out);
  block_open_ = false;
}

void MessagesStream::text(const Delta& delta, std::vector<RenderedEvent>& out) {
  if (item_ == ItemKind::kFunctionCall) return this->delta("input_json_delta", "partial_json", delta.text, out);
  if (item_ == ItemKind::kReasoning) return this->delta("thinking_delta", "thinking", delta.text, out);
  this->delta("text_delta", "text", delta.text, out);
}

void MessagesStream::annotation(const Delta& delta, const Item& item, std::vector<RenderedEvent>& out) {
  auto value = json::Document::parse(delta.text);
  if (!value) return;
  auto citation = citation_of_annotation(value->root(), item.content[parts_ - 1].text);
  if (!citation) return;
  Writer fields;
  fields.begin_object().field("index", blocks_).key("delta").begin_object();
  fields.field("type", "citations_delta").key("citation").raw(*citation).end_object().end_object();
  event("content_block_delta", std::move(fields), out);
}

// Of a call that is whole, the arguments are known to be an object, or made one. The index of its end.
size_t MessagesStream::call(const std::vector<Delta>& deltas, size_t begin, std::vector<RenderedEvent>& out) {
  size_t end = begin;
  std::string arguments;
  while (end < deltas.size() && deltas[end].kind != Delta::Kind::kItemEnd) {
    if (deltas[end].kind == Delta::Kind::kText) arguments += deltas[end].text;
    ++end;
  }
  start_block(call_block(deltas[begin].item, "{}"), out);
  if (end == deltas.size()) return begin;
  delta("input_json_delta", "partial_json", arguments_object(arguments), out);
  stop_block(out);
  return end;
}

void MessagesStream::end_reasoning(const Item& item, std::vector<RenderedEvent>& out) {
  if (parts_ == 0) {
    if (item.encrypted.empty()) return;
    if (item.opaque != OpaqueKind::kSignature) {
      start_block(hidden_block(item), out);
      return stop_block(out);
    }
    start_block(thinking_block("", ""), out);
  }
  if (!item.encrypted.empty()) delta("signature_delta", "signature", signature_of(item), out);
  stop_block(out);
}

void MessagesStream::deltas(const std::vector<Delta>& deltas, size_t items, std::vector<RenderedEvent>& out) {
  for (size_t i = 0; i < deltas.size(); ++i) {
    const Delta& one = deltas[i];
    switch (one.kind) {
      case Delta::Kind::kItemBegin:
        ++items;
        item_ = one.item.kind;
        parts_ = 0;
        if (item_ == ItemKind::kFunctionCall) i = call(deltas, i, out);
        break;
      case Delta::Kind::kPartBegin:
        if (++parts_ > 1 && item_ == ItemKind::kReasoning) {
          delta("thinking_delta", "thinking", kBetweenThoughts, out);
        } else {
          start_block(item_ == ItemKind::kReasoning ? thinking_block("", "") : text_block(""), out);
        }
        break;
      case Delta::Kind::kText:
        text(one, out);
        break;
      case Delta::Kind::kAnnotation:
        annotation(one, response_.output()[items - 1], out);
        break;
      case Delta::Kind::kPartEnd:
        if (item_ == ItemKind::kMessage) stop_block(out);
        break;
      case Delta::Kind::kOpaque:
        break;  // said at the end of its item
      case Delta::Kind::kItemEnd:
        if (item_ == ItemKind::kReasoning) {
          end_reasoning(response_.output()[items - 1], out);
        } else {
          stop_block(out);
        }
        break;
    }
  }
}

void MessagesStream::end(std::vector<RenderedEvent>& out) {
  const ResponseEnded& ended = *response_.ended;
  const auto reason = messages_stop_reason(response_);
  if (!reason) {
    const bool cancelled = response_.status == ResponseStatus::kCancelled;
    const std::string_view words = response_.status == ResponseStatus::kFailed ? std::string_view(ended.error_message)
                                   : cancelled                                 ? "The response was cancelled."
                                                                               : "The answer broke off.";
    const bool busy = ended.error_code.contains("overloaded") || ended.error_code.contains("rate_limit");
    Writer fields;
    fields.begin_object().key("error").begin_object();
    const std::optional<Error> error = ended_error(response_);
    const bool refused = error && error->code == Code::kOverloaded;
    fields.field("type", busy      ? "overloaded_error"
                         : refused ? "rate_limit_error"
                                   : "api_error")
        .field("message", words)
        .end_object();
    fields.key("request_id").null().end_object();
    return event("error", std::move(fields), out);
  }
  Writer fields;
  fields.begin_object().key("delta").begin_object().field("stop_reason", *reason).key("stop_sequence");
  *reason == "stop_sequence" ? fields.string(ended.stop_sequence) : fields.null();
  fields.key("stop_details").null().key("container").null().end_object();
  write_messages_usage(fields.key("usage"), ended.usage, false);
  event("message_delta", std::move(fields.end_object()), out);
  Writer nothing;
  event("message_stop", std::move(nothing.begin_object().end_object()), out);
}

Result<void> MessagesStream::add(const Record& record, std::vector<RenderedEvent>& out) {
  // How many items there were; what has ended in them no longer changes.
  const size_t items = response_.output().size();
  TRY_VOID(apply(response_, record));
  switch (record.kind()) {
    case RecordKind::kResponseCreated: {
      Writer fields;
      fields.begin_object();
      write_messages_response(fields.key("message"), response_);
      event("message_start", std::move(fields.end_object()), out);
      break;
    }
    case RecordKind::kDeltas:
      deltas(std::get<Deltas>(record.body).deltas, items, out);
      break;
    case RecordKind::kResponseEnded:
      end(out);
      break;
    default:
      break;
  }
  return {};
}

}  // namespace perdure
