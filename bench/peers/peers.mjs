// Rung beside llama.cpp on the same files, with the same threads, in turns A B A B: prints for each goal the ratio of the
// two, the median over pairs of neighbouring turns. See README.md.
import {existsSync, mkdtempSync, readFileSync, rmSync} from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import {fileURLToPath} from "node:url";
import {parseArgs} from "node:util";

import {fileName, rows} from "./rows.mjs";
import {Peer, Rung, bytesBesideFiles, run} from "./sides.mjs";

const DEFAULT_ROUNDS = 5;
const ROOM = 64; // tokens of context beside those that a row counts
const FORCED_CONTEXT = 2048;
const DEFAULT_QUESTIONS = 10;
const MIB = 1024 * 1024;

const usage = `usage: node peers.mjs --models FOLDER [OPTIONS]

  --models FOLDER     model files of the rows' shapes; see --make
  --make              write those that are missing there, with random weights (build/bench/mkmodel)
  --only ID,ID        these rows alone; --list names them
  --rounds N          turns of each side, instead of each row's own number
  --threads N         of both sides; 2 unless given
  --build FOLDER      where rung and bench/ are; build/ of this project unless given
  --xquad FILE        questions with paragraphs and answers, for the forced rows
  --vocabulary FILE   whose tokens these become, for models of random weights
  --questions N       of them; 10 unless given
  --json              one JSON object
  --list              the rows
`;

function median(values) {
    const v = [...values].sort((a, b) => a - b), half = v.length >> 1;
    return v.length % 2 ? v[half] : (v[half - 1] + v[half]) / 2;
}

// ---- the rows ----

function needs(row) {
    return (row.depth ?? 0) + row.n + ROOM;
}

async function openPeer(row, o) {
    const peer = new Peer();
    try {
        const about = await peer.call("load", {file: o.file, threads: o.threads, contextSize: needs(row),
            streams: row.streams, kv: row.kv?.peer});
        await peer.call("warmUp", {n: row.n, streams: row.streams, depth: row.depth});
        return {peer, about};
    } catch (error) {
        await peer.close();
        throw error;
    }
}

// Tokens a second.
function speedOf(row, {seconds}) {
    const each = Array.isArray(seconds) ? median(seconds) : seconds;
    return (row.kind === "prefill" ? row.n : row.streams) / each;
}

async function compareSpeed(row, o) {
    const rung = new Rung(o.build, o.file, o.threads);
    const {n, streams, depth} = row;
    const pairs = [];
    let side = row.alone ? undefined : await openPeer(row, o);
    let about = side?.about;
    try {
        for (let round = 0; round < o.rounds; round++) {
            if (row.alone) {
                side = await openPeer(row, o);
                about = side.about;
            }
            const theirs = speedOf(row, await side.peer.call(row.kind, {n, streams, depth}));
            if (row.alone)
                await side.peer.close();
            const ours = speedOf(row, await rung[row.kind]({n, streams, depth, kv: row.kv?.rung}));
            pairs.push({rung: ours, peer: theirs, ratio: ours / theirs});
            o.progress(`${row.id}: ${ours.toFixed(1)} and ${theirs.toFixed(1)} tok/s`);
        }
    } finally {
        await side?.peer.close();
    }
    return {unit: "tok/s", pairs, about};
}

async function comparePrefix(row, o) {
    const {seconds, seconds_unseen: unseen, cached_tokens} = await new Rung(o.build, o.file, o.threads)
        .prefix({n: row.n, rounds: o.rounds});
    return {unit: "ms", cached_tokens,
        pairs: seconds.map((s, i) => ({rung: s * 1e3, peer: unseen[i] * 1e3, ratio: s / unseen[i]}))};
}

async function compareMemory(row, o) {
    const rung = new Rung(o.build, o.file, o.threads);
    const keys = await rung.keysAndValues(row);
    const ours = (await rung.memory(row) - keys) / MIB;
    const {peer, about} = await openPeer({...row, n: row.n - ROOM}, o); // has its whole cache, and has read a full batch
    try {
        const theirs = (bytesBesideFiles(peer.pid) - keys) / MIB;
        return {unit: "MiB", pairs: [{rung: ours, peer: theirs, ratio: ours}], about};
    } finally {
        await peer.close();
    }
}

// The peer decodes the same tokens, one a step. Neither side's bill holds the prompts and the answers' first tokens.
async function forcePeer(peer, cases) {
    let tokens = 0, seconds = 0;
    for (const {prompt, answer} of cases) {
        tokens += answer.length - 1;
        seconds += (await peer.call("force", {prompt, answer: answer.slice(0, -1)})).seconds;
    }
    return tokens / seconds;
}

async function compareForced(row, o) {
    if (!o.xquad)
        throw new Error("--xquad FILE says where questions are");
    const rung = new Rung(o.build, o.file, o.threads);
    const folder = mkdtempSync(path.join(os.tmpdir(), "peers-"));
    const cases = path.join(folder, "cases.json");
    const {peer, about} = await openPeer({n: FORCED_CONTEXT, streams: 1}, o);
    const pairs = [];
    try {
        for (let round = 0; round < o.rounds; round++) {
            const ours = await rung.forced({answers: row.answers, questions: o.questions, xquad: o.xquad,
                vocabulary: o.vocabulary, cases});
            const all = JSON.parse(readFileSync(cases, "utf8")).cases;
            const theirs = await forcePeer(peer, all.filter(({kind}) => kind === row.answers));
            pairs.push({rung: ours.speculation_tok_s, peer: theirs, ratio: ours.speculation_tok_s / theirs,
                rung_plain: ours.plain_tok_s, tokens_per_step: ours.tokens_per_step});
            o.progress(`${row.id}: ${ours.speculation_tok_s.toFixed(1)} (without speculation ` +
                `${ours.plain_tok_s.toFixed(1)}) and ${theirs.toFixed(1)} tok/s`);
        }
    } finally {
        rmSync(folder, {recursive: true});
        await peer.close();
    }
    return {unit: "tok/s", pairs, about};
}

