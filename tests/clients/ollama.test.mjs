// Existing Ollama client code against rung serve: chat, generate, streams, tools, forms, thinking, what models there are.
// Models that call tools and think follow a script (tests/playback.c).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Ollama } from 'ollama';
import { z } from 'zod';
import { ask, banking, eventually, playback, startRung, startStandin } from './harness.mjs';

const control = ['<|im_start|>'], end = '<|im_end|>';
const scripts = {
  weather: ['<tool_call>', '\n{"name": "', 'get_weather', '", "arguments": ', '{"city": "', 'Bern', '", "days": 2}', '}\n', '</tool_call>'],
  thinker: ['<think>', '\nRain ', 'is likely', ', so yes.\n', '</think>', '\n\nTake an ', 'umbrella.'],
};
const tools = [{
  type: 'function',
  function: {
    name: 'get_weather', description: 'the weather',
    parameters: { type: 'object', required: ['city'], properties: { city: { type: 'string', description: 'where' } } },
  },
}];
const exact = { temperature: 0, seed: 1 };
let standin, slow, host, rung, ollama, made, store;

// The stand-in for a model host, on a port of its own.
async function startHost() {
  const child = spawn(join(process.env.B, 'tests/registry_standin'), ['--file', join(process.env.B, '../models/starter.gguf')]);
  const address = await new Promise((resolve, reject) => {
    child.on('exit', reject);
    child.stdout.on('data', (text) => resolve(String(text).match(/listening on (\S+)/)[1]));
  });
  child.removeAllListeners('exit');
  return { model: `${address}/library/tiny:4b`, stop: () => child.kill() };
}

before(async () => {
  made = Object.entries(scripts).map(([name, words]) => [name, playback({ words, control, end })]);
  store = mkdtempSync(join(tmpdir(), 'rung-store-'));
  standin = await startStandin('--answer', 'four words of wisdom');
  slow = await startStandin('--chunk-ms', '100', '--answer', 'word '.repeat(500));
  host = await startHost();
  rung = await startRung(`
models:
  starter: {file: starter}
${made.map(([name, { file }]) => `  ${name}: {file: ${file}}`).join('\n')}
  standin: {base_url: ${standin.url}}
  slow: {base_url: ${slow.url}}
tiers:
  - {name: local, model: starter}
  - {name: frontier, model: standin}
`, { RUNG_MODELS: store, OLLAMA_MODELS: join(store, 'none') });
  ollama = new Ollama({ host: rung.url.replace('/v1', '') });
});

after(async () => {
  await rung?.stop();
  for (const it of [standin, slow, host]) await it?.stop();
  for (const [, it] of made ?? []) it.remove();
  if (store) rmSync(store, { recursive: true });
});

async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

test('chat answers with a message, a reason and counts', async () => {
  const reply = await ollama.chat({ model: 'starter', messages: banking, options: exact });
  assert.equal(reply.message.role, 'assistant');
  assert.equal(reply.message.content, 'card_arrival');
  assert.equal(reply.done, true);
  assert.equal(reply.done_reason, 'stop');
  assert.ok(reply.prompt_eval_count > 10 && reply.eval_count > 0);
  assert.ok(reply.total_duration >= reply.prompt_eval_duration);
  assert.ok(Math.abs(new Date(reply.created_at) - Date.now()) < 60000);
});

test('streamed and plain answers are the same', async () => {
  const parts = await collect(await ollama.chat({ model: 'starter', messages: banking, stream: true, options: exact }));
  assert.equal(parts.map((p) => p.message.content).join(''), 'card_arrival');
  assert.deepEqual([...new Set(parts.slice(0, -1).map((p) => p.done))], [false]);
  assert.equal(parts.at(-1).done, true);
  assert.ok(parts.at(-1).eval_count > 0);
});

test('generate answers a prompt, plain and streamed', async () => {
  const request = { model: 'starter', system: banking[0].content, prompt: banking[1].content, options: exact };
  const plain = await ollama.generate(request);
  assert.equal(plain.response, 'card_arrival');
  const parts = await collect(await ollama.generate({ ...request, stream: true }));
  assert.equal(parts.map((p) => p.response).join(''), plain.response);
});

