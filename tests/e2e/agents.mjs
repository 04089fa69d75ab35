// The Agents SDK of OpenAI, over Responses, Chat Completions and WebSocket: calls of frameworks.py, see calls.mjs.
import {packaged, serve} from "./calls.mjs";

const {Agent, ModelBehaviorError, OpenAIConversationsSession, OpenAIProvider, Runner, setTracingDisabled, tool} = packaged("@openai/agents");
const OpenAI = packaged("openai").default ?? packaged("openai");
const {z} = packaged("zod");

setTracingDisabled(true);

const person = z.object({name: z.string(), age: z.number().int()});
const client = ({baseURL, retries, headers}) =>
  new OpenAI({baseURL, apiKey: "unused", maxRetries: retries ?? 0, defaultHeaders: headers});

// One runner with its provider, closed afterwards: a WebSocket lives as long as that.
async function running(given, use) {
  const provider = new OpenAIProvider({
    openAIClient: client(given), useResponses: given.api !== "chat", useResponsesWebSocket: given.api === "websocket"});
  try {
    return await use(new Runner({modelProvider: provider}));
  } finally {
    await provider.close();
  }
}

const agent = (given, more = {}) => new Agent({name: "Helper", instructions: given.instructions ?? "Be brief.",
                                               model: given.model, modelSettings: given.settings ?? {}, ...more});
const weather = (degrees, asked) => tool({
  name: "get_weather", description: "The weather in a city", parameters: z.object({location: z.string()}),
  execute: async ({location}) => {
    asked.push(location);
    return degrees[location];
  },
});

const calls = {
  text: async (given) => running(given, async (runner) => {
    const result = await runner.run(agent(given), given.said);
    return {text: result.finalOutput, id: result.lastResponseId ?? null, tokens: result.rawResponses.at(-1).usage.totalTokens};
  }),
  stream: async (given) => running(given, async (runner) => {
    const result = await runner.run(agent(given), given.said, {stream: true});
    const pieces = [];
    for await (const event of result)
      if (event.type === "raw_model_stream_event" && event.data.type === "output_text_delta") pieces.push(event.data.delta);
    await result.completed;
    return {pieces, id: result.lastResponseId ?? null};
  }),
  tools: async (given) => running(given, async (runner) => {
    const asked = [];
    const result = await runner.run(agent(given, {tools: [weather(given.degrees, asked)]}), given.said);
    return {asked, text: result.finalOutput};
  }),
  stream_tools: async (given) => running(given, async (runner) => {
    const asked = [];
    const result = await runner.run(agent(given, {tools: [weather(given.degrees, asked)]}), given.said, {stream: true});
    for await (const _ of result);
    await result.completed;
    return {asked, text: result.finalOutput};
  }),
  structured: async (given) => running(given, async (runner) =>
    ({value: (await runner.run(agent(given, {outputType: person}), given.said)).finalOutput})),
  image: async (given) => running(given, async (runner) => ({text: (await runner.run(agent(given), [{role: "user", content: [
    {type: "input_text", text: given.said}, {type: "input_image", image: `data:image/png;base64,${given.png}`}]}])).finalOutput})),
  // The history held by the client.
  turns: async (given) => running(given, async (runner) => {
    const texts = [], asked = [];
    let history = [];
    for (const said of given.turns) {
      const result = await runner.run(agent(given, given.degrees ? {tools: [weather(given.degrees, asked)]} : {}),
                                      [...history, {role: "user", content: said}]);
      history = result.history;
      texts.push(result.finalOutput);
    }
    return {texts, asked};
  }),
  // The history held by the server: each turn names the last one.
  chained: async (given) => running(given, async (runner) => {
    const texts = [], asked = [], ids = [];
    let previousResponseId;
    for (const said of given.turns) {
      const result = await runner.run(agent(given, given.degrees ? {tools: [weather(given.degrees, asked)]} : {}), said,
                                      {previousResponseId});
      previousResponseId = result.lastResponseId;
      ids.push(previousResponseId);
      texts.push(result.finalOutput);
    }
    return {texts, asked, ids};
  }),
  conversation: async (given) => running(given, async (runner) => {
    const session = new OpenAIConversationsSession({client: client(given)});
    const texts = [], asked = [];
    for (const said of given.turns) {
      const result = await runner.run(agent(given, given.degrees ? {tools: [weather(given.degrees, asked)]} : {}), said, {session});
      texts.push(result.finalOutput);
    }
    const items = await session.getItems();
    const popped = await session.popItem();
    const left = (await session.getItems()).length;
    const id = await session.getSessionId();
    await session.clearSession();
    return {texts, asked, id, kinds: items.map((item) => item.type ?? "message"), popped: popped.type, left};
  }),
  // The conversation named to the server, which holds it.
  in_conversation: async (given) => running(given, async (runner) => {
    const {id} = await client(given).conversations.create({});
    const texts = [], asked = [];
    for (const said of given.turns) {
      const result = await runner.run(agent(given, given.degrees ? {tools: [weather(given.degrees, asked)]} : {}), said,
                                      {conversationId: id});
      texts.push(result.finalOutput);
    }
    return {texts, asked, id};
  }),
  leave: async (given) => running(given, async (runner) => {
    const stop = new AbortController();
    const result = await runner.run(agent(given), given.said, {stream: true, signal: stop.signal});
    const pieces = [];
    for await (const event of result) {
      if (event.type !== "raw_model_stream_event") continue;
      if (event.data.type === "output_text_delta") pieces.push(event.data.delta);
      if (pieces.length === given.after) stop.abort();
    }
    return {pieces};
  }),
};

// Over a WebSocket it says that a request failed, not why.
await serve(calls, (error) => error instanceof OpenAI.APIError || error instanceof ModelBehaviorError
  ? {failed: error.constructor.name, status: error.status ?? null, said: error.message} : undefined);
