#include "simulate/testing/speaker.h"

#include "simulate/media.h"

namespace perdure::simulate {
namespace {

using Kind = Step::Kind;

std::string id_of(size_t step, size_t call) { return "call_" + std::to_string(step) + "_" + std::to_string(call); }

std::string list_of(const std::vector<std::string>& all) {
  std::string out = "[";
  for (const std::string& one : all) out.append(out.size() > 1 ? "," : "").append(one);
  return out + "]";
}

// A field with what is offered, where anything is: an empty list of tools is refused.
std::string offered(const std::vector<std::string>& offers, const std::string& before, const std::string& after = "") {
  return offers.empty() ? std::string() : "," + before + list_of(offers) + after;
}

std::string streaming(bool stream) { return stream ? R"(,"stream":true)" : ""; }

class ChatSpeaker final : public Speaker {
 public:
  std::string_view name() const override { return "chat"; }
  std::string path(bool) const override { return "/v1/chat/completions"; }

  std::string body(const std::vector<Step>& steps, const std::vector<Offer>& tools, bool stream) const override {
    std::vector<std::string> messages, offers;
    for (size_t i = 0; i < steps.size(); ++i) {
      const Step& step = steps[i];
      if (step.kind == Kind::kUser) {
        std::string parts = R"({"type":"text","text":)" + json_text(step.text) + "}";
        if (!step.image.empty())
          parts +=
              R"(,{"type":"image_url","image_url":{"url":"data:image/png;base64,)" + encode_base64(step.image) + "\"}}";
        messages.push_back(R"({"role":"user","content":[)" + parts + "]}");
      }
      if (step.kind == Kind::kAssistant) {
        std::vector<std::string> calls;
        for (size_t c = 0; c < step.calls.size(); ++c)
          calls.push_back(R"({"type":"function","id":")" + id_of(i, c) + R"(","function":{"name":")" +
                          step.calls[c].name + R"(","arguments":)" + json_text(step.calls[c].arguments) + "}}");
        messages.push_back(R"({"role":"assistant","content":)" + (step.text.empty() ? "null" : json_text(step.text)) +
                           (calls.empty() ? "" : R"(,"tool_calls":)" + list_of(calls)) + "}");
      }
      for (size_t c = 0; c < step.results.size(); ++c)
        messages.push_back(R"({"role":"tool","tool_call_id":")" + id_of(i - 1, c) + R"(","content":)" +
                           json_text(step.results[c]) + "}");
    }
    for (const Offer& tool : tools)
      offers.push_back(R"({"type":"function","function":{"name":")" + tool.name + R"(","parameters":)" + tool.schema +
                       "}}");
    return R"({"model":"simulated-1","messages":)" + list_of(messages) + offered(offers, R"("tools":)") +
           streaming(stream) + "}";
  }

  Step read(json::Value reply) const override {
    Step out{.kind = Kind::kAssistant};
    const json::Value message = reply["choices"].at(0)["message"];
    out.text = message["content"].text();
    for (const json::Value call : message["tool_calls"].elements())
      out.calls.push_back(
          {"", std::string(call["function"]["name"].text()), std::string(call["function"]["arguments"].text())});
    return out;
  }
};

class ResponsesSpeaker final : public Speaker {
 public:
  std::string_view name() const override { return "responses"; }
  std::string path(bool) const override { return "/v1/responses"; }

  std::string body(const std::vector<Step>& steps, const std::vector<Offer>& tools, bool stream) const override {
    std::vector<std::string> items, offers;
    for (size_t i = 0; i < steps.size(); ++i) {
      const Step& step = steps[i];
      if (step.kind == Kind::kUser) {
        std::string parts = R"({"type":"input_text","text":)" + json_text(step.text) + "}";
        if (!step.image.empty())
          parts += R"(,{"type":"input_image","image_url":"data:image/png;base64,)" + encode_base64(step.image) + "\"}";
        items.push_back(R"({"role":"user","content":[)" + parts + "]}");
      }
      if (step.kind == Kind::kAssistant) {
        if (step.issuer == name() && !step.opaque.empty()) items.push_back(step.opaque);
        if (!step.text.empty()) items.push_back(R"({"role":"assistant","content":)" + json_text(step.text) + "}");
        for (size_t c = 0; c < step.calls.size(); ++c)
          items.push_back(R"({"type":"function_call","call_id":")" + id_of(i, c) + R"(","name":")" +
                          step.calls[c].name + R"(","arguments":)" + json_text(step.calls[c].arguments) + "}");
      }
      for (size_t c = 0; c < step.results.size(); ++c)
        items.push_back(R"({"type":"function_call_output","call_id":")" + id_of(i - 1, c) + R"(","output":)" +
                        json_text(step.results[c]) + "}");
    }
    for (const Offer& tool : tools)
      offers.push_back(R"({"type":"function","name":")" + tool.name + R"(","parameters":)" + tool.schema + "}");
    return R"({"model":"simulated-1","store":false,"include":["reasoning.encrypted_content"],"input":)" +
           list_of(items) + offered(offers, R"("tools":)") + streaming(stream) + "}";
  }

  Step read(json::Value reply) const override {
    Step out{.kind = Kind::kAssistant, .issuer = std::string(name())};
    for (const json::Value item : reply["output"].elements()) {
      if (item["type"].text() == "reasoning") out.opaque = item.raw();
      if (item["type"].text() == "message") out.text += item["content"].at(0)["text"].text();
      if (item["type"].text() == "function_call")
        out.calls.push_back({"", std::string(item["name"].text()), std::string(item["arguments"].text())});
    }
    return out;
  }
};

