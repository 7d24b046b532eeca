/** Every way to log in to nats-server, through the library and at a shell; what is refused is said at once, and without a secret. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { nkeys } from "@nats-io/transport-node";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import { FileLog, type NatsLogin, openLog } from "../../src/index.ts";
import { mirror, promote } from "../../src/jetstream/index.ts";
import { type Outcome, runInProcess } from "../cli/run-in-process.ts";
import { natsServer, onlyWith } from "../machine/needs.ts";
import { newJwtAccount } from "./nats-jwt.ts";

const scratch = mkdtempSync(join(tmpdir(), "seqlog-nats-logins-"));
const secret = "s3cret@/:%";
const encoded = encodeURIComponent(secret);

function certificate(name: string): string {
  return fileURLToPath(new URL(`certificates/${name}`, import.meta.url));
}

function pem(name: string): string {
  return readFileSync(certificate(name), "utf8");
}

function inFile(name: string, content: string): string {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
}

afterEach(() => vi.unstubAllEnvs());
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Server {
  readonly cluster: NatsCluster;
  /** Its host and port. */
  readonly host: string;
}

/** A test with a server that is configured so. */
function onServer(more: string, body: (server: Server) => Promise<void>) {
  return onlyWith([natsServer], async () => {
    const cluster = await NatsCluster.start({ servers: 1, more });
    try {
      await body({ cluster, host: cluster.addresses[0] ?? "" });
    } finally {
      await cluster.stop();
    }
  });
}

/** Appends and reads, and shows no secret. */
async function works(location: string, nats: NatsLogin): Promise<void> {
  const log = await openLog(location, { nats });
  const { seq } = await log.append("hello");
  expect((await log.get(seq))?.bytes).toEqual(new Uint8Array(Buffer.from("hello")));
  expect(log.location).not.toContain("@");
  await log.close();
}

async function refused(location: string, nats: NatsLogin, errno: string, says: RegExp): Promise<void> {
  const failure = await openLog(location, { nats }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "SEQLOG_IO", facts: { errno } });
  const { message } = failure as Error;
  expect(message).toMatch(says);
  expect(message).not.toMatch(/s3cret|@/);
}

async function counted(location: string): Promise<number> {
  const { text, stderr } = await runInProcess(["stats", location, "--json"]);
  expect(stderr).toBe("");
  return (JSON.parse(text) as { records: number }).records;
}

function shown({ stderr }: Outcome): string {
  expect(stderr).not.toMatch(/s3cret|@/);
  return stderr;
}

const unknownUser = /does not know this user, or not with this password/;

test(
  "a user with a password",
  onServer(`authorization { users: [{ user: app, password: ${JSON.stringify(secret)} }] }`, async ({ host }) => {
    const location = `nats://app:${encoded}@${host}/log`;
    await works(location, {});
    await works(`nats://${host}/log`, { user: "app", pass: secret });
    await works(`nats://other:wrong@${host}/log`, { user: "app", pass: secret });
    await refused(`nats://app:wrong@${host}/log`, {}, "EACCES", unknownUser);
    await refused(`nats://${host}/log`, {}, "EACCES", unknownUser);
    await refused(`nats://app:${encoded}@${host}/log`, { user: "other" }, "EACCES", unknownUser);
    expect(await counted(location)).toBe(3);
    expect(shown(await runInProcess(["stats", `nats://app:${encoded}x@${host}/log`]))).toMatch(unknownUser);
    expect(shown(await runInProcess(["verify", location]))).toContain(`nats://${host}/log is a log on servers`);
    expect(shown(await runInProcess(["get", location, "99"]))).toContain("there is no record with seq 99");
    expect(shown(await runInProcess(["get", location, "99", "--json"]))).toContain("there is no record with seq 99");
    vi.stubEnv("NATS_USER", "app");
    vi.stubEnv("NATS_PASSWORD", secret);
    expect(await counted(`nats://${host}/log`)).toBe(3);
  }),
);

test(
  "a token",
  onServer(`authorization { token: ${JSON.stringify(secret)} }`, async ({ host }) => {
    await works(`nats://${encoded}@${host}/log`, {});
    await works(`nats://${host}/log`, { token: secret });
    await refused(`nats://${host}/log`, { token: "wrong" }, "EACCES", unknownUser);
    expect(await counted(`nats://${encoded}@${host}/log`)).toBe(2);
    vi.stubEnv("NATS_TOKEN", secret);
    expect(await counted(`nats://${host}/log`)).toBe(2);
  }),
);

const user = nkeys.createUser();
const seed = new TextDecoder().decode(user.getSeed());

test(
  "an nkey",
  onServer(`authorization { users: [{ nkey: ${user.getPublicKey()} }] }`, async ({ host }) => {
    await works(`nats://${host}/log`, { nkey: `${seed}\n` });
    const other = new TextDecoder().decode(nkeys.createUser().getSeed());
    await refused(`nats://${host}/log`, { nkey: other }, "EACCES", unknownUser);
    vi.stubEnv("NATS_NKEY", inFile("user.nk", `${seed}\n`));
    expect(await counted(`nats://${host}/log`)).toBe(1);
  }),
);

const account = newJwtAccount();

test(
  "a creds file",
  onServer(account.config, async ({ host }) => {
    await works(`nats://${host}/log`, { creds: account.creds });
    await works(`nats://${host}/log`, { creds: Buffer.from(account.creds) });
    await refused(`nats://${host}/log`, { creds: newJwtAccount().creds }, "EACCES", unknownUser);
    vi.stubEnv("NATS_CREDS", inFile("user.creds", account.creds));
    expect(await counted(`nats://${host}/log`)).toBe(2);
    vi.stubEnv("NATS_CREDS", join(scratch, "none.creds"));
    expect(await runInProcess(["stats", `nats://${host}/log`])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("none.creds") as unknown,
    });
  }),
);

