#include "provider/aws_profile.h"

#include <map>
#include <optional>

namespace perdure {
namespace {

using Section = std::map<std::string, std::string, std::less<>>;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const size_t from = text.find_first_not_of(kSpace);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kSpace) - from + 1);
}

// Without a comment: "#" or ";" behind white space.
std::string_view value_of(std::string_view text) {
  for (size_t i = 1; i < text.size(); ++i) {
    if ((text[i] == '#' || text[i] == ';') && (text[i - 1] == ' ' || text[i - 1] == '\t'))
      return trimmed(text.substr(0, i));
  }
  return trimmed(text);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// The section of that heading; of several, what the last ones say. None: there is no such section.
std::optional<Section> section_of(std::string_view text, std::string_view heading, std::string_view other_heading) {
  std::optional<Section> out;
  bool inside = false;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view content = trimmed(line);
    if (content.empty() || content[0] == '#' || content[0] == ';') continue;
    if (content[0] == '[') {
      std::string_view name = trimmed(content.substr(1, content.find(']') - 1));
      std::string one_space;
      for (const char c : name) {
        const bool space = c == ' ' || c == '\t';
        if (!space || !one_space.ends_with(' ')) one_space += space ? ' ' : c;
      }
      inside = one_space == heading || (!other_heading.empty() && one_space == other_heading);
      if (inside && !out) out.emplace();
      continue;
    }
    // Indented lines belong to a nested setting, none of which is of interest here.
    const size_t equals = content.find('=');
    if (!inside || line[0] == ' ' || line[0] == '\t' || equals == std::string_view::npos) continue;
    (*out)[lower(trimmed(content.substr(0, equals)))] = value_of(content.substr(equals + 1));
  }
  return out;
}

std::optional<Section> config_section(std::string_view config, std::string_view name) {
  return section_of(config, "profile " + std::string(name), name == "default" ? "default" : "");
}

std::string text_of(const Section& section, std::string_view key) {
  const auto at = section.find(key);
  return at == section.end() ? std::string() : at->second;
}

Error denied(std::string message) {
  return {.code = Code::kDenied, .message = std::move(message), .reason = "supplier_denied"};
}

}  // namespace

Result<AwsKeys> aws_profile_keys(const AwsProfileText& files, std::string_view name) {
  const std::optional<Section> sections[] = {section_of(files.credentials, name, ""),
                                             config_section(files.config, name)};
  const std::string whose = "The AWS profile '" + std::string(name) + "'";
  if (!sections[0] && !sections[1]) return Error{Code::kNotFound, whose + " is in no file."};
  for (const auto& section : sections) {
    if (!section) continue;
    AwsKeys keys{text_of(*section, "aws_access_key_id"), text_of(*section, "aws_secret_access_key"),
                 text_of(*section, "aws_session_token")};
    if (keys.access_key_id.empty() && keys.secret_access_key.empty()) continue;
    if (keys.access_key_id.empty() || keys.secret_access_key.empty())
      return denied(whose + " has only one half of an access key.");
    return keys;
  }
  constexpr std::string_view kOthers[] = {"sso_session", "sso_start_url", "role_arn", "web_identity_token_file",
                                          "credential_process"};
  for (const auto& section : sections) {
    for (std::string_view other : kOthers) {
      if (section && section->contains(other))
        return denied(whose + " has no access key, but '" + std::string(other) + "', which is not supported.");
    }
  }
  // A profile that holds settings alone leaves the keys to the next place.
  return Error{Code::kNotFound, whose + " has no access key."};
}

std::string aws_profile_region(const AwsProfileText& files, std::string_view name) {
  for (const auto& section : {config_section(files.config, name), section_of(files.credentials, name, "")}) {
    if (!section) continue;
    if (std::string region = text_of(*section, "region"); !region.empty()) return region;
  }
  return {};
}

}  // namespace perdure
