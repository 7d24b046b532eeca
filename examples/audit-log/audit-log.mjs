/**
 * An audit log: who did what, on the disk before the deed is done, and a check of every byte of it.
 *
 *   node examples/audit-log/audit-log.mjs ./data/audit-log
 *
 * Each run writes four entries, checks the log, looks some entries up, and shows on a copy that one
 * changed byte is found. Checksums find what decays or is edited by accident; whoever may write the
 * files can make new ones. Against that, keep the ids and the number of records somewhere else too.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json, openLog, verify } from "seqlog";

const directory = process.argv[2] ?? "./data/audit-log";

const audit = await openLog(directory, { codec: json() });

/** The entry first: no deed without one, whatever happens in between. */
async function audited(who, action, subject, deed) {
  const { seq, time } = await audit.append({ who, action, subject });
  console.log(`entry ${seq}, ${time.toISOString()}: ${who} ${action} ${subject}`);
  return await deed();
}

const begin = new Date();
await audited("ann", "signed in to", "the office", () => {});
await audited("ann", "read", "contract 17", () => "the contract");
await audited("bob", "signed in to", "the office", () => {});
await audited("bob", "deleted", "contract 17", () => {});

console.log("\nWhat happened to contract 17, the newest first:");
for await (const { seq, time, data } of audit.read({ reverse: true, limit: 100 })) {
  if (data.subject === "contract 17") console.log(`entry ${seq}, ${time.toISOString()}: ${data.who} ${data.action} it`);
}
console.log(`\nThe first entry of this run is ${await audit.seqAt(begin)}.`);

/** Checks every record against its checksum and the record index; beside a writer too. */
async function check(path) {
  const { ok, records, bytes, damage } = await verify(path);
  console.log(ok ? `${records} entries, ${bytes} bytes: all whole` : `${records} entries are whole`);
  for (const { file, offset, seq, reason } of damage)
    console.log(`damage in ${file} at ${offset}, entry ${seq}: ${reason}`);
}
await check(directory);

// What a flipped bit, or an edit by hand, looks like: on a copy.
const scratch = mkdtempSync(join(tmpdir(), "seqlog-audit-"));
const copy = join(scratch, "copy");
await audit.copyTo(copy);
const segment = join(
  copy,
  readdirSync(copy).find((name) => name.endsWith(".log")),
);
const bytes = readFileSync(segment);
bytes.write("eve", bytes.indexOf("ann"));
writeFileSync(segment, bytes);
await check(copy);
rmSync(scratch, { recursive: true });

await audit.close();
