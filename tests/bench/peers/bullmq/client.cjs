// A load of jobs: told and saying the same as bench_jobs. Jobs that are due together are added together, and answers are read from the queue's
// events: BullMQ's fastest.
const { Queue, QueueEvents } = require("bullmq");
const Redis = require("ioredis");
const { parseArgs } = require("node:util");

const text = { type: "string" };
const { values } = parseArgs({ options: { jobs: text, window: text, body: text, rate: text } });
const told = { jobs: 10000, window: 500, body: 512, rate: 0 };
for (const name in values) told[name] = Number(values[name]);

const connect = () => new Redis(process.env.BENCH_REDIS, { maxRetriesPerRequest: null });
const store = connect();
// Each job adds four events, of which a queue keeps 10,000 by default: not enough for one who reads them behind 5,000 jobs.
const queue = new Queue("bench", { connection: store, streams: { events: { maxLen: 1000000 } } });
const body = "x".repeat(told.body);
const run = `${process.pid}-${Date.now()}-`;
const due = [];
const took = [];
let first, last;

function fail(why) {
	console.error(why);
	process.exit(1);
}

function pump() {
	const jobs = [];
	while (due.length < told.jobs && due.length - took.length < told.window) {
		const now = performance.now();
		const when = told.rate ? first + (due.length * 1000) / told.rate : now;
		if (when > now) break;
		jobs.push({ name: "echo", data: { body }, opts: { jobId: run + due.length, removeOnComplete: true } });
		due.push(when);
	}
	if (jobs.length === 1) queue.add(jobs[0].name, jobs[0].data, jobs[0].opts).catch(fail);
	else if (jobs.length) queue.addBulk(jobs).catch(fail);
}

function report() {
	const seconds = (last - first) / 1000;
	took.sort((a, b) => a - b);
	const said = { done: took.length, jobs: told.jobs, jobs_per_s: took.length / seconds, seconds };
	for (const p of [50, 95, 99]) said[`p${p}_ms`] = took[Math.floor(((took.length - 1) * p) / 100)];
	said.max_ms = took[took.length - 1];
	console.log(JSON.stringify(said));
	process.exit(0);
}

let pumping = false;

function onCompleted({ jobId, returnvalue }) {
	if (!jobId.startsWith(run)) return;
	if (returnvalue.body !== body) fail(`an answer is not what was sent: ${JSON.stringify(returnvalue)}`);
	last = performance.now();
	took.push(last - due[Number(jobId.slice(run.length))]);
	if (took.length === told.jobs) {
		report();
	} else if (!told.rate && !pumping) {
		pumping = true; // once what has come with it is counted
		setImmediate(() => {
			pumping = false;
			pump();
		});
	}
}

// Events from here on: by default a reader begins with what comes after its first read, which misses the first jobs.
async function lastEvent() {
	const [last] = await store.xrevrange("bull:bench:events", "+", "-", "COUNT", 1);
	return last ? last[0] : "0-0";
}

async function main() {
	await queue.waitUntilReady();
	const events = new QueueEvents("bench", { connection: connect(), lastEventId: await lastEvent() });
	events.on("completed", onCompleted);
	events.on("failed", ({ failedReason }) => fail(failedReason));
	await events.waitUntilReady();
	first = performance.now();
	if (told.rate) setInterval(pump, 1);
	pump();
}

main().catch(fail);
