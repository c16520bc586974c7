// The Responses API through the official client: plain, streamed, tools, reasoning, structured output, errors, breaking off.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { banking, eventually, playback, startRung, startStandin } from './harness.mjs';

const control = ['<|im_start|>'];
const end = '<|im_end|>';
const scripts = {
  pair: ['Both. ', '<tool_call>', '{"name": "get_weather", ', '"arguments": {"city": ', '"Bern"}}', '</tool_call>\n',
    '<tool_call>\n', '{"name": "get_time", "arguments": ', '{}', '}\n</tool_call>'],
  thinker: ['<think>', '\nRain ', 'is likely', ', so yes.\n', '</think>', '\n\nTake an ', 'umbrella.'],
};
const tools = ['get_weather', 'get_time'].map((name) => ({
  type: 'function', name, description: name, strict: null,
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
}));
const exact = { temperature: 0, seed: 1 };
let standin, slow, broken, rung, client, stopped;

before(async () => {
  standin = await startStandin('--answer', 'four words of wisdom');
  slow = await startStandin('--chunk-ms', '100', '--answer', 'word '.repeat(500));
  broken = await startStandin('--fail', 'cut');
  const files = Object.entries(scripts).map(([name, words]) => [name, playback({ words, control, end })]);
  rung = await startRung(`
models:
  starter: {file: starter}
  standin: {base_url: ${standin.url}, price_usd_per_mtok: {input: 1.25, cached_input: 0.125, output: 10.00}}
  slow: {base_url: ${slow.url}}
  broken: {base_url: ${broken.url}}
${files.map(([name, made]) => `  ${name}: {file: ${made.file}}`).join('\n')}
tiers:
  - {name: local, model: starter}
`);
  client = rung.client();
  stopped = files.map(([, made]) => made.remove);
});

after(async () => {
  await rung?.stop();
  for (const helper of [standin, slow, broken]) await helper?.stop();
  for (const remove of stopped ?? []) remove();
});

