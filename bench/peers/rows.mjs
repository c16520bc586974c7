// The comparisons: what both sides do in each, on which model, and what ratio is the goal. `must` and `aim` are Rung's
// speed over the peer's, except where a row says otherwise.

const QWEN_4B = {shape: "qwen3-4b", type: "Q4_K_M"};
const LLAMA_1B = {shape: "llama-3.2-1b", type: "Q4_K_M"};
const GEMMA_4B = {shape: "gemma-3-4b", type: "Q4_K_M"};
const QWEN_SMALL = {shape: "qwen3-0.6b", type: "Q8_0"};
// Of 48 layers, so that both sides fit into 24 GB, the peer with its repacked copy; a layer's work is the same.
const QWEN_MOE = {shape: "qwen3-30b-a3b", type: "Q4_K_M", layers: 12};

const PREFILL = {kind: "prefill", n: 512};
const DECODE = {kind: "decode", n: 32, streams: 1};

export const rows = [
    {id: "prefill-512", what: "prefill 512, Qwen3-4B", model: QWEN_4B, must: 2.5, aim: 4.0, ...PREFILL},
    {id: "prefill-llama-1b", what: "prefill 512, Llama-3.2-1B", model: LLAMA_1B, must: 1.5, aim: 2.5, ...PREFILL},
    {id: "prefill-gemma-4b", what: "prefill 512, Gemma-3-4B", model: GEMMA_4B, must: 1.5, aim: 2.5, ...PREFILL},
    {id: "prefill-qwen-0.6b", what: "prefill 512, Qwen3-0.6B Q8_0", model: QWEN_SMALL, must: 1.5, aim: 2.5, ...PREFILL},
    {id: "prefill-8192", what: "prefill 8,192, Qwen3-4B", model: QWEN_4B, must: 2.0, aim: 3.5, kind: "prefill", n: 8192,
        rounds: 1},
    {id: "decode", what: "decode, one stream", model: QWEN_4B, must: 1.1, aim: 1.35, ...DECODE},
    {id: "decode-8192", what: "decode at 8k of context", model: QWEN_4B, must: 1.1, aim: 1.5, ...DECODE, depth: 8192,
        rounds: 2, kv: {rung: "q8_0", peer: "F16"}},
    {id: "decode-8-streams", what: "decode, 8 streams in all", model: QWEN_4B, must: 3.0, aim: 5.0, kind: "decode", n: 16,
        streams: 8},
    {id: "forced-answers", what: "forced recorded answers, speculation", model: QWEN_4B, must: 1.8, aim: 2.5,
        kind: "forced", answers: "recorded", rounds: 1},
    // Longer copies, for which there is no goal.
    {id: "forced-sentences", what: "forced sentences, speculation", model: QWEN_4B, kind: "forced",
        answers: "sentence", rounds: 1},
    {id: "moe-prefill", what: "prefill 512, Qwen3-30B-A3B shape", model: QWEN_MOE, must: 1.5, aim: 2.5, ...PREFILL,
        alone: true},
    {id: "moe-decode", what: "decode, Qwen3-30B-A3B shape", model: QWEN_MOE, must: 1.0, aim: 1.1, ...DECODE,
        alone: true},
    // Rung against itself: the time to first token as a part of the time without a cache; smaller is better.
    {id: "prefix", what: "first token, instruction seen / not", model: QWEN_4B, must: 0.09, aim: 0.06, kind: "prefix",
        n: 1000, rounds: 3},
    // Bytes beside the mapped file at 4,096 tokens of context, the cache of keys and values left out.
    {id: "memory", what: "memory beside file and KV, 4k", model: QWEN_4B, must: 200, kind: "memory", n: 4096, rounds: 1}
];

export function fileName({shape, type, layers}) {
    return `${shape}${layers ? `-${layers}-layers` : ""}-${type}.gguf`;
}
