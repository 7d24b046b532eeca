#!/usr/bin/env node
/**
 * Writes the access log of an invented web shop to standard output: 500 lines of NDJSON, the same
 * every time. `examples/access-log.ndjson` is what it wrote.
 *
 *   node examples/access-sample.mjs > examples/access-log.ndjson
 *
 * Names and addresses are those set aside for documentation (RFC 2606, RFC 5737).
 */
import { pathToFileURL } from "node:url";

const lineCount = 500;
const start = Date.UTC(2026, 2, 2, 6, 0, 0);

/** mulberry32: small, and the same numbers on every machine. */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = randomFrom(20260302);
const below = (limit) => Math.floor(random() * limit);
const pick = (list) => list[below(list.length)];

const browsers = [
  "Mozilla/5.0 (X11; Linux x86_64; rv:136.0) Gecko/20100101 Firefox/136.0",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/134.0 Safari/537.36",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) Version/18.3 Mobile Safari/604.1",
];
const names = ["ana", "björn", "chen", "dara", "emeka", "françoise", "goran", "hana"];
const goods = ["lamp", "teapot", "café-cup", "notebook", "Schlüsselbrett", "chair"];

/** How long an answer takes: mostly a few milliseconds, now and then far longer. */
const duration = (typical) =>
  Math.max(1, Math.round(typical * (0.4 + random() + (random() < 0.05 ? 12 * random() : 0))));

/** A visitor looks around, may log in, may buy. Each step is [seconds later, request]. */
function* visit(number) {
  const ip = `192.0.2.${1 + (number % 250)}`;
  const agent = pick(browsers);
  let user = null;
  let referer = random() < 0.4 ? "https://search.example.com/" : null;
  const request = (method, path, status, bytes, ms) => {
    const line = { ip, method, path, status, bytes, ms: duration(ms), referer, agent, user };
    if (method === "GET" && status === 200 && !path.startsWith("/assets/")) referer = `https://shop.example.com${path}`;
    return line;
  };
  yield [0, request("GET", "/", 200, 8_412, 14)];
  const isCached = random() < 0.5;
  yield [0.2, request("GET", "/assets/app.css", isCached ? 304 : 200, isCached ? 0 : 5_120, 2)];
  if (random() < 0.5) {
    yield [9, request("POST", "/login", 302, 0, 85)];
    user = { id: 40 + (number % 8), name: names[number % 8] };
  }
  for (let page = below(5); page >= 0; page--) {
    const item = 1 + below(60);
    const path = random() < 0.3 ? `/search?q=${encodeURIComponent(pick(goods))}` : `/items/${item}`;
    yield [3 + 20 * random(), request("GET", path, item === 13 ? 404 : 200, 2_000 + below(9_000), 22)];
  }
  if (user === null || random() < 0.4) return;
  yield [15, request("POST", "/cart", 201, 96, 31)];
  // The payment service was away for a while.
  yield [25, request("POST", "/checkout", random() < 0.12 ? 502 : 200, 310, 240)];
}

/** What is not a visitor: the probe of the load balancer, a crawler, somebody who looks for holes. */
function* machine(ip, agent, pause, requests) {
  for (;;) {
    const [path, status, bytes] = pick(requests);
    yield [
      pause * (0.8 + 0.4 * random()),
      { ip, method: "GET", path, status, bytes, ms: duration(3), referer: null, agent, user: null },
    ];
  }
}

/** All of them at once, in the order of time. */
export function accessLog() {
  const now = [];
  const begin = (at, source) => now.push({ at, source, step: source.next() });
  begin(1, machine("198.51.100.2", "probe/2.4", 30, [["/healthz", 200, 2]]));
  begin(
    40,
    machine("198.51.100.77", "ExampleBot/1.1 (+https://bot.example.com/)", 21, [
      ["/robots.txt", 200, 68],
      ["/items/7", 200, 4_410],
      ["/sitemap.xml", 200, 20_480],
    ]),
  );
  begin(
    900,
    machine("198.51.100.201", "curl/8.12.1", 47, [
      ["/wp-login.php", 404, 162],
      ["/.env", 404, 162],
      ["/admin/%27%3B--", 400, 150],
    ]),
  );
  let visitors = 0;
  let nextVisit = 2;
  const lines = [];
  while (lines.length < lineCount) {
    now.sort((a, b) => a.at - b.at);
    while (now.length < 4 || nextVisit < now[0].at) {
      begin(nextVisit, visit(visitors++));
      nextVisit += 18 + 40 * random();
      now.sort((a, b) => a.at - b.at);
    }
    const current = now[0];
    const [, request] = current.step.value;
    lines.push(JSON.stringify({ time: new Date(start + Math.round(current.at * 1_000)).toISOString(), ...request }));
    current.step = current.source.next();
    if (current.step.done) now.shift();
    else current.at += current.step.value[0];
  }
  return `${lines.join("\n")}\n`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.stdout.write(accessLog());
}
