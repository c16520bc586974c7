// Rung's masks beside XGrammar's (its web build, in WebAssembly), on the schemas that the peer accepts, on this
// machine, one after the other. A child does the peer's work, so that a schema over its limit costs itself alone.
//
//   node grammar.mjs DIR VOCAB.gguf [--only TEXT] [--every N] [--limit-s N] [--maskbench FILE] [--json]
import {execFileSync, fork} from "node:child_process";
import fs from "node:fs";
import {createRequire} from "node:module";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import {parseArgs} from "node:util";
import {getLlama, LlamaLogLevel, readGgufFileInfo} from "node-llama-cpp";

const LIMIT_S = 20;

// The package is a CommonJS bundle that calls itself an ES module, so that neither import nor require takes it.
function loadXGrammar() {
    const require = createRequire(import.meta.url), module = {exports: {}};
    const file = require.resolve("@mlc-ai/web-xgrammar");
    new Function("module", "exports", "require", "__filename", "__dirname", fs.readFileSync(file, "utf8"))(
        module, module.exports, require, file, path.dirname(file));
    return module.exports;
}

const xgrammar = loadXGrammar();

// Of the processor, as maskbench has it, so that other work on the machine does not count.
function processorMicroseconds() {
    const {user, system} = process.cpuUsage();
    return user + system;
}

// ---- the child: one schema a message ----

// As MaskBench writes an instance: one line, a space behind commas and colons.
function spaced(value) {
    if (Array.isArray(value))
        return "[" + value.map(spaced).join(", ") + "]";
    if (value !== null && typeof value === "object")
        return "{" + Object.entries(value).map(([k, v]) => JSON.stringify(k) + ": " + spaced(v)).join(", ") + "}";
    return JSON.stringify(value);
}

async function openPeer(vocabulary) {
    const llama = await getLlama({gpu: false, build: "never", logLevel: LlamaLogLevel.disabled});
    const model = await llama.loadModel({modelPath: vocabulary, vocabOnly: true});
    const {metadata} = await readGgufFileInfo(vocabulary);
    const info = await xgrammar.TokenizerInfo.createTokenizerInfo(
        metadata.tokenizer.ggml.tokens, "byte_level", false, undefined, [metadata.tokenizer.ggml.eos_token_id]);
    return {model, info};
}

// Any white space, and properties that the schema does not name where it does not forbid them: what JSON Schema says.
async function compile(peer, schema) {
    const compiler = await xgrammar.GrammarCompiler.createGrammarCompiler(peer.info, false);
    try {
        return await compiler.compileJSONSchema(JSON.stringify(schema), true, undefined, undefined, false);
    } finally {
        compiler.dispose();
    }
}

async function admits(peer, grammar, text, samples) {
    const matcher = await xgrammar.GrammarMatcher.createGrammarMatcher(grammar);
    let admitted = true;
    for (const id of peer.model.tokenize(text)) {
        const began = processorMicroseconds();
        // the mask as the library gives it, without the binding's copy into a JavaScript array
        const mask = matcher.handle.GetNextTokenBitmask(peer.info.getVocabSize());
        const masked = processorMicroseconds() - began;
        mask.delete();
        admitted = matcher.acceptToken(id);
        samples.push([masked, processorMicroseconds() - began]);
        if (!admitted)
            break;
    }
    admitted = admitted && matcher.acceptToken(peer.model.tokens.eos);
    matcher.dispose();
    return admitted;
}

async function runSchema(peer, file) {
    const {schema, tests} = JSON.parse(fs.readFileSync(file, "utf8"));
    const result = {samples: [], rejected: 0, admitted: 0};
    const began = processorMicroseconds();
    const grammar = await compile(peer, schema);
    result.compile = processorMicroseconds() - began;
    for (const test of tests) {
        const admitted = await admits(peer, grammar, spaced(test.data), result.samples);
        result.rejected += test.valid && !admitted;
        result.admitted += !test.valid && admitted;
    }
    grammar.dispose();
    return result;
}

async function serve(vocabulary) {
    const peer = await openPeer(vocabulary);
    process.on("message", async ({file}) => {
        try {
            process.send({result: await runSchema(peer, file)});
        } catch (error) {
            process.send({error: String(error.message ?? error)});
        }
    });
    process.on("disconnect", () => process.exit(0));
    process.send({ready: true});
}

// ---- the parent ----

class Child {
    constructor(vocabulary) {
        this.vocabulary = vocabulary;
    }

    async message(limit) {
        return new Promise((resolve) => {
            const timer = limit && setTimeout(() => resolve({error: "over its limit"}), limit * 1000);
            this.process.once("message", (m) => (clearTimeout(timer), resolve(m)));
            this.process.once("exit", () => (clearTimeout(timer), resolve({error: "crashed"})));
        });
    }

