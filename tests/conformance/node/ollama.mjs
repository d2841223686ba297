import assert from "node:assert/strict";
import { MODEL, STUB, aborted, need, run, url } from "./cases.mjs";

const { Ollama } = need("ollama");
const client = new Ollama({ host: url });
const messages = [{ role: "user", content: "Say hi." }];
const options = { num_predict: 6 };

async function all(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

run({
  async chat() {
    const answer = await client.chat({ model: MODEL, messages, options });
    assert.ok(answer.message.content && answer.done && answer.eval_count <= 6);
  },
  async chat_streamed() {
    const parts = await all(await client.chat({ model: MODEL, messages, options, stream: true }));
    assert.ok(parts.map((p) => p.message.content).join("") && parts.at(-1).done);
  },
  async format() {
    const schema = { type: "object", properties: { age: { type: "integer" } }, required: ["age"] };
    const answer = await client.chat({ model: MODEL, messages, format: schema, options: { num_predict: 40 } });
    assert.ok(Number.isInteger(JSON.parse(answer.message.content).age));
  },
  async generate() {
    assert.ok((await client.generate({ model: MODEL, prompt: "Say hi.", options })).response);
    const parts = await all(await client.generate({ model: MODEL, prompt: "Say hi.", options, stream: true }));
    assert.ok(parts.map((p) => p.response).join("") && parts.at(-1).done);
  },
  async lists() {
    assert.ok((await client.list()).models.some((m) => m.model.startsWith(MODEL)));
    assert.ok((await client.ps()).models.length > 0);
    assert.ok((await client.show({ model: MODEL })).capabilities.includes("completion"));
  },
  async unknown_model() {
    await assert.rejects(client.chat({ model: "none-such", messages }), (e) => e.status_code === 404 && e.message.includes("none-such"));
  },
  async leaves() {
    const left = [{ role: "user", content: "ollama node leaves [[stub tokens=500 pace_ms=20]]" }];
    const stream = await client.chat({ model: STUB, messages: left, stream: true });
    for await (const part of stream) {
      assert.ok(part.message);
      stream.abort();
      break;
    }
    await aborted("ollama node leaves");
  },
});
