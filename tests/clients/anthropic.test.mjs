// Anthropic's API through the official client: plain, streamed, thinking, tools, structured output, counting, errors, breaking off; models
// here, an OpenAI-compatible upstream, and one that speaks Anthropic's own API (another Rung).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
import { z } from 'zod';
import { banking, eventually, playback, startRung, startStandin } from './harness.mjs';

const control = ['<|im_start|>'];
const end = '<|im_end|>';
const scripts = {
  pair: ['Both. ', '<tool_call>', '{"name": "get_weather", ', '"arguments": {"city": ', '"Bern"}}', '</tool_call>\n',
    '<tool_call>\n', '{"name": "get_time", "arguments": ', '{}', '}\n</tool_call>'],
  thinker: ['<think>', '\nRain ', 'is likely', ', so yes.\n', '</think>', '\n\nTake an ', 'umbrella.'],
  city: ['{"city":', '"Bern"}'],
};
const tools = ['get_weather', 'get_time'].map((name) => ({
  name, description: name, input_schema: { type: 'object', properties: { city: { type: 'string' } } },
}));
const system = banking[0].content;
const messages = banking.slice(1);
const exact = { max_tokens: 200, temperature: 0 };
let standin, slow, broken, below, rung, client, stopped;

const connect = (to, options = {}) =>
  new Anthropic({ baseURL: to.url.replace(/\/v1$/, ''), apiKey: 'any', maxRetries: 0, timeout: 60000, ...options });

before(async () => {
  standin = await startStandin('--answer', 'four words of wisdom');
  slow = await startStandin('--chunk-ms', '100', '--answer', 'word '.repeat(500));
  broken = await startStandin('--fail', 'cut');
  const files = Object.entries(scripts).map(([name, words]) => [name, playback({ words, control, end })]);
  const here = files.map(([name, made]) => `  ${name}: {file: ${made.file}}`).join('\n');
  below = await startRung(`models:\n  starter: {file: starter}\n${here}\n`);
  const root = below.url.replace(/\/v1$/, '');
  rung = await startRung(`
models:
  starter: {file: starter}
  standin: {base_url: ${standin.url}, price_usd_per_mtok: {input: 1.25, cached_input: 0.125, output: 10.00}}
  slow: {base_url: ${slow.url}}
  broken: {base_url: ${broken.url}}
${here}
${Object.keys(scripts).map((name) => `  far-${name}: {provider: anthropic, base_url: ${root}, model: ${name}}`).join('\n')}
tiers:
  - {name: local, model: starter}
aliases: {claude-haiku-4-5: starter}
`);
  client = connect(rung);
  stopped = files.map(([, made]) => made.remove);
});

after(async () => {
  await rung?.stop();
  await below?.stop();
  for (const helper of [standin, slow, broken]) await helper?.stop();
  for (const remove of stopped ?? []) remove();
});

test('a message has its text, its usage and why it ended, under a name that clients hard-code', async () => {
  const message = await client.messages.create({ model: 'claude-haiku-4-5', system, messages, ...exact });
  assert.equal(message.type, 'message');
  assert.equal(message._request_id, message.id);
  assert.equal(message.content[0].text, 'card_arrival');
  assert.equal(message.stop_reason, 'end_turn');
  assert.ok(message.usage.input_tokens + message.usage.cache_read_input_tokens > 10);
  assert.ok(message.usage.output_tokens > 0);
});

test('a stream adds up to the same message', async () => {
  const stream = client.messages.stream({ model: 'starter', system, messages, ...exact });
  let text = '';
  stream.on('text', (more) => { text += more; });
  const message = await stream.finalMessage();
  assert.equal(text, 'card_arrival');
  assert.equal(message.content[0].text, 'card_arrival');
  assert.equal(message.stop_reason, 'end_turn');
  assert.ok(message.usage.output_tokens > 0);
});