const compare = {prefill: compareSpeed, decode: compareSpeed, forced: compareForced, prefix: comparePrefix,
    memory: compareMemory};

// ---- the table ----

function verdict(row, value) {
    const smaller = row.kind === "prefix" || row.kind === "memory";
    const reached = (goal) => smaller ? value <= goal : value >= goal;
    if (row.aim !== undefined && reached(row.aim))
        return "aim";
    return row.must === undefined ? "" : reached(row.must) ? "must" : "missed";
}

function summary(row, {unit, pairs, about, ...more}) {
    const column = (name) => pairs.map((p) => p[name]);
    const ratios = column("ratio"), value = median(ratios);
    return {id: row.id, what: row.what, unit, rung: median(column("rung")), peer: median(column("peer")), ratio: value,
        ratio_min: Math.min(...ratios), ratio_max: Math.max(...ratios), must: row.must, aim: row.aim,
        reached: verdict(row, value), pairs, peer_build: about, ...more};
}

function digits(value) {
    return value < 1 ? value.toFixed(3) : value < 100 ? value.toFixed(2) : value.toFixed(0);
}

function printHead(results) {
    const about = results.find((r) => r.peer_build)?.peer_build;
    console.log(`${os.cpus()[0].model}, ${os.cpus().length} CPUs, load ${os.loadavg()[0].toFixed(1)}`);
    if (about)
        console.log(`peer: ${about.name}, ${about.variant}, ${about.threads} threads, flash attention ` +
            `${about.flashAttention ? "on" : "off"}\n      ${about.system}`);
    console.log();
    console.log("what".padEnd(40), "rung".padStart(9), "peer".padStart(9), "".padEnd(6), "ratio".padStart(7),
        "from to".padStart(15), "must".padStart(6), "aim".padStart(6), " reached");
}

function printRow(r) {
    if (r.error !== undefined) {
        console.log(r.what.padEnd(40), r.error);
        return;
    }
    console.log(r.what.padEnd(40), digits(r.rung).padStart(9), digits(r.peer).padStart(9), r.unit.padEnd(6),
        digits(r.ratio).padStart(7), `${digits(r.ratio_min)} ${digits(r.ratio_max)}`.padStart(15),
        String(r.must ?? "").padStart(6), String(r.aim ?? "").padStart(6), "", r.reached);
}

// ---- from options to rows ----

async function modelFile(row, o) {
    const file = path.join(o.models, fileName(row.model));
    if (existsSync(file))
        return file;
    const {shape, type, layers} = row.model;
    const args = [...(layers ? ["--layers", String(layers)] : []), shape, type, file];
    if (!o.make)
        throw new Error(`there is no ${file}; --make writes it, or: bench/mkmodel ${args.join(" ")}`);
    o.progress(`writing ${file}`);
    await run(path.join(o.build, "bench/mkmodel"), args);
    return file;
}

async function result(row, o) {
    try {
        const file = await modelFile(row, o);
        return summary(row, await compare[row.kind](row, {...o, file, rounds: o.rounds ?? row.rounds ?? DEFAULT_ROUNDS}));
    } catch (error) {
        return {id: row.id, what: row.what, error: error.message};
    }
}

function readOptions() {
    const text = {type: "string"}, flag = {type: "boolean", default: false};
    const {values: o} = parseArgs({options: {models: text, make: flag, only: text, rounds: text, threads: text,
        build: text, xquad: text, vocabulary: text, questions: text, json: flag, list: flag, help: {...flag, short: "h"}}});
    const only = o.only?.split(",");
    const unknown = only?.find((id) => !rows.some((r) => r.id === id));
    if (unknown !== undefined)
        throw new Error(`there is no row '${unknown}'; --list names them`);
    const number = (name, value, without) => {
        if (value !== undefined && !/^[1-9]\d{0,3}$/.test(value))
            throw new Error(`--${name} takes a number, not '${value}'`);
        return value === undefined ? without : Number(value);
    };
    if (!o.models && !o.list && !o.help)
        throw new Error("--models FOLDER says where model files are");
    return {...o, rounds: number("rounds", o.rounds), threads: number("threads", o.threads, 2),
        questions: number("questions", o.questions, DEFAULT_QUESTIONS),
        rows: rows.filter((r) => !only || only.includes(r.id)),
        build: o.build ?? fileURLToPath(new URL("../../build", import.meta.url)),
        progress: (line) => process.stderr.write(line + "\n")};
}

async function main() {
    let o;
    try {
        o = readOptions();
    } catch (error) {
        process.stderr.write(`peers: ${error.message}\n\n${usage}`);
        return 2;
    }
    if (o.help || o.list) {
        process.stdout.write(o.help ? usage : rows.map((r) => `${r.id.padEnd(20)} ${r.what}\n`).join(""));
        return 0;
    }
    const results = [];
    for (const row of o.rows)
        results.push(await result(row, o));
    if (o.json) {
        console.log(JSON.stringify({cpu: os.cpus()[0].model, threads: o.threads, rows: results}));
    } else {
        printHead(results);
        results.forEach(printRow);
    }
    return results.some((r) => r.error !== undefined) ? 1 : 0;
}

process.exitCode = await main();
