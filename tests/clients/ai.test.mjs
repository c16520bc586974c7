// The AI SDK, version 6, through both of its providers for this API: answers, streams, tools, forms, embeddings, errors.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { embedMany, generateText, Output, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';
import { eventually, playback, startRung, startStandin } from './harness.mjs';

const Weather = z.object({ city: z.string() });
const control = ['<|im_start|>'];
const end = '<|im_end|>';
const call = ['<tool_call>', '\n{"name": "', 'weather', '", "arguments": ', '{"city": "', 'Paris', '"}', '}\n', '</tool_call>'];
let rung, slow, talker, caller, compatible, openai;

before(async () => {
  talker = playback({ words: ['Hello ', 'there.'], control, end });
  caller = playback({ words: call, control, end });
  slow = await startStandin('--answer', 'one two three four five six seven', '--chunk-ms', '200');
  rung = await startRung(`models:
  starter: {file: starter}
  talker: {file: ${talker.file}}
  caller: {file: ${caller.file}}
  slow: {base_url: ${slow.url}, price_usd_per_mtok: {input: 1, output: 2}}
`);
  compatible = createOpenAICompatible({ name: 'rung', baseURL: rung.url, supportsStructuredOutputs: true, includeUsage: true });
  openai = createOpenAI({ baseURL: rung.url, apiKey: 'any' });
});

after(async () => {
  await rung?.stop();
  await slow?.stop();
  talker?.remove();
  caller?.remove();
});

const dialects = { 'chat completions': (model) => compatible(model), responses: (model) => openai.responses(model) };

for (const [name, by] of Object.entries(dialects)) {
  test(`generateText by ${name}`, async () => {
    const { text, finishReason, usage } = await generateText({ model: by('talker'), prompt: 'Hi', temperature: 0 });
    assert.equal(text, 'Hello there.');
    assert.equal(finishReason, 'stop');
    assert.ok(usage.inputTokens > 0 && usage.outputTokens > 0);
  });

  test(`streamText by ${name}`, async () => {
    const result = streamText({ model: by('talker'), prompt: 'Hi', temperature: 0 });
    let text = '';
    for await (const part of result.textStream) text += part;
    assert.equal(text, 'Hello there.');
    assert.ok((await result.usage).outputTokens > 0);
  });

  test(`a tool called and its result answered by ${name}`, async () => {
    const asked = [];
    const { text, steps } = await generateText({
      model: by('caller'), prompt: 'Weather in Paris?', temperature: 0, stopWhen: stepCountIs(2),
      prepareStep: ({ stepNumber }) => (stepNumber ? { model: by('talker') } : {}),
      tools: {
        weather: tool({
          description: 'the weather', inputSchema: Weather,
          execute: async (input) => {
            asked.push(input.city);
            return { sky: 'blue' };
          },
        }),
      },
    });
    assert.deepEqual(asked, ['Paris']);
    assert.equal(text, 'Hello there.');
    assert.equal(steps.length, 2);
  });

  test(`a streamed tool call keeps its arguments by ${name}`, async () => {
    const result = streamText({
      model: by('caller'), prompt: 'Weather in Paris?', temperature: 0,
      tools: { weather: tool({ description: 'the weather', inputSchema: Weather }) },
    });
    await result.consumeStream();
    const calls = await result.toolCalls;
    assert.equal(calls.length, 1);
    assert.deepEqual(calls[0].input, { city: 'Paris' });
  });

  test(`an error names what is wrong by ${name}`, async () => {
    await assert.rejects(generateText({ model: by('nobody'), prompt: 'Hi', maxRetries: 0 }), (error) => {
      assert.equal(error.statusCode, 404);
      assert.match(error.message, /nobody/);
      return true;
    });
  });

  test(`an abort ends the upstream's call by ${name}`, async () => {
    const aborted = slow.lines('broken').length;
    const stop = new AbortController();
    const result = streamText({ model: by('slow'), prompt: 'Hi', abortSignal: stop.signal, maxRetries: 0, onError: () => {} });
    for await (const part of result.textStream) if (part) stop.abort();
    assert.ok(await eventually(() => slow.lines('broken').length > aborted));
  });
}

test('an object in its form by responses', async () => {
  const { output } = await generateText({
    model: openai.responses('starter'), prompt: 'My new card has not come yet.', temperature: 0,
    output: Output.object({ schema: z.object({ intent: z.enum(['card_arrival', 'exchange_rate']) }) }),
  });
  assert.ok(['card_arrival', 'exchange_rate'].includes(output.intent));
});

test('embeddings', async () => {
  const { embeddings, usage } = await embedMany({
    model: compatible.textEmbeddingModel('starter'), values: ['a lost card', 'a card that is lost', 'the rate of the yen'],
  });
  const cosine = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  assert.equal(embeddings.length, 3);
  assert.ok(Math.abs(cosine(embeddings[0], embeddings[0]) - 1) < 1e-3);
  assert.ok(cosine(embeddings[0], embeddings[1]) > cosine(embeddings[0], embeddings[2]));
  assert.ok(usage.tokens > 0);
});
