// Segment's or RudderStack's client in Node: `node send.cjs segment|rudder ADDRESS WRITE_KEY`, then a command a line:
// {"calls": […]} makes each call with its message; {"tracks": [from, to]} sends numbered ones; {"end": true} flushes.
const readline = require("node:readline");

const [kind, address, writeKey] = process.argv.slice(2);
const failures = [];

// Each returns what hands over one call, and what resolves once all of them are answered.
function segment() {
  const { Analytics } = require("@segment/analytics-node");
  const client = new Analytics({ writeKey, host: address, flushInterval: 100, maxRetries: 60 });
  client.on("error", (error) => failures.push(String(error.reason || error.code)));
  return { hand: (call, message) => client[call](message), end: () => client.closeAndFlush({ timeout: 60000 }) };
}

function rudder() {
  const Rudder = require("@rudderstack/rudder-sdk-node");
  let waiting = 0;
  const client = new Rudder(writeKey, {
    dataPlaneUrl: address,
    flushInterval: 100,
    retryCount: 120,
    axiosRetryConfig: { retryDelay: () => 500 },
    errorHandler: (error) => failures.push(String(error)),
  });
  return {
    hand: (call, message) => {
      waiting += 1;
      client[call](message, () => (waiting -= 1));
    },
    end: async () => {
      while (waiting) {
        await client.flush();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
  };
}

const { hand, end } = kind === "segment" ? segment() : rudder();

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line);
    for (const [call, message] of asked.calls || []) hand(call, { ...message, timestamp: new Date(message.timestamp) });
    const [from, to] = asked.tracks || [0, 0];
    for (let number = from; number < to; number += 1) {
      hand("track", { userId: "streamer", event: "Streamed", properties: { number } });
    }
    if (asked.end) await end();
    process.stdout.write(`${JSON.stringify({ failures })}\n`);
    if (asked.end) process.exit(0);
  }
}

main();
