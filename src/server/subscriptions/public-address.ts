/**
 * Which addresses a webhook may go to: those of the public internet alone. What is named here leads
 * to this machine, to its network, to those who run it (the metadata services of clouds), to nobody,
 * or to an address of one of these inside another one.
 *
 * IANA's registries of special-purpose addresses (RFC 6890), and what clouds have beside them.
 */
import { BlockList, isIP } from "node:net";

const notPublic4: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.31.196.0", 24],
  ["192.52.193.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["192.175.48.0", 24],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
  // Azure's own, in the middle of public ones.
  ["168.63.129.16", 32],
];

/** Of version 6 only 2000::/3 is public at all, and of that not these. */
const notPublic6: readonly (readonly [string, number])[] = [
  // With Teredo, which holds an address of version 4, and those for documentation and tests.
  ["2001::", 23],
  ["2001:db8::", 32],
  // 6to4, which holds one too.
  ["2002::", 16],
  ["2620:4f:8000::", 48],
  ["3fff::", 20],
];

const refused = new BlockList();
for (const [network, bits] of notPublic4) refused.addSubnet(network, bits, "ipv4");
for (const [network, bits] of notPublic6) refused.addSubnet(network, bits, "ipv6");

const global6 = new BlockList();
global6.addSubnet("2000::", 3, "ipv6");

const mapped = new BlockList();
mapped.addSubnet("::ffff:0:0", 96, "ipv6");

/** Whether an address, as text, is one of the public internet. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !refused.check(address, "ipv4");
    case 6:
      // The zone of a link: it is not public, whatever is in front of it.
      if (address.includes("%")) return false;
      // An address of version 4 in the clothes of version 6; the list looks through them.
      if (mapped.check(address, "ipv6")) return !refused.check(address, "ipv6");
      return global6.check(address, "ipv6") && !refused.check(address, "ipv6");
    default:
      return false;
  }
}