test('a stop sequence is named', async () => {
  const message = await client.messages.create({ model: 'starter', system, messages, ...exact, stop_sequences: ['_arr'] });
  assert.equal(message.content[0].text, 'card');
  assert.equal(message.stop_reason, 'stop_sequence');
  assert.equal(message.stop_sequence, '_arr');
});

test('an upstream of another API answers too', async () => {
  const message = await client.messages.create({ model: 'standin', messages, max_tokens: 50 });
  assert.equal(message.content[0].text, 'four words of wisdom');
  assert.ok(message.usage.cache_read_input_tokens > 0);
});

for (const far of ['', 'far-']) {
  const where = far ? 'a model behind the same API' : 'a model here';

  test(`thoughts of ${where} are blocks of their own`, async () => {
    const options = { model: `${far}thinker`, messages, max_tokens: 4000, thinking: { type: 'enabled', budget_tokens: 1024 } };
    for (const message of [await client.messages.create(options), await client.messages.stream(options).finalMessage()]) {
      assert.deepEqual(message.content.map((b) => b.type), ['thinking', 'text']);
      assert.equal(message.content[0].thinking.trim(), 'Rain is likely, so yes.');
      assert.equal(message.content[1].text.trim(), 'Take an umbrella.');
    }
  });

  test(`calls of ${where} are blocks with their input, and their results go back`, async () => {
    const options = { model: `${far}pair`, messages, tools, ...exact };
    const message = await client.messages.create(options);
    const streamed = await client.messages.stream(options).finalMessage();
    for (const m of [message, streamed]) {
      assert.deepEqual(m.content.map((b) => b.type), ['text', 'tool_use', 'tool_use']);
      assert.deepEqual(m.content[1].input, { city: 'Bern' });
      assert.deepEqual(m.content[2].input, {});
      assert.equal(m.stop_reason, 'tool_use');
    }
    const results = message.content.filter((b) => b.type === 'tool_use')
      .map((b) => ({ type: 'tool_result', tool_use_id: b.id, content: 'rain' }));
    const again = await client.messages.create({
      model: `${far}thinker`, tools, ...exact,
      messages: [...messages, { role: 'assistant', content: message.content }, { role: 'user', content: results }],
    });
    assert.equal(again.content.at(-1).text.trim(), 'Take an umbrella.');
  });

  test(`an answer of ${where} has the structure that was asked for`, async () => {
    const message = await client.messages.parse({
      model: `${far}city`, messages, ...exact, output_config: { format: zodOutputFormat(z.object({ city: z.string() })) },
    });
    assert.deepEqual(message.parsed_output, { city: 'Bern' });
  });
}

test('tokens are counted as the message will be read', async () => {
  const { input_tokens } = await client.messages.countTokens({ model: 'starter', system, messages });
  const { usage } = await client.messages.create({ model: 'starter', system, messages, ...exact });
  assert.equal(input_tokens, usage.input_tokens + usage.cache_read_input_tokens);
});

test('who breaks off a stream stops the upstream', async () => {
  const stream = client.messages.stream({ model: 'slow', messages, max_tokens: 1000 });
  for await (const event of stream) if (event.type === 'content_block_delta') break;
  stream.abort();
  assert.ok(await eventually(() => slow.lines('broken').length > 0), 'the upstream went on');
});

test('errors are the client\'s own classes, with a sentence that helps', async () => {
  await assert.rejects(client.messages.create({ model: 'claude-99', messages, max_tokens: 5 }), (error) => {
    assert.ok(error instanceof Anthropic.NotFoundError);
    assert.match(error.message, /claude-99/);
    return true;
  });
  await assert.rejects(client.messages.create({ model: 'starter', messages, max_tokens: 5, mcp_servers: [{}] }), (error) => {
    assert.ok(error instanceof Anthropic.BadRequestError);
    assert.equal(error.error.error.type, 'invalid_request_error');
    assert.match(error.message, /mcp_servers/);
    return true;
  });
  await assert.rejects(client.messages.stream({ model: 'broken', messages, max_tokens: 50 }).finalMessage(), Anthropic.APIError);
});
