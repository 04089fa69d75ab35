#pragma once
// chat_provider: any OpenAI-compatible chat endpoint with a bearer key (OpenAI, vLLM, llama.cpp, Ollama, ...).

#include "dialect/chat_upstream.h"
#include "provider/http_provider.h"

namespace perdure {

struct ChatProviderOptions {
  std::string name;
  Url base_url;         // ".../v1"
  std::string api_key;  // secret: goes into the Authorization header and nowhere else; empty: none
  std::string ca_file;
  ChatVariant variant;
};

// `client` must live on the same Loop and outlive the provider.
std::unique_ptr<Provider> chat_provider(ChatProviderOptions options, HttpClient& client);

}  // namespace perdure
