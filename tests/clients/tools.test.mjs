// Tool calls and reasoning of local models through the official client. The models follow a script (tests/playback.c):
// the template, tokens, engine and API are real, what they say is given.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ask, playback, startRung } from './harness.mjs';

const control = ['<|im_start|>'];
const end = '<|im_end|>';
const scripts = {
  weather: ['<tool_call>', '\n{"name": "', 'get_weather', '", "arguments": ', '{"city": "', 'Bern', '", "days": 2}', '}\n', '</tool_call>'],
  pair: ['Both. ', '<tool_call>', '{"name": "get_weather", ', '"arguments": {"city": "Bern"}}', '</tool_call>\n',
    '<tool_call>\n', '{"name": "get_time", "arguments": ', '{}', '}\n</tool_call>'],
  thinker: ['<think>', '\nRain ', 'is likely', ', so yes.\n', '</think>', '\n\nTake an ', 'umbrella.'],
  broken: ['<tool_call>', '\n{"name": "get_weather", ', '"arguments": {"city": ', 'Bern oh no'],
};
const tools = ['get_weather', 'get_time'].map((name) => ({
  type: 'function',
  function: { name, description: name, parameters: { type: 'object', properties: { city: { type: 'string' } } } },
}));
let rung, client, stopped;

before(async () => {
  const files = Object.entries(scripts).map(([name, words]) => [name, playback({ words, control, end })]);
  rung = await startRung(`
models:
${files.map(([name, made]) => `  ${name}: {file: ${made.file}}`).join('\n')}
tiers:
  - {name: local, model: weather}
`);
  client = rung.client();
  stopped = files.map(([, made]) => made.remove);
});

after(async () => {
  await rung?.stop();
  for (const remove of stopped ?? []) remove();
});

const create = (model, more) => client.chat.completions.create({ model, messages: ask('Weather in Bern?'), temperature: 0, ...more });

test('a tool call comes in the API\'s shape', async () => {
  const reply = await create('weather', { tools });
  const [choice] = reply.choices;
  assert.equal(choice.finish_reason, 'tool_calls');
  assert.equal(choice.message.content, null);
  const [call] = choice.message.tool_calls;
  assert.equal(call.type, 'function');
  assert.ok(call.id.length > 0);
  assert.equal(call.function.name, 'get_weather');
  assert.deepEqual(JSON.parse(call.function.arguments), { city: 'Bern', days: 2 });
});

test('arguments of a call are streamed as they are written', async () => {
  const stream = client.chat.completions.stream({ model: 'weather', messages: ask('Weather?'), tools, temperature: 0 });
  const deltas = [];
  for await (const chunk of stream)
    for (const call of chunk.choices[0]?.delta?.tool_calls ?? []) deltas.push(call);
  const whole = (await stream.finalChatCompletion()).choices[0];
  assert.ok(deltas.length > 2, `${deltas.length} deltas`);
  assert.ok(deltas[0].id && deltas[0].function.name === 'get_weather');
  assert.ok(deltas.slice(1).every((d) => !d.id && d.index === 0));
  assert.deepEqual(JSON.parse(deltas.map((d) => d.function.arguments ?? '').join('')), { city: 'Bern', days: 2 });
  assert.equal(whole.finish_reason, 'tool_calls');
  assert.deepEqual(JSON.parse(whole.message.tool_calls[0].function.arguments), { city: 'Bern', days: 2 });
});

test('parallel calls have an index and an id each, and the text before them stays', async () => {
  const [choice] = (await create('pair', { tools })).choices;
  assert.equal(choice.message.content.trim(), 'Both.');
  assert.deepEqual(choice.message.tool_calls.map((c) => c.function.name), ['get_weather', 'get_time']);
  assert.notEqual(choice.message.tool_calls[0].id, choice.message.tool_calls[1].id);
});

test('parallel_tool_calls: false gives one', async () => {
  const [choice] = (await create('pair', { tools, parallel_tool_calls: false })).choices;
  assert.equal(choice.message.tool_calls.length, 1);
});

test('without tools, or with tool_choice none, the same text is an answer', async () => {
  for (const more of [{}, { tools, tool_choice: 'none' }]) {
    const [choice] = (await create('weather', more)).choices;
    assert.equal(choice.finish_reason, 'stop');
    assert.equal(choice.message.tool_calls, undefined);
    assert.ok(choice.message.content.includes('get_weather'));
  }
});

test('a call that never becomes JSON is not lost', async () => {
  const [choice] = (await create('broken', { tools })).choices;
  const said = (choice.message.content ?? '') + (choice.message.tool_calls?.[0]?.function.arguments ?? '');
  assert.ok(said.includes('Bern oh no'), said);
});

test('the result of a call goes back into the conversation', async () => {
  const first = await create('weather', { tools });
  const { message } = first.choices[0];
  const again = await create('thinker', {
    tools,
    messages: [...ask('Umbrella in Bern?'), message,
      { role: 'tool', tool_call_id: message.tool_calls[0].id, content: '{"rain": true}' }],
  });
  assert.equal(again.choices[0].message.content.trim(), 'Take an umbrella.');
});

test('malformed calls in the history are a 400 that names the message', async () => {
  const call = { id: 'c1', type: 'function', function: { name: 'get_weather', arguments: '{"city": ' } };
  const history = [...ask('x'), { role: 'assistant', content: null, tool_calls: [call] }];
  await assert.rejects(create('weather', { messages: history }), (error) => {
    assert.equal(error.status, 400);
    assert.match(error.message, /messages\[1\]\.tool_calls\[0\]\.function\.arguments/);
    return true;
  });
  const orphan = [...ask('x'), { role: 'tool', tool_call_id: 'nobody', content: '1' }];
  await assert.rejects(create('weather', { messages: orphan }), /messages\[1\]\.tool_call_id/);
});

test('reasoning is parted from the answer, whole and streamed', async () => {
  const reply = await create('thinker');
  assert.equal(reply.choices[0].message.content, 'Take an umbrella.');
  assert.equal(reply.choices[0].message.reasoning_content.trim(), 'Rain is likely, so yes.');
  assert.ok(reply.usage.completion_tokens_details.reasoning_tokens >= 3);
  let reasoning = '', content = '', order = '';
  for await (const chunk of await create('thinker', { stream: true })) {
    const delta = chunk.choices[0]?.delta ?? {};
    reasoning += delta.reasoning_content ?? '';
    content += delta.content ?? '';
    if (delta.reasoning_content) order += 'r';
    if (delta.content) order += 'c';
  }
  assert.equal(reasoning.trim(), 'Rain is likely, so yes.');
  assert.equal(content, 'Take an umbrella.');
  assert.match(order, /^r+c+$/);
});
