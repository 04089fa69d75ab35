// Anthropic's API with its official Node SDK: calls of test_messages.py, see calls.mjs.
import {packaged, serve} from "./calls.mjs";

const Anthropic = packaged("@anthropic-ai/sdk").default ?? packaged("@anthropic-ai/sdk");
const at = (baseURL) => new Anthropic({baseURL: baseURL.replace(/\/v1$/, ""), apiKey: "unused", maxRetries: 0});

const calls = {
  create: async ({baseURL, body, headers}) => {
    const {data, response} = await at(baseURL).messages.create(body, {headers}).withResponse();
    return {message: data, id: response.headers.get("x-perdure-response-id"),
            dropped: response.headers.get("x-perdure-dropped")};
  },
  stream: async ({baseURL, body, headers}) => {
    const {data, response} = await at(baseURL).messages.create({...body, stream: true}, {headers}).withResponse();
    const events = [];
    for await (const event of data) events.push(event);
    return {events, id: response.headers.get("x-perdure-response-id")};
  },
  put_together: async ({baseURL, body, headers}) => at(baseURL).messages.stream(body, {headers}).finalMessage(),
  count: async ({baseURL, body, headers}) => at(baseURL).messages.countTokens(body, {headers}),
  models: async ({baseURL}) => {
    const found = [];
    for await (const one of at(baseURL).models.list()) found.push(one.id);
    return {found};
  },
};

await serve(calls, (error) => error instanceof Anthropic.APIError
  ? {failed: error.constructor.name, status: error.status ?? null, type: error.error?.error?.type ?? null,
     message: error.error?.error?.message ?? null} : undefined);
