// A small real language model behind an OpenAI-compatible chat endpoint: POST /v1/chat/completions (JSON and SSE),
// GET /v1/models, GET /healthz. Loopback only, no authentication, one model, two answers at a time.
//
// --layout transcript (Gemma 3 270M): a base model without a chat template, which continues text. Messages are laid out as the
// transcript of a conversation, and the answer ends where the transcript would hand over to the user.
// --layout chatml (SmolLM2 135M Instruct): messages are laid out as the model was trained to read them.
//
// A last message of role `assistant` is a prefill: the answer goes on where it stops. A base model would not obey a user who
// asks it to go on with an answer that broke off, so a transcript takes such a message as that prefill, unless --obey words:
// then the message stands there like any other, and the model makes of it what it will.
import http from "node:http";
import {parseArgs} from "node:util";
import {getLlama, TokenBias} from "node-llama-cpp";

const {values: options} = parseArgs({
  options: {
    model: {type: "string"},
    name: {type: "string", default: "gemma-3-270m"},
    port: {type: "string", default: "0"},
    context: {type: "string", default: "4096"},
    layout: {type: "string", default: "transcript"},
    obey: {type: "string", default: "prefill"},
    threads: {type: "string", default: "1"},  // threads spin at barriers: more than the free cores is far slower
    help: {type: "boolean", default: false},
  },
});
if (options.help || !options.model) {
  console.error("usage: server.mjs --model FILE.gguf [--name NAME] [--port N, 0 for a free one] [--context TOKENS] [--threads N]\n" +
                "                  [--layout transcript|chatml] [--obey prefill|words]");
  process.exit(options.help ? 0 : 2);
}

const kBodyBytesMax = 4 << 20;
const kSequences = 2;
const kChatMl = options.layout === "chatml";
const kTurnEnds = kChatMl ? ["<|im_start|>", "<|im_end|>"] : ["\nUser:", "\nAssistant:", "\nSystem:"];

// A base model this small hands over after a sentence or two. Asked for something long, it may not for so many tokens.
const kLongTokensMin = 160;
const kRecentTokens = 96;  // that a repetition is looked for in

const llama = await getLlama({gpu: false, build: "never", progressLogs: false, logLevel: "error"});
const model = await llama.loadModel({modelPath: options.model});
const context = await model.createContext({contextSize: Number(options.context), sequences: kSequences, threads: Number(options.threads)});
const idle = Array.from({length: kSequences}, () => context.getSequence());
const waiting = [];
const acquire = () => (idle.length ? Promise.resolve(idle.pop()) : new Promise((resolve) => waiting.push(resolve)));
const release = (sequence) => (waiting.length ? waiting.shift()(sequence) : idle.push(sequence));

const unbiased = new TokenBias(model.tokenizer), staying = new TokenBias(model.tokenizer);
for (const name of ["User", " User", "Assistant", " Assistant"])
  for (const token of model.tokenize(name, false)) staying.set(token, "never");
for (const name of ["<eos>", "<end_of_turn>"]) for (const token of model.tokenize(name, true)) staying.set(token, "never");

class BadRequest extends Error {
  constructor(param, message) {
    super(message);
    this.param = param;
  }
}

function textOf(content, param) {
  if (content == null) return "";
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) throw new BadRequest(param, "content must be a string or an array of text parts");
  return content.map((part) => {
    if (part?.type !== "text" || typeof part.text !== "string")
      throw new BadRequest(param, `this model reads text only, not ${part?.type}`);
    return part.text;
  }).join("");
}

function transcript(messages) {
  if (!Array.isArray(messages) || messages.length === 0) throw new BadRequest("messages", "messages must not be empty");
  let system = "";
  const turns = [];
  messages.forEach((message, i) => {
    const text = textOf(message?.content, `messages.${i}.content`).trim();
    if (message?.role === "system" || message?.role === "developer") system += text + "\n";
    else if (message?.role === "user") turns.push(["User", text]);
    else if (message?.role === "assistant") turns.push(["Assistant", textOf(message.content, "messages")]);
    else throw new BadRequest(`messages.${i}.role`, `this model has no role ${message?.role}`);
  });
  let text = "A conversation between a user and a friendly, knowledgeable assistant. The assistant answers truthfully and, " +
             `where the user asks for it, at length.\n${system}\nUser: Which planet is the largest?\nAssistant: Jupiter is ` +
             "the largest planet of the solar system. It is a giant made of gas, with more than ninety moons.\n";
  for (const [who, said] of turns) text += `\n${who}: ${said}\n`;
  const last = turns.at(-1);
  return last?.[0] === "Assistant" ? text.slice(0, -1) : text + "\nAssistant:";
}

