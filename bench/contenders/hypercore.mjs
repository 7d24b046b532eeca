/** Hypercore, a signed log on RocksDB. Its writes are not synced: an acknowledged append can be lost to a power cut. */
import Hypercore from "hypercore";
import { join } from "node:path";
import { versionOf } from "../lib/package-version.mjs";

export const about = {
  name: "hypercore",
  version: versionOf("hypercore"),
  guarantee: "NOT durable: acknowledged when the operating system has it (no fsync); hashed and signed",
  isDurable: false,
};

export async function open(dir) {
  const core = new Hypercore(join(dir, "hypercore"));
  await core.ready();
  return {
    append: (data) => core.append(data),
    appendMany: (items) => core.append(items),
    load: (items) => core.append(items),
    async scanEach() {
      let records = 0;
      let bytes = 0;
      for await (const data of core.createReadStream()) {
        records++;
        bytes += data.length;
      }
      return { records, bytes };
    },
    get: (number) => core.get(number),
    count: () => core.length,
    close: () => core.close(),
  };
}
