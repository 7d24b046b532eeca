/**
 * The secrets of a directory: the key that webhooks are signed with (Ed25519), and the one that makes
 * tokens of wakes (HMAC). Made once, at the first subscription, and kept for its owner's eyes alone:
 * whoever takes the file away makes all tokens invalid, and begins with another signing key.
 */
import {
  type KeyObject,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  sign,
  timingSafeEqual,
} from "node:crypto";
import { join } from "node:path";
import { SeqlogError } from "../../errors.ts";
import { decodeCheckedLine, encodeCheckedLine } from "../../format/checked-line.ts";
import { asOffset } from "../../numbers.ts";
import { replaceFileSync } from "../../storage/replace-file.ts";
import type { Machine, Storage } from "../../storage/storage.ts";
import { reservedSegment } from "../streams/stream-path.ts";

const keyBytes = 32;
const maxFileBytes = 4096;

/** PKCS #8 of an Ed25519 key (RFC 8410), up to the 32 bytes of its seed. */
const pkcs8Head = Buffer.from("302e020100300506032b657004220420", "hex");

/** The public half, as those who check signatures read it (RFC 7517, RFC 8037). */
export interface PublicJwk {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly x: string;
  readonly kid: string;
  readonly use: "sig";
  readonly alg: "EdDSA";
}

/** What a token of a wake stands for. */
export interface TokenOf {
  /** The internal id of the subscription: one that was made anew under its name is another one. */
  readonly uid: string;
  readonly generation: number;
}

const tokenText = /^([0-9a-f-]{36})\.(\d{1,16})\.([A-Za-z0-9_-]{43})$/;

export class Keys {
  readonly jwk: PublicJwk;
  readonly #signingKey: KeyObject;
  readonly #tokenKey: Uint8Array;

  private constructor(seed: Uint8Array, tokenKey: Uint8Array) {
    this.#signingKey = createPrivateKey({ key: Buffer.concat([pkcs8Head, seed]), format: "der", type: "pkcs8" });
    this.#tokenKey = tokenKey;
    const { x } = createPublicKey(this.#signingKey).export({ format: "jwk" }) as { readonly x: string };
    // RFC 7638: the thumbprint of the members that make the key, in this order.
    const members = JSON.stringify({ crv: "Ed25519", kty: "OKP", x });
    const kid = `ds_${createHash("sha256").update(members).digest("base64url")}`;
    this.jwk = { kty: "OKP", crv: "Ed25519", x, kid, use: "sig", alg: "EdDSA" };
  }

  /** Those of a directory; undefined when it has none. @throws SEQLOG_DAMAGED */
  static find(storage: Storage, directory: string): Keys | undefined {
    const path = keysPath(directory);
    if (storage.statSync(path) === undefined) return undefined;
    const file = storage.openSync(path, "read");
    try {
      const bytes = new Uint8Array(Math.min(file.statSync().size, maxFileBytes));
      return Keys.#decode(bytes.subarray(0, file.readSync(bytes, 0)), path);
    } finally {
      file.closeSync();
    }
  }

  /** Those of a directory, made durable when it has none. The caller holds its lock. */
  static open({ storage, random }: Machine, directory: string): Keys {
    const found = Keys.find(storage, directory);
    if (found !== undefined) return found;
    const [seed, tokenKey] = [new Uint8Array(keyBytes), new Uint8Array(keyBytes)];
    random.fill(seed);
    random.fill(tokenKey);
    const line = { format: 1, signing: base64Of(seed), tokens: base64Of(tokenKey) };
    replaceFileSync(storage, keysPath(directory), encodeCheckedLine(line), { isPrivate: true });
    return new Keys(seed, tokenKey);
  }

  static #decode(bytes: Uint8Array, path: string): Keys {
    const decoded = decodeCheckedLine(bytes);
    const { format, signing, tokens } = ("value" in decoded ? (decoded.value ?? {}) : {}) as Record<string, unknown>;
    const seed = Buffer.from(typeof signing === "string" ? signing : "", "base64url");
    const tokenKey = Buffer.from(typeof tokens === "string" ? tokens : "", "base64url");
    if (format === 1 && seed.length === keyBytes && tokenKey.length === keyBytes) return new Keys(seed, tokenKey);
    const reason = "reason" in decoded ? decoded.reason : "it holds no keys that this seqlog knows";
    throw new SeqlogError(
      "SEQLOG_DAMAGED",
      `${path}: not valid keys: ${reason}. Without the file new ones are made; tokens that are out become invalid`,
      { file: path, offset: asOffset(0), reason },
    );
  }

  /** The signature of a webhook's body: `t=<seconds>,kid=<key>,ed25519=<base64url>`, over `<seconds>.<body>`. */
  signatureOf(body: string, nowMs: number): string {
    const seconds = Math.floor(nowMs / 1000);
    const signature = sign(null, Buffer.from(`${seconds}.${body}`), this.#signingKey);
    return `t=${seconds},kid=${this.jwk.kid},ed25519=${signature.toString("base64url")}`;
  }

  /** What whoever is woken shows when it acknowledges. It is of no use once its wake is over. */
  tokenOf(of: TokenOf): string {
    return `${of.uid}.${of.generation}.${this.#codeOf(of).toString("base64url")}`;
  }

  /** What the token in an `Authorization` header stands for; undefined when it is none of this directory. */
  check(authorization: string | undefined): TokenOf | undefined {
    const [, token = ""] = /^bearer +(\S+) *$/i.exec(authorization ?? "") ?? [];
    const [, uid, generation, code] = tokenText.exec(token) ?? [];
    if (uid === undefined || generation === undefined || code === undefined) return undefined;
    const of = { uid, generation: Number(generation) };
    const given = Buffer.from(code, "base64url");
    const right = this.#codeOf(of);
    return given.length === right.length && timingSafeEqual(given, right) ? of : undefined;
  }

  #codeOf({ uid, generation }: TokenOf): Buffer {
    return createHmac("sha256", this.#tokenKey).update(`wake ${uid} ${generation}`).digest();
  }
}

function keysPath(directory: string): string {
  return join(directory, reservedSegment, "KEYS");
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}
