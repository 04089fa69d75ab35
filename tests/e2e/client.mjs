// One call with the official Node SDK: node client.mjs CALL '{"baseURL": ..., ...}' prints JSON. Run by conftest.py from the
// folder where node_modules is.
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";
import path from "node:path";

const require = createRequire(pathToFileURL(path.join(process.cwd(), "client.cjs")));
const OpenAI = require("openai").default ?? require("openai");

const [call, text] = process.argv.slice(2);
const {baseURL, id, after, body, headers, upTo} = JSON.parse(text);
const client = new OpenAI({baseURL, apiKey: "unused", maxRetries: 0});

async function collect(stream) {
  const events = [];
  for await (const event of stream) {
    events.push(event);
    if (upTo !== undefined && event.sequence_number >= upTo) break;
  }
  return events;
}

const calls = {
  node: async () => ({version: process.version}),
  create: async () => {
    const {data, response} = await client.responses.create(body, {headers}).withResponse();
    return {response: data, output_text: data.output_text, id: response.headers.get("x-perdure-response-id")};
  },
  stream: async () => collect(await client.responses.create({...body, stream: true}, {headers})),
  resume: async () => collect(await client.responses.retrieve(id, {stream: true, starting_after: after})),
  retrieve: async () => client.responses.retrieve(id),
  cancel: async () => client.responses.cancel(id),
  delete: async () => ({result: (await client.responses.delete(id)) ?? null}),
};

try {
  console.log(JSON.stringify(await calls[call]()));
} catch (error) {
  if (!(error instanceof OpenAI.APIError)) throw error;
  console.log(JSON.stringify({failed: error.constructor.name, status: error.status, code: error.code, param: error.param}));
}
