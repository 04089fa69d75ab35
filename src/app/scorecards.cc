#include "app/scorecards.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace perdure {
namespace {

constexpr size_t kFilesMax = 10'000;

// Names of models have slashes and colons in them.
std::string file_name(const std::string& text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (unsigned char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                 (c == '.' && !out.empty());
    if (plain)
      out += static_cast<char>(c);
    else
      out.append({'%', kHex[c >> 4], kHex[c & 15]});
  }
  return out;
}

}  // namespace

std::string address_of(const ProviderConfig& provider) {
  return (provider.base_url.tls ? "https://" : "http://") + provider.base_url.authority() + provider.base_url.path;
}

std::string scorecard_path(const std::string& data_folder, const std::string& provider, const std::string& model) {
  return data_folder + "/scorecards/" + file_name(provider) + "@" + file_name(model) + ".json";
}

Result<void> save_scorecard(const std::string& data_folder, const Scorecard& card) {
  std::string path = scorecard_path(data_folder, card.provider, card.upstream_model), fresh = path + ".new";
  auto failed = [&](const std::string& why) {
    return Error{Code::kUnavailable, "cannot write the scorecard " + path + ": " + why};
  };
  std::error_code error;
  std::filesystem::create_directories(data_folder + "/scorecards", error);
  if (error) return failed(error.message());
  {
    std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
    file << to_json(card) << "\n";
    file.flush();
    if (!file) return failed(std::strerror(errno));
  }
  std::filesystem::rename(fresh, path, error);
  if (error) return failed(error.message());
  return {};
}

const Scorecard* Scorecards::find(const ProviderConfig& provider, const std::string& upstream_model) const {
  auto found = std::ranges::find_if(cards, [&](const Scorecard& card) {
    return card.provider == provider.name && card.upstream_model == upstream_model &&
           card.dialect == name_of(provider.dialect) && card.base_url == address_of(provider);
  });
  return found == cards.end() ? nullptr : &*found;
}

void lay_over(std::vector<ProviderConfig>& providers, const Scorecards& scorecards) {
  for (ProviderConfig& provider : providers) {
    if (provider.dialect != WireDialect::kChat || provider.chat.prefill != ChatPrefill::kNone) continue;
    for (const Scorecard& card : scorecards.cards) {
      if (scorecards.find(provider, card.upstream_model) != &card) continue;
      if (card.measured[Capability::kPrefill] != Known::kYes) continue;
      if (auto form =
              value_of(std::span<const Name<ChatPrefill>>(kChatPrefillNames), std::string_view(card.prefill_form)))
        provider.chat.prefill = *form;
    }
  }
}

Scorecards load_scorecards(const std::string& data_folder) {
  Scorecards out;
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(data_folder + "/scorecards", error))
    if (entry.path().extension() == ".json" && files.size() < kFilesMax) files.push_back(entry.path());
  std::ranges::sort(files);
  for (const std::filesystem::path& path : files) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    Result<Scorecard> card = parse_scorecard(text.str());
    if (card.ok())
      out.cards.push_back(*std::move(card));
    else
      out.problems.push_back(path.string() + ": " + card.error().message);
  }
  return out;
}

}  // namespace perdure
