#pragma once
// Images and files as OpenAI takes them: URLs and data URLs, in Chat Completions and Responses alike. What is not an
// image that a model could look at is refused.

#include <string>

#include "simulate/prompt.h"
#include "simulate/strict_reader.h"

namespace perdure::simulate {

void take_image(StrictReader& in, const std::string& url, Message& message, const std::string& path);
void take_file(StrictReader& in, const std::string& data_url, Message& message, const std::string& path);

// JSON mode: OpenAI refuses it unless the word stands somewhere in what the model reads.
bool mentions_json(const Prompt& prompt);

}  // namespace perdure::simulate
