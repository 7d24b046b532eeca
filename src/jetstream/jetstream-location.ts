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

const pattern = /^(nats|tls):\/\/(?:([^@/\s]*)@)?([^@/?#]+)\/([^?#]*)$/i;

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
      `${withoutLogin(location)}: a log on JetStream is at nats://host:4222/name or nats://a:4222,b:4222,c:4222/name; a name has letters, digits, - and _. In a user or password write @ as %40, / as %2F and : as %3A`,
    );
  }
  const [user, password] = login === undefined ? [] : partsOf(login);
  return {
    servers,
    stream,
    isTls: scheme.toLowerCase() === "tls",
    user,
    password,
    shown: `${scheme.toLowerCase()}://${hosts}/${stream}`,
  };
}

/** What stands before the host: a user and its password, or a token. */
function partsOf(login: string): string[] {
  const colon = login.indexOf(":");
  const parts = colon < 0 ? [login] : [login.slice(0, colon), login.slice(colon + 1)];
  try {
    return parts.map(decodeURIComponent);
  } catch {
    throw new TypeError("the user or password of the location has a % that is no %XX: write it as %25");
  }
}

/** A location, perhaps not a right one, without user, password or token: rather too little of it is left than too much. */
export function withoutLogin(location: string): string {
  return location.replace(/\/\/.*@/s, "//");
}

/** Text without the users, passwords and tokens of the locations in it. */
export function withoutLogins(text: string): string {
  return text.replaceAll(/\b(nats|tls):\/\/[^\s"'`]*@/gi, "$1://");
}
