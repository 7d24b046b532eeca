/** A connection to the servers of a stream that sits out their elections, restarts and network cuts. */
import { type JetStreamManager, jetstream, jetstreamManager, JetStreamApiError } from "@nats-io/jetstream";
import {
  type Authenticator,
  AuthorizationError,
  type ConnectionOptions,
  type NatsConnection,
  PermissionViolationError,
  connect,
  credsAuthenticator,
  nkeyAuthenticator,
} from "@nats-io/transport-node";
import { SeqlogError } from "../errors.ts";
import type { Clock } from "../storage/storage.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import type { JetStreamLocation } from "./jetstream-location.ts";
import type { NatsLogin } from "./nats-open-options.ts";
import { isNotEnabled } from "./server-errors.ts";
import { untilAborted } from "./until-aborted.ts";

/** Between two questions that got no answer. */
const pauseMs = 200;

/** A server that was cut from the others answers no question and keeps its connections: after so long another one is asked. */
const moveOnMs = 3000;

/** How often a server is asked whether it is there. */
const pingMs = 4000;

/** How long one question may take. */
const answerMs = 2000;

/** What the client is told of a login: of the options, or of the location where they say nothing. */
function loginOptions({ user, password, isTls }: JetStreamLocation, login: NatsLogin): ConnectionOptions {
  const tls = isTls || login.tls !== undefined ? { tls: { ...login.tls } } : {};
  if (login.creds !== undefined) {
    const authenticator = tried("creds is not the content of a .creds file", credsAuthenticator(bytesOf(login.creds)));
    return { ...tls, authenticator };
  }
  if (login.nkey !== undefined) {
    const authenticator = tried("nkey is not the seed of a user, SU…", nkeyAuthenticator(bytesOf(login.nkey.trim())));
    return { ...tls, authenticator };
  }
  if (login.token !== undefined) return { ...tls, token: login.token };
  if (login.user !== undefined) return { ...tls, user: login.user, pass: login.pass ?? "" };
  if (user === undefined) return tls;
  return password === undefined ? { ...tls, token: user } : { ...tls, user, pass: password };
}