test('auto is a model, and says which tier answered', async () => {
  const reply = await ollama.chat({ model: 'auto', messages: banking, options: exact });
  assert.equal(reply.message.content, 'card_arrival');
  assert.equal(reply.rung.tier, 'local');
});

test('a model with :latest is the model', async () => {
  for (const model of ['starter:latest', 'auto:latest'])
    assert.equal((await ollama.chat({ model, messages: banking, options: exact })).message.content, 'card_arrival');
});

test('an upstream answers Ollama clients', async () => {
  const reply = await ollama.chat({ model: 'standin', messages: ask('hi') });
  assert.equal(reply.message.content, 'four words of wisdom');
  const parts = await collect(await ollama.chat({ model: 'standin', messages: ask('hi'), stream: true }));
  assert.equal(parts.map((p) => p.message.content).join(''), 'four words of wisdom');
});

test('a tool call has an object as arguments, plain and streamed', async () => {
  const request = { model: 'weather', messages: ask('Weather in Bern?'), tools, options: exact };
  const { message } = await ollama.chat(request);
  assert.equal(message.tool_calls[0].function.name, 'get_weather');
  assert.deepEqual(message.tool_calls[0].function.arguments, { city: 'Bern', days: 2 });
  const parts = await collect(await ollama.chat({ ...request, stream: true }));
  const calls = parts.flatMap((p) => p.message.tool_calls ?? []);
  assert.equal(calls.length, 1);
  assert.deepEqual(calls[0].function.arguments, { city: 'Bern', days: 2 });
});

test('the result of a call goes back into the conversation', async () => {
  const first = await ollama.chat({ model: 'weather', messages: ask('Umbrella in Bern?'), tools, options: exact });
  const reply = await ollama.chat({
    model: 'thinker', tools, options: exact,
    messages: [...ask('Umbrella in Bern?'), first.message, { role: 'tool', tool_name: 'get_weather', content: '{"rain": true}' }],
  });
  assert.equal(reply.message.content, 'Take an umbrella.');
});

test('thinking is parted from the answer, plain and streamed', async () => {
  const request = { model: 'thinker', messages: ask('Umbrella?'), think: true, options: exact };
  const { message } = await ollama.chat(request);
  assert.equal(message.content, 'Take an umbrella.');
  assert.equal(message.thinking.trim(), 'Rain is likely, so yes.');
  const parts = await collect(await ollama.chat({ ...request, stream: true }));
  assert.equal(parts.map((p) => p.message.thinking ?? '').join('').trim(), 'Rain is likely, so yes.');
  assert.equal(parts.map((p) => p.message.content).join(''), 'Take an umbrella.');
  const prompted = await ollama.generate({ model: 'thinker', prompt: 'Umbrella?', options: exact });
  assert.equal(prompted.thinking.trim(), 'Rain is likely, so yes.');
});

