// Two processes: one Rung as gateway, whose upper tier is a second Rung. What the first cannot be trusted with climbs
// over HTTP.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { banking, startRung, startStandin } from './harness.mjs';

let standin, upper, lower, client;
const offTopic = [banking[0], { role: 'user', content: 'Recite the third verse of a sea shanty about turnips.' }];

before(async () => {
  standin = await startStandin('--answer', 'the frontier has spoken');
  upper = await startRung(`
models:
  top: {base_url: ${standin.url}}
tiers:
  - {name: frontier, model: top}
`);
  lower = await startRung(`
models:
  starter: {file: starter}
  second:
    base_url: ${upper.url}
    model: auto
    price_usd_per_mtok: {input: 1, output: 2}
tiers:
  - {name: local, model: starter}
  - {name: mid, model: second}
confidence: {default: 1}
`);
  client = lower.client();
});

after(async () => {
  await lower?.stop();
  await upper?.stop();
  await standin?.stop();
});

test('an answer that is not trusted climbs to the second Rung', async () => {
  const { data, response } = await client.chat.completions.create({ model: 'auto', messages: offTopic }).withResponse();
  assert.equal(data.choices[0].message.content, 'the frontier has spoken');
  assert.equal(response.headers.get('x-rung-tier'), 'mid');
  assert.equal(data.rung.attempts.length, 2);
  assert.equal(data.usage.completion_tokens_details.reasoning_tokens, 16);
  assert.equal(standin.lines('request').length, 1);
});

test('a streamed answer climbs before its first byte', async () => {
  const chunks = [];
  const stream = await client.chat.completions.create({ model: 'auto', messages: offTopic, stream: true });
  for await (const chunk of stream) chunks.push(chunk);
  assert.equal(chunks.map((c) => c.choices[0]?.delta?.content ?? '').join(''), 'the frontier has spoken');
  assert.equal(chunks.at(-1).rung.tier, 'mid');
});

test('what is private stays with the first', async () => {
  const before = standin.lines('request').length;
  const reply = await client.chat.completions.create({
    model: 'auto', messages: offTopic, metadata: { privacy: 'local' },
  });
  assert.equal(reply.rung.tier, 'local');
  assert.equal(standin.lines('request').length, before);
});

test('without the second Rung the local answer is given, marked', async () => {
  await upper.stop();
  const reply = await client.chat.completions.create({ model: 'auto', messages: banking });
  assert.equal(reply.rung.tier, 'local');
  assert.equal(reply.rung.escalation, 'unavailable');
  upper = null;
});
