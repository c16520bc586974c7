// The official client's text completions and embeddings, which it asks for in base64 by itself.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { startRung } from './harness.mjs';

let rung, client;

before(async () => {
  rung = await startRung('models:\n  starter: {file: starter}\ntiers:\n  - {name: local, model: starter}\n');
  client = rung.client();
});

after(async () => {
  await rung?.stop();
});

const prompt = { model: 'starter', prompt: 'my card is', max_tokens: 5, temperature: 0 };

test('a text completion, whole', async () => {
  const reply = await client.completions.create({ ...prompt, n: 2, logprobs: 2, echo: true });
  assert.equal(reply.object, 'text_completion');
  assert.deepEqual(reply.choices.map((choice) => choice.index), [0, 1]);
  assert.ok(reply.choices[0].text.startsWith('my card is'));
  assert.equal(reply.choices[0].logprobs.token_logprobs[0], null);
  assert.ok(reply.choices[0].logprobs.token_logprobs[1] < 0);
});

test('a text completion, streamed', async () => {
  const whole = await client.completions.create(prompt);
  let text = '', finish;
  for await (const chunk of await client.completions.create({ ...prompt, stream: true })) {
    text += chunk.choices[0]?.text ?? '';
    finish = chunk.choices[0]?.finish_reason ?? finish;
  }
  assert.equal(text, whole.choices[0].text);
  assert.equal(finish, whole.choices[0].finish_reason);
});

test('embeddings of several texts', async () => {
  const reply = await client.embeddings.create({ model: 'starter', input: ['my card is lost', 'a table for two'] });
  const [card, table] = reply.data.map((one) => one.embedding);
  const same = await client.embeddings.create({ model: 'starter', input: 'my card is lost', encoding_format: 'float' });
  const length = Math.hypot(...card);
  assert.equal(card.length, table.length);
  assert.ok(Math.abs(length - 1) < 1e-5);
  card.forEach((number, i) => assert.equal(number, Math.fround(same.data[0].embedding[i])));
  assert.ok(reply.usage.prompt_tokens > 2);
});

test('a text that is too long for the model is the client\'s own kind of error', async () => {
  const long = 'card '.repeat(3000);
  await assert.rejects(client.embeddings.create({ model: 'starter', input: long }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.match(error.message, /the context of starter holds 512/);
    return true;
  });
});
