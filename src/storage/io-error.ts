/** Turns what the operating system said into a `SeqlogError`. Every storage implementation throws only these. */
import { SeqlogError } from "../errors.ts";
import { asOffset } from "../numbers.ts";

/** The errnos after which a write can be undone and the log goes on. */
const noSpaceErrnos = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** What a path was, when it was not a regular file. Not an errno of any system. */
export const notRegular = "ENOTREG";

/** The error for a failed operation on `path`. */
export function ioError(errno: string, syscall: string, path: string, cause?: unknown): SeqlogError {
  const options = cause === undefined ? {} : { cause };
  if (noSpaceErrnos.has(errno)) {
    return new SeqlogError(
      "SEQLOG_NO_SPACE",
      `${path}: no space for this ${syscall} (${errno}); nothing acknowledged is lost. Free space, then try again`,
      { path, errno },
      options,
    );
  }
  if (errno === notRegular || errno === "ELOOP" || errno === "EISDIR") {
    const found =
      errno === "ELOOP" ? "a symbolic link" : errno === "EISDIR" ? "a directory" : "a FIFO, device or socket";
    const reason = `is ${found}, not a regular file`;
    return new SeqlogError(
      "SEQLOG_DAMAGED",
      `${path}: ${reason}; move it away, or put the file back`,
      { file: path, offset: asOffset(0), reason },
      options,
    );
  }
  if (errno === "ENOENT") {
    return new SeqlogError("SEQLOG_NOT_FOUND", `${path}: there is no such file (${syscall})`, { path }, options);
  }
  return new SeqlogError(
    "SEQLOG_IO",
    `${path}: ${syscall} failed with ${errno}${hint(errno)}`,
    { path, syscall, errno },
    options,
  );
}

function hint(errno: string): string {
  switch (errno) {
    case "EACCES":
    case "EPERM":
      return "; check the rights of the file, of its directory and of this user";
    case "EROFS":
      return "; the file system is mounted read-only";
    case "EMFILE":
    case "ENFILE":
      return "; too many open files: raise `ulimit -n` or open fewer logs at once";
    case "ENOTDIR":
      return "; a part of the path is not a directory";
    case "EIO":
      return "; the device reports an error: look at the kernel's log and copy the data to another disk";
    default:
      return "";
  }
}