class MessagesSpeaker final : public Speaker {
 public:
  std::string_view name() const override { return "messages"; }
  std::string path(bool) const override { return "/v1/messages"; }
  HeaderList headers() const override { return {{"x-api-key", "k"}, {"anthropic-version", "2023-06-01"}}; }

  std::string body(const std::vector<Step>& steps, const std::vector<Offer>& tools, bool stream) const override {
    std::vector<std::string> messages, offers;
    for (size_t i = 0; i < steps.size(); ++i) {
      const Step& step = steps[i];
      std::vector<std::string> blocks;
      if (step.issuer == name() && !step.opaque.empty()) blocks.push_back(step.opaque);
      if (!step.text.empty()) blocks.push_back(R"({"type":"text","text":)" + json_text(step.text) + "}");
      if (!step.image.empty())
        blocks.push_back(R"({"type":"image","source":{"type":"base64","media_type":"image/png","data":")" +
                         encode_base64(step.image) + "\"}}");
      for (size_t c = 0; c < step.calls.size(); ++c)
        blocks.push_back(R"({"type":"tool_use","id":")" + id_of(i, c) + R"(","name":")" + step.calls[c].name +
                         R"(","input":)" + step.calls[c].arguments + "}");
      for (size_t c = 0; c < step.results.size(); ++c)
        blocks.push_back(R"({"type":"tool_result","tool_use_id":")" + id_of(i - 1, c) + R"(","content":)" +
                         json_text(step.results[c]) + "}");
      messages.push_back(std::string(R"({"role":")") + (step.kind == Kind::kAssistant ? "assistant" : "user") +
                         R"(","content":)" + list_of(blocks) + "}");
    }
    for (const Offer& tool : tools)
      offers.push_back(R"({"name":")" + tool.name + R"(","input_schema":)" + tool.schema + "}");
    return R"({"model":"simulated-1","max_tokens":100000,"thinking":{"type":"adaptive"},"messages":)" +
           list_of(messages) + offered(offers, R"("tools":)") + streaming(stream) + "}";
  }

  Step read(json::Value reply) const override {
    Step out{.kind = Kind::kAssistant, .issuer = std::string(name())};
    for (const json::Value block : reply["content"].elements()) {
      if (block["type"].text() == "thinking" || block["type"].text() == "redacted_thinking") out.opaque = block.raw();
      if (block["type"].text() == "text") out.text += block["text"].text();
      if (block["type"].text() == "tool_use")
        out.calls.push_back({"", std::string(block["name"].text()), std::string(block["input"].raw())});
    }
    return out;
  }
};

class ConverseSpeaker final : public Speaker {
 public:
  std::string_view name() const override { return "converse"; }
  std::string path(bool stream) const override {
    return stream ? "/model/simulated-1/converse-stream" : "/model/simulated-1/converse";
  }
  HeaderList headers() const override { return {{"authorization", "Bearer k"}}; }

