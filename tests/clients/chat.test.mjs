// Chat completions through the official client: plain, streamed, log-probabilities, usage, breaking off.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { ask, banking, eventually, startRung, startStandin } from './harness.mjs';

const exact = { temperature: 0, seed: 1 };
let standin, slow, silent, rung, client;

before(async () => {
  standin = await startStandin('--answer', 'four words of wisdom');
  slow = await startStandin('--chunk-ms', '100', '--answer', 'word '.repeat(500));
  silent = await startStandin('--fail', 'hang');
  rung = await startRung(`
models:
  starter: {file: starter}
  standin:
    base_url: ${standin.url}
    price_usd_per_mtok: {input: 1.25, cached_input: 0.125, output: 10.00}
  slow: {base_url: ${slow.url}}
  silent: {base_url: ${silent.url}}
tiers:
  - {name: local, model: starter}
  - {name: frontier, model: standin}
aliases: {gpt-5: auto}
`);
  client = rung.client();
});

after(async () => {
  await rung?.stop();
  await standin?.stop();
  await slow?.stop();
  await silent?.stop();
});

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  const text = chunks.map((c) => c.choices[0]?.delta?.content ?? '').join('');
  return { chunks, text };
}

test('models lists what may be asked for', async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  for (const name of ['auto', 'starter', 'standin', 'gpt-5']) assert.ok(names.includes(name), `${name} in ${names}`);
});

test('a local model answers, and the reply says who did', async () => {
  const { data, response } = await client.chat.completions
    .create({ model: 'starter', messages: banking, ...exact })
    .withResponse();
  assert.equal(data.object, 'chat.completion');
  assert.ok(data.choices[0].message.content.length > 0);
  assert.equal(data.choices[0].finish_reason, 'stop');
  assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + data.usage.completion_tokens);
  assert.equal(response.headers.get('x-rung-tier'), 'local');
  assert.equal(response.headers.get('x-rung-model'), 'starter');
  assert.ok(Number(response.headers.get('x-rung-confidence')) > 0);
  assert.equal(data.rung.tier, 'local');
});

test('streamed and plain answers are the same', async () => {
  const request = { model: 'starter', messages: banking, ...exact };
  const plain = await client.chat.completions.create(request);
  const { chunks, text } = await collect(await client.chat.completions.create({ ...request, stream: true }));
  assert.equal(text, plain.choices[0].message.content);
  assert.equal(chunks[0].choices[0].delta.role, 'assistant');
  assert.ok(chunks.some((c) => c.choices[0]?.finish_reason === 'stop'));
  assert.ok(chunks.every((c) => c.id === chunks[0].id && c.object === 'chat.completion.chunk'));
  assert.equal(chunks.at(-1).rung.tier, 'local');
});

test('usage comes with a stream only when asked for', async () => {
  const request = { model: 'starter', messages: banking, ...exact, stream: true };
  const without = await collect(await client.chat.completions.create(request));
  assert.ok(without.chunks.every((c) => !c.usage));
  const asked = await collect(await client.chat.completions.create({
    ...request, stream_options: { include_usage: true },
  }));
  const usage = asked.chunks.filter((c) => c.usage);
  assert.equal(usage.length, 1);
  assert.ok(usage[0].usage.prompt_tokens > 0 && usage[0].usage.completion_tokens > 0);
});

test('log-probabilities spell the answer', async () => {
  const reply = await client.chat.completions.create({
    model: 'starter', messages: banking, ...exact, logprobs: true, top_logprobs: 3,
  });
  const { content } = reply.choices[0].logprobs;
  assert.equal(content.map((t) => t.token).join(''), reply.choices[0].message.content);
  for (const token of content) {
    assert.ok(token.logprob <= 0);
    assert.equal(token.top_logprobs.length, 3);
    assert.ok(token.top_logprobs[0].logprob >= token.top_logprobs[2].logprob);
  }
});

test('log-probabilities come with a stream', async () => {
  const { chunks, text } = await collect(await client.chat.completions.create({
    model: 'starter', messages: banking, ...exact, stream: true, logprobs: true,
  }));
  const tokens = chunks.flatMap((c) => c.choices[0]?.logprobs?.content ?? []);
  assert.equal(tokens.map((t) => t.token).join(''), text);
});

test('max_tokens ends an answer by length', async () => {
  const reply = await client.chat.completions.create({ model: 'starter', messages: banking, ...exact, max_tokens: 1 });
  assert.equal(reply.choices[0].finish_reason, 'length');
  assert.equal(reply.usage.completion_tokens, 1);
});

