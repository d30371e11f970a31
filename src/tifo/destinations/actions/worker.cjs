/* Segment's action destinations, on behalf of Tifo: requests are lines of JSON on stdin, answers lines on stdout.
 *
 *   {"id", "do": "describe"}                                        -> {"id", "kinds": [...]}
 *   {"id", "do": "send", "slug", "settings", "action", "mapping", "events", "batch", "timeout_ms"}
 *                                    -> {"id", "results": [{"ok"} | {"status", "code", "message", …}], "exchanges"}
 *   {"id", "do": "renew", "slug", "settings", "auth", "timeout_ms"} -> {"id", "access_token" | "problem"}
 *   {"id", "do": "ping"}                                            -> {"id", "rss_mb"}
 *
 * It keeps nothing and retries nothing. Its working folder holds node_modules. See docs/destinations.md. */
"use strict";
const { AsyncLocalStorage } = require("node:async_hooks");
const fs = require("node:fs");
const path = require("node:path");
const { createInterface } = require("node:readline");
const { guard } = require("./guard.cjs");

guard((process.env.TIFO_EGRESS_ALLOW ?? "").split(/[\s,]+/).filter(Boolean));
const modules = path.join(process.cwd(), "node_modules");
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr); // a library's chatter is no answer

// Every HTTP request of the library, by Node's own fetch: seen, and routed elsewhere where somebody wants to look.
const KEPT = 4096;
const MOST_EXCHANGES = 20;
const sending = new AsyncLocalStorage();
const route = process.env.TIFO_ACTIONS_ROUTE;

async function seenFetch(resource, options) {
  let request = new Request(resource, options);
  const kept = sending.getStore();
  const body = request.body ? await request.clone().text() : "";
  const exchange = { method: request.method, url: request.url, headers: Object.fromEntries(request.headers), body };
  exchange.body = body.slice(0, KEPT);
  if (kept && kept.exchanges.length < MOST_EXCHANGES) kept.exchanges.push(exchange);
  if (route) {
    const to = new URL(new URL(request.url).pathname + new URL(request.url).search, route);
    const headers = { ...exchange.headers, "x-tifo-original-url": request.url };
    request = new Request(to, { method: request.method, headers, body: body || undefined, signal: request.signal });
  }
  try {
    const signal = kept ? AbortSignal.any([request.signal, kept.signal]) : request.signal;
    const response = await fetch(request, { redirect: "manual", signal });
    exchange.status = response.status;
    exchange.response = (await response.clone().text()).slice(0, KEPT);
    if (response.status >= 300 && response.status < 400) {
      const location = response.headers.get("location");
      throw Object.assign(new Error(`It redirects to ${location}.`), { response: { status: response.status } });
    }
    return response;
  } catch (error) {
    const cause = error.cause?.errors?.[0] ?? error.cause ?? error;
    const isTimeout = error.name === "TimeoutError" || error.name === "AbortError";
    const code = isTimeout ? "ETIMEDOUT" : (cause.code ?? "ECONNRESET");
    exchange.response ??= `${code} ${cause.message ?? error.message}`;
    if (error.response) throw error;
    throw Object.assign(new Error(cause.message ?? error.message), { name: "FetchError", code });
  }
}

const crossFetch = require.resolve("cross-fetch", { paths: [modules] });
const shim = Object.assign(seenFetch, { default: seenFetch, fetch: seenFetch, Headers, Request, Response });
shim.__esModule = true;
require.cache[crossFetch] = { id: crossFetch, filename: crossFetch, loaded: true, exports: shim };

const library = path.join(modules, "@segment/action-destinations/dist/destinations");
const { Destination } = require(path.join(modules, "@segment/actions-core"));
const opened = new Map();

function definitionOf(slug) {
  if (!/^[\w-]+$/.test(slug)) throw new Error(`There is no kind ${slug}.`);
  return require(path.join(library, slug)).default;
}

function destinationOf(slug) {
  if (!opened.has(slug)) {
    // The name makes the keys of schemas, and must look like a part of an address.
    const destination = new Destination({ ...definitionOf(slug), name: `d-${slug}` });
    destination.responses = Object.assign([], { push: () => 0 }); // it would keep every response for ever
    opened.set(slug, destination);
  }
  return opened.get(slug);
}

