// llama.cpp in a process of its own, driven by messages from peers.mjs: loads a model, then times prompts, steps and
// forced answers. Tokens go straight into llama_decode through the binding's own context object, so that neither
// sampling nor the layer of JavaScript above it is on the peer's bill: it does less than Rung, which samples.
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import {getLlama, LlamaLogLevel} from "node-llama-cpp";

const BATCH = 512; // llama.cpp's own default of tokens that are computed at once
const SEED = 4;
const WARM_UP_STEPS = 2;
const WARM_UP_TOKENS = 64;

let llama, model, context, native, vocabulary;
let random = SEED;

// Random tokens, as rung bench reads them: a model with experts reads other weights for other tokens.
function tokens(n) {
    const ids = new Uint32Array(n);
    for (let i = 0; i < n; i++) {
        random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
        ids[i] = random % vocabulary;
    }
    return ids;
}

async function load({file, threads, contextSize, streams = 1, kv = "F16"}) {
    const warnings = [];
    llama = await getLlama({
        gpu: false, build: "never", maxThreads: threads, progressLogs: false, logLevel: LlamaLogLevel.error,
        logger: (level, message) => warnings.push(message.trim())
    });
    const began = process.hrtime.bigint();
    model = await llama.loadModel({modelPath: file, gpuLayers: 0, useMmap: true, ignoreMemorySafetyChecks: true});
    context = await model.createContext({
        contextSize, sequences: streams, batchSize: BATCH, threads: {ideal: threads, min: threads}, flashAttention: true,
        experimentalKvCacheKeyType: kv, experimentalKvCacheValueType: kv, ignoreMemorySafetyChecks: true
    });
    native = context._ctx;
    vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
    return {
        name: "llama.cpp " + llama.llamaCppRelease.release, variant: cpuLibrary(), system: llama.systemInfo.trim(),
        threads: context.currentThreads, flashAttention: context.flashAttention, seconds: since(began), warnings
    };
}

// The variant of the CPU library that the loader chose for this machine.
function cpuLibrary() {
    const line = fs.readFileSync("/proc/self/maps", "utf8").split("\n").find((l) => l.includes("libggml-cpu"));
    return line ? path.basename(line.trim().split(/\s+/).pop()) : "unknown";
}

function since(began) {
    return Number(process.hrtime.bigint() - began) / 1e9;
}

// One llama_decode: the same number of tokens for each stream, logits wanted of the last or of none.
async function step(streams, position, ids, logits) {
    const each = ids.length / streams;
    native.initBatch(ids.length);
    for (let s = 0; s < streams; s++)
        native.addToBatch(s, position, ids.subarray(s * each, (s + 1) * each),
            logits ? Uint32Array.of(each - 1) : new Uint32Array(0));
    await native.decodeBatch();
}

async function read(stream, position, ids) {
    for (let at = 0; at < ids.length; at += BATCH) {
        const part = ids.subarray(at, Math.min(at + BATCH, ids.length));
        native.initBatch(part.length);
        native.addToBatch(stream, position + at, part,
            at + part.length === ids.length ? Uint32Array.of(part.length - 1) : new Uint32Array(0));
        await native.decodeBatch();
    }
}

// Back to `depth` tokens. A window that has moved on cannot go back: then all of it is read again.
const depths = new Map();
async function rewind(stream, depth) {
    const known = depths.get(stream) === depth;
    if (known && depth > 0 && native.removeTokenCellsFromSequence(stream, depth, -1))
        return;
    native.disposeSequence(stream);
    await read(stream, 0, tokens(depth));
    depths.set(stream, depth);
}

async function prefill({n, depth = 0}) {
    await rewind(0, depth);
    await read(0, depth, tokens(Math.min(n, WARM_UP_TOKENS)));
    await rewind(0, depth);
    const ids = tokens(n), began = process.hrtime.bigint();
    await read(0, depth, ids);
    return {seconds: since(began)};
}

async function decode({n, streams = 1, depth = 0}) {
    for (let s = 0; s < streams; s++)
        await rewind(s, depth);
    for (let i = 0; i < WARM_UP_STEPS; i++)
        await step(streams, depth + i, tokens(streams), true);
    const began = process.hrtime.bigint();
    for (let i = WARM_UP_STEPS; i < n + WARM_UP_STEPS; i++)
        await step(streams, depth + i, tokens(streams), true);
    return {seconds: since(began) / n};
}

// The prompt is read, then each token of the recorded answer in a step of its own, the logits of each computed.
async function force({prompt, answer}) {
    await rewind(0, 0);
    await read(0, 0, Uint32Array.from(prompt));
    const began = process.hrtime.bigint();
    for (let i = 0; i < answer.length; i++)
        await step(1, prompt.length + i, Uint32Array.of(answer[i]), true);
    return {seconds: since(began)};
}

async function warmUp({n, streams, depth}) {
    return streams === undefined ? prefill({n: Math.min(n, BATCH), depth}) : decode({n: WARM_UP_STEPS, streams, depth});
}

const operations = {load, prefill, decode, force, warmUp};
process.on("message", async ({id, operation, options}) => {
    try {
        process.send({id, result: await operations[operation](options)});
    } catch (error) {
        process.send({id, error: error.message});
    }
});
process.on("disconnect", () => process.exit(0));
