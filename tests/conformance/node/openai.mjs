import assert from "node:assert/strict";
import { MODEL, STUB, aborted, lockedUrl, need, run, url } from "./cases.mjs";

const { default: OpenAI, toFile } = need("openai");
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });

const ask = (text, more = {}, options = {}) =>
  client.chat.completions.create({ model: MODEL, messages: [{ role: "user", content: text }], ...more }, options);

async function all(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const LINES = "/v1/chat/completions";

async function batchOf(...lines) {
  const text = lines.map(([id, model, content]) => {
    const body = { model, max_tokens: 6, messages: [{ role: "user", content }] };
    return JSON.stringify({ custom_id: id, method: "POST", url: LINES, body });
  });
  const file = await client.files.create({ file: await toFile(Buffer.from(text.join("\n")), "lines.jsonl"), purpose: "batch" });
  return client.batches.create({ input_file_id: file.id, endpoint: LINES, completion_window: "24h" });
}

async function until(batch, status) {
  for (let end = Date.now() + 60000; Date.now() < end; ) {
    const now = await client.batches.retrieve(batch.id);
    if (now.status === status) return now;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`${batch.id} was not ${status} within 60 s`);
}

const linesOf = async (file) => (await (await client.files.content(file)).text()).trim().split("\n").map((line) => JSON.parse(line));

const text = (chunks) => chunks.flatMap((c) => c.choices.map((choice) => choice.delta?.content ?? choice.text ?? "")).join("");

run({
  async whole() {
    const answer = await ask("Say hi.", { max_tokens: 8 });
    assert.equal(answer.model, MODEL);
    assert.ok(answer.system_fingerprint && answer.choices[0].message.content);
    assert.ok(answer.usage.completion_tokens > 0 && answer.usage.completion_tokens <= 8);
  },
  async stream() {
    const chunks = await all(await ask("Say hi.", { max_tokens: 8, stream: true }));
    assert.ok(text(chunks) && chunks.at(-1).choices[0].finish_reason);
  },
  async stream_usage() {
    const chunks = await all(await ask("Say hi.", { max_tokens: 8, stream: true, stream_options: { include_usage: true } }));
    assert.ok(chunks.at(-1).usage.completion_tokens > 0);
  },
  async max_completion_tokens() {
    const answer = await ask("Tell me a long story.", { max_completion_tokens: 5 });
    assert.equal(answer.usage.completion_tokens, 5);
    assert.equal(answer.choices[0].finish_reason, "length");
  },
  async stop() {
    const answer = await ask("Count from 1 to 9.", { max_tokens: 32, temperature: 0, stop: "3" });
    assert.ok(!answer.choices[0].message.content.includes("3"));
  },
  async n() {
    const answer = await ask("Tell me a story.", { max_tokens: 6, n: 2 });
    assert.deepEqual(answer.choices.map((c) => c.index), [0, 1]);
  },
  async logprobs() {
    const answer = await ask("What is the capital of France?", { max_tokens: 4, logprobs: true, top_logprobs: 2 });
    assert.equal(answer.choices[0].logprobs.content[0].top_logprobs.length, 2);
  },
  async json_schema() {
    const schema = { type: "object", properties: { age: { type: "integer" } }, required: ["age"], additionalProperties: false };
    const form = { type: "json_schema", json_schema: { name: "age", strict: true, schema } };
    const answer = await client.chat.completions.parse({
      model: MODEL, max_tokens: 40, response_format: form, messages: [{ role: "user", content: "How old is Bob?" }],
    });
    assert.ok(Number.isInteger(JSON.parse(answer.choices[0].message.content).age));
  },
  async completions() {
    const request = { model: MODEL, prompt: "The capital of France is", max_tokens: 6 };
    assert.ok((await client.completions.create(request)).choices[0].text);
    assert.ok(text(await all(await client.completions.create({ ...request, stream: true }))));
  },
  async embeddings() {
    const of = async (input) => (await client.embeddings.create({ model: MODEL, input })).data.map((d) => d.embedding.length);
    assert.deepEqual(await of("A cat sits."), [576]); // asked for as base64, which the SDK decodes
    assert.deepEqual(await of(["A cat sits.", "Stocks fell."]), [576, 576]);
  },
  async tools() {
    const tools = [{ type: "function", function: { name: "get_weather", parameters: { type: "object" } } }];
    const messages = [{ role: "user", content: "node weather [[stub call=get_weather]]" }];
    const called = (message) => message.tool_calls.map((c) => [c.function.name, JSON.parse(c.function.arguments)]);
    const whole = await client.chat.completions.create({ model: STUB, messages, tools });
    assert.deepEqual(called(whole.choices[0].message), [["get_weather", { city: "Paris" }]]);
    const streamed = await client.chat.completions.stream({ model: STUB, messages, tools }).finalMessage();
    assert.deepEqual(called(streamed), [["get_weather", { city: "Paris" }]]);
  },
  async responses() {
    const request = { model: MODEL, input: "Say hi.", max_output_tokens: 6 };
    assert.ok((await client.responses.create(request)).output_text);
    const events = await all(await client.responses.create({ ...request, stream: true }));
    assert.equal(events[0].type, "response.created");
    assert.ok(events.some((e) => e.type === "response.output_text.delta"));
  },
  async files() {
    const upload = async (name, more = {}) => client.files.create({ file: await toFile(Buffer.from(name), name), purpose: "evals", ...more });
    const made = await upload("a.txt", { expires_after: { anchor: "created_at", seconds: 3600 } });
    assert.deepEqual([made.object, made.filename, made.bytes, made.purpose], ["file", "a.txt", 5, "evals"]);
    assert.equal(made.expires_at, made.created_at + 3600);
    assert.deepEqual(await client.files.retrieve(made.id), made);
    assert.equal(await (await client.files.content(made.id)).text(), "a.txt");
    const ids = [made.id, (await upload("b.txt")).id, (await upload("c.txt")).id];
    assert.deepEqual((await all(await client.files.list({ purpose: "evals", limit: 2, order: "asc" }))).map((f) => f.id), ids);
    for (const id of ids) assert.ok((await client.files.delete(id)).deleted);
    await assert.rejects(client.files.retrieve(made.id), OpenAI.NotFoundError);
  },
  async batches() {
    const made = await batchOf(["a", MODEL, "Say hi."], ["b", "none-such", "Hm."]);
    assert.equal(made.object, "batch");
    const done = await until(made, "completed");
    assert.deepEqual(done.request_counts, { total: 2, completed: 1, failed: 1 });
    const [answer] = await linesOf(done.output_file_id), [error] = await linesOf(done.error_file_id);
    assert.ok(answer.custom_id === "a" && answer.response.body.choices[0].message.content);
    assert.ok(error.custom_id === "b" && error.error.code === "model_not_found");
    const later = await batchOf(["a", MODEL, "Say hi."]);
    const ids = (await all(await client.batches.list({ limit: 1 }))).map((b) => b.id);
    assert.ok(ids[0] === later.id && ids.indexOf(made.id) === 1);
    for (const id of [done.input_file_id, done.output_file_id, done.error_file_id]) assert.ok((await client.files.delete(id)).deleted);
  },
  async batch_cancelled() {
    const made = await batchOf(["slow", STUB, "node batch [[stub first_ms=20000]]"]);
    await until(made, "in_progress");
    assert.equal((await client.batches.cancel(made.id)).status, "cancelling");
    assert.equal((await until(made, "cancelled")).request_counts.completed, 0);
    await aborted("node batch");
  },
  async models() {
    const names = (await all(await client.models.list())).map((m) => m.id);
    assert.ok(names.includes(MODEL) && names.includes("smol"));
    assert.equal((await client.models.retrieve(MODEL)).id, MODEL);
  },
  async unknown_model() {
    await assert.rejects(ask("Hi.", { model: "none-such" }), (e) => e instanceof OpenAI.NotFoundError && e.code === "model_not_found");
  },
  async bad_request() {
    await assert.rejects(ask("Hi.", { max_tokens: "many" }), OpenAI.BadRequestError);
  },
  async without_a_key() {
    const locked = new OpenAI({ baseURL: `${lockedUrl}/v1`, apiKey: "og-wrong", maxRetries: 0 });
    await assert.rejects(locked.models.list(), OpenAI.AuthenticationError);
  },
  async request_id() {
    const answer = await ask("Hi.", { max_tokens: 2 });
    assert.match(answer._request_id, /^[0-9a-f-]{36}$/);
  },
  async broken_stream() {
    const broken = async () => all(await ask("node breaks [[stub tokens=9 pace_ms=20 fault=cut after=5]]", { model: STUB, stream: true }));
    await assert.rejects(broken, (e) => e instanceof OpenAI.APIError && e.code === "answer_cut");
  },
  async gives_up() {
    await assert.rejects(ask("node gives up [[stub first_ms=20000]]", { model: STUB }, { timeout: 500 }), OpenAI.APIConnectionTimeoutError);
    await aborted("node gives up");
  },
  async leaves() {
    const stream = await ask("node leaves [[stub tokens=500 pace_ms=20]]", { model: STUB, stream: true });
    for await (const chunk of stream) {
      assert.ok(chunk.choices);
      break; // which closes the connection
    }
    await aborted("node leaves");
  },
});
