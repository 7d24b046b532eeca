/** Bearer tokens (RFC 6750). They are kept as hashes, and compared in a time that says nothing about them. */
import { createHash, timingSafeEqual } from "node:crypto";

/** So short a one could be guessed. */
const leastLength = 16;

/** RFC 6750, section 2.1. */
const tokenText = /^[A-Za-z0-9\-._~+/]+=*$/;

function hashOf(text: string): Buffer {
  return createHash("sha256").update(text, "utf8").digest();
}

/** The tokens that open the server. */
export class Tokens {
  readonly #hashes: readonly Buffer[];

  /** @throws {TypeError} for a token that no client could send, or that could be guessed */
  constructor(tokens: readonly string[]) {
    for (const [i, token] of tokens.entries()) {
      if (!tokenText.test(token)) throw new TypeError(`token ${i + 1} has characters that a bearer token cannot have`);
      if (token.length < leastLength) {
        throw new TypeError(
          `token ${i + 1} is shorter than ${leastLength} characters; \`openssl rand -hex 32\` makes a good one`,
        );
      }
    }
    this.#hashes = tokens.map(hashOf);
  }

  /** Whether an `Authorization` header holds one of them. */
  accepts(authorization: string | undefined): boolean {
    const found = /^bearer +(\S+) *$/i.exec(authorization ?? "");
    const hash = hashOf(found?.[1] ?? "");
    let isKnown = false;
    // All of them, so that the time does not say which.
    for (const each of this.#hashes) isKnown = timingSafeEqual(each, hash) || isKnown;
    return isKnown && found !== null;
  }
}

/** The tokens in the text of a file: one a line; empty lines and lines that begin with # are passed over. */
export function tokensOf(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}