  std::string body(const std::vector<Step>& steps, const std::vector<Offer>& tools, bool) const override {
    std::vector<std::string> messages, offers;
    for (size_t i = 0; i < steps.size(); ++i) {
      const Step& step = steps[i];
      std::vector<std::string> blocks;
      if (step.issuer == name() && !step.opaque.empty()) blocks.push_back(step.opaque);
      if (!step.text.empty()) blocks.push_back(R"({"text":)" + json_text(step.text) + "}");
      if (!step.image.empty())
        blocks.push_back(R"({"image":{"format":"png","source":{"bytes":")" + encode_base64(step.image) + "\"}}}");
      for (size_t c = 0; c < step.calls.size(); ++c)
        blocks.push_back(R"({"toolUse":{"toolUseId":")" + id_of(i, c) + R"(","name":")" + step.calls[c].name +
                         R"(","input":)" + step.calls[c].arguments + "}}");
      for (size_t c = 0; c < step.results.size(); ++c)
        blocks.push_back(R"({"toolResult":{"toolUseId":")" + id_of(i - 1, c) + R"(","content":[{"text":)" +
                         json_text(step.results[c]) + "}]}}");
      messages.push_back(std::string(R"({"role":")") + (step.kind == Kind::kAssistant ? "assistant" : "user") +
                         R"(","content":)" + list_of(blocks) + "}");
    }
    for (const Offer& tool : tools)
      offers.push_back(R"({"toolSpec":{"name":")" + tool.name + R"(","inputSchema":{"json":)" + tool.schema + "}}}");
    return R"({"messages":)" + list_of(messages) + offered(offers, R"("toolConfig":{"tools":)", "}") +
           R"(,"additionalModelRequestFields":{"thinking":{"type":"adaptive"}}})";
  }

  Step read(json::Value reply) const override {
    Step out{.kind = Kind::kAssistant, .issuer = std::string(name())};
    for (const json::Value block : reply["output"]["message"]["content"].elements()) {
      if (!block["reasoningContent"].missing()) out.opaque = block.raw();
      out.text += block["text"].text();
      if (const json::Value use = block["toolUse"]; use.is_object())
        out.calls.push_back({"", std::string(use["name"].text()), std::string(use["input"].raw())});
    }
    return out;
  }
};

class GeminiSpeaker final : public Speaker {
 public:
  std::string_view name() const override { return "gemini"; }
  std::string path(bool stream) const override {
    return stream ? "/v1beta/models/simulated-1:streamGenerateContent?alt=sse"
                  : "/v1beta/models/simulated-1:generateContent";
  }
  HeaderList headers() const override { return {{"x-goog-api-key", "k"}}; }

  std::string body(const std::vector<Step>& steps, const std::vector<Offer>& tools, bool) const override {
    std::vector<std::string> contents, offers;
    for (size_t i = 0; i < steps.size(); ++i) {
      const Step& step = steps[i];
      std::vector<std::string> parts;
      if (!step.text.empty()) parts.push_back(R"({"text":)" + json_text(step.text) + "}");
      if (!step.image.empty())
        parts.push_back(R"({"inlineData":{"mimeType":"image/png","data":")" + encode_base64(step.image) + "\"}}");
      for (size_t c = 0; c < step.calls.size(); ++c) {
        std::string part =
            R"({"functionCall":{"name":")" + step.calls[c].name + R"(","args":)" + step.calls[c].arguments + "}";
        const std::string signature = step.issuer == name() ? step.opaque : "skip_thought_signature_validator";
        if (c == 0) part += R"(,"thoughtSignature":)" + json_text(signature);
        parts.push_back(part + "}");
      }
      for (size_t c = 0; c < step.results.size(); ++c)
        parts.push_back(R"({"functionResponse":{"name":")" + steps[i - 1].calls[c].name + R"(","response":{"output":)" +
                        json_text(step.results[c]) + "}}}");
      contents.push_back(std::string(R"({"role":")") + (step.kind == Kind::kAssistant ? "model" : "user") +
                         R"(","parts":)" + list_of(parts) + "}");
    }
    for (const Offer& tool : tools)
      offers.push_back(R"({"name":")" + tool.name + R"(","parametersJsonSchema":)" + tool.schema + "}");
    return R"({"contents":)" + list_of(contents) + offered(offers, R"("tools":[{"functionDeclarations":)", "}]") + "}";
  }

  Step read(json::Value reply) const override {
    Step out{.kind = Kind::kAssistant, .issuer = std::string(name())};
    for (const json::Value part : reply["candidates"].at(0)["content"]["parts"].elements()) {
      if (!part["thought"].boolean().value_or(false)) out.text += part["text"].text();
      if (const json::Value call = part["functionCall"]; call.is_object()) {
        out.calls.push_back({"", std::string(call["name"].text()), std::string(call["args"].raw())});
        if (!part["thoughtSignature"].missing()) out.opaque = part["thoughtSignature"].text();
      }
    }
    return out;
  }
};

}  // namespace

std::vector<std::unique_ptr<Speaker>> all_speakers() {
  std::vector<std::unique_ptr<Speaker>> out;
  out.push_back(std::make_unique<ChatSpeaker>());
  out.push_back(std::make_unique<ResponsesSpeaker>());
  out.push_back(std::make_unique<MessagesSpeaker>());
  out.push_back(std::make_unique<ConverseSpeaker>());
  out.push_back(std::make_unique<GeminiSpeaker>());
  return out;
}

}  // namespace perdure::simulate
