// Chat Completions with the official Node SDK: calls of test_chat.py, see calls.mjs.
import {packaged, serve} from "./calls.mjs";

const OpenAI = packaged("openai").default ?? packaged("openai");
const at = (baseURL) => new OpenAI({baseURL, apiKey: "unused", maxRetries: 0}).chat.completions;

const calls = {
  create: async ({baseURL, body, headers}) => {
    const {data, response} = await at(baseURL).create(body, {headers}).withResponse();
    return {completion: data, id: response.headers.get("x-perdure-response-id"),
            dropped: response.headers.get("x-perdure-dropped")};
  },
  stream: async ({baseURL, body, headers, upTo}) => {
    const {data, response} = await at(baseURL).create({...body, stream: true}, {headers}).withResponse();
    const frames = [];
    for await (const frame of data) {
      frames.push(frame);
      if (upTo !== undefined && frames.length >= upTo) break;
    }
    return {frames, id: response.headers.get("x-perdure-response-id")};
  },
  put_together: async ({baseURL, body}) => at(baseURL).stream(body).finalChatCompletion(),
  retrieve: async ({baseURL, id}) => at(baseURL).retrieve(id),
  list: async ({baseURL, query}) => {
    const found = [];
    for await (const one of at(baseURL).list(query)) found.push(one.id);
    return {found};
  },
  messages: async ({baseURL, id}) => {
    const found = [];
    for await (const one of at(baseURL).messages.list(id)) found.push(one);
    return {found};
  },
  update: async ({baseURL, id, body}) => at(baseURL).update(id, body),
  delete: async ({baseURL, id}) => at(baseURL).delete(id),
};

await serve(calls, (error) => error instanceof OpenAI.APIError
  ? {failed: error.constructor.name, status: error.status ?? null, code: error.code ?? null, param: error.param ?? null}
  : undefined);
