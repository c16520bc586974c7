// What the client tests share: starting rung serve and the stand-in on free ports, and stopping them.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';

const build = process.env.B;
const PATIENCE_MS = 30000;

// Resolves with the port once the program has printed an address of the loopback.
function listening(child, name) {
  return new Promise((resolve, reject) => {
    let said = '';
    const timer = setTimeout(() => reject(new Error(`${name} named no port: ${said}`)), PATIENCE_MS);
    const look = (text) => {
      said += text;
      const found = said.match(/127\.0\.0\.1:(\d+)/);
      if (found) {
        clearTimeout(timer);
        resolve(Number(found[1]));
      }
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      reject(new Error(`${name} ended with ${code ?? signal}: ${said}`));
    });
  });
}

async function start(name, args, env) {
  const child = spawn(join(build, name), args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  try {
    const port = await listening(child, name);
    child.removeAllListeners('exit');
    return { child, port };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}

// Asks again and again until it is true.
export async function eventually(what) {
  for (const until = Date.now() + PATIENCE_MS; Date.now() < until; await sleep(20)) if (await what()) return true;
  return false;
}

export async function startStandin(...args) {
  const dir = mkdtempSync(join(tmpdir(), 'rung-standin-'));
  const log = join(dir, 'log');
  const { child, port } = await start('tests/standin', ['--log', log, ...args]);
  return {
    url: `http://127.0.0.1:${port}/v1`,
    lines: (word) => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').filter((l) => l.startsWith(word)) : []),
    stop: async () => {
      await stop(child);
      rmSync(dir, { recursive: true });
    },
  };
}

// A model file that answers with a script, and how to remove it.
export function playback(script, template = 'hermes.jinja') {
  const dir = mkdtempSync(join(tmpdir(), 'rung-playback-'));
  const file = join(dir, 'model.gguf');
  writeFileSync(join(dir, 'script.json'), JSON.stringify(script));
  execFileSync(join(build, 'tests/playback'), [file, template, join(dir, 'script.json')]);
  return { file, remove: () => rmSync(dir, { recursive: true }) };
}

// config: text of a rung.yaml, without listen and ledger.
export async function startRung(config, env = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'rung-client-'));
  const file = join(dir, 'rung.yaml');
  const ledger = join(dir, 'ledger.db');
  writeFileSync(file, `listen: 127.0.0.1:0\nledger: {path: ${ledger}}\n${config}`);
  const { child, port } = await start('rung', ['serve', '--config', file], { ...env, HOME: dir });
  const url = `http://127.0.0.1:${port}/v1`;
  return {
    url,
    client: (options = {}) =>
      new OpenAI({ baseURL: url, apiKey: 'any', maxRetries: 0, timeout: PATIENCE_MS, ...options }),
    stop: async () => {
      await stop(child);
      rmSync(dir, { recursive: true });
    },
  };
}

// A question the starter model was made for.
export const banking = [
  { role: 'system', content: 'Classify the banking question into one intent.' },
  { role: 'user', content: 'My new card has not come yet.' },
];

export function ask(text) {
  return [{ role: 'user', content: text }];
}
