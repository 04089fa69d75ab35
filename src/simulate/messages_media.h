#pragma once
// Images and documents as Anthropic takes them: data, HTTPS URLs, and text. What is not an image or a PDF that a model
// could look at is refused.

#include <string>

#include "simulate/prompt.h"
#include "simulate/strict_reader.h"

namespace perdure::simulate {

void take_messages_image(StrictReader& in, json::Value source, Message& spoken, const std::string& at);
void take_messages_document(StrictReader& in, json::Value source, Message& spoken, const std::string& at);

}  // namespace perdure::simulate
