/** Where a log on JetStream is: `nats://host:port,host:port/name`. */

/** The parts of a location. */
export interface JetStreamLocation {
  /** `host:port` of each server; the port may be left out. */
  readonly servers: readonly string[];
  /** The stream's name. */
  readonly stream: string;
  readonly isTls: boolean;
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** The location without its password, for messages. */
  readonly shown: string;
}

const pattern = /^(nats|tls):\/\/(?:([^@/]*)@)?([^/?#]+)\/([^?#]*)$/i;

/** What a stream may be called: what the server takes, in the ASCII that every shell and file system takes too. */
const streamPattern = /^[A-Za-z0-9_-]{1,128}$/;

/**
 * @throws {TypeError} when it is not such a location
 */
export function parseJetStreamLocation(location: string): JetStreamLocation {
  const [, scheme = "", login, hosts = "", stream = ""] = pattern.exec(location) ?? [];
  const servers = hosts.split(",");
  if (scheme === "" || servers.includes("") || !streamPattern.test(stream)) {
    throw new TypeError(
      `${withoutPassword(location)}: a log on JetStream is at nats://host:4222/name or nats://a:4222,b:4222,c:4222/name; a name has letters, digits, - and _`,
    );
  }
  const [user, password] = login?.split(":", 2).map(decodeURIComponent) ?? [];
  return {
    servers,
    stream,
    isTls: scheme.toLowerCase() === "tls",
    user,
    password,
    shown: `${scheme.toLowerCase()}://${hosts}/${stream}`,
  };
}

function withoutPassword(location: string): string {
  return location.replace(/\/\/[^@/]*@/, "//");
}
