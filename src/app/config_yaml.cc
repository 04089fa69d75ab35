// Reads perdure.yaml. Every problem becomes a ConfigProblem with its place and reading goes on.

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "app/config.h"

namespace perdure {
namespace {

class Problems {
 public:
  void add(const YAML::Node& at, const std::string& field, std::string message) {
    add(at.Mark(), field, std::move(message));
  }
  void add(const YAML::Mark& mark, const std::string& field, std::string message) {
    bool known = mark.line >= 0;
    found.push_back({known ? mark.line + 1 : 0, known ? mark.column + 1 : 0, field, std::move(message)});
  }
  std::vector<ConfigProblem> found;
};

std::string_view form_of(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Map:
      return "a mapping";
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Scalar:
      return "a plain value";
    default:
      return "nothing";
  }
}

// The keys of one mapping. Each is taken once; what nobody took is unknown.
class Fields {
 public:
  Fields(Problems& problems, const YAML::Node& node, std::string path) : problems_(problems), path_(std::move(path)) {
    if (!node.IsDefined() || node.IsNull()) return;
    if (!node.IsMap()) {
      problems_.add(node, path_, "must be a mapping, not " + std::string(form_of(node)));
      return;
    }
    for (const auto& pair : node) {
      std::string key = pair.first.IsScalar() ? pair.first.Scalar() : "?";
      for (const Entry& entry : entries_)
        if (entry.name == key) problems_.add(pair.first, at(key), "stands here twice");
      entries_.push_back({key, pair.first, pair.second});
    }
  }

  std::string at(std::string_view key) const {
    return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
  }

  // Undefined when absent.
  YAML::Node take(std::string_view key) {
    known_ += known_.empty() ? "" : ", ";
    known_ += key;
    YAML::Node out(YAML::NodeType::Undefined);
    for (Entry& entry : entries_) {
      if (entry.name != key) continue;
      entry.taken = true;
      out.reset(entry.value);
    }
    return out;
  }

  bool text(std::string_view key, std::string& out) {
    YAML::Node node = take(key);
    if (!node.IsDefined()) return false;
    if (!node.IsScalar()) {
      problems_.add(node, at(key), "must be text, not " + std::string(form_of(node)));
      return false;
    }
    out = node.Scalar();
    return true;
  }

  // Reads a text by a function that returns a Result.
  template <class T, class Parse>
  void parsed(std::string_view key, T& out, Parse parse) {
    YAML::Node node = take(key);
    if (!node.IsDefined()) return;
    if (!node.IsScalar()) {
      problems_.add(node, at(key), "must be a plain value, not " + std::string(form_of(node)));
      return;
    }
    auto value = parse(node.Scalar());
    if (value.ok())
      out = *std::move(value);
    else
      problems_.add(node, at(key), value.error().message);
  }

  void boolean(std::string_view key, bool& out) {
    parsed(key, out, [](const std::string& word) -> Result<bool> {
      if (word == "true") return true;
      if (word == "false") return false;
      return Error{Code::kInvalid, "must be true or false, not \"" + word + "\""};
    });
  }

  template <class T>
  void count(std::string_view key, T& out, uint64_t least, uint64_t most) {
    parsed(key, out, [&](const std::string& word) -> Result<T> {
      char* end = nullptr;
      errno = 0;
      unsigned long long value = std::strtoull(word.c_str(), &end, 10);
      if (word.empty() || *end != '\0' || word[0] < '0' || word[0] > '9' || errno != 0 || value < least || value > most)
        return Error{Code::kInvalid, "must be a whole number from " + std::to_string(least) + " to " +
                                         std::to_string(most) + ", not \"" + word + "\""};
      return static_cast<T>(value);
    });
  }

  void duration(std::string_view key, Duration& out) {
    parsed(key, out, [](const std::string& word) -> Result<Duration> {
      TRY(Duration value, parse_duration(word));
      if (value <= Duration::zero()) return Error{Code::kInvalid, "must be longer than nothing"};
      return value;
    });
  }
  void size(std::string_view key, size_t& out) {
    parsed(key, out, [](const std::string& word) -> Result<size_t> {
      TRY(size_t value, parse_size(word));
      if (value == 0) return Error{Code::kInvalid, "must be larger than nothing"};
      return value;
    });
  }

  void finish() {
    for (const Entry& entry : entries_)
      if (!entry.taken) problems_.add(entry.key, at(entry.name), "there is no such key; here may stand: " + known_);
  }

