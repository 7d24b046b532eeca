/** Gathers bodies, within what one may take and what all may take together. */
import { Problem } from "./problem.ts";

/** The bodies of one handler that are in memory. */
export class BodyBudget {
  readonly #most: number;
  #used = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Bytes of bodies in memory. */
  get used(): number {
    return this.#used;
  }

  /** @throws {Problem} when there is no room for so many bytes more */
  take(bytes: number): void {
    if (this.#used + bytes > this.#most) {
      throw new Problem(503, "BUSY", "too many bodies are under way", {
        hint: "try again",
        headers: { "retry-after": "1" },
      });
    }
    this.#used += bytes;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}

/** Parts from this length on are kept as they are; beside so many bytes an object more is nothing. */
const leastKept = 16 * 1024;

/** Blocks that the other parts are copied into are as large as what came before them, within these. */
const leastBlock = 1024;
const mostBlock = 64 * 1024;

/**
 * One body. Whoever reads it calls `done` when nobody needs it any more.
 *
 * An object takes hundreds of bytes whatever it holds, and a client chooses how small the parts are: only
 * the first one, which mostly is all, and large ones are kept, the others are copied one behind the other.
 */
export class BodyParts {
  readonly #budget: BodyBudget;
  readonly #most: number;
  #parts: Uint8Array[] = [];
  /** Where small parts are copied to, behind all of `#parts`, and how far it is filled. */
  #block: Uint8Array | undefined;
  #filled = 0;
  #length = 0;
  /** What the budget was asked for: of a block all of it. */
  #charged = 0;
  #isDone = false;

  constructor(budget: BodyBudget, most: number) {
    this.#budget = budget;
    this.#most = most;
  }

  /** @throws {Problem} when it is too much */
  add(part: Uint8Array): void {
    // Whoever needed it has gone.
    if (this.#isDone || part.length === 0) return;
    this.check(this.#length + part.length);
    if (this.#length === 0 || part.length >= leastKept) {
      this.charge(part.length);
      this.#closeBlock();
      this.#parts.push(part);
    } else {
      this.#copy(part);
    }
    this.#length += part.length;
  }

  #copy(part: Uint8Array): void {
    if (this.#block === undefined || part.length > this.#block.length - this.#filled) {
      const size = Math.max(part.length, leastBlock, Math.min(mostBlock, this.#length));
      this.charge(size);
      this.#closeBlock();
      this.#block = Buffer.allocUnsafeSlow(size);
    }
    this.#block.set(part, this.#filled);
    this.#filled += part.length;
  }

  /** Nothing is copied into it any more; of one that is mostly empty only what is in it is kept. */
  #closeBlock(): void {
    if (this.#block === undefined) return;
    const unused = this.#block.length - this.#filled;
    const bytes = this.#block.subarray(0, this.#filled);
    const isMostlyEmpty = unused > this.#filled;
    this.#parts.push(isMostlyEmpty ? new Uint8Array(bytes) : bytes);
    if (isMostlyEmpty) this.#refund(unused);
    this.#block = undefined;
    this.#filled = 0;
  }

  /** @throws {Problem} when a body of so many bytes is larger than it may be */
  check(length: number): void {
    if (length <= this.#most) return;
    throw new Problem(413, "BODY_TOO_LARGE", `the body is larger than ${this.#most} bytes`, {
      hint: "send it in several requests",
    });
  }

  /** Counts what is kept beside the body, and for as long. @throws {Problem} when there is no room */
  charge(bytes: number): void {
    // Whoever needed it has gone: nothing is given back any more.
    if (this.#isDone) return;
    this.#budget.take(bytes);
    this.#charged += bytes;
  }

  #refund(bytes: number): void {
    this.#budget.give(bytes);
    this.#charged -= bytes;
  }

  /** All of it. Nothing is added any more. */
  whole(): Uint8Array {
    this.#closeBlock();
    if (this.#parts.length !== 1) this.#parts = [Buffer.concat(this.#parts, this.#length)];
    return this.#parts[0] as Uint8Array;
  }

  done(): void {
    this.#isDone = true;
    this.#refund(this.#charged);
    this.#length = 0;
    this.#parts = [];
    this.#block = undefined;
  }
}
