import { expect, test } from "vitest";
import { SeededRandom } from "./seeded-random.ts";
import { SimulatedDirectory } from "./simulated-directory.ts";
import { SimulatedInode } from "./simulated-inode.ts";

const space = { capacity: Number.POSITIVE_INFINITY, used: 0 };

function inode(number: number): SimulatedInode {
  return new SimulatedInode(number, space);
}

/** The directory as text: each name with the number of its file. */
function show(directory: SimulatedDirectory): string {
  return directory
    .names()
    .sort()
    .map((name) => `${name}${directory.get(name)?.number}`)
    .join(" ");
}

/** Every outcome of a power cut after `change`, on a directory whose names were synced. */
function outcomes(names: string, change: (directory: SimulatedDirectory) => void): string[] {
  const seen = new Set<string>();
  for (let seed = 0; seed < 300; seed++) {
    const directory = new SimulatedDirectory(0);
    for (const [i, name] of [...names].entries()) directory.link(name, inode(i + 1));
    directory.sync();
    change(directory);
    directory.crash(new SeededRandom(seed), 0.5);
    seen.add(show(directory));
  }
  return [...seen].sort();
}

test("a new name may be lost until the directory is synced", () => {
  expect(outcomes("", (directory) => directory.link("n", inode(9)))).toEqual(["", "n9"]);
  expect(
    outcomes("", (directory) => {
      directory.link("n", inode(9));
      directory.sync();
    }),
  ).toEqual(["n9"]);
});

test("a removed name may come back", () => {
  expect(outcomes("a", (directory) => directory.unlink("a"))).toEqual(["", "a1"]);
});

test("changes of different names are kept in any combination", () => {
  const both = (directory: SimulatedDirectory): void => {
    directory.link("x", inode(8));
    directory.unlink("a");
  };
  expect(outcomes("a", both)).toEqual(["", "a1", "a1 x8", "x8"]);
});

test("a rename is there or not, never half", () => {
  expect(outcomes("ab", (directory) => directory.rename("a", "b"))).toEqual(["a1 b2", "b1"]);
});

test("a file made, synced and renamed over another: the old one, with or without the new, or the new one", () => {
  const replace = (directory: SimulatedDirectory): void => {
    directory.link("t", inode(9));
    directory.rename("t", "m");
  };
  expect(outcomes("m", replace)).toEqual(["m1", "m1 t9", "m9"]);
});

test("two renames of one file never leave it under two names, nor under none", () => {
  const twice = (directory: SimulatedDirectory): void => {
    directory.rename("a", "b");
    directory.rename("b", "c");
  };
  expect(outcomes("a", twice)).toEqual(["a1", "b1", "c1"]);
});

test("a name that a rename freed is not taken before the rename is there", () => {
  const reuse = (directory: SimulatedDirectory): void => {
    directory.rename("a", "b");
    directory.link("a", inode(9));
  };
  expect(outcomes("a", reuse)).toEqual(["a1", "a9 b1", "b1"]);
});

test("a crash at its worst keeps nothing unsynced, at its best all", () => {
  const directory = new SimulatedDirectory(0);
  directory.link("a", inode(1));
  directory.sync();
  directory.rename("a", "b");
  directory.link("c", inode(2));
  expect(show(directory)).toBe("b1 c2");
  directory.crash(new SeededRandom(1), 0);
  expect(show(directory)).toBe("a1");
  directory.rename("a", "b");
  directory.crash(new SeededRandom(1), 1);
  expect(show(directory)).toBe("b1");
});

test("whatever is renamed, made and removed, no file ends up under two names", () => {
  for (let seed = 0; seed < 2000; seed++) {
    const random = new SeededRandom(`names ${seed}`);
    const directory = new SimulatedDirectory(0);
    let number = 1;
    for (let step = 0; step < 12; step++) {
      const name = random.pick(["a", "b", "c"]);
      const other = random.pick(["a", "b", "c"]);
      const kind = random.int(5);
      if (kind <= 1) directory.rename(name, other);
      else if (kind === 2) directory.unlink(name);
      else if (kind === 3 && directory.get(name) === undefined) directory.link(name, inode(number++));
      else if (kind === 4 && random.chance(0.3)) directory.sync();
    }
    directory.crash(random, 0.5);
    const files = directory.names().map((name) => directory.get(name));
    expect(new Set(files).size, `seed ${seed}: ${show(directory)}`).toBe(files.length);
  }
});
