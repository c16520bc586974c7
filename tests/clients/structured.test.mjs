// Answers in form through existing clients: structured output and strict tools of the official client, generateObject of
// the AI SDK. What is asked is what their documentation shows; the models are real, or follow a script where it matters
// what a model would have said without the form.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateObject, generateText, streamObject, tool } from 'ai';
import { zodFunction, zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { ask, banking, playback, startRung, startStandin } from './harness.mjs';

const control = ['<|im_start|>'];
const end = '<|im_end|>';
const Intent = z.object({ intent: z.enum(['card_arrival', 'lost_or_stolen_card', 'exchange_rate']), urgent: z.boolean() });
const Weather = z.object({ city: z.enum(['Bern', 'Genf']), days: z.enum(['1', '2']) });
let standin, rung, second, client, sdk, removers;

before(async () => {
  const talker = playback({ words: ['I would ', 'rather ', 'talk.'], control, end }, 'instruct.jinja');
  const caller = playback({ control: [...control, '<tool_call>', '</tool_call>'], end,
    words: ['<tool_call>', '\n{"name": "', 'weather', '", "arguments": ', '{"city": "', 'Bern', '", "days": "2"}', '}\n', '</tool_call>'] },
  'instruct.jinja');
  removers = [talker.remove, caller.remove];
  standin = await startStandin('--answer', '{"intent": "card_arrival", "urgent": false}');
  rung = await startRung(`
models:
  starter: {file: starter}
  talker: {file: ${talker.file}}
  caller: {file: ${caller.file}}
  standin: {base_url: ${standin.url}}
tiers:
  - {name: local, model: starter}
  - {name: frontier, model: standin}
confidence: {default: 0}
`);
  second = await startRung(`
models: {first: {base_url: ${rung.url}, model: starter, logprobs: true}}
tiers: [{name: mid, model: first}]
`);
  client = rung.client();
  sdk = createOpenAICompatible({ name: 'rung', baseURL: rung.url, apiKey: 'any', supportsStructuredOutputs: true });
});

after(async () => {
  await second?.stop();
  await rung?.stop();
  await standin?.stop();
  for (const remove of removers ?? []) remove();
});

const create = (model, more) => client.chat.completions.create({ model, messages: banking, temperature: 0, ...more });

test('response_format from a zod schema is parsed by the client', async () => {
  const reply = await client.chat.completions.parse({
    model: 'starter', messages: banking, temperature: 0, response_format: zodResponseFormat(Intent, 'intent'),
  });
  Intent.parse(reply.choices[0].message.parsed);
  assert.equal(reply.rung.valid, true);
});

test('a model that would rather talk is held to the schema', async () => {
  const reply = await create('talker', { response_format: zodResponseFormat(Intent, 'intent') });
  Intent.parse(JSON.parse(reply.choices[0].message.content));
  assert.equal(reply.rung.valid, true);
  const free = await create('talker', {});
  assert.equal(free.choices[0].message.content, 'I would rather talk.');
  assert.equal(free.rung.valid, undefined);
});

test('a streamed answer in form is the same, and its last chunk says that it is valid', async () => {
  const request = { model: 'starter', messages: banking, temperature: 0, response_format: zodResponseFormat(Intent, 'intent') };
  const plain = await client.chat.completions.create(request);
  const stream = client.chat.completions.stream(request);
  let last;
  for await (const chunk of stream) last = chunk;
  const whole = await stream.finalChatCompletion();
  assert.equal(whole.choices[0].message.content, plain.choices[0].message.content);
  assert.deepEqual(whole.choices[0].message.parsed, JSON.parse(plain.choices[0].message.content));
  assert.equal(last.rung.valid, true);
});

const tools = [zodFunction({ name: 'time', parameters: z.object({ zone: z.enum(['CET', 'UTC']) }) }),
  zodFunction({ name: 'weather', parameters: Weather })];

test('strict tools are called with arguments that obey their schema', async () => {
  const reply = await client.chat.completions.parse({ model: 'caller', messages: ask('Weather?'), temperature: 0, tools });
  const [call] = reply.choices[0].message.tool_calls;
  assert.deepEqual(call.function.parsed_arguments, { city: 'Bern', days: '2' });
  assert.equal(reply.rung.valid, true);
});

test('a call that is required comes, whatever the model would have said', async () => {
  const named = { type: 'function', function: { name: 'weather' } };
  for (const [model, tool_choice] of [['talker', 'required'], ['talker', named], ['caller', named]]) {
    const reply = await client.chat.completions.create({
      model, messages: ask('Weather?'), temperature: 0, tools, tool_choice, parallel_tool_calls: false, max_tokens: 1000,
    });
    const [call] = reply.choices[0].message.tool_calls;
    assert.equal(reply.choices[0].message.content, null);
    assert.equal(reply.rung.valid, true);
    if (tool_choice === named) assert.equal(call.function.name, 'weather');
    JSON.parse(call.function.arguments);
  }
});

test('choices give one of them', async () => {
  const choices = ['card_arrival', 'lost_or_stolen_card', 'exchange_rate'];
  const reply = await create('starter', { choices });
  assert.ok(choices.includes(reply.choices[0].message.content));
  assert.equal(reply.rung.kind, 'classify');
  assert.equal(reply.rung.valid, true);
});

test('choices with log-probabilities list what else might have been said', async () => {
  const choices = ['card_arrival', 'lost_or_stolen_card', 'exchange_rate'];
  const reply = await create('starter', { choices, logprobs: true, top_logprobs: 3 });
  const { content } = reply.choices[0].logprobs;
  assert.equal(content.map((t) => t.token).join(''), reply.choices[0].message.content);
  assert.equal(reply.rung.choices[0].choice, reply.choices[0].message.content);
  assert.ok(reply.rung.choices.every((c) => choices.includes(c.choice)));
  const sum = reply.rung.choices.reduce((all, c) => all + c.probability, reply.rung.choices_residual);
  assert.ok(Math.abs(sum - 1) < 1e-3, `${sum}`);
});

test('choices reach a second Rung in an upstream\'s words, and come back as text', async () => {
  const choices = ['card_arrival', 'lost_or_stolen_card', 'exchange_rate'];
  for (const stream of [false, true]) {
    const reply = await second.client().chat.completions.create({ model: 'auto', messages: banking, choices, stream });
    let text = '', rungs;
    if (stream) for await (const chunk of reply) [text, rungs] = [text + (chunk.choices[0]?.delta?.content ?? ''), chunk.rung];
    else [text, rungs] = [reply.choices[0].message.content, reply.rung];
    assert.ok(choices.includes(text), text);
    assert.equal(rungs.tier, 'mid');
    assert.equal(rungs.valid, true);
  }
});

test('an answer cut by max_tokens says so', async () => {
  const reply = await create('talker', { response_format: zodResponseFormat(Intent, 'intent'), max_tokens: 2 });
  assert.equal(reply.choices[0].finish_reason, 'length');
  assert.equal(reply.rung.valid, false);
});

test('what a mask cannot say is checked, tried again and climbs', async () => {
  const schema = { ...z.toJSONSchema(Intent), not: { properties: { intent: { minLength: 13 } } } };
  const reply = await client.chat.completions.create({
    model: 'auto', messages: banking, temperature: 0, max_tokens: 100,
    response_format: { type: 'json_schema', json_schema: { name: 'intent', schema } },
    metadata: { kind: 'classify' },
  });
  assert.equal(reply.rung.valid, reply.rung.attempts.at(-1).outcome === 'ok');
  assert.ok(reply.rung.attempts.length <= 3);
});

test('a schema that is not understood is a 400 with keyword and path', async () => {
  const schema = { type: 'object', properties: { a: { minLength: 'x' } } };
  const request = create('starter', { response_format: { type: 'json_schema', json_schema: { name: 'n', schema } } });
  await assert.rejects(request, (error) => {
    assert.equal(error.status, 400);
    assert.equal(error.param, 'response_format.json_schema.schema');
    assert.match(error.message, /minLength/);
    assert.match(error.message, /\/properties\/a/);
    return true;
  });
});

test('generateObject of the AI SDK', async () => {
  const { object, finishReason } = await generateObject({
    model: sdk('talker'), schema: Intent, prompt: 'My new card has not come yet.', temperature: 0,
  });
  Intent.parse(object);
  assert.equal(finishReason, 'stop');
});

test('generateObject of the AI SDK with a list of choices', async () => {
  const choices = ['card_arrival', 'exchange_rate'];
  const { object } = await generateObject({
    model: sdk('starter'), output: 'enum', enum: choices, prompt: 'My new card has not come yet.', temperature: 0,
  });
  assert.ok(choices.includes(object));
});

test('streamObject of the AI SDK', async () => {
  const { partialObjectStream, object } = streamObject({
    model: sdk('starter'), schema: Intent, prompt: 'My new card has not come yet.', temperature: 0,
  });
  let n = 0;
  for await (const part of partialObjectStream) n += part !== undefined;
  Intent.parse(await object);
  assert.ok(n > 0);
});

test('generateText of the AI SDK with a tool that must be called', async () => {
  const { toolCalls } = await generateText({
    model: sdk('talker'), prompt: 'Weather?', temperature: 0, toolChoice: 'required', maxOutputTokens: 1000,
    tools: { weather: tool({ description: 'the weather', inputSchema: Weather }) },
  });
  Weather.parse(toolCalls[0].input);
});
