#pragma once
// The parts that a Gemini request is made of, each in a .cc of its own. Used by gemini_request.cc.

#include <string>
#include <string_view>

#include "dialect/gemini_upstream.h"
#include "dialect/left_out.h"
#include "wire/json.h"

namespace perdure {

// The fields `contents` (gemini_contents.cc) and, where there is something for it, `systemInstruction`.
Result<void> write_gemini_contents(json::Writer& out, const UpstreamAsk& ask, const GeminiVariant& variant,
                                   LeftOut& left_out);
Result<void> write_gemini_system(json::Writer& out, const UpstreamAsk& ask, LeftOut& left_out);

// The fields `inlineData` or `fileData` of a part for an image or a file (gemini_media.cc). `where` is the part's place
// in the client's request. kInvalid, reason unsupported_parameter: it cannot be said.
Result<void> write_gemini_media(json::Writer& out, const Part& part, const std::string& where, bool media_types);

// The whole message.
Result<UpstreamMessage> write_gemini_request(const UpstreamAsk& ask, const GeminiVariant& variant);

}  // namespace perdure
