// LangChain and LangGraph over Responses and Chat Completions: calls of frameworks.py, see calls.mjs.
import {packaged, serve} from "./calls.mjs";

const {HumanMessage, ToolMessage} = packaged("@langchain/core/messages");
const {tool} = packaged("@langchain/core/tools");
const {MemorySaver} = packaged("@langchain/langgraph");
const {createReactAgent} = packaged("@langchain/langgraph/prebuilt");
const {ChatOpenAI} = packaged("@langchain/openai");
const {z} = packaged("zod");

const person = z.object({name: z.string(), age: z.number().int()});
const chat = ({baseURL, api, model, retries, headers, settings}) => new ChatOpenAI({
  model, apiKey: "unused", useResponsesApi: api === "responses", maxRetries: retries ?? 0,
  configuration: {baseURL, defaultHeaders: headers}, ...settings});
const weather = (degrees, asked) => tool(async ({location}) => {
  asked.push(location);
  return degrees[location];
}, {name: "get_weather", description: "The weather in a city", schema: z.object({location: z.string()})});

const calls = {
  text: async (given) => {
    const answer = await chat(given).invoke([["system", "Be brief."], ["human", given.said]]);
    return {text: answer.text, id: answer.id, tokens: answer.usage_metadata.total_tokens};
  },
  stream: async (given) => {
    const pieces = [];
    for await (const piece of await chat(given).stream(given.said)) if (piece.text) pieces.push(piece.text);
    return {pieces};
  },
  tools: async (given) => {
    const asked = [], get_weather = weather(given.degrees, asked);
    const bound = chat(given).bindTools([get_weather]);
    const messages = [new HumanMessage(given.said)];
    for (;;) {
      const answer = await bound.invoke(messages);
      messages.push(answer);
      if (!answer.tool_calls.length) return {asked, text: answer.text};
      for (const call of answer.tool_calls)
        messages.push(new ToolMessage({tool_call_id: call.id, content: await get_weather.invoke(call.args)}));
    }
  },
  // The same as a graph: an agent that calls tools until it has an answer.
  graph: async (given) => {
    const asked = [];
    const agent = createReactAgent({llm: chat(given), tools: [weather(given.degrees, asked)], checkpointSaver: new MemorySaver()});
    const thread = {configurable: {thread_id: "1"}}, texts = [], pieces = [];
    for (const said of given.turns) {
      if (given.streamed) {
        for await (const [piece, about] of await agent.stream({messages: [["human", said]]}, {...thread, streamMode: "messages"}))
          if (about.langgraph_node === "agent" && piece.text) pieces.push(piece.text);
      } else {
        await agent.invoke({messages: [["human", said]]}, thread);
      }
      texts.push((await agent.getState(thread)).values.messages.at(-1).text);
    }
    return {asked, texts, pieces};
  },
  structured: async (given) => ({value: await chat(given).withStructuredOutput(person, {name: "person"}).invoke(given.said)}),
  image: async (given) => ({text: (await chat(given).invoke([new HumanMessage({content: [
    {type: "text", text: given.said},
    {type: "image_url", image_url: {url: `data:image/png;base64,${given.png}`}}]})])).text}),
  turns: async (given) => {
    const model = chat(given), messages = [], texts = [];
    for (const said of given.turns) {
      messages.push(new HumanMessage(said));
      messages.push(await model.invoke(messages));
      texts.push(messages.at(-1).text);
    }
    return {texts};
  },
  chained: async (given) => {
    const model = chat(given), texts = [], ids = [];
    for (const said of given.turns) {
      const answer = await model.invoke(said, ids.length ? {previous_response_id: ids.at(-1)} : {});
      ids.push(answer.response_metadata.id ?? answer.id);
      texts.push(answer.text);
    }
    return {texts, ids};
  },
  leave: async (given) => {
    const stop = new AbortController(), pieces = [];
    try {
      for await (const piece of await chat(given).stream(given.said, {signal: stop.signal})) {
        if (piece.text) pieces.push(piece.text);
        if (pieces.length === given.after) stop.abort();
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    }
    return {pieces};
  },
};

await serve(calls, (error) => error?.status !== undefined
  ? {failed: error.constructor.name, status: error.status, said: error.message} : undefined);
