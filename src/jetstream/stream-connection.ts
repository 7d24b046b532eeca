/** A connection to the servers of a stream that sits out their elections, restarts and network cuts. */
import { type JetStreamManager, jetstream, jetstreamManager, JetStreamApiError } from "@nats-io/jetstream";
import { type NatsConnection, connect, credsAuthenticator } from "@nats-io/transport-node";
import { SeqlogError } from "../errors.ts";
import type { Clock } from "../storage/storage.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import type { JetStreamLocation } from "./jetstream-location.ts";
import type { NatsOpenOptions } from "./nats-open-options.ts";

/** Between two questions that got no answer. */
const pauseMs = 200;

/** A server that was cut from the others answers no question and keeps its connections: after so long another one is asked. */
const moveOnMs = 3000;

/** How often a server is asked whether it is there. */
const pingMs = 4000;

/** How long one question may take. */
const answerMs = 2000;

/** Whom to log in as, beside what the location says. */
type Login = Pick<NatsOpenOptions, "user" | "pass" | "token" | "creds" | "tls">;

function bytesOf(text: string | Uint8Array): Uint8Array {
  return typeof text === "string" ? Buffer.from(text, "utf8") : text;
}

export class StreamConnection {
  readonly location: JetStreamLocation;
  readonly nats: NatsConnection;
  readonly manager: JetStreamManager;
  readonly clock: Clock = nodeMachine.clock;
  /** How long to wait for servers that do not do their work. */
  readonly #patienceMs: number;
  readonly #onDisconnect = new Set<() => void>();

  private constructor(
    location: JetStreamLocation,
    nats: NatsConnection,
    manager: JetStreamManager,
    patienceMs: number,
  ) {
    this.location = location;
    this.nats = nats;
    this.manager = manager;
    this.#patienceMs = patienceMs;
    void this.#listen();
  }

  /** @throws SEQLOG_IO when no server can be reached, or none has JetStream */
  static async open(location: JetStreamLocation, patienceMs: number, login: Login = {}): Promise<StreamConnection> {
    const { servers, isTls, shown } = location;
    const { user = location.user, pass = location.password, token, creds, tls } = login;
    let nats: NatsConnection;
    try {
      nats = await connect({
        servers: [...servers],
        name: "seqlog",
        maxReconnectAttempts: -1,
        // A server whose cable is pulled says nothing, and keeps the connection: it is noticed in 10 s, not in 6 minutes.
        pingInterval: pingMs,
        maxPingOut: 2,
        reconnectTimeWait: pauseMs,
        timeout: 10_000,
        ...(token === undefined ? {} : { token }),
        ...(user === undefined ? {} : pass === undefined ? { token: user } : { user, pass }),
        ...(creds === undefined ? {} : { authenticator: credsAuthenticator(bytesOf(creds)) }),
        ...(isTls || tls !== undefined ? { tls: { ...tls } } : {}),
      });
    } catch (error) {
      throw ioError(shown, "connect", error);
    }
    try {
      const manager = await jetstreamManager(nats, { checkAPI: false, timeout: answerMs });
      return new StreamConnection(location, nats, manager, patienceMs);
    } catch (error) {
      await nats.close();
      throw ioError(shown, "connect", error);
    }
  }

  get js(): ReturnType<typeof jetstream> {
    return jetstream(this.nats, { timeout: answerMs });
  }

  /** The largest message, headers included, that the server takes. */
  get maxPayload(): number {
    return this.nats.info?.max_payload ?? 0;
  }

  /** For example `[2, 9, 10]`. */
  get version(): readonly number[] {
    return (this.nats.info?.version ?? "0").split(".").map((part) => Number.parseInt(part, 10));
  }

  /**
   * Asks until there is an answer; what the servers refuse is one, what they do not answer is not.
   * @throws SEQLOG_UNSUPPORTED for what they refuse; SEQLOG_IO when patience ends
   */
  async ask<T>(doing: string, question: () => Promise<T>): Promise<T> {
    const begun = this.clock.now();
    let moved = begun;
    for (;;) {
      try {
        return await question();
      } catch (error) {
        // 503: there is no leader now.
        if (error instanceof JetStreamApiError && error.status !== 503)
          throw refusedError(this.location.shown, doing, error);
        if (this.nats.isClosed() || this.clock.now() - begun > this.#patienceMs) {
          throw ioError(this.location.shown, doing, error);
        }
      }
      await this.pause();
      if (this.clock.now() - moved > moveOnMs) {
        moved = this.clock.now();
        await this.moveOn();
      }
    }
  }

  /** Calls when the connection is lost, which the client then makes anew; returns how to take it back. */
  whenLost(call: () => void): () => void {
    this.#onDisconnect.add(call);
    return () => this.#onDisconnect.delete(call);
  }

  async #listen(): Promise<void> {
    for await (const { type } of this.nats.status()) {
      if (type === "disconnect") for (const call of this.#onDisconnect) call();
    }
  }

  pause(): Promise<void> {
    return new Promise((resolve) => {
      this.clock.after(pauseMs, resolve, { keepAlive: true });
    });
  }

  /** Goes to another server. */
  async moveOn(): Promise<void> {
    // One that is not connected is already looking for a server.
    if (this.location.servers.length > 1) await this.nats.reconnect().catch(() => {});
  }

  close(): Promise<void> {
    return this.nats.close();
  }
}

function refusedError(path: string, doing: string, cause: JetStreamApiError): SeqlogError<"SEQLOG_UNSUPPORTED"> {
  const reason = cause.message;
  return new SeqlogError(
    "SEQLOG_UNSUPPORTED",
    `${path}: ${doing}: the server refuses: ${reason}`,
    { path, reason },
    { cause },
  );
}

/** What the network or the servers failed with. */
export function ioError(path: string, syscall: string, cause: unknown): SeqlogError<"SEQLOG_IO"> {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const errno = codeOf(cause) ?? "ETIMEDOUT";
  return new SeqlogError(
    "SEQLOG_IO",
    `${path}: ${syscall}: ${reason} (${errno}); is nats-server running there, with JetStream (-js)?`,
    { path, syscall, errno },
    { cause },
  );
}

function codeOf(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === "string" && /^E[A-Z]+$/.test(code)) return code;
  }
  return undefined;
}