const noLogins: readonly [string, NatsLogin][] = [
  ["nkey", { nkey: "s3cret" }],
  ["creds", { creds: "s3cret" }],
];

for (const [name, nats] of noLogins) {
  test(
    `what is no ${name} at all is told, and not shown`,
    onServer("", async ({ host }) => {
      const failure: unknown = await openLog(`nats://${host}/log`, { nats }).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(TypeError);
      expect((failure as Error).message).toContain(name);
      expect((failure as Error).message).not.toContain("s3cret");
    }),
  );
}

function tls(server: string, more = ""): string {
  const files = { cert_file: certificate(`${server}.pem`), key_file: certificate(`${server}.key`) };
  const lines = Object.entries({ ...files, ca_file: certificate("ca.pem") });
  return `tls { ${lines.map(([name, path]) => `${name}: ${JSON.stringify(path)}`).join(", ")}${more} }`;
}

test(
  "TLS with a CA of one's own",
  onServer(tls("server"), async ({ host }) => {
    const ca = pem("ca.pem");
    await works(`tls://${host}/log`, { tls: { ca } });
    await works(`nats://${host}/log`, { tls: { ca } });
    const untrusted = /the certificates do not fit: tls: \{ ca \}/;
    await refused(`tls://${host}/log`, {}, "UNABLE_TO_VERIFY_LEAF_SIGNATURE", untrusted);
    await refused(`nats://${host}/log`, {}, "UNABLE_TO_VERIFY_LEAF_SIGNATURE", untrusted);
    vi.stubEnv("NATS_CA", certificate("ca.pem"));
    expect(await counted(`tls://${host}/log`)).toBe(2);
  }),
);

test(
  "TLS with a certificate of another name",
  onServer(tls("other"), ({ host }) =>
    refused(
      `tls://${host}/log`,
      { tls: { ca: pem("ca.pem") } },
      "ERR_TLS_CERT_ALTNAME_INVALID",
      /the certificates do not fit/,
    ),
  ),
);

test(
  "TLS with a certificate of the client",
  onServer(tls("server", ", verify: true"), async ({ host }) => {
    const ca = pem("ca.pem");
    await works(`tls://${host}/log`, { tls: { ca, cert: pem("client.pem"), key: pem("client.key") } });
    const without = await openLog(`tls://${host}/log`, { nats: { tls: { ca } } }).catch((error: unknown) => error);
    expect(without).toMatchObject({
      code: "SEQLOG_IO",
      message: expect.stringContaining("does it want a certificate of the client") as unknown,
    });
    vi.stubEnv("NATS_CA", certificate("ca.pem"));
    vi.stubEnv("NATS_CERT", certificate("client.pem"));
    vi.stubEnv("NATS_KEY", certificate("client.key"));
    expect(await counted(`tls://${host}/log`)).toBe(1);
  }),
);

test(
  "tls:// never sends a password in the clear",
  onServer("", ({ host }) =>
    refused(`tls://app:${encoded}@${host}/log`, {}, "ETIMEDOUT", /does not support 'tls'.*use nats:\/\//),
  ),
);

test(
  "promote and mirror log in, too",
  onServer(`authorization { users: [{ user: app, password: ${JSON.stringify(secret)} }] }`, async ({ host }) => {
    const log = await FileLog.open(join(scratch, "events"));
    await log.append("hello");
    await log.close();
    expect(await promote(log.location, `nats://${host}/events`, { user: "app", pass: secret })).toMatchObject({
      records: 1,
    });
    const ended = new AbortController();
    const onProgress = (): void => ended.abort(new Error("enough"));
    const options = { user: "app", pass: secret, signal: ended.signal, onProgress };
    await expect(mirror(log.location, `nats://${host}/events`, options)).rejects.toThrow("enough");
    const told = await runInProcess(["promote", log.location, `nats://app:${encoded}@${host}/events`]);
    expect(told).toMatchObject({ code: 0 });
    expect(told.text).not.toMatch(/s3cret|@/);
    expect(shown(await runInProcess(["promote", log.location, `nats://app:wrong@${host}/events`]))).toMatch(
      unknownUser,
    );
  }),
);

test(
  "a user who may not use JetStream is told what is missing, at once",
  onServer(
    `authorization { users: [{ user: app, password: pw, permissions: { publish: "other", subscribe: "_INBOX.>" } }] }`,
    ({ host }) =>
      refused(`nats://app:pw@${host}/log`, {}, "EACCES", /may not do this there: it needs to publish to \$JS\.API/),
  ),
);

test(
  "a login that is taken back while a log is open ends what waits, and says why",
  onServer(
    `authorization { users: [{ user: app, password: ${JSON.stringify(secret)} }] }`,
    async ({ cluster, host }) => {
      const log = await openLog(`nats://app:${encoded}@${host}/log`, { nats: { patienceMs: 600_000 } });
      await log.append("a");
      await cluster.kill(0);
      const [server] = cluster.servers;
      if (server !== undefined) server.more = `authorization { users: [{ user: app, password: another }] }`;
      await cluster.restart(0);
      await expect(log.append("b")).rejects.toMatchObject({ code: "SEQLOG_IO", facts: { errno: "EACCES" } });
      await log.close();
    },
  ),
);
