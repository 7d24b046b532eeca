/**
 * Whom the command logs in to NATS as: by the environment variables that NATS's own command goes by,
 * since the arguments of a command can be seen by everybody on the machine.
 */
import type { NatsLogin } from "../index.ts";
import { readSmallFile } from "./read-small-file.ts";

/** What the environment says; nothing where the location itself has a login. */
export function natsLogin(location: string, environment: NodeJS.ProcessEnv = process.env): NatsLogin {
  const text = (name: string): string | undefined => environment[name] || undefined;
  const content = (name: string): string | undefined => {
    const path = text(name);
    return path === undefined ? undefined : readSmallFile(path);
  };
  const ca = content("NATS_CA");
  const cert = content("NATS_CERT");
  const key = content("NATS_KEY");
  const certificates = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
  const tls = Object.keys(certificates).length === 0 ? {} : { tls: certificates };
  if (location.includes("@")) return tls;
  const user = text("NATS_USER");
  const pass = text("NATS_PASSWORD");
  const token = text("NATS_TOKEN");
  const creds = content("NATS_CREDS");
  const nkey = content("NATS_NKEY");
  return {
    ...tls,
    ...(user && { user }),
    ...(pass && { pass }),
    ...(token && { token }),
    ...(creds && { creds }),
    ...(nkey && { nkey }),
  };
}