async function collect(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

const types = (events) => events.map((e) => e.type.replace(/^response\./, ''));
const input = banking.slice(1);
const instructions = banking[0].content;

test('a response has its text, its usage and who answered', async () => {
  const response = await client.responses.create({ model: 'starter', instructions, input, ...exact });
  const chat = await client.chat.completions.create({ model: 'starter', messages: banking, ...exact });
  assert.equal(response.object, 'response');
  assert.equal(response.status, 'completed');
  assert.equal(response.output_text, chat.choices[0].message.content);
  assert.equal(response.usage.total_tokens, response.usage.input_tokens + response.usage.output_tokens);
  assert.equal(response.usage.input_tokens, chat.usage.prompt_tokens);
  assert.equal(response.instructions, instructions);
  assert.equal(response.rung.tier, 'local');
});

test('streamed and plain responses are the same', async () => {
  const request = { model: 'starter', instructions, input, ...exact };
  const plain = await client.responses.create(request);
  const events = await collect(await client.responses.create({ ...request, stream: true }));
  const text = events.filter((e) => e.type === 'response.output_text.delta').map((e) => e.delta).join('');
  assert.equal(text, plain.output_text);
  assert.deepEqual(events.map((e) => e.sequence_number), events.map((_, i) => i));
  assert.deepEqual(types(events).slice(0, 4), ['created', 'in_progress', 'output_item.added', 'content_part.added']);
  assert.deepEqual(types(events).slice(-4), ['output_text.done', 'content_part.done', 'output_item.done', 'completed']);
  const { response } = events.at(-1);
  assert.equal(response.output[0].content[0].text, plain.output_text);
  assert.deepEqual(response.usage.output_tokens, plain.usage.output_tokens);
  assert.equal(response.rung.tier, 'local');
});

test('the client\'s own accumulator ends with the final response', async () => {
  const stream = client.responses.stream({ model: 'pair', input: 'Weather?', tools, ...exact });
  const response = await stream.finalResponse();
  assert.deepEqual(response.output.map((o) => o.type), ['message', 'function_call', 'function_call']);
  assert.deepEqual(JSON.parse(response.output[1].arguments), { city: 'Bern' });
  assert.equal(response.output[2].name, 'get_time');
});

test('calls are streamed as they are written, and their outputs come back', async () => {
  const events = await collect(await client.responses.create({ model: 'pair', input: 'Weather?', tools, ...exact, stream: true }));
  const arguments_ = events.filter((e) => e.type === 'response.function_call_arguments.delta' && e.output_index === 1);
  assert.deepEqual(JSON.parse(arguments_.map((e) => e.delta).join('')), { city: 'Bern' });
  const { response } = events.at(-1);
  const calls = response.output.filter((o) => o.type === 'function_call');
  const again = await client.responses.create({
    model: 'standin',
    input: [{ role: 'user', content: 'Weather?' }, ...response.output,
      ...calls.map((c) => ({ type: 'function_call_output', call_id: c.call_id, output: 'sunny' }))],
    tools,
  });
  assert.equal(again.output_text, 'four words of wisdom');
});

test('reasoning is an item of its own, and may be sent back', async () => {
  const plain = await client.responses.create({ model: 'thinker', input: 'Umbrella?', ...exact });
  assert.deepEqual(plain.output.map((o) => o.type), ['reasoning', 'message']);
  assert.ok(plain.output[0].content[0].text.includes('Rain is likely'));
  assert.equal(plain.output_text.trim(), 'Take an umbrella.');
  assert.ok(plain.usage.output_tokens_details.reasoning_tokens > 0);
  const events = await collect(await client.responses.create({ model: 'thinker', input: 'Umbrella?', ...exact, stream: true }));
  const thought = events.filter((e) => e.type === 'response.reasoning_text.delta').map((e) => e.delta).join('');
  assert.equal(thought, plain.output[0].content[0].text);
  const names = types(events);
  assert.ok(names.indexOf('reasoning_text.done') < names.indexOf('output_text.delta'));
  const again = await client.responses.create({
    model: 'thinker', input: [{ role: 'user', content: 'Umbrella?' }, ...plain.output, { role: 'user', content: 'Sure?' }], ...exact,
  });
  assert.equal(again.status, 'completed');
});

test('structured output is parsed', async () => {
  const schema = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'], additionalProperties: false };
  const response = await client.responses.parse({
    model: 'starter', input: 'A number, please.', ...exact, max_output_tokens: 40,
    text: { format: { type: 'json_schema', name: 'number', strict: true, schema } },
  });
  assert.equal(response.status, 'completed');
  assert.ok(Number.isInteger(response.output_parsed.n));
});

test('log-probabilities spell the answer', async () => {
  const response = await client.responses.create({
    model: 'starter', instructions, input, ...exact, include: ['message.output_text.logprobs'], top_logprobs: 2,
  });
  const { logprobs, text } = response.output[0].content[0];
  assert.equal(logprobs.map((t) => t.token).join(''), text);
  assert.equal(logprobs[0].top_logprobs.length, 2);
});

test('a response that is cut short says why', async () => {
  const request = { model: 'starter', instructions, input, ...exact, max_output_tokens: 1 };
  const response = await client.responses.create(request);
  assert.equal(response.status, 'incomplete');
  assert.equal(response.incomplete_details.reason, 'max_output_tokens');
  const events = await collect(await client.responses.create({ ...request, stream: true }));
  assert.equal(events.at(-1).type, 'response.incomplete');
});

test('an upstream answers with its own usage', async () => {
  const { data, response } = await client.responses.create({ model: 'standin', input: 'anything' }).withResponse();
  assert.equal(data.output_text, 'four words of wisdom');
  assert.ok(data.usage.input_tokens_details.cached_tokens > 0);
  assert.equal(data.usage.output_tokens_details.reasoning_tokens, 16);
  assert.ok(Number(response.headers.get('x-rung-cost-usd')) > 0);
});

test('what is not honoured is refused by name', async () => {
  const asked = [
    [{ input: 'x', previous_response_id: 'resp_1' }, 'previous_response_id'],
    [{ input: 'x', store: true }, 'store'],
    [{ input: 'x', background: true }, 'background'],
    [{ input: 'x', truncation: 'auto' }, 'truncation'],
    [{ input: 'x', tools: [{ type: 'web_search' }] }, 'tools[0].type'],
    [{ input: [{ type: 'item_reference', id: 'msg_1' }] }, 'input[0].type'],
    [{ input: [{ role: 'user', content: [{ type: 'input_image', file_id: 'file_1' }] }] }, 'input[0].content[0].file_id'],
    [{ input: 'x', inptu: 1 }, 'inptu'],
  ];
  for (const [more, param] of asked) {
    await assert.rejects(client.responses.create({ model: 'starter', ...more }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.param, param);
      return true;
    });
  }
});

test('a stream that breaks ends with response.failed', async () => {
  const events = await collect(await client.responses.create({ model: 'broken', input: 'x', stream: true }));
  assert.equal(events.at(-1).type, 'response.failed');
  assert.ok(events.at(-1).response.error.message.length > 0);
});

test('breaking a stream off stops the upstream', async () => {
  const stream = await client.responses.create({ model: 'slow', input: 'talk', stream: true });
  let seen = 0;
  for await (const event of stream) if (event.type === 'response.output_text.delta' && ++seen === 3) break;
  assert.ok(await eventually(() => slow.lines('broken').length === 1), 'the upstream saw its client hang up');
});
