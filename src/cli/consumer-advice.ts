/** What the library advises about a consumer's checkpoint, in words of the command line: functions are of no use at a shell. */
import { SeqlogError } from "../index.ts";
import { withoutLogins } from "../jetstream/jetstream-location.ts";

/** The error of a consumer that cannot be opened or moved, with commands in place of functions. */
export function inWordsOfTheCommand(error: unknown, location: string, name: string): unknown {
  const at = `${withoutLogins(location)} ${name}`;
  if (SeqlogError.is(error, "SEQLOG_CHECKPOINT_ELSEWHERE")) {
    const message = error.message.replace(/log\.deleteConsumer\(.*?\)/, `\`seqlog consumers delete ${at}\``);
    return new SeqlogError(error.code, message, error.facts, { cause: error });
  }
  const isMisplaced =
    SeqlogError.is(error, "SEQLOG_CHECKPOINT_MISMATCH") ||
    SeqlogError.is(error, "SEQLOG_TRIMMED") ||
    SeqlogError.is(error, "SEQLOG_DAMAGED");
  if (!isMisplaced) return error;
  const { code, message, facts }: SeqlogError = error;
  const what = message.replace(/ Nothing was changed\..*$|\. `log\.seekConsumer\(.*$/s, "");
  return new SeqlogError(
    code,
    `${what.replace(/\.$/, "")}. \`seqlog consumers reset ${at} --to POSITION\` says where it is to go on`,
    facts,
    { cause: error },
  );
}
