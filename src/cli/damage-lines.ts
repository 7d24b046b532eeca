/** Damage as lines of text, the same for every command that reports it. */
import type { Damage } from "../index.ts";
import { printableLine } from "./printable.ts";

/** One line for each. */
export function damageLines(damage: readonly Damage[]): string[] {
  return damage.map(({ file, offset, seq, reason }) => {
    const which = seq === undefined ? "" : ` (seq ${seq})`;
    return printableLine(`damage: ${file}, offset ${offset}${which}: ${reason}`);
  });
}

/** The fixed fields of damage in JSON, with the seq where it is known. */
export function damageFacts(damage: readonly Damage[]): Damage[] {
  return damage.map(({ file, offset, seq, reason }) => ({
    file,
    offset,
    ...(seq === undefined ? {} : { seq }),
    reason,
  }));
}
