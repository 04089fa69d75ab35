#include "catalogue/supplier.h"

#include <algorithm>

namespace perdure {
namespace {

// What may stand in place of a placeholder: part of a host name, or a segment of a path.
bool plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

}  // namespace

const std::array<Name<WireDialect>, 5> kWireDialectNames = {{
    {WireDialect::kChat, "chat"},
    {WireDialect::kResponses, "responses"},
    {WireDialect::kMessages, "messages"},
    {WireDialect::kConverse, "converse"},
    {WireDialect::kGemini, "gemini"},
}};
const std::array<Name<AuthKind>, 6> kAuthKindNames = {{
    {AuthKind::kBearer, "bearer"},
    {AuthKind::kHeader, "header"},
    {AuthKind::kNone, "none"},
    {AuthKind::kAws, "aws"},
    {AuthKind::kGoogle, "google"},
    {AuthKind::kAzure, "azure"},
}};
const std::array<Name<ChatHabit>, 4> kChatHabitNames = {{
    {ChatHabit::kMaxTokens, "max_tokens"},
    {ChatHabit::kNoDeveloperRole, "no_developer_role"},
    {ChatHabit::kNoStreamOptions, "no_stream_options"},
    {ChatHabit::kNoParallelToolCalls, "no_parallel_tool_calls"},
}};
const std::array<Name<PrefillForm>, 4> kPrefillFormNames = {{
    {PrefillForm::kPlain, "plain"},
    {PrefillForm::kPrefix, "prefix"},
    {PrefillForm::kPartial, "partial"},
    {PrefillForm::kContinueFinalMessage, "continue_final_message"},
}};

bool Supplier::has(ChatHabit habit) const { return std::ranges::find(chat, habit) != chat.end(); }

std::optional<SupplierEndpoint> Supplier::endpoint_for(WireDialect dialect) const {
  if (endpoint.dialect == dialect) return endpoint;
  auto found = std::ranges::find(also, dialect, &OtherEndpoint::dialect);
  if (found == also.end()) return std::nullopt;
  SupplierEndpoint out = endpoint;
  out.dialect = dialect;
  if (!found->base_url.empty()) out.base_url = found->base_url;
  if (found->auth) {
    out.auth = *found->auth;
    out.auth_header = found->auth_header;
  }
  return out;
}

std::vector<std::string> placeholders_of(std::string_view base_url) {
  std::vector<std::string> out;
  for (size_t open = base_url.find('{'); open != std::string_view::npos; open = base_url.find('{', open + 1)) {
    size_t close = base_url.find('}', open);
    if (close == std::string_view::npos) break;
    std::string name(base_url.substr(open + 1, close - open - 1));
    if (std::ranges::find(out, name) == out.end()) out.push_back(std::move(name));
  }
  return out;
}

Result<std::string> fill_placeholders(std::string_view base_url, const std::map<std::string, std::string>& values) {
  std::string out;
  for (size_t at = 0; at < base_url.size();) {
    size_t open = std::min(base_url.find('{', at), base_url.size());
    out += base_url.substr(at, open - at);
    size_t close = base_url.find('}', open);
    if (close == std::string_view::npos) {
      out += base_url.substr(open);
      break;
    }
    std::string name(base_url.substr(open + 1, close - open - 1));
    auto value = values.find(name);
    if (value == values.end() || value->second.empty())
      return Error{.code = Code::kInvalid, .message = "the address needs a value for " + name, .param = name};
    if (!std::ranges::all_of(value->second, plain))
      return Error{.code = Code::kInvalid,
                   .message = name + " may have letters, digits, dots, dashes and underscores only",
                   .param = name};
    out += value->second;
    at = close + 1;
  }
  return out;
}

bool matches_placeholders(std::string_view base_url, std::string_view address) {
  constexpr size_t kAddressMax = 2048;
  const size_t size = address.size();
  if (size > kAddressMax) return false;
  // Where in the address one may be after what has been read of the pattern: linear in both, whatever they hold.
  std::vector<bool> reached(size + 1);
  reached[0] = true;
  for (size_t at = 0; at < base_url.size(); ++at) {
    std::vector<bool> next(size + 1);
    size_t close = base_url[at] == '{' ? base_url.find('}', at) : std::string_view::npos;
    bool inside = false;
    for (size_t i = 0; i < size; ++i) {
      inside = plain(address[i]) && (inside || reached[i]);
      next[i + 1] = close == std::string_view::npos ? reached[i] && address[i] == base_url[at] : inside;
    }
    if (close != std::string_view::npos) at = close;
    reached = std::move(next);
  }
  return reached[size];
}

}  // namespace perdure
