// The AI SDK through each of its providers that can reach Perdure: calls of frameworks.py, see calls.mjs.
import {packaged, serve} from "./calls.mjs";

const {APICallError, Output, RetryError, generateText, isStepCount, streamText, tool} = packaged("ai");
const {createAnthropic} = packaged("@ai-sdk/anthropic");
const {createOpenAI} = packaged("@ai-sdk/openai");
const {createOpenAICompatible} = packaged("@ai-sdk/openai-compatible");
const {createOpenResponses} = packaged("@ai-sdk/open-responses");
const {z} = packaged("zod");

const apiKey = "unused";
const providers = {
  "responses": ({baseURL, model}) => createOpenAI({baseURL, apiKey}).responses(model),
  "chat": ({baseURL, model}) => createOpenAI({baseURL, apiKey}).chat(model),
  "open-responses": ({baseURL, model}) => createOpenResponses({name: "perdure", url: `${baseURL}/responses`, apiKey})(model),
  "compatible": ({baseURL, model}) => createOpenAICompatible(
    {name: "perdure", baseURL, apiKey, includeUsage: true, supportsStructuredOutputs: true})(model),
  "anthropic": ({baseURL, model}) => createAnthropic({baseURL, apiKey})(model),
};
const settings = (given) => ({model: providers[given.api](given), maxRetries: given.retries ?? 0, headers: given.headers,
                              providerOptions: given.options, maxOutputTokens: given.limit, temperature: given.temperature});

const weather = (degrees, asked) => tool({
  description: "The weather in a city", inputSchema: z.object({location: z.string()}),
  execute: async ({location}) => {
    asked.push(location);
    return degrees[location];
  },
});
const person = z.object({name: z.string(), age: z.number().int()});

async function tools(given, generate) {
  const asked = [];
  const result = await generate({...settings(given), prompt: given.said, stopWhen: isStepCount(8),
                                 tools: {get_weather: weather(given.degrees, asked)}});
  return {asked, text: await result.text, steps: (await result.steps).length};
}

const calls = {
  text: async (given) => {
    const result = await generateText({...settings(given), system: given.system, prompt: given.said});
    return {text: result.text, finish: result.finishReason, tokens: result.usage.totalTokens,
            warnings: result.warnings ?? [], reasoning: result.reasoningText ?? null, id: result.response.id,
            headers: result.response.headers};
  },
  stream: async (given) => {
    const result = streamText({...settings(given), prompt: given.said, onError: () => {}});
    const pieces = [];
    for await (const part of result.fullStream) {
      if (part.type === "text-delta") pieces.push(part.text);
      if (part.type === "error") throw part.error;
    }
    return {pieces, finish: await result.finishReason, tokens: (await result.usage).totalTokens};
  },
  tools: async (given) => tools(given, generateText),
  stream_tools: async (given) => tools(given, async (wanted) => {
    const result = streamText(wanted);
    await result.consumeStream();
    return result;
  }),
  structured: async (given) => ({value: (await generateText(
    {...settings(given), prompt: given.said, output: Output.object({schema: person})})).output}),
  stream_structured: async (given) => {
    const result = streamText({...settings(given), prompt: given.said, output: Output.object({schema: person})});
    let partial = 0;
    for await (const _ of result.partialOutputStream) ++partial;
    return {value: await result.output, partial};
  },
  image: async (given) => ({text: (await generateText({...settings(given), messages: [{role: "user", content: [
    {type: "text", text: given.said}, {type: "file", mediaType: "image/png", data: Buffer.from(given.png, "base64")}]}]})).text}),
  // Turns as an application holds them: what the SDK gives back is handed to it with the next one.
  turns: async (given) => {
    const messages = [], texts = [], asked = [];
    for (const said of given.turns) {
      messages.push({role: "user", content: said});
      const result = await generateText({...settings(given), messages, stopWhen: isStepCount(8),
                                         ...given.degrees && {tools: {get_weather: weather(given.degrees, asked)}}});
      messages.push(...result.responseMessages ?? result.response.messages);
      texts.push(result.text);
    }
    return {texts, asked};
  },
  leave: async (given) => {
    const stop = new AbortController();
    const result = streamText({...settings(given), prompt: given.said, abortSignal: stop.signal, onError: () => {}});
    const pieces = [];
    for await (const part of result.fullStream) {
      if (part.type === "text-delta") pieces.push(part.text);
      if (pieces.length === given.after) stop.abort();
    }
    return {pieces};
  },
};

await serve(calls, (error) => {
  if (RetryError.isInstance(error)) error = error.lastError;
  return APICallError.isInstance(error) ? {failed: error.name, status: error.statusCode ?? null, said: error.message} : undefined;
});
