import { createRequire } from 'node:module';
import type { ByteString } from '../bytes.js';
import { isDarwin, isLinux, PATH_MAX } from './constants.js';
import { errnoOf, SystemError } from './error.js';

/**
 * libc by FFI, bound lazily: koffi itself (some 10 ms) at the first call that needs it, each function at its first use.
 *
 * Pointers are passed as plain numbers into memory that this module owns, which is faster than handing over buffers:
 * an ArrayBuffer made by its constructor lies outside the JavaScript heap and never moves, and user addresses are
 * below 2^53. Everything here is per thread, so worker threads do not disturb each other.
 */
export type NativeFunction = (...args: (number | string)[]) => number;

interface Koffi {
  load(path: null): { func(name: string, result: string, args: string[]): unknown };
  address(memory: ArrayBuffer): bigint;
  errno(): number;
}

interface Native {
  readonly koffi: Koffi;
  readonly library: ReturnType<Koffi['load']>;
}

// The system interface is known here for 64-bit Linux ports that share the generic layout, and for macOS.
const SUPPORTED = isDarwin || (isLinux && ['x64', 'arm64', 'riscv64', 'loong64'].includes(process.arch));

let loaded: Native | null | undefined;
let failure = '';

function native(): Native | null {
  if (loaded !== undefined) return loaded;
  loaded = null;
  if (!isLinux && !isDarwin) return loaded;
  try {
    if (process.env.BACKUP_NINJA_NO_FFI) throw new Error('switched off by BACKUP_NINJA_NO_FFI');
    if (!SUPPORTED) throw new Error(`not known for ${process.platform} on ${process.arch}`);
    const koffi = createRequire(import.meta.url)('koffi') as Koffi;
    loaded = { koffi, library: koffi.load(null) };
  } catch (error) {
    failure = (error instanceof Error ? error.message : String(error)).split('\n', 1)[0];
  }
  return loaded;
}

/** Whether libc can be called. Always false on Windows, where Node's own functions are used. */
export function nativeAvailable(): boolean {
  return native() !== null;
}

/** What the user should know about this platform: nothing, or one sentence saying what is lost without libc. */
export function platformNotes(): string[] {
  if (nativeAvailable() || (!isLinux && !isDarwin)) return [];
  return [
    `system functions cannot be called (koffi: ${failure}): extended attributes and ACLs are neither saved nor ` +
      'restored, sockets are not restored, and times are restored to the microsecond; reinstall with ' +
      'optional dependencies to get them back',
  ];
}

/**
 * A libc function, bound at the first call of what this returns; null where it cannot be had.
 * Types are koffi's; pointers are `uintptr_t`.
 */
export function libc(name: string, result: string, args: string[]): () => NativeFunction | null {
  let bound: NativeFunction | null | undefined;
  return () => {
    if (bound === undefined) bound = bind(name, result, args);
    return bound;
  };
}

function bind(name: string, result: string, args: string[]): NativeFunction | null {
  const system = native();
  if (system === null) return null;
  try {
    return system.library.func(name, result, args) as NativeFunction;
  } catch {
    return null; // an older libc that lacks it
  }
}

/**
 * `syscall(number, …)` of Linux with these argument types, for what not every libc exports.
 * It is variadic in C; on the supported ports that changes nothing for integers.
 */
export function syscall(args: string[]): () => NativeFunction | null {
  return isLinux ? libc('syscall', 'long', ['long', ...args]) : () => null;
}

/** The result of a call, or, when that is -1, the negative error number. To be called at once after it. */
export function outcome(value: number): number {
  return value === -1 ? -(loaded as Native).koffi.errno() : Number(value);
}

/** Makes a call on another thread, for one that takes long; its outcome. */
export function inBackground(call: NativeFunction, ...args: number[]): Promise<number> {
  const native = call as unknown as { async(...args: unknown[]): void };
  return new Promise((resolve, reject) => {
    native.async(...args, (error: unknown, value: number) => {
      if (error) reject(error);
      else resolve(outcome(value));
    });
  });
}

/** Memory at a fixed address, to be written by libc. Keep the object for as long as the address is in use. */
export interface Memory {
  readonly address: number;
  readonly bytes: Buffer<ArrayBuffer>;
}

/** New memory at a fixed address; address 0 where there is no libc to use it. */
export function memory(size: number): Memory {
  const buffer = new ArrayBuffer(size);
  const system = native();
  return { address: system === null ? 0 : Number(system.koffi.address(buffer)), bytes: Buffer.from(buffer) };
}

let scratchMemory: Memory | undefined;

/** Shared memory for results of one call: at least `size` bytes, overwritten by the next user. */
export function scratch(size: number): Memory {
  if (scratchMemory === undefined || scratchMemory.bytes.length < size) {
    scratchMemory = memory(Math.max(size, 256 * 1024));
  }
  return scratchMemory;
}

const NAME_SPACE = PATH_MAX + 1;
let first: Memory | undefined;
let second: Memory | undefined;

/** Address of a name as a C string. Valid until the next call; `cString2` has a place of its own. */
export function cString(name: ByteString): number {
  first ??= memory(NAME_SPACE);
  write(first.bytes, name);
  return first.address;
}

/** As `cString`, for the second name of a call. */
export function cString2(name: ByteString): number {
  second ??= memory(NAME_SPACE);
  write(second.bytes, name);
  return second.address;
}

function write(bytes: Buffer, name: ByteString): void {
  const length = name.length;
  if (length >= NAME_SPACE) throw new SystemError(errnoOf('ENAMETOOLONG'), 'name', `${name.slice(0, 64)}…`);
  // One loop copies and checks; a call into latin1Write costs more than that for the length of common names.
  for (let i = 0; i < length; i++) {
    const code = name.charCodeAt(i);
    if (code === 0 || code > 0xff) throw badName(code);
    bytes[i] = code;
  }
  bytes[length] = 0;
}

/** Refuses a name that no file can have: cut at its zero byte it would name another file. */
export function checkName(name: ByteString): void {
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code === 0 || code > 0xff) throw badName(code);
  }
}

function badName(code: number): TypeError {
  return new TypeError(code === 0 ? 'a file name holds a zero byte' : 'a file name is not a byte string');
}