function describe() {
  const kinds = [];
  for (const slug of fs.readdirSync(library).sort()) {
    if (!fs.existsSync(path.join(library, slug, "index.js"))) continue;
    let definition;
    try {
      definition = definitionOf(slug);
    } catch (error) {
      process.stderr.write(`${slug} does not load: ${error.message}\n`);
      continue;
    }
    if (!definition?.actions || definition.mode !== "cloud") continue;
    const { name, description = "", authentication, actions, presets = [] } = definition;
    kinds.push({
      slug,
      name,
      description,
      scheme: authentication?.scheme ?? "none",
      renews: typeof authentication?.refreshAccessToken === "function",
      fields: authentication?.fields ?? {},
      actions: Object.entries(actions).map(([action, { title, description: what, defaultSubscription, fields, performBatch }]) => ({
        slug: action,
        name: title,
        description: what ?? "",
        trigger: defaultSubscription ?? "",
        batch: typeof performBatch === "function",
        fields: plainFields(fields),
      })),
      presets: presets.map((preset) => ({
        name: preset.name ?? preset.partnerAction,
        action: preset.partnerAction,
        trigger: preset.subscribe ?? "",
        automatic: preset.type === "automatic",
        mapping: preset.mapping ?? {},
      })),
    });
  }
  return kinds;
}

function plainFields(fields = {}) {
  return Object.entries(fields).map(([key, field]) => ({
    key,
    label: field.label ?? key,
    type: String(field.type ?? "string"),
    description: field.description ?? "",
    required: field.required === true,
    multiple: field.multiple === true,
    default: field.default ?? null,
    choices: Array.isArray(field.choices) ? field.choices : null,
  }));
}

function problemOf(error) {
  if (error.response?.status) {
    const data = error.response.data ?? error.response.content;
    const told = typeof data === "string" ? data : data === undefined ? "" : JSON.stringify(data);
    const after = error.response.headers?.get?.("retry-after") ?? null;
    return { status: error.response.status, message: (told || error.message).slice(0, KEPT), retry_after: after };
  }
  const status = Number.isInteger(error.status) ? error.status : null;
  const message = String(error.message ?? error).slice(0, KEPT);
  return { status, code: error.code ? String(error.code) : null, name: error.name ?? "Error", message };
}

async function one(destination, request, event, signal) {
  const { action, mapping, settings } = request;
  try {
    const { auth } = request;
    await destination.executeAction(action, { event, mapping, settings, auth, signal });
    return { ok: true };
  } catch (error) {
    return problemOf(error);
  }
}

async function batch(destination, request, signal) {
  const { action, mapping, settings, events, auth } = request;
  try {
    const told = await destination.executeBatch(action, { events, mapping, settings, auth, signal });
    return events.map((_, at) => {
      const result = told?.[at];
      if (!result) return { ok: true };
      if (result.status < 300) return { ok: true };
      return { status: result.status, code: result.errortype ?? null, message: String(result.errormessage ?? "") };
    });
  } catch (error) {
    return events.map(() => problemOf(error));
  }
}

async function apart(destination, request, signal) {
  const results = new Array(request.events.length);
  let next = 0;
  const walk = async () => {
    while (next < results.length) {
      const at = next++;
      results[at] = await one(destination, request, request.events[at], signal);
    }
  };
  await Promise.all(Array.from({ length: Math.min(8, results.length) }, walk));
  return results;
}

async function renewed(destination, { settings, auth }) {
  try {
    const told = await destination.refreshAccessToken(settings, auth);
    return told?.accessToken ? { access_token: told.accessToken } : { problem: { message: "The vendor gave no token." } };
  } catch (error) {
    return { problem: problemOf(error) };
  }
}

async function answer(request) {
  if (request.do === "ping") return { rss_mb: process.memoryUsage.rss() / 1048576 };
  if (request.do === "describe") return { kinds: describe() };
  const destination = destinationOf(request.slug);
  const exchanges = [];
  const signal = AbortSignal.timeout(request.timeout_ms);
  if (request.do === "renew") return sending.run({ exchanges, signal }, () => renewed(destination, request));
  const work = request.batch ? batch : apart;
  const results = await sending.run({ exchanges, signal }, () => work(destination, request, signal));
  return { results, exchanges, rss_mb: process.memoryUsage.rss() / 1048576 };
}

createInterface({ input: process.stdin }).on("line", async (line) => {
  const request = JSON.parse(line);
  let told;
  try {
    told = await answer(request);
  } catch (error) {
    told = { broken: String(error.stack ?? error) };
  }
  write(`${JSON.stringify({ id: request.id, ...told })}\n`);
});
// Without Tifo it ends when what is under way is done, or hangs.
process.stdin.on("end", () => setTimeout(() => process.exit(0), 20_000).unref());
process.on("uncaughtException", (error) => process.stderr.write(`${error.stack}\n`));
process.on("unhandledRejection", (error) => process.stderr.write(`${error?.stack ?? error}\n`));
