// The transcript of docs/tools.md: a tool call and a reasoning answer through the official client. The models follow
// scripts (tests/playback.c). After make test-clients: cd build/tests/clients && B=../.. node transcript.mjs
import { ask, playback, startRung } from './harness.mjs';

const control = ['<|im_start|>', '<think>', '</think>', '<tool_call>', '</tool_call>'], end = '<|im_end|>';
const weather = playback({ words: ['<think>', '\nI must ', 'look up Bern.\n', '</think>', '\n\n', '<tool_call>', '\n{"name": "', 'get_weather', '", "arguments": ', '{"city": "', 'Bern', '"}', '}\n', '</tool_call>'], control, end });
const answer = playback({ words: ['<think>', '\nIt ', 'rains there', ', so yes.\n', '</think>', '\n\nTake an ', 'umbrella', ': it rains in Bern.'], control, end });
const rung = await startRung(`models:\n  caller: {file: ${weather.file}}\n  thinker: {file: ${answer.file}}\ntiers:\n  - {name: local, model: caller}\n`);
const client = rung.client();
const tools = [{ type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }];
const messages = ask('Do I need an umbrella in Bern?');
const stream = await client.chat.completions.create({ model: 'caller', messages, tools, stream: true, temperature: 0, seed: 1 });
for await (const chunk of stream) console.log(JSON.stringify(chunk.choices[0].delta), chunk.choices[0].finish_reason ?? '');
const first = await client.chat.completions.create({ model: 'caller', messages, tools, temperature: 0, seed: 1 });
console.log(JSON.stringify(first.choices[0].message, null, 1));
messages.push(first.choices[0].message, { role: 'tool', tool_call_id: first.choices[0].message.tool_calls[0].id, content: '{"rain": true}' });
const second = await client.chat.completions.create({ model: 'thinker', messages, tools, temperature: 0, seed: 1 });
console.log(JSON.stringify(second.choices[0].message, null, 1), second.choices[0].finish_reason, JSON.stringify(second.usage));
await rung.stop(); weather.remove(); answer.remove();
