/* Segment's Public API SDK: calls come in on stdin, one JSON a line, and answers go out on stdout. */
"use strict";
const { createInterface } = require("node:readline");
const { DeliveryOverviewApi, configureApis, unwrap } = require("@segment/public-api-sdk-typescript");

const [base, token] = process.argv.slice(2);
const apis = configureApis(token);
apis.deliveryOverview = new DeliveryOverviewApi(); // configureApis leaves it out
apis.deliveryOverview.accessToken = token;
for (const api of Object.values(apis)) api.basePath = base;

(async () => {
  for await (const line of createInterface({ input: process.stdin })) {
    const { api, call, args } = JSON.parse(line);
    let answer;
    try {
      answer = { value: await unwrap(apis[api][call](...args)) };
    } catch (error) {
      answer = { error: error instanceof Error ? { message: error.message } : error };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
})();
