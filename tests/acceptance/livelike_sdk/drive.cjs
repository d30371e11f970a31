/* One user of LiveLike's SDK: calls come in on stdin, one JSON a line, and answers go out on stdout. */
"use strict";
const { createInterface } = require("node:readline");

console.log = console.info = console.error; // stdout is for answers
require("./calls.js");
const answer = globalThis.callerOf(require("@livelike/javascript"));

(async () => {
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
  }
})();
