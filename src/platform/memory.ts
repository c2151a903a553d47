import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isLinux } from './constants.js';
import { libc } from './ffi.js';

const mallopt = isLinux ? libc('mallopt', 'int', ['int', 'int']) : () => null;
const M_TRIM_THRESHOLD = -1;
const M_MMAP_THRESHOLD = -3;

/**
 * Has glibc give the memory of large buffers back to the system when they are freed. It would raise the size from which
 * on it does so to 32 MiB by itself, and keep what is smaller. Other libraries (musl's) do so anyway. Of small ones some
 * megabytes stay: given back each time, they would come again as pages that the kernel has to clear.
 */
export function giveBuffersBack(): void {
  mallopt()?.(M_MMAP_THRESHOLD, 128 * 1024);
  mallopt()?.(M_TRIM_THRESHOLD, 4 * 1024 * 1024);
}

/** Bytes of buffers that may become garbage before the young ones, and all of them, are collected. */
const YOUNG_GARBAGE = 4 * 1024 * 1024;
const MOST_GARBAGE = 128 * 1024 * 1024;
let young = 0;
let garbage = 0;
let collect: Collector | undefined;

/**
 * To be told of buffers that will soon be garbage. V8 does not count them when it decides whether to collect: a thread
 * with a small heap would keep a gigabyte of them. Most die young, and collecting those takes a third of a
 * millisecond where collecting all takes ten.
 */
export function noteGarbage(bytes: number): void {
  young += bytes;
  if (young < YOUNG_GARBAGE) return;
  garbage += young;
  young = 0;
  collect ??= findCollector();
  if (garbage < MOST_GARBAGE) {
    collect({ type: 'minor' });
    return;
  }
  garbage = 0;
  collect();
}

type Collector = (options?: { type: 'minor' }) => void;

function findCollector(): Collector {
  // Flags are those of all threads: taken back here, it would be missing where another thread has just set it.
  v8.setFlagsFromString('--expose-gc');
  const gc = runInNewContext('typeof gc === "function" ? gc : undefined') as Collector | undefined;
  return gc ?? (() => undefined);
}
