// npm's sqs-consumer and pg: consumers that receive ten messages each, one INSERT of ten rows, deletes in tens.
//
// The library's batch is what one receive gives; more consumers make more of them at once. A message that does not
// parse is left in the queue. A row that the database refuses fails its ten; a redelivered message becomes a second row.

import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { GetQueueUrlCommand, SQSClient } from "@aws-sdk/client-sqs";
import pg from "pg";
import { Consumer } from "sqs-consumer";

const { BENCH_ENDPOINT, BENCH_QUEUE, BENCH_PGHOST, BENCH_PGUSER, BENCH_PGDATABASE } = process.env;
const messages = Number(process.env.BENCH_MESSAGES);
const consumers = Number(process.env.BENCH_THREADS ?? "8");
const key = Buffer.from("0123456789abcdef0123456789abcdef");
const insert = `INSERT INTO user_logins
  (user_id, device_type, masked_ip, masked_device_id, locale, app_version, create_date)
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::date[])`;

const token = (value) => createHmac("sha256", key).update(value).digest("hex").slice(0, 40);

function row(message) {
  const login = JSON.parse(message.Body);
  return [
    login.user_id,
    login.device_type,
    token(login.ip),
    token(login.device_id),
    login.locale,
    login.app_version,
    new Date(Number(message.Attributes.SentTimestamp)).toISOString().slice(0, 10),
  ];
}

const sqs = new SQSClient({ endpoint: BENCH_ENDPOINT, region: "us-east-1" });
const { QueueUrl: queueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: BENCH_QUEUE }));
const pool = new pg.Pool({ host: BENCH_PGHOST, user: BENCH_PGUSER, database: BENCH_PGDATABASE, max: consumers });
const cpu = process.cpuUsage();
const started = performance.now();
let deleted = 0;

async function handleMessageBatch(batch) {
  const rows = [];
  const good = [];
  for (const message of batch) {
    try {
      rows.push(row(message));
      good.push(message);
    } catch {
      // left in the queue, for the dead-letter queue
    }
  }
  const columns = rows[0].map((_, column) => rows.map((one) => one[column]));
  await pool.query(insert, columns);
  return good;
}

const running = Array.from({ length: consumers }, () =>
  Consumer.create({
    queueUrl,
    sqs,
    batchSize: 10,
    waitTimeSeconds: 1,
    messageSystemAttributeNames: ["SentTimestamp"],
    handleMessageBatch,
  }),
);

await new Promise((resolve, reject) => {
  for (const consumer of running) {
    consumer.on("error", reject);
    consumer.on("processing_error", reject);
    // Told of each message once its delete is answered.
    consumer.on("message_processed", () => {
      deleted += 1;
      if (deleted >= messages) resolve();
    });
    consumer.start();
  }
});
const seconds = (performance.now() - started) / 1000;
for (const consumer of running) consumer.stop({ abort: true });
await pool.end();

const versions = { node: process.versions.node };
for (const name of ["sqs-consumer", "pg", "@aws-sdk/client-sqs"]) {
  versions[name] = JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;
}
console.log(
  JSON.stringify({ loaded: deleted, seconds, start_cpu_seconds: (cpu.user + cpu.system) / 1e6, versions }),
);
process.exit(0);
