import { expect, test } from "vitest";
import { WebhookTargets } from "./webhook-target.ts";

const open = new WebhookTargets([]);

test.each([
  "https://hooks.example.com/x",
  "https://hooks.example.com:8443/x?y=z",
  "https://8.8.8.8/",
  "https://[2606:4700:4700::1111]/",
])("%s is fine", (url) => {
  expect(open.problemOf(url)).toBeUndefined();
});

test.each([
  ["http://hooks.example.com/x", "https"],
  ["http://10.0.0.1/hook", "https"],
  ["ftp://hooks.example.com/", "https"],
  ["file:///etc/passwd", "https"],
  ["javascript:alert(1)", "https"],
  ["hooks.example.com", "not a URL"],
  ["", "not a URL"],
  ["https://user:secret@hooks.example.com/", "password"],
  ["https://user@hooks.example.com/", "name"],
  ["https://localhost/", "this machine"],
  ["https://LOCALHOST./", "this machine"],
  ["https://a.localhost/", "this machine"],
  ["https://127.0.0.1/", "public"],
  ["https://127.1/", "public"],
  ["https://0x7f.1/", "public"],
  ["https://2130706433/", "public"],
  ["https://0177.0.0.1/", "public"],
  ["https://①②⑦.0.0.1/", "public"],
  ["https://169.254.169.254/latest/meta-data", "public"],
  ["https://[::1]/", "public"],
  ["https://[::ffff:10.0.0.1]/", "public"],
  ["https://[fe80::1]/", "public"],
  [`https://hooks.example.com/${"x".repeat(2048)}`, "longer"],
])("%s is refused: %s", (url, why) => {
  expect(open.problemOf(url)).toContain(why);
});

test("hosts that the operator vouches for are fine over http too, with their port or with any", () => {
  const targets = new WebhookTargets(["127.0.0.1", "Hooks.internal:8080", "[::1]"]);
  for (const url of ["http://127.0.0.1:1234/", "https://127.1/", "http://hooks.internal:8080/x", "http://[::1]:9/"]) {
    expect({ url, problem: targets.problemOf(url) }).toEqual({ url, problem: undefined });
  }
  for (const url of ["http://hooks.internal/", "http://127.0.0.2/", "ftp://127.0.0.1/", "http://u:p@127.0.0.1/"]) {
    expect({ url, problem: targets.problemOf(url) }).toEqual({ url, problem: expect.any(String) as string });
  }
});

test("the port of a scheme need not be written", () => {
  expect(new WebhookTargets(["a.internal:443"]).problemOf("https://a.internal/")).toBeUndefined();
  expect(new WebhookTargets(["a.internal:80"]).problemOf("http://a.internal/")).toBeUndefined();
});

test.each(["http://127.0.0.1", "a/b", "", "a b", "*"])("%s is no host", (host) => {
  expect(() => new WebhookTargets([host])).toThrow(TypeError);
});
