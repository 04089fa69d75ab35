// What the server keeps or does beside answers, with the official Node SDK: calls of test_state.py, see calls.mjs.
import {packaged, serve} from "./calls.mjs";

const OpenAI = packaged("openai").default ?? packaged("openai");
const at = (baseURL) => new OpenAI({baseURL, apiKey: "unused", maxRetries: 0});
const all = async (pages) => {
  const found = [];
  for await (const one of pages) found.push(one);
  return found;
};

const calls = {
  create: async ({baseURL, body}) => at(baseURL).conversations.create(body),
  retrieve: async ({baseURL, id}) => at(baseURL).conversations.retrieve(id),
  update: async ({baseURL, id, metadata}) => at(baseURL).conversations.update(id, {metadata}),
  delete: async ({baseURL, id}) => at(baseURL).conversations.delete(id),
  add: async ({baseURL, id, items}) => (await at(baseURL).conversations.items.create(id, {items})).data,
  items: async ({baseURL, id, query}) => all(at(baseURL).conversations.items.list(id, query)),
  item: async ({baseURL, id, item}) => at(baseURL).conversations.items.retrieve(item, {conversation_id: id}),
  remove: async ({baseURL, id, item}) => at(baseURL).conversations.items.delete(item, {conversation_id: id}),
  respond: async ({baseURL, body}) => at(baseURL).responses.create(body),
  compact: async ({baseURL, body}) => at(baseURL).responses.compact(body),
  count: async ({baseURL, body}) => at(baseURL).responses.inputTokens.count(body),
  input_items: async ({baseURL, id, query}) => all(at(baseURL).responses.inputItems.list(id, query)),
  embed: async ({baseURL, body}) => at(baseURL).embeddings.create(body),
};

await serve(calls, (error) => error instanceof OpenAI.APIError
  ? {failed: error.constructor.name, status: error.status ?? null, code: error.code ?? null, param: error.param ?? null}
  : undefined);
