// What existing clients see when something is wrong: their own error classes, with a sentence that helps.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { ask, banking, startRung, startStandin } from './harness.mjs';

let standin, broken, rung, client;

before(async () => {
  standin = await startStandin();
  broken = await startStandin('--fail', '500');
  rung = await startRung(`
models:
  starter: {file: starter}
  standin: {base_url: ${standin.url}}
  broken: {base_url: ${broken.url}}
tiers:
  - {name: local, model: starter}
  - {name: frontier, model: broken}
confidence: {default: 1}
`);
  client = rung.client();
});

after(async () => {
  await rung?.stop();
  await standin?.stop();
  await broken?.stop();
});

async function errorOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  assert.fail('the request was answered');
}

test('an unknown model is a 404 that lists the names', async () => {
  const error = await errorOf(client.chat.completions.create({ model: 'gpt-99', messages: banking }));
  assert.ok(error instanceof OpenAI.NotFoundError);
  for (const name of ['gpt-99', 'auto', 'starter', 'standin']) assert.match(error.message, new RegExp(name));
});

test('an unknown field is a 400 that names it', async () => {
  const error = await errorOf(client.chat.completions.create({
    model: 'starter', messages: banking, frobnicate: true,
  }));
  assert.ok(error instanceof OpenAI.BadRequestError);
  assert.match(error.message, /frobnicate/);
  assert.equal(error.param, 'frobnicate');
});

test('a wrong value is a 400 that names its field', async () => {
  const error = await errorOf(client.chat.completions.create({ model: 'starter', messages: banking, temperature: 99 }));
  assert.ok(error instanceof OpenAI.BadRequestError);
  assert.match(error.message, /temperature/);
});

test('a misspelt privacy is a 400, not a leak', async () => {
  const error = await errorOf(client.chat.completions.create({
    model: 'auto', messages: banking, metadata: { privacy: 'locl' },
  }));
  assert.ok(error instanceof OpenAI.BadRequestError);
  assert.match(error.message, /privacy/);
  assert.equal(standin.lines('connection').length, 0);
});

test('a private request for an upstream is refused and not sent', async () => {
  const error = await errorOf(client.chat.completions.create({
    model: 'standin', messages: ask('secret'), metadata: { privacy: 'local' },
  }));
  assert.ok(error instanceof OpenAI.APIError);
  assert.equal(standin.lines('connection').length, 0);
});

test('a model that fails is an error of the server', async () => {
  const error = await errorOf(client.chat.completions.create({ model: 'broken', messages: ask('x') }));
  assert.ok(error instanceof OpenAI.APIError);
  assert.ok(error.status >= 500, `status ${error.status}`);
});

test('auto gives the marked local answer when the climb fails', async () => {
  const reply = await client.chat.completions.create({ model: 'auto', messages: banking, temperature: 0 });
  assert.equal(reply.rung.tier, 'local');
  assert.equal(reply.rung.escalation, 'unavailable');
});

test('a configured key is needed', async () => {
  const locked = await startRung('models: {starter: {file: starter}}\napi_keys: [env:TEST_KEY]\n', {
    TEST_KEY: 'right',
  });
  try {
    const error = await errorOf(locked.client({ apiKey: 'wrong' }).models.list());
    assert.ok(error instanceof OpenAI.AuthenticationError);
    assert.ok((await locked.client({ apiKey: 'right' }).models.list()).data.length > 0);
  } finally {
    await locked.stop();
  }
});