test('format holds an answer to a schema', async () => {
  const Intent = z.object({ intent: z.enum(['card_arrival', 'exchange_rate']) });
  const reply = await ollama.chat({ model: 'starter', messages: banking, format: z.toJSONSchema(Intent), options: exact });
  Intent.parse(JSON.parse(reply.message.content));
  const free = await ollama.chat({ model: 'starter', messages: banking, format: 'json', options: { ...exact, num_predict: 60 } });
  assert.match(free.message.content, /^\s*\{/);
});

test('log-probabilities come with tokens', async () => {
  const reply = await ollama.chat({ model: 'starter', messages: banking, logprobs: true, top_logprobs: 2, options: exact });
  assert.ok(reply.logprobs[0].logprob <= 0);
  assert.equal(reply.logprobs[0].top_logprobs.length, 2);
});

test('images go to a model that takes them', async () => {
  const image = new Uint8Array(Buffer.from('iVBORw0KGgoAAAANSUhEUg==', 'base64'));
  const reply = await ollama.chat({ model: 'standin', messages: [{ role: 'user', content: 'What is it?', images: [image] }] });
  assert.equal(reply.message.content, 'four words of wisdom');
});

test('embed gives vectors of length 1, embeddings one', async () => {
  const { embeddings, prompt_eval_count } = await ollama.embed({ model: 'starter', input: ['my card', 'the rate'] });
  assert.equal(embeddings.length, 2);
  assert.ok(prompt_eval_count > 2);
  for (const v of embeddings) assert.ok(Math.abs(Math.hypot(...v) - 1) < 1e-3);
  const { embedding } = await ollama.embeddings({ model: 'starter', prompt: 'my card' });
  assert.deepEqual(embedding, embeddings[0]);
});

test('abort ends the stream and the call behind it', async () => {
  const stream = await ollama.chat({ model: 'slow', messages: ask('go on'), stream: true });
  let n = 0;
  await assert.rejects(async () => {
    for await (const part of stream) if (part && ++n === 3) stream.abort();
  }, { name: 'AbortError' });
  assert.ok(await eventually(() => slow.lines('broken').length === 1), 'the upstream saw its client hang up');
});

test('errors have the status and the sentence', async () => {
  await assert.rejects(ollama.chat({ model: 'nope', messages: ask('x') }), (error) => {
    assert.equal(error.status_code, 404);
    assert.match(error.message, /nope/);
    return true;
  });
  await assert.rejects(ollama.chat({ model: 'starter', messages: ask('x'), options: { mirostat: 1 } }), /'options\.mirostat'/);
  await assert.rejects(ollama.chat({ model: 'starter', messages: ask('word '.repeat(40)), options: { num_ctx: 16 } }), /do not fit in 16/);
  const refused = ollama.chat({ model: 'starter', messages: [{ ...ask('x')[0], images: ['iVBORw0KGgo='] }], stream: true });
  await assert.rejects(refused, /images/);
});

test('list has every model, auto among them', async () => {
  const { models } = await ollama.list();
  const names = models.map((m) => m.name);
  for (const name of ['auto', 'starter', 'weather', 'standin']) assert.ok(names.includes(name), `${name} in ${names}`);
  assert.ok(models.every((m) => m.model === m.name && m.digest.length === 64 && m.size >= 0 && m.details));
});

test('show tells what a model is and can do', async () => {
  const starter = await ollama.show({ model: 'starter' });
  assert.equal(starter.details.quantization_level, 'Q8_0');
  assert.equal(starter.model_info['general.architecture'], 'qwen3');
  assert.match(starter.template, /im_start/);
  assert.ok(starter.capabilities.includes('completion') && !starter.capabilities.includes('tools'));
  assert.ok((await ollama.show({ model: 'weather' })).capabilities.includes('tools'));
  assert.ok((await ollama.show({ model: 'auto' })).capabilities.includes('vision'));
  await assert.rejects(ollama.show({ model: 'nope' }), { status_code: 404 });
});

test('a model is loaded ahead, shows in ps, and is dropped', async () => {
  const loaded = async () => (await ollama.ps()).models.map((m) => m.name);
  assert.equal((await ollama.chat({ model: 'thinker', messages: [], keep_alive: '1m' })).done_reason, 'load');
  assert.ok((await loaded()).includes('thinker'));
  assert.equal((await ollama.generate({ model: 'thinker', prompt: '', keep_alive: 0 })).done_reason, 'unload');
  assert.ok(await eventually(async () => !(await loaded()).includes('thinker')));
});

test('pull tells of its progress; copy and delete change what there is', async () => {
  const lines = await collect(await ollama.pull({ model: host.model, stream: true }));
  assert.equal(lines[0].status, 'pulling manifest');
  assert.ok(lines.some((l) => l.digest?.startsWith('sha256:') && l.completed > 0 && l.completed <= l.total));
  assert.equal(lines.at(-1).status, 'success');
  assert.equal((await ollama.pull({ model: host.model })).status, 'success');
  await ollama.copy({ source: host.model, destination: 'mine' });
  assert.equal((await ollama.chat({ model: 'mine', messages: banking, options: exact })).message.content, 'card_arrival');
  await ollama.delete({ model: 'mine' });
  await assert.rejects(ollama.chat({ model: 'mine', messages: banking }), { status_code: 404 });
  await assert.rejects(ollama.pull({ model: host.model.replace(':4b', ':nope') }), { status_code: 404 });
});

test('the version satisfies clients that want a recent one', async () => {
  const [major, minor] = (await ollama.version()).version.split('.').map(Number);
  assert.ok(major > 0 || minor >= 6);
});
