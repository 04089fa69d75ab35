// One call of Chat Completions with the official Node SDK: node chat.mjs CALL '{"baseURL": ..., ...}' prints JSON. Run by
// test_chat.py from the folder where node_modules is.
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";
import path from "node:path";

const require = createRequire(pathToFileURL(path.join(process.cwd(), "client.cjs")));
const OpenAI = require("openai").default ?? require("openai");

const [call, text] = process.argv.slice(2);
const {baseURL, id, body, headers, upTo, query} = JSON.parse(text);
const client = new OpenAI({baseURL, apiKey: "unused", maxRetries: 0});

const calls = {
  create: async () => {
    const {data, response} = await client.chat.completions.create(body, {headers}).withResponse();
    return {completion: data, id: response.headers.get("x-perdure-response-id"),
            dropped: response.headers.get("x-perdure-dropped")};
  },
  stream: async () => {
    const {data, response} = await client.chat.completions.create({...body, stream: true}, {headers}).withResponse();
    const frames = [];
    for await (const frame of data) {
      frames.push(frame);
      if (upTo !== undefined && frames.length >= upTo) break;
    }
    return {frames, id: response.headers.get("x-perdure-response-id")};
  },
  put_together: async () => client.chat.completions.stream(body).finalChatCompletion(),
  retrieve: async () => client.chat.completions.retrieve(id),
  list: async () => {
    const found = [];
    for await (const one of client.chat.completions.list(query)) found.push(one.id);
    return {found};
  },
  messages: async () => {
    const found = [];
    for await (const one of client.chat.completions.messages.list(id)) found.push(one);
    return {found};
  },
  update: async () => client.chat.completions.update(id, body),
  delete: async () => client.chat.completions.delete(id),
};

try {
  console.log(JSON.stringify(await calls[call]()));
} catch (error) {
  if (!(error instanceof OpenAI.APIError)) throw error;
  console.log(JSON.stringify({failed: error.constructor.name, status: error.status ?? null, code: error.code ?? null,
                              param: error.param ?? null}));
}
