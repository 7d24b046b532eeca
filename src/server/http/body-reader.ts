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

/** One body. Whoever reads it calls `done` when nobody needs it any more. */
export class BodyParts {
  readonly #budget: BodyBudget;
  readonly #most: number;
  #parts: Uint8Array[] = [];
  #length = 0;
  #charged = 0;
  #isDone = false;

  constructor(budget: BodyBudget, most: number) {
    this.#budget = budget;
    this.#most = most;
  }

  /** @throws {Problem} when it is too much */
  add(part: Uint8Array): void {
    this.check(this.#length + part.length);
    this.#budget.take(part.length);
    this.#length += part.length;
    this.#parts.push(part);
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

  /** All of it. */
  whole(): Uint8Array {
    return this.#parts.length === 1 ? (this.#parts[0] as Uint8Array) : Buffer.concat(this.#parts);
  }

  done(): void {
    this.#isDone = true;
    this.#budget.give(this.#length + this.#charged);
    this.#length = 0;
    this.#charged = 0;
    this.#parts = [];
  }
}
