/** Assembles src/format/wasm/records.wat into src/format/wasm/records-code.ts. Only after a change of the former. */
import { readFileSync, writeFileSync } from "node:fs";
import { assembleRecords, codeModule } from "./assemble-records.mjs";

const source = new URL("../src/format/wasm/records.wat", import.meta.url);
const code = await assembleRecords(readFileSync(source, "utf8"));
writeFileSync(new URL("../src/format/wasm/records-code.ts", import.meta.url), codeModule(code));
process.stdout.write(`src/format/wasm/records-code.ts: ${code.length} bytes of WebAssembly\n`);