 private:
  struct Entry {
    std::string name;
    YAML::Node key, value;
    bool taken = false;
  };
  Problems& problems_;
  std::string path_, known_;
  std::vector<Entry> entries_;
};

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

// What env:NAME or file:PATH holds. The value never appears in a message.
Result<std::string> read_secret(const std::string& reference, const Environment& environment) {
  if (reference.starts_with("env:")) {
    std::string name = reference.substr(4);
    auto value = environment(name);
    if (!value || value->empty()) return Error{Code::kInvalid, "the environment variable " + name + " is not set"};
    return trimmed(*value);
  }
  if (reference.starts_with("file:")) {
    std::string path = reference.substr(5);
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    if (!file || !(text << file.rdbuf()))
      return Error{Code::kInvalid, "the file " + path + " cannot be read, or is empty"};
    return trimmed(text.str());
  }
  return Error{Code::kInvalid, "a secret stands here by reference only: env:NAME or file:PATH"};
}

Result<std::string> existing_file(const std::string& path) {
  if (!std::ifstream(path)) return Error{Code::kInvalid, "the file " + path + " cannot be read"};
  return path;
}

void read_limits(Fields fields, Config& config) {
  HttpServerLimits& http = config.http;
  fields.size("header_bytes", http.header_bytes_max);
  fields.size("body_bytes", http.body_bytes_max);
  fields.size("body_bytes_total", http.body_bytes_total_max);
  fields.count("connections", http.connections_max, 1, 1'000'000);
  fields.duration("header_time", http.header_time);
  fields.duration("body_time", http.body_time);
  fields.duration("idle_time", http.idle_time);
  fields.duration("write_time", http.write_time);
  fields.count("responses", config.session.runs_max, 1, 1'000'000);
  fields.size("context_bytes", config.session.context_bytes_max);
  GenerationLimits& generation = config.session.generation;
  fields.size("answer_bytes", generation.answer_bytes_max);
  fields.duration("answer_time", generation.total_time);
  fields.duration("first_byte_time", generation.open_time);
  fields.duration("stall_time", generation.stall_time);
  fields.count("fruitless_attempts", generation.fruitless_attempts_max, 1, 1000);
  fields.finish();
}

ProviderConfig read_provider(Problems& problems, const YAML::Node& node, const std::string& path,
                             const Environment& environment) {
  ProviderConfig out;
  Fields fields(problems, node, path);
  if (!fields.text("name", out.name) || out.name.empty()) problems.add(node, fields.at("name"), "is missing");
  YAML::Node base = fields.take("base_url");
  bool has_url = false;
  if (!base.IsDefined()) {
    problems.add(node, fields.at("base_url"), "is missing");
  } else {
    Result<Url> url = parse_url(base.IsScalar() ? base.Scalar() : "");
    has_url = url.ok();
    if (has_url)
      out.base_url = *url;
    else
      problems.add(base, fields.at("base_url"), url.error().message);
  }
  fields.parsed("api_key", out.api_key, [&](const std::string& word) { return read_secret(word, environment); });
  std::string dialect;
  fields.parsed("dialect", dialect, [](const std::string& word) -> Result<std::string> {
    if (word == "chat") return word;
    return Error{Code::kInvalid, "\"" + word + "\" is not a dialect that is spoken to suppliers; chat is"};
  });
  fields.parsed("ca_file", out.ca_file, existing_file);
  if (has_url) out.variant = usual_variant(out.base_url);
  Fields variant(problems, fields.take("variant"), fields.at("variant"));
  variant.boolean("max_completion_tokens", out.variant.max_completion_tokens);
  variant.boolean("developer_role", out.variant.developer_role);
  variant.boolean("stream_usage", out.variant.stream_usage);
  variant.finish();
  fields.finish();
  return out;
}

// Calls `each(node, path)` for the elements of a list.
template <class Each>
void for_elements(Problems& problems, const YAML::Node& list, const std::string& path, Each each) {
  if (!list.IsDefined() || list.IsNull()) return;
  if (!list.IsSequence()) {
    problems.add(list, path, "must be a list, not " + std::string(form_of(list)));
    return;
  }
  for (size_t i = 0; i < list.size(); ++i) each(list[i], path + "[" + std::to_string(i) + "]");
}

void read_all(Problems& problems, const YAML::Node& root, Config& config, const Environment& environment) {
  Fields fields(problems, root, "");
  fields.parsed("listen", config.listen, parse_listen);
  fields.text("data", config.data);
  fields.count("cores", config.cores, 1, 256);

  if (YAML::Node tls = fields.take("tls"); tls.IsDefined()) {
    Fields inner(problems, tls, "tls");
    ServerTls out;
    for (auto [key, file] : {std::pair("certificate", &out.certificate_file), std::pair("key", &out.key_file)}) {
      inner.parsed(key, *file, existing_file);
      if (tls.IsMap() && !tls[key].IsDefined()) problems.add(tls, inner.at(key), "is missing");
    }
    inner.finish();
    config.tls = out;
  }

  Fields log(problems, fields.take("log"), "log");
  log.parsed("level", config.log_level, [](const std::string& word) -> Result<Level> {
    constexpr std::string_view kWords[] = {"debug", "info", "warn", "error"};
    for (size_t i = 0; i < std::size(kWords); ++i)
      if (word == kWords[i]) return static_cast<Level>(i);
    return Error{Code::kInvalid, "must be debug, info, warn or error, not \"" + word + "\""};
  });
  log.parsed("format", config.log_format, [](const std::string& word) -> Result<std::optional<LogFormat>> {
    if (word == "text") return std::optional(LogFormat::kText);
    if (word == "json") return std::optional(LogFormat::kJson);
    return Error{Code::kInvalid, "must be text or json, not \"" + word + "\""};
  });
  log.finish();

  read_limits(Fields(problems, fields.take("limits"), "limits"), config);
  fields.parsed("retention", config.session.retention,
                [](const std::string& word) -> Result<std::chrono::milliseconds> {
                  if (word == "forever") return std::chrono::milliseconds(0);
                  TRY(Duration value, parse_duration(word));
                  if (value <= Duration::zero())
                    return Error{Code::kInvalid, "must be longer than nothing; write forever to keep all"};
                  return std::chrono::duration_cast<std::chrono::milliseconds>(value);
                });
  fields.duration("drain", config.drain);

  Fields encryption(problems, fields.take("encryption"), "encryption");
  encryption.boolean("enabled", config.encryption);
  encryption.parsed("key", config.master_key, [&](const std::string& word) -> Result<std::string> {
    TRY(std::string key, read_secret(word, environment));
    if (key.size() != 64 || !from_hex(key).ok()) return Error{Code::kInvalid, "the master key must be 64 hex digits"};
    return key;
  });
  encryption.finish();

  std::set<std::string> names;
  YAML::Node providers = fields.take("providers");
  for_elements(problems, providers, "providers", [&](const YAML::Node& node, const std::string& path) {
    ProviderConfig provider = read_provider(problems, node, path, environment);
    if (!provider.name.empty() && !names.insert(provider.name).second)
      problems.add(node, path + ".name", "another provider is named \"" + provider.name + "\" too");
    config.providers.push_back(std::move(provider));
  });
  for_elements(problems, fields.take("models"), "models", [&](const YAML::Node& node, const std::string& path) {
    ModelConfig model;
    Fields inner(problems, node, path);
    if (!inner.text("name", model.name) || model.name.empty()) problems.add(node, inner.at("name"), "is missing");
    if (!inner.text("provider", model.provider))
      problems.add(node, inner.at("provider"), "is missing");
    else if (!names.contains(model.provider))
      problems.add(node["provider"], inner.at("provider"), "there is no provider named \"" + model.provider + "\"");
    inner.text("upstream_model", model.upstream_model);
    inner.finish();
    for (const ModelConfig& other : config.models)
      if (!model.name.empty() && other.name == model.name && other.provider == model.provider)
        problems.add(node, inner.at("name"), "this model stands at this provider twice");
    config.models.push_back(std::move(model));
  });
  fields.finish();
  // Providers without models serve whatever is asked for.
  if (config.models.empty())
    for (const ProviderConfig& provider : config.providers) config.models.push_back({"*", provider.name, ""});
}

}  // namespace

LoadedConfig parse_config(const std::string& text, const Environment& environment) {
  LoadedConfig out;
  Problems problems;
  try {
    YAML::Node root = YAML::Load(text);
    read_all(problems, root, out.config, environment);
  } catch (const YAML::Exception& error) {
    problems.add(error.mark, "", "not YAML: " + error.msg);
  }
  out.problems = std::move(problems.found);
  std::ranges::sort(out.problems, {}, [](const ConfigProblem& p) { return std::tuple(p.line, p.column, p.field); });
  return out;
}

}  // namespace perdure
