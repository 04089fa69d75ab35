// The loops that the official Node SDKs bring themselves (tools, schemas, streams put together): calls of frameworks.py, see
// calls.mjs.
import {packaged, serve} from "./calls.mjs";

const Anthropic = packaged("@anthropic-ai/sdk").default ?? packaged("@anthropic-ai/sdk");
const {betaZodTool} = packaged("@anthropic-ai/sdk/helpers/beta/zod");
const {zodOutputFormat} = packaged("@anthropic-ai/sdk/helpers/zod");
const OpenAI = packaged("openai").default ?? packaged("openai");
const {zodFunction, zodResponseFormat, zodResponsesFunction, zodTextFormat} = packaged("openai/helpers/zod");
const {z} = packaged("zod");

const person = z.object({name: z.string(), age: z.number().int()});
const place = z.object({location: z.string()});
const options = ({baseURL, retries, headers}) =>
  ({baseURL, apiKey: "unused", maxRetries: retries ?? 0, defaultHeaders: headers});
const openai = (given) => new OpenAI(options(given));
const anthropic = (given) => new Anthropic(options({...given, baseURL: given.baseURL.replace(/\/v1$/, "")}));

const responses = {
  text: async (given) => {
    const answer = await openai(given).responses.create({model: given.model, instructions: "Be brief.", input: given.said});
    return {text: answer.output_text, tokens: answer.usage.total_tokens};
  },
  stream: async (given) => {
    const pieces = [];
    const stream = openai(given).responses.stream({model: given.model, input: given.said});
    stream.on("response.output_text.delta", (event) => pieces.push(event.delta));
    const answer = await stream.finalResponse();
    return {pieces, whole: answer.output_text};
  },
  tools: async (given) => {
    const asked = [], tools = [zodResponsesFunction({name: "get_weather", description: "The weather in a city", parameters: place})];
    let answer = await openai(given).responses.parse({model: given.model, input: given.said, tools});
    for (;;) {
      const called = answer.output.filter((item) => item.type === "function_call");
      if (!called.length) return {asked, text: answer.output_text};
      const input = called.map(({call_id, parsed_arguments}) => {
        asked.push(parsed_arguments.location);
        return {type: "function_call_output", call_id, output: given.degrees[parsed_arguments.location]};
      });
      answer = await openai(given).responses.parse({model: given.model, input, tools, previous_response_id: answer.id});
    }
  },
  structured: async (given) => ({value: (await openai(given).responses.parse(
    {model: given.model, input: given.said, text: {format: zodTextFormat(person, "person")}})).output_parsed}),
  image: async (given) => ({text: (await openai(given).responses.create({model: given.model, input: [{role: "user", content: [
    {type: "input_text", text: given.said},
    {type: "input_image", detail: "auto", image_url: `data:image/png;base64,${given.png}`}]}]})).output_text}),
};

const completions = (given) => openai(given).chat.completions;
const chat = {
  text: async (given) => {
    const answer = await completions(given).create({model: given.model, messages: [
      {role: "developer", content: "Be brief."}, {role: "user", content: given.said}]});
    return {text: answer.choices[0].message.content, tokens: answer.usage.total_tokens};
  },
  stream: async (given) => {
    const pieces = [];
    const stream = completions(given).stream({model: given.model, messages: [{role: "user", content: given.said}]});
    stream.on("content", (piece) => pieces.push(piece));
    return {pieces, whole: await stream.finalContent()};
  },
  tools: async (given) => {
    const asked = [];
    const runner = completions(given).runTools({model: given.model, messages: [{role: "user", content: given.said}],
      tools: [zodFunction({name: "get_weather", description: "The weather in a city", parameters: place,
                           function: async ({location}) => {
                             asked.push(location);
                             return given.degrees[location];
                           }})]});
    return {asked, text: await runner.finalContent()};
  },
  structured: async (given) => ({value: (await completions(given).parse({model: given.model,
    messages: [{role: "user", content: given.said}], response_format: zodResponseFormat(person, "person")})).choices[0].message.parsed}),
  image: async (given) => ({text: (await completions(given).create({model: given.model, messages: [{role: "user", content: [
    {type: "text", text: given.said}, {type: "image_url", image_url: {url: `data:image/png;base64,${given.png}`}}]}]}))
    .choices[0].message.content}),
};

const said = (message) => message.content.map((block) => block.text ?? "").join("");
const asking = (given, content) => ({model: given.model, max_tokens: 4096, messages: [{role: "user", content: content ?? given.said}]});
const messages = {
  text: async (given) => {
    const answer = await anthropic(given).messages.create({...asking(given), system: "Be brief."});
    return {text: said(answer), tokens: answer.usage.input_tokens + answer.usage.output_tokens};
  },
  stream: async (given) => {
    const pieces = [];
    const stream = anthropic(given).messages.stream(asking(given));
    stream.on("text", (piece) => pieces.push(piece));
    return {pieces, whole: said(await stream.finalMessage())};
  },
  tools: async (given) => {
    const asked = [];
    const answer = await anthropic(given).beta.messages.toolRunner({...asking(given), tools: [betaZodTool({
      name: "get_weather", description: "The weather in a city", inputSchema: place, run: async ({location}) => {
        asked.push(location);
        return given.degrees[location];
      }})]});
    return {asked, text: said(answer)};
  },
  structured: async (given) => ({value: (await anthropic(given).messages.parse(
    {...asking(given), output_config: {format: zodOutputFormat(person)}})).parsed_output}),
  image: async (given) => ({text: said(await anthropic(given).messages.create(asking(given, [
    {type: "image", source: {type: "base64", media_type: "image/png", data: given.png}}, {type: "text", text: given.said}])))}),
};

const apis = {responses, chat, messages};
const calls = Object.fromEntries(Object.keys(responses).map((name) => [name, (given) => apis[given.api][name](given)]));

await serve(calls, (error) => error instanceof OpenAI.APIError || error instanceof Anthropic.APIError
  ? {failed: error.constructor.name, status: error.status ?? null, said: error.message} : undefined);
