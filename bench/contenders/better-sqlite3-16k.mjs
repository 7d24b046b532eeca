/** SQLite as in better-sqlite3.mjs, with pages of 16 KiB, which suit large transactions. */
import { about as defaults, open as openWith } from "./better-sqlite3.mjs";

export const about = { ...defaults, name: "better-sqlite3, 16 KiB pages" };

export const open = (dir) => openWith(dir, { pageSize: 16_384 });