/** Said before a server is asked, and without what was given. */
function tried(problem: string, authenticator: Authenticator): Authenticator {
  try {
    authenticator("nonce");
  } catch {
    throw new TypeError(problem);
  }
  return authenticator;
}

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
  #maxPayload = 0;
  /** Ends whatever waits for servers. */
  readonly signal: AbortSignal | undefined;
  /** Whether a server has answered, so that there is JetStream. */
  #hasAnswered = false;
  #closedBy: Error | undefined;
  readonly #onDisconnect = new Set<() => void>();

  private constructor(
    location: JetStreamLocation,
    nats: NatsConnection,
    manager: JetStreamManager,
    patienceMs: number,
    signal: AbortSignal | undefined,
  ) {
    this.location = location;
    this.signal = signal;
    this.nats = nats;
    this.manager = manager;
    this.#patienceMs = patienceMs;
    this.#maxPayload = this.maxPayload;
    void this.#listen();
    void nats.closed().then((error) => {
      this.#closedBy = error ?? undefined;
    });
  }

  /**
   * @param signal ends the opening, and whatever waits for servers later
   * @throws SEQLOG_IO when no server can be reached
   */
  static async open(
    location: JetStreamLocation,
    patienceMs: number,
    login: NatsLogin = {},
    signal?: AbortSignal,
  ): Promise<StreamConnection> {
    const { servers, shown } = location;
    const whoAndHow = loginOptions(location, login);
    signal?.throwIfAborted();
    let nats: NatsConnection;
    let connecting: Promise<NatsConnection> | undefined;
    try {
      connecting = connect({
        servers: [...servers],
        name: "seqlog",
        maxReconnectAttempts: -1,
        // A server whose cable is pulled says nothing, and keeps the connection: it is noticed in 10 s, not in 6 minutes.
        pingInterval: pingMs,
        maxPingOut: 2,
        reconnectTimeWait: pauseMs,
        timeout: 10_000,
        ...whoAndHow,
      });
      nats = await untilAborted(connecting, signal);
    } catch (error) {
      if (signal?.aborted === true) {
        // The client cannot be told; nobody uses what it comes back with.
        void connecting?.then((late) => late.close()).catch(() => {});
        throw signal.reason;
      }
      throw ioError(shown, "connect", error);
    }
    try {
      const manager = await jetstreamManager(nats, { checkAPI: false, timeout: answerMs });
      return new StreamConnection(location, nats, manager, patienceMs, signal);
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
    // The client knows nothing of a server while it has none.
    this.#maxPayload = this.nats.info?.max_payload ?? this.#maxPayload;
    return this.#maxPayload;
  }

  /** For example `[2, 9, 10]`. */
  get version(): readonly number[] {
    return (this.nats.info?.version ?? "0").split(".").map((part) => Number.parseInt(part, 10));
  }

  /**
   * Asks until there is an answer; what the servers refuse is one, what they do not answer is not.
   * @throws SEQLOG_UNSUPPORTED for what they refuse, and when none has JetStream; SEQLOG_IO when patience
   * ends; the signal's reason
   */
  async ask<T>(doing: string, question: () => Promise<T>, patienceMs: number = this.#patienceMs): Promise<T> {
    const begun = this.clock.now();
    let moved = begun;
    for (;;) {
      try {
        const answer = await untilAborted(question(), this.signal);
        this.#hasAnswered = true;
        return answer;
      } catch (error) {
        this.signal?.throwIfAborted();
        if (isNotEnabled(error) && !this.#hasAnswered && this.clock.now() - begun > moveOnMs * this.#servers) {
          throw noJetStream(this.location.shown, error);
        }
        // 503: there is no leader now.
        if (error instanceof JetStreamApiError && error.status !== 503)
          throw refusedError(this.location.shown, doing, error);
        // The client gives up by itself when the login is refused again and again.
        if (this.nats.isClosed()) throw ioError(this.location.shown, doing, this.#closedBy ?? error);
        if (isRefusal(error) || this.clock.now() - begun > patienceMs) {
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

  /** How many may be asked. */
  get #servers(): number {
    return this.location.servers.length;
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

  async pause(): Promise<void> {
    const paused = new Promise<void>((resolve) => {
      this.clock.after(pauseMs, resolve, { keepAlive: true });
    });
    await untilAborted(paused, this.signal);
  }

  /** Goes to another server. */
  async moveOn(): Promise<void> {
    // One that is not connected is already looking for a server.
    if (this.#servers > 1) await this.nats.reconnect().catch(() => {});
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

function noJetStream(path: string, cause: unknown): SeqlogError<"SEQLOG_UNSUPPORTED"> {
  const reason = "JetStream is not enabled";
  return new SeqlogError(
    "SEQLOG_UNSUPPORTED",
    `${path}: ${reason} there, or not for this account: start nats-server with -js, or name a server that has it`,
    { path, reason },
    { cause },
  );
}

/** What the network or the servers failed with. */
export function ioError(path: string, syscall: string, cause: unknown): SeqlogError<"SEQLOG_IO"> {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const errno = isRefusal(cause) ? "EACCES" : (codeOf(cause) ?? "ETIMEDOUT");
  return new SeqlogError(
    "SEQLOG_IO",
    `${path}: ${syscall}: ${reason} (${errno}); ${adviceFor(cause, errno, path)}`,
    { path, syscall, errno },
    { cause },
  );
}

/** Whether it is about who asks, so that asking again is of no use. */
function isRefusal(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof AuthorizationError || at instanceof PermissionViolationError) return true;
  }
  return false;
}

function adviceFor(cause: unknown, errno: string, path: string): string {
  if (errno === "EACCES") {
    return isPermission(cause)
      ? "the user may not do this there: it needs to publish to $JS.API.>, NAME and SEQLOG_NAME.> (NAME being the stream's), and to subscribe to _INBOX.>"
      : "the server does not know this user, or not with this password, token or key";
  }
  if (/CERT|SIGNATURE|SSL|TLS/.test(errno)) {
    return "the certificates do not fit: tls: { ca } names whom to trust (NODE_EXTRA_CA_CERTS at a shell), tls: { cert, key } the client's own";
  }
  if (/does not support 'tls'/.test(String(cause))) return "use nats:// if it is to go unencrypted";
  const certificate = path.startsWith("tls:")
    ? ", and does it want a certificate of the client (tls: { cert, key })"
    : "";
  return `is nats-server running there, with JetStream (-js)${certificate}?`;
}

function isPermission(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof PermissionViolationError) return true;
  return false;
}

function codeOf(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === "string" && /^[A-Z][A-Z0-9_]+$/.test(code)) return code;
  }
  return undefined;
}
