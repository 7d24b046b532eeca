import { expect, test } from "vitest";
import { isPublicAddress } from "./public-address.ts";

const refused = [
  // This machine, and nobody.
  "127.0.0.1",
  "127.255.255.254",
  "0.0.0.0",
  "0.1.2.3",
  "::1",
  "::",
  // Networks of one's own.
  "10.0.0.1",
  "10.255.255.255",
  "172.16.0.1",
  "172.31.255.255",
  "192.168.1.1",
  "100.64.0.1",
  "100.127.255.255",
  "fc00::1",
  "fd12:3456::1",
  // Links, and the metadata services of clouds.
  "169.254.169.254",
  "169.254.0.1",
  "fe80::1",
  "fe80::1%eth0",
  "fd00:ec2::254",
  "100.100.100.200",
  "192.0.0.192",
  "168.63.129.16",
  // For documentation, tests, many and the future.
  "192.0.2.1",
  "198.51.100.7",
  "203.0.113.9",
  "198.18.0.1",
  "198.19.255.255",
  "192.88.99.1",
  "224.0.0.1",
  "239.255.255.255",
  "240.0.0.1",
  "255.255.255.255",
  "ff02::1",
  "2001:db8::1",
  "3fff::1",
  "5f00::1",
  "100::1",
  // One of the above in the clothes of another.
  "::ffff:127.0.0.1",
  "::ffff:7f00:1",
  "::ffff:10.0.0.1",
  "::ffff:a9fe:a9fe",
  "::127.0.0.1",
  "::ffff:0:127.0.0.1",
  "64:ff9b::7f00:1",
  "64:ff9b::8.8.8.8",
  "64:ff9b:1::1",
  "2002:7f00:1::1",
  "2001::1",
  "2001:0:7f00:1::1",
  // No addresses.
  "",
  "localhost",
  "2130706433",
  "0x7f000001",
  "127.1",
];

const taken = [
  "1.1.1.1",
  "8.8.8.8",
  "9.255.255.255",
  "11.0.0.1",
  "100.63.255.255",
  "100.128.0.1",
  "172.15.255.255",
  "172.32.0.1",
  "168.63.129.17",
  "192.0.1.1",
  "198.17.255.255",
  "223.255.255.255",
  "2606:4700:4700::1111",
  "2a00:1450:4001::1",
  "2001:4860:4860::8888",
  "::ffff:8.8.8.8",
];

test.each(refused)("%s is not public", (address) => {
  expect(isPublicAddress(address)).toBe(false);
});

test.each(taken)("%s is public", (address) => {
  expect(isPublicAddress(address)).toBe(true);
});
