/** One row in a process of its own, so that no row runs in what another left: compiled code, heap, page faults. */
import { allRows } from "../rows/all-rows.mjs";

const { name, ...context } = JSON.parse(process.argv[2]);
const row = allRows.find((row) => row.name === name);
const report = (step) => process.send({ step });
const result = await row.run({ ...context, report });
process.send({ result }, () => process.disconnect());