test('an alias is routed', async () => {
  const reply = await client.chat.completions.create({ model: 'gpt-5', messages: banking, ...exact });
  assert.ok(reply.choices[0].message.content.length > 0);
  assert.ok(['local', 'frontier'].includes(reply.rung.tier));
});

test('an upstream answers with its own usage', async () => {
  const { data, response } = await client.chat.completions
    .create({ model: 'standin', messages: ask('anything') })
    .withResponse();
  assert.equal(data.choices[0].message.content, 'four words of wisdom');
  assert.equal(data.usage.completion_tokens, 20);
  assert.equal(data.usage.completion_tokens_details.reasoning_tokens, 16);
  assert.ok(data.usage.prompt_tokens_details.cached_tokens > 0);
  assert.equal(response.headers.get('x-rung-tier'), 'frontier');
  assert.ok(Number(response.headers.get('x-rung-cost-usd')) > 0);
});

test('an upstream streams through', async () => {
  const { text, chunks } = await collect(await client.chat.completions.create({
    model: 'standin', messages: ask('anything'), stream: true, stream_options: { include_usage: true },
  }));
  assert.equal(text, 'four words of wisdom');
  assert.equal(chunks.filter((c) => c.usage).at(-1).usage.completion_tokens, 20);
});

test('breaking a stream off stops the upstream', async () => {
  const stream = await client.chat.completions.create({ model: 'slow', messages: ask('talk'), stream: true });
  let seen = 0;
  for await (const chunk of stream) if (chunk.choices[0]?.delta?.content && ++seen === 3) break;
  assert.equal(seen, 3);
  assert.ok(await eventually(() => slow.lines('broken').length === 1), 'the upstream saw its client hang up');
});

test('aborting a plain request stops the upstream', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const request = client.chat.completions.create({ model: 'silent', messages: ask('talk') }, { signal });
  assert.ok(await eventually(() => silent.lines('request').length === 1));
  assert.equal(silent.lines('broken').length, 0);
  controller.abort();
  await assert.rejects(request, OpenAI.APIUserAbortError);
  assert.ok(await eventually(() => silent.lines('broken').length === 1), 'the upstream saw its client hang up');
});

test('n gives as many choices, and counts what each cost', async () => {
  const request = { model: 'starter', messages: banking, temperature: 1.5, seed: 7, max_tokens: 12 };
  const one = await client.chat.completions.create(request);
  const many = await client.chat.completions.create({ ...request, n: 4 });
  assert.deepEqual(many.choices.map((c) => c.index), [0, 1, 2, 3]);
  assert.equal(many.choices[0].message.content, one.choices[0].message.content);
  assert.equal(many.usage.prompt_tokens, one.usage.prompt_tokens);
  assert.equal(many.rung.attempts.length, 4);
  const paid = await client.chat.completions.create({ model: 'standin', messages: ask('anything'), n: 2 });
  assert.equal(paid.usage.completion_tokens, 40);
  assert.ok(Math.abs(paid.rung.cost_usd - paid.choices[0].rung.cost_usd - paid.choices[1].rung.cost_usd) < 1e-12);
});

test('n choices are streamed with their index', async () => {
  const request = { model: 'starter', messages: banking, temperature: 1.5, seed: 7, max_tokens: 12, n: 3 };
  const plain = await client.chat.completions.create(request);
  const stream = client.chat.completions.stream(request);
  const whole = await stream.finalChatCompletion();
  assert.deepEqual(whole.choices.map((c) => c.message.content), plain.choices.map((c) => c.message.content));
});

test('an image goes to the tier that takes it, and is refused where there is none', async () => {
  const image_url = { url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'low' };
  const messages = [{ role: 'user', content: [{ type: 'text', text: 'What is it?' }, { type: 'image_url', image_url }] }];
  const reply = await client.chat.completions.create({ model: 'auto', messages });
  assert.equal(reply.rung.tier, 'frontier');
  await assert.rejects(client.chat.completions.create({ model: 'starter', messages }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, 'messages[0].content[1]');
    return true;
  });
});

test('a model is found by its name, with what it can do', async () => {
  const model = await client.models.retrieve('starter');
  assert.equal(model.id, 'starter');
  assert.equal(model.rung.local, true);
  assert.ok(model.rung.context_length > 0);
  await assert.rejects(client.models.retrieve('org/none:x'), OpenAI.NotFoundError);
});
