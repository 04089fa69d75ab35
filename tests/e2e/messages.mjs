// One call of Anthropic's API with its official Node SDK: node messages.mjs CALL '{"baseURL": ..., ...}' prints JSON. Run by
// test_messages.py from the folder where node_modules is.
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";
import path from "node:path";

const require = createRequire(pathToFileURL(path.join(process.cwd(), "client.cjs")));
const Anthropic = require("@anthropic-ai/sdk").default ?? require("@anthropic-ai/sdk");

const [call, text] = process.argv.slice(2);
const {baseURL, body, headers} = JSON.parse(text);
const client = new Anthropic({baseURL: baseURL.replace(/\/v1$/, ""), apiKey: "unused", maxRetries: 0});

const calls = {
  create: async () => {
    const {data, response} = await client.messages.create(body, {headers}).withResponse();
    return {message: data, id: response.headers.get("x-perdure-response-id"),
            dropped: response.headers.get("x-perdure-dropped")};
  },
  stream: async () => {
    const {data, response} = await client.messages.create({...body, stream: true}, {headers}).withResponse();
    const events = [];
    for await (const event of data) events.push(event);
    return {events, id: response.headers.get("x-perdure-response-id")};
  },
  put_together: async () => client.messages.stream(body, {headers}).finalMessage(),
  count: async () => client.messages.countTokens(body, {headers}),
  models: async () => {
    const found = [];
    for await (const one of client.models.list()) found.push(one.id);
    return {found};
  },
};

try {
  console.log(JSON.stringify(await calls[call]()));
} catch (error) {
  if (!(error instanceof Anthropic.APIError)) throw error;
  console.log(JSON.stringify({failed: error.constructor.name, status: error.status ?? null,
                              type: error.error?.error?.type ?? null, message: error.error?.error?.message ?? null}));
}