    async run(file, limit) {
        if (!this.process) {
            this.process = fork(new URL(import.meta.url), ["--serve", this.vocabulary],
                {stdio: ["ignore", "ignore", "inherit", "ipc"]});
            await this.message(0);
        }
        this.process.removeAllListeners();
        this.process.send({file});
        const answer = await this.message(limit);
        if (answer.error) // an abort inside WebAssembly leaves it in no state to go on
            this.stop();
        return answer;
    }

    stop() {
        this.process?.removeAllListeners();
        this.process?.kill("SIGKILL");
        this.process = undefined;
    }
}

function spread(values) {
    const sorted = Float64Array.from(values).sort();
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return {p50: at(0.5), p90: at(0.9), p99: at(0.99), "p99.9": at(0.999), max: at(1)};
}

async function runPeer(files, options) {
    const child = new Child(options.vocabulary), results = new Map(), errors = new Map();
    for (const [i, file] of files.entries()) {
        const answer = await child.run(path.join(options.folder, file), options.limit);
        if (answer.result)
            results.set(file, answer.result);
        else
            errors.set(file, answer.error);
        if (process.stderr.isTTY)
            process.stderr.write(`\r${i + 1} of ${files.length}`);
    }
    child.stop();
    const samples = [...results.values()].flatMap((r) => r.samples);
    return {
        accepted: [...results.keys()],
        report: {
            schemas: files.length, accepted: results.size, over_limit: count(errors, "over its limit"),
            crashed: count(errors, "crashed"),
            rejecting_valid: [...results.values()].filter((r) => r.rejected).length,
            admitting_invalid: [...results.values()].filter((r) => r.admitted).length,
            tokens: samples.length, mask_us: spread(samples.map((s) => s[0])),
            mask_and_take_us: spread(samples.map((s) => s[1])),
            compile_us: spread([...results.values()].map((r) => r.compile))
        }
    };
}

function count(errors, text) {
    return [...errors.values()].filter((e) => e === text).length;
}

// Rung on the schemas that the peer accepted.
function runRung(accepted, options) {
    const names = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "rung-grammar-")), "names");
    fs.writeFileSync(names, accepted.join("\n") + "\n");
    const out = execFileSync(options.maskbench, ["--json", "--names", names, options.folder, options.vocabulary],
        {encoding: "utf8", maxBuffer: 1 << 26});
    fs.rmSync(path.dirname(names), {recursive: true});
    return JSON.parse(out);
}

function print(rung, peer) {
    const row = (name, values) => console.log(name.padEnd(28) + values.map((v) => String(v).padStart(12)).join(""));
    row("", ["Rung", "XGrammar", "ratio"]);
    for (const what of ["mask_us", "mask_and_take_us", "compile_us"])
        for (const at of ["p50", "p90", "p99", "p99.9", "max"])
            row(`${what} ${at}`, [rung[what][at].toFixed(1), peer[what][at].toFixed(1),
                (peer[what][at] / rung[what][at]).toFixed(2)]);
    for (const what of ["tokens", "rejecting_valid", "rejecting_by_order", "admitting_invalid"])
        row(what, [rung[what], peer[what] ?? "", ""]);
    console.log(`the peer took ${peer.accepted} of ${peer.schemas} schemas (${peer.over_limit} over the limit, ` +
        `${peer.crashed} crashed); Rung refuses ${rung.refused} of those`);
}

async function main() {
    const {values, positionals} = parseArgs({
        allowPositionals: true, options: {
            only: {type: "string", default: ""}, every: {type: "string", default: "1"},
            "limit-s": {type: "string", default: String(LIMIT_S)}, json: {type: "boolean"},
            maskbench: {type: "string", default: new URL("../../build/tools/maskbench", import.meta.url).pathname}
        }
    });
    if (positionals.length !== 2) {
        console.error("usage: node grammar.mjs DIR VOCAB.gguf [--only TEXT] [--every N] [--limit-s N] " +
            "[--maskbench FILE] [--json]");
        process.exit(2);
    }
    const [folder, vocabulary] = positionals;
    const options = {folder, vocabulary, limit: Number(values["limit-s"]), maskbench: values.maskbench};
    const files = fs.readdirSync(folder).filter((f) => f.endsWith(".json") && f.includes(values.only)).sort()
        .filter((_, i) => i % Number(values.every) === 0);
    const peer = await runPeer(files, options), rung = runRung(peer.accepted, options);
    if (values.json)
        console.log(JSON.stringify({rung, peer: peer.report}, null, 2));
    else
        print(rung, peer.report);
}

await (process.argv[2] === "--serve" ? serve(process.argv[3]) : main());
