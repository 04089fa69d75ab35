#pragma once
// The parts that a Converse request is made of, each in a .cc of its own: messages, media, and what depends on the
// model's family. Used by converse_request.cc.

#include <set>
#include <string>
#include <vector>

#include "dialect/converse_upstream.h"
#include "dialect/left_out.h"
#include "wire/json.h"

namespace perdure {

// kInvalid when `name` is no tool's name here.
Result<void> check_tool_name(std::string_view name, std::string param);

// {"cachePoint":...}, nothing for an empty mark.
void write_cache_point(json::Writer& out, std::string_view mark);

struct ConverseMessages {
  bool tool_blocks = false;  // there are calls among them
  bool bare_loop = false;    // the turn whose tools are being answered last does not begin with reasoning
};
// `messages` and, where there is something for it, `system`.
Result<ConverseMessages> write_converse_messages(json::Writer& out, const UpstreamAsk& ask, LeftOut& left_out);

// One {"image":...} or {"document":...}. `names` holds those of the documents so far, which must differ.
Result<std::string> converse_image(const Part& part, const std::string& where);
Result<std::string> converse_document(const Part& part, const std::string& where, std::set<std::string>& names);

// The whole message. `family` is not kByName.
Result<UpstreamMessage> write_converse_request(const UpstreamAsk& ask, ConverseFamily family);

struct ConverseTools {
  bool any = false, forced = false;  // of the client's tools; one of them must be called
  bool bare_loop = false;            // ConverseMessages::bare_loop
};
struct ConverseModelFields {
  std::string additional;  // additionalModelRequestFields: a JSON object; empty: none
  std::string effort;      // outputConfig.effort; empty: none
  bool thinks = false;     // as Claude does, which then takes no other temperature
};
Result<ConverseModelFields> converse_model_fields(const UpstreamAsk& ask, ConverseFamily family,
                                                  const ConverseTools& tools, LeftOut& left_out);

}  // namespace perdure