// ChatML; a last message of the assistant is left open.
function chatml(messages) {
  if (!Array.isArray(messages) || messages.length === 0) throw new BadRequest("messages", "messages must not be empty");
  let text = "";
  messages.forEach((message, i) => {
    const role = message?.role === "developer" ? "system" : message?.role;
    if (!["system", "user", "assistant"].includes(role)) throw new BadRequest(`messages.${i}.role`, `this model has no role ${role}`);
    const open = role === "assistant" && i === messages.length - 1;
    text += `<|im_start|>${role}\n${textOf(message.content, `messages.${i}.content`)}${open ? "" : "<|im_end|>\n"}`;
  });
  return messages.at(-1).role === "assistant" ? text : text + "<|im_start|>assistant\n";
}

function number(body, name, low, high, fallback) {
  const value = body[name] ?? fallback;
  if (typeof value !== "number" || !(value >= low && value <= high))
    throw new BadRequest(name, `${name} must be a number from ${low} to ${high}`);
  return value;
}

const kGoOn = /\b(broke off|go on|continue)\b/i;

function withoutGoOn(messages) {
  const [before, last] = Array.isArray(messages) ? messages.slice(-2) : [];
  const asksOn = before?.role === "assistant" && last?.role === "user" && kGoOn.test(textOf(last.content, "messages"));
  return asksOn ? messages.slice(0, -1) : messages;
}

function parse(body) {
  const stop = body.stop == null ? [] : [body.stop].flat();
  if (!stop.every((s) => typeof s === "string" && s.length > 0)) throw new BadRequest("stop", "stop must be text");
  if (body.tools?.length) throw new BadRequest("tools", "this model cannot call tools");
  const messages = kChatMl || options.obey === "words" ? body.messages : withoutGoOn(body.messages);
  const prompt = kChatMl ? chatml(messages) : transcript(messages);
  const prefill = messages.at(-1).role === "assistant";
  const tokens = model.tokenize(prompt, kChatMl);
  const bos = model.tokens.bos;
  if (bos != null && !kChatMl) tokens.unshift(bos);
  const room = Math.floor(Number(options.context) / kSequences) - tokens.length;
  if (room < 16) throw new BadRequest("messages", `the conversation is too long for this model's ${options.context} tokens`);
  const asked = textOf(messages.findLast((message) => message.role === "user")?.content, "messages");
  const held = prefill ? model.tokenize(textOf(messages.at(-1).content, "messages"), false) : [];
  return {
    prefill, tokens, stop,
    recent: held.slice(-kRecentTokens),  // so that a prefilled answer is penalised for repetitions like an uncut one
    minTokens: !kChatMl && /\blong\b/i.test(asked) ? kLongTokensMin - held.length : 0,
    maxTokens: Math.min(room, number(body, "max_completion_tokens", 1, 1e6, body.max_tokens ?? 512)),
    temperature: number(body, "temperature", 0, 2, 0.7),
    topP: number(body, "top_p", 0, 1, 0.95),
    seed: number(body, "seed", 0, 2 ** 32 - 1, Math.floor(Math.random() * 2 ** 32)),
    stream: body.stream === true,
    includeUsage: body.stream_options?.include_usage === true,
    model: body.model ?? options.name,
  };
}

