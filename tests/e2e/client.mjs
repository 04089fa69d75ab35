// The Responses API with the official Node SDK: calls of test_sdks.py, see calls.mjs.
import {packaged, serve} from "./calls.mjs";

const OpenAI = packaged("openai").default ?? packaged("openai");
const {ResponsesWS} = packaged("openai/resources/responses/ws");
const at = (baseURL) => new OpenAI({baseURL, apiKey: "unused", maxRetries: 0}).responses;

async function collect(stream, upTo) {
  const events = [];
  for await (const event of stream) {
    events.push(event);
    if (upTo !== undefined && event.sequence_number >= upTo) break;
  }
  return events;
}

const calls = {
  node: async () => ({version: process.version}),
  create: async ({baseURL, body, headers}) => {
    const {data, response} = await at(baseURL).create(body, {headers}).withResponse();
    return {response: data, output_text: data.output_text, id: response.headers.get("x-perdure-response-id")};
  },
  stream: async ({baseURL, body, headers, upTo}) =>
    collect(await at(baseURL).create({...body, stream: true}, {headers}), upTo),
  resume: async ({baseURL, id, after}) => collect(await at(baseURL).retrieve(id, {stream: true, starting_after: after})),
  retrieve: async ({baseURL, id}) => at(baseURL).retrieve(id),
  cancel: async ({baseURL, id}) => at(baseURL).cancel(id),
  // Creates over one socket, each after the end of the one before; `follows` puts in the id of that one.
  socket: async ({baseURL, turns}) => {
    const socket = new ResponsesWS(new OpenAI({baseURL, apiKey: "unused"}));
    const told = [];
    try {
      for (const {follows, ...body} of turns) {
        socket.send({type: "response.create", ...body, ...follows && {previous_response_id: told.at(-1).at(-1).response.id}});
        const events = [];
        for await (const {type, message, error} of socket.stream()) {
          if (type === "error") throw error;
          if (type !== "message") continue;
          events.push(message);
          if (["response.completed", "response.failed", "error"].includes(message.type)) break;
        }
        told.push(events);
      }
    } finally {
      socket.close();
    }
    return {told};
  },
  delete: async ({baseURL, id}) => ({result: (await at(baseURL).delete(id)) ?? null}),
};

await serve(calls, (error) => error instanceof OpenAI.APIError
  ? {failed: error.constructor.name, status: error.status, code: error.code, param: error.param} : undefined);
