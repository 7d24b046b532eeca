/** Names and origins that a server is told to let in, checked and written as browsers write them: one that can never match is a mistake. */

/** Two colons at least: with one it would be a name and a port. */
const bareIpv6 = /^[0-9a-f.]*:[0-9a-f.]*:[0-9a-f:.]*$/i;

/** What a host has, when a URL has made it plain. */
const plainHost = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])$/;

/** Scheme, host and port; a slash behind them changes nothing. */
const originText = /^([a-z][a-z0-9+.-]*):\/\/([^/?#@\s*\\]+)\/?$/i;

/** The name in a Host header, or in the host of an origin, without its port. */
export function hostNameOf(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
}

/** A name of the server as `hostNameOf` has it. @throws {TypeError} for what no request can be sent to */
export function allowedHost(host: string): string {
  const text = bareIpv6.test(host) ? `[${host}]` : host;
  const name = /[/?#@\s\\%]/.test(text) ? undefined : urlOf(`http://${text}/`)?.hostname;
  if (name === undefined || !plainHost.test(name)) {
    const form = "a name or an address alone, as logs.example.com or ::1, without scheme, path and wildcards";
    throw new TypeError(`a host that the server is reached by must be ${form}; got ${JSON.stringify(host)}`);
  }
  return hostNameOf(name);
}

/** An origin as browsers send it. @throws {TypeError} for what none sends */
export function allowedOrigin(origin: string): string {
  const [, scheme, host] = originText.exec(origin) ?? [];
  const url = scheme === undefined || host === undefined ? undefined : urlOf(`${scheme}://${host}`);
  if (url === undefined) {
    const form =
      "scheme, host and port, as https://app.example.com or http://localhost:3000, without path and wildcards";
    throw new TypeError(`an origin that is allowed must be of ${form}; got ${JSON.stringify(origin)}`);
  }
  // Of other schemes than those of the web, which apps in a frame of their own have, it is what was given.
  return url.origin === "null" ? `${scheme}://${host}`.toLowerCase() : url.origin;
}

function urlOf(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}
