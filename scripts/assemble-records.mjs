/** From WebAssembly's text to the module that carries its binary; a test holds the one against the other. */
import createWabt from "wabt";

/**
 * @param {string} text the source
 * @returns {Promise<Uint8Array>}
 */
export async function assembleRecords(text) {
  const wabt = await createWabt();
  const module = wabt.parseWat("records.wat", text);
  try {
    module.validate();
    return module.toBinary({}).buffer;
  } finally {
    module.destroy();
  }
}

/**
 * @param {Uint8Array} code
 * @returns {string}
 */
export function codeModule(code) {
  const lines =
    Buffer.from(code)
      .toString("base64")
      .match(/.{1,100}/g) ?? [];
  return [
    "/** records.wat, assembled by `npm run build:wasm`; a test holds it against its source. */",
    "export const recordsCode: string =",
    lines.map((line) => `  "${line}"`).join(" +\n") + ";",
    "",
  ].join("\n");
}
