/** Counts the descriptors and watches that a process holds: when it has closed everything there is none. */
import type { SimulatedMachine } from "../../src/testing/simulated-machine.ts";

/** Watches the machine from here on. Returns the paths of what is open. */
export function countDescriptors(machine: SimulatedMachine): () => string[] {
  const { storage } = machine;
  const open = new Map<object, string>();
  const openSync = storage.openSync.bind(storage);
  storage.openSync = (path, mode, options) => {
    const file = openSync(path, mode, options);
    open.set(file, path);
    const closeSync = file.closeSync.bind(file);
    file.closeSync = () => {
      open.delete(file);
      closeSync();
    };
    return file;
  };
  const watch = storage.watch.bind(storage);
  storage.watch = (directory, changed, options) => {
    const watched = watch(directory, changed, options);
    open.set(watched, `a watch of ${directory}`);
    return {
      close: () => {
        open.delete(watched);
        watched.close();
      },
    };
  };
  return () => [...open.values()];
}
