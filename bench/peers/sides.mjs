// The two sides of a comparison behind the same calls. The peer is one process that stays (peer.mjs); Rung is a new
// `rung bench --json` for each turn, which warms up by itself.
import {fork, spawn} from "node:child_process";
import {readFileSync} from "node:fs";
import {fileURLToPath} from "node:url";

const SAMPLE_MS = 20;

// Runs a program; resolves to its output. `watch` gets the process id now and then, while it runs.
function run(program, args, {input, watch} = {}) {
    return new Promise((resolve, reject) => {
        const child = spawn(program, args, {stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"]});
        let out = "", said = "";
        child.stdout.on("data", (data) => out += data);
        child.stderr.on("data", (data) => said += data);
        if (input !== undefined)
            child.stdin.end(input);
        const timer = watch && setInterval(() => watch(child.pid), SAMPLE_MS);
        child.on("error", reject);
        child.on("close", (status) => {
            clearInterval(timer);
            if (status === 0)
                resolve(out);
            else
                reject(new Error(`${program} ${args.join(" ")}: ${said.trim().split("\n").pop() || status}`));
        });
    });
}

// Bytes a process holds that are no file's; 0 when it is gone.
export function bytesBesideFiles(pid) {
    try {
        return Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024;
    } catch {
        return 0;
    }
}

export class Peer {
    #child;
    #waiting = new Map();
    #next = 0;

    constructor() {
        this.#child = fork(fileURLToPath(new URL("peer.mjs", import.meta.url)));
        this.#child.on("message", ({id, result, error}) => {
            const {resolve, reject} = this.#waiting.get(id);
            this.#waiting.delete(id);
            error === undefined ? resolve(result) : reject(new Error(`llama.cpp: ${error}`));
        });
        this.#child.on("exit", (status, signal) => {
            for (const {reject} of this.#waiting.values())
                reject(new Error(`llama.cpp ended with ${signal ?? status}`));
        });
    }

    call(operation, options) {
        return new Promise((resolve, reject) => {
            const id = this.#next++;
            this.#waiting.set(id, {resolve, reject});
            this.#child.send({id, operation, options});
        });
    }

    get pid() {
        return this.#child.pid;
    }

    close() {
        return new Promise((resolve) => {
            if (this.#child.exitCode !== null || this.#child.signalCode !== null)
                return resolve();
            this.#child.on("exit", resolve);
            this.#child.disconnect();
        });
    }
}

export class Rung {
    constructor(build, file, threads) {
        Object.assign(this, {build, file, threads});
    }

    async #bench(args, rounds = 1) {
        const out = await run(`${this.build}/rung`,
            ["bench", this.file, "--json", "-t", this.threads, "-r", rounds, ...args.map(String)].map(String));
        return JSON.parse(out).tests[0];
    }

    prefill({n, depth = 0, kv = "f16"}) {
        return this.#bench(["-p", n, "-n", 0, "-d", depth, "--kv-cache", kv]);
    }

    decode({n, streams = 1, depth = 0, kv = "f16"}) {
        return this.#bench(["-p", 0, "-n", n, "-b", streams, "-d", depth, "--kv-cache", kv]);
    }

    prefix({n, rounds}) {
        return this.#bench(["-p", 0, "-n", 0, "--prefix", n], rounds);
    }

    // Tokens a second with speculation, the recorded answers forced; writes the tokens of prompts and answers to `cases`.
    async forced({answers, questions, xquad, vocabulary, cases}) {
        const out = await run(`${this.build}/bench/speculation`, [this.file, xquad, "--json", "--kind", answers,
            "--questions", questions, "--threads", this.threads, "--cases", cases,
            ...(vocabulary ? ["--vocabulary", vocabulary] : [])].map(String));
        return JSON.parse(out)[answers];
    }

    // The most bytes beside files while a prompt of almost `n` bytes, each about a token here, is answered.
    async memory({n}) {
        let most = 0;
        await run(`${this.build}/rung`, ["run", "--json", "--context", n, "--threads", this.threads, "--max-tokens", 8,
            "--temp", 0, this.file].map(String),
        {input: "0".repeat(n - 128), watch: (pid) => most = Math.max(most, bytesBesideFiles(pid))});
        return most;
    }

    // Bytes of keys and values at so many tokens, as Rung counts them.
    async keysAndValues({n}) {
        const out = await run(`${this.build}/rung`, ["fit", "--json", "--context", String(n), this.file]);
        return JSON.parse(out).kv_cache_bytes;
    }
}

export {run};
