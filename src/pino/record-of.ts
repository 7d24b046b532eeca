/** From lines of pino's output to records. */

/** The record of one line: without its line feed. A log line is never refused for a lone surrogate. */
export function recordOf(line: string): string {
  return (line.endsWith("\n") ? line.slice(0, -1) : line).toWellFormed();
}

/** Cuts text that comes in pieces into lines; a line that is not whole yet waits for its end. */
export class TextLines {
  #rest = "";

  /** The lines that are whole with this piece. */
  add(piece: string): string[] {
    const lines = (this.#rest + piece).split("\n");
    this.#rest = lines.pop() as string;
    return lines.map((line) => recordOf(line));
  }

  /** What came after the last line feed, if anything did. */
  end(): string[] {
    const rest = this.#rest;
    this.#rest = "";
    return rest === "" ? [] : [recordOf(rest)];
  }
}
