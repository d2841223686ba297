const { Worker } = require("bullmq");
const Redis = require("ioredis");

const connection = new Redis(process.env.BENCH_REDIS, { maxRetriesPerRequest: null });
const worker = new Worker("bench", async (job) => job.data, { connection, concurrency: 100 });
worker.on("error", (why) => console.error(why.message));
