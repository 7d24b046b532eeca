import { expect, test } from "vitest";
import { allowedHost, allowedOrigin, hostNameOf } from "./allowed-names.ts";

test.each([
  ["logs.example.com", "logs.example.com"],
  ["LOGS.example.com.", "logs.example.com"],
  ["logs.example.com:8443", "logs.example.com"],
  ["my_host-1", "my_host-1"],
  ["10.0.0.7", "10.0.0.7"],
  ["fe80::1", "[fe80::1]"],
  ["[FE80:0::1]", "[fe80::1]"],
  ["[fe80::1]:7700", "[fe80::1]"],
  ["::", "[::]"],
  ["例え.jp", "xn--r8jz45g.jp"],
])("the host %s is %s, as a request for it says", (host, name) => {
  expect(allowedHost(host)).toBe(name);
  expect(hostNameOf(`${name}:80`)).toBe(name);
});

test.each([
  "http://foo",
  "foo/bar",
  "*.example.com",
  "*",
  "",
  " ",
  "a b",
  "fe80::1%eth0",
  "u@h",
  "1:2:3",
  "[::1",
  "a:b",
])("%j is no host", (host) => {
  expect(() => allowedHost(host)).toThrow(TypeError);
  expect(() => allowedHost(host)).toThrow(`got ${JSON.stringify(host)}`);
});

test.each([
  ["https://a.example", "https://a.example"],
  ["https://a.example/", "https://a.example"],
  ["HTTPS://A.example:443", "https://a.example"],
  ["http://localhost:3000", "http://localhost:3000"],
  ["http://[::1]:3000/", "http://[::1]:3000"],
  ["https://例え.jp", "https://xn--r8jz45g.jp"],
  ["tauri://localhost", "tauri://localhost"],
  ["chrome-extension://abcdef/", "chrome-extension://abcdef"],
])("the origin %s is %s, as browsers send it", (origin, sent) => {
  expect(allowedOrigin(origin)).toBe(sent);
});

test.each(["*", "null", "", "a.example", "https://", "https://*.a.example", "https://a.example/app", "https://a?b"])(
  "%j is no origin",
  (origin) => {
    expect(() => allowedOrigin(origin)).toThrow(TypeError);
    expect(() => allowedOrigin(origin)).toThrow(`got ${JSON.stringify(origin)}`);
  },
);
