/**
 * Offset tokens: `<seq, 16 digits>_<16 zeros>`, so that they sort as text. The second half is kept for
 * places inside a record; there are none yet.
 */

const digits = 16;
const zeros = "0".repeat(digits);
const token = /^(\d{1,32})_(\d{1,32})$/;

/** The token of the place before a record. */
export function offsetToken(seq: number): string {
  return `${String(seq).padStart(digits, "0")}_${zeros}`;
}

/** What a token stands for: a seq, or `"beyond"` when no stream can have come that far; undefined when it is no token. */
export function parseOffsetToken(text: string): number | "beyond" | undefined {
  const found = token.exec(text);
  if (found === null) return undefined;
  // Sixteen digits may pass 2^53, which a number would round.
  const seq = BigInt(found[1] as string);
  const inside = BigInt(found[2] as string);
  if (seq > BigInt(Number.MAX_SAFE_INTEGER)) return "beyond";
  return inside === 0n ? Number(seq) : "beyond";
}
