import { createPublicKey, verify } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { nodeMachine } from "../../storage/node-machine.ts";
import { Keys } from "./keys.ts";

const directory = mkdtempSync(join(tmpdir(), "seqlog-keys-"));
const path = join(directory, "__ds", "KEYS");
mkdirSync(join(directory, "__ds"));

afterEach(() => rmSync(path, { force: true }));

const uid = "00000000-0000-4000-8000-000000000001";

test("they are made once, and are for their owner alone", () => {
  expect(Keys.find(nodeMachine.storage, directory)).toBeUndefined();
  const made = Keys.open(nodeMachine, directory);
  const found = Keys.open(nodeMachine, directory);
  expect(found.jwk).toEqual(made.jwk);
  expect(found.check(`Bearer ${made.tokenOf({ uid, generation: 3 })}`)).toEqual({ uid, generation: 3 });
  if (process.platform !== "win32") expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("signatures are checked with the public key", () => {
  const keys = Keys.open(nodeMachine, directory);
  const header = keys.signatureOf("{}", 1_700_000_000_999);
  const [, seconds, kid, signature] = /^t=(\d+),kid=([^,]+),ed25519=([\w-]+)$/.exec(header) ?? [];
  expect([seconds, kid]).toEqual(["1700000000", keys.jwk.kid]);
  const key = createPublicKey({ key: { ...keys.jwk }, format: "jwk" });
  const isRight = (body: string): boolean =>
    verify(null, Buffer.from(`${seconds}.${body}`), key, Buffer.from(signature as string, "base64url"));
  expect([isRight("{}"), isRight("[]")]).toEqual([true, false]);
});

test("a token is of one wake of one subscription of one directory", () => {
  const keys = Keys.open(nodeMachine, directory);
  const token = keys.tokenOf({ uid, generation: 1 });
  const [, , code] = token.split(".") as [string, string, string];
  rmSync(path);
  const others = Keys.open(nodeMachine, directory);
  const wrong = [
    undefined,
    "",
    token,
    `Basic ${token}`,
    "Bearer",
    `Bearer ${uid}.2.${code}`,
    `Bearer ${uid.replace("1", "2")}.1.${code}`,
    `Bearer ${token}x`,
    `Bearer ${token.slice(0, -4)}AAAA`,
    `Bearer ${uid}.1.`,
  ];
  expect(wrong.map((each) => keys.check(each))).toEqual(wrong.map(() => undefined));
  expect(others.check(`Bearer ${token}`)).toBeUndefined();
});

test("a file that is not as it was written is told of, and nothing is made in its place", () => {
  Keys.open(nodeMachine, directory);
  const text = readFileSync(path, "utf8");
  for (const wrong of ["", text.slice(0, 40), text.replace('"format":1', '"format":2'), "{}\n00000000\n"]) {
    writeFileSync(path, wrong);
    expect(() => Keys.open(nodeMachine, directory)).toThrow(/not valid keys/);
    expect(readFileSync(path, "utf8")).toBe(wrong);
  }
});
