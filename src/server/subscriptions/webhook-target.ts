/** Where webhooks may go. */
import { isIP } from "node:net";
import { isPublicAddress } from "./public-address.ts";

const maxUrlLength = 2048;

const hostText = /^(?:\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::\d{1,5})?$/;

export class WebhookTargets {
  readonly #allowed: ReadonlySet<string>;

  /**
   * @param allowed hosts, with or without a port, that the operator vouches for: over http too, whatever their address
   * @throws {TypeError} for what is no host
   */
  constructor(allowed: readonly string[]) {
    const hosts = allowed.map((host) => host.toLowerCase());
    for (const [i, host] of hosts.entries()) {
      if (!hostText.test(host)) {
        throw new TypeError(
          `webhooks may go to hosts as 127.0.0.1 or hooks.internal:8080, not ${JSON.stringify(allowed[i])}`,
        );
      }
    }
    this.#allowed = new Set(hosts);
  }

  /** Whether the operator vouches for the host of a URL. */
  isAllowed({ hostname, port, protocol }: URL): boolean {
    const withPort = `${hostname}:${port === "" ? (protocol === "https:" ? 443 : 80) : port}`;
    return this.#allowed.has(hostname) || this.#allowed.has(withPort);
  }

  /** What is wrong with a URL, in words; undefined when webhooks may go there. The address behind a name is looked at when one goes. */
  problemOf(text: string): string | undefined {
    if (text.length > maxUrlLength) return `it is longer than ${maxUrlLength} characters`;
    if (!URL.canParse(text)) return "it is not a URL";
    const url = new URL(text);
    if (url.protocol !== "https:" && url.protocol !== "http:") return "it must begin with https://";
    if (url.username !== "" || url.password !== "") return "it holds a name or a password";
    if (this.isAllowed(url)) return undefined;
    if (url.protocol !== "https:") return "it must begin with https://";
    const host = url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
    if (host === "localhost" || host.endsWith(".localhost")) return "it leads to this machine";
    if (isIP(host) !== 0 && !isPublicAddress(host)) return "its address is not one of the public internet";
    return undefined;
  }
}
