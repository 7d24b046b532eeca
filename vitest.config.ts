import { configDefaults, defineConfig } from "vitest/config";

// Networks are cut for minutes, by `npm run test:cluster` alone; docs/jetstream.md says what that has shown.
const soaks = process.env["SEQLOG_CUTS"] === undefined ? ["test/cluster/network-cut.test.ts"] : [];

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    exclude: [...configDefaults.exclude, ...soaks],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 300_000,
    hookTimeout: 240_000,
    allowOnly: false,
  },
});