// Yields pieces of text; returns {finish, completionTokens}. Text that may yet turn out to be a stop string is held back.
async function* generate(sequence, request, signal) {
  await sequence.clearHistory();
  const stops = [...request.stop, ...kTurnEnds];
  const holdBack = Math.max(...stops.map((s) => s.length)) - 1;
  let pending = [], before = request.tokens.slice(-4), held = "", count = 0, finish = "length", started = request.prefill;
  const recent = request.recent;
  const sampling = {
    yieldEogToken: true, temperature: request.temperature, topP: request.topP, topK: 40, seed: request.seed,
    repeatPenalty: {penalty: 1.15, punishTokens: () => recent},
    tokenBias: () => (count < request.minTokens ? staying : unbiased),
  };
  for await (const token of sequence.evaluate(request.tokens, sampling)) {
    if (signal.aborted) return {finish: "abort", completionTokens: count};
    if (model.isEogToken(token)) {
      finish = "stop";
      break;
    }
    ++count;
    recent.push(token);
    if (recent.length > kRecentTokens) recent.shift();
    pending.push(token);
    const piece = model.detokenize(pending, false, before);
    if (!piece.endsWith("\ufffd") || pending.length > 8) {  // whole characters only
      before = [...before, ...pending].slice(-4);
      pending = [];
      held += piece;
      if (!started) held = held.trimStart();
      started ||= held.length > 0;
      const cuts = stops.map((s) => held.indexOf(s)).filter((at) => at >= 0);
      if (cuts.length) {
        held = held.slice(0, Math.min(...cuts));
        finish = "stop";
        break;
      }
      if (held.length > holdBack) {
        const risky = stops.reduce((most, s) => {
          for (let n = Math.min(s.length - 1, held.length); n > most; --n) if (held.endsWith(s.slice(0, n))) return n;
          return most;
        }, 0);
        if (held.length > risky) yield held.slice(0, held.length - risky);
        held = held.slice(held.length - risky);
      }
    }
    if (count >= request.maxTokens) break;
  }
  if (finish === "stop") held = held.trimEnd();
  if (held) yield held;
  return {finish, completionTokens: count};
}

function sendJson(response, status, value) {
  const body = JSON.stringify(value);
  response.writeHead(status, {"content-type": "application/json", "content-length": Buffer.byteLength(body)}).end(body);
}

function sendError(response, status, message, param = null) {
  const type = status < 500 ? "invalid_request_error" : "server_error";
  sendJson(response, status, {error: {message, type, param, code: null}});
}

async function readBody(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > kBodyBytesMax) throw new BadRequest(null, "the body is too large");
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (error) {
    throw new BadRequest(null, `the body is not JSON: ${error.message}`);
  }
}

let serial = 0;
async function chat(request, response) {
  const body = await readBody(request);
  if (body === null || typeof body !== "object") throw new BadRequest(null, "the body must be a JSON object");
  const ask = parse(body);
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  const id = `chatcmpl-${process.pid}-${++serial}`;
  const head = {id, created: Math.floor(Date.now() / 1000), model: ask.model};
  const sequence = await acquire();
  try {
    const frame = (delta, finish_reason = null, extra = {}) => {
      const choices = delta === null ? [] : [{index: 0, delta, finish_reason}];
      response.write(`data: ${JSON.stringify({...head, object: "chat.completion.chunk", choices, ...extra})}\n\n`);
    };
    if (ask.stream) {
      response.writeHead(200, {"content-type": "text/event-stream", "cache-control": "no-cache"});
      frame({role: "assistant", content: ""});
    }
    let text = "";
    const pieces = generate(sequence, ask, gone.signal);
    let step = await pieces.next();
    for (; !step.done; step = await pieces.next()) {
      text += step.value;
      if (ask.stream) frame({content: step.value});
      await new Promise(setImmediate);
    }
    if (gone.signal.aborted) return;
    const usage = {
      prompt_tokens: ask.tokens.length, completion_tokens: step.value.completionTokens,
      total_tokens: ask.tokens.length + step.value.completionTokens,
    };
    if (ask.stream) {
      frame({}, step.value.finish);
      if (ask.includeUsage) frame(null, null, {usage});
      response.end("data: [DONE]\n\n");
    } else {
      const message = {role: "assistant", content: text};
      const choices = [{index: 0, message, finish_reason: step.value.finish}];
      sendJson(response, 200, {...head, object: "chat.completion", choices, usage});
    }
  } finally {
    release(sequence);
  }
}

const server = http.createServer(async (request, response) => {
  const path = request.url.split("?")[0];
  try {
    if (path === "/healthz") sendJson(response, 200, {status: "ok"});
    else if (path === "/v1/models" && request.method === "GET")
      sendJson(response, 200, {object: "list", data: [{id: options.name, object: "model", created: 0, owned_by: "local"}]});
    else if (path === "/v1/chat/completions" && request.method === "POST") await chat(request, response);
    else sendError(response, 404, `no route ${request.method} ${path}`);
  } catch (error) {
    if (!(error instanceof BadRequest)) console.error(error);
    if (response.headersSent) response.destroy();
    else if (error instanceof BadRequest) sendError(response, 400, error.message, error.param);
    else sendError(response, 500, "the model failed");
  }
});
server.listen(Number(options.port), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));
