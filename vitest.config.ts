import { configDefaults, defineConfig } from "vitest/config";

// After it a server may take minutes to be well again.
const soaks = process.env["SEQLOG_CUTS"] === undefined ? ["test/cluster/peers-cut.test.ts"] : [];
if (soaks.length > 0) process.stderr.write(`\n*** LEFT TO npm run test:cluster: ${soaks.join(", ")}\n\n`);

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
