import fs from 'node:fs';
import { type ByteString, toBytes, toDisplay } from '../bytes.js';
import { CWD, isLinux, isWindows } from './constants.js';
import { SystemError } from './error.js';
import { checkName } from './ffi.js';

/**
 * Where directory descriptors lead, for calls that take only a path: Linux has /proc/self/fd, whose links lead to the
 * open directory itself, wherever it was moved; elsewhere the path it was opened by is remembered.
 */
const opened = new Map<number, ByteString>();

/** Remembers by which path a directory was opened, where that is needed. */
export function rememberDirectory(fd: number, dir: number, name: ByteString): void {
  if (!isLinux) opened.set(fd, pathAt(dir, name));
}

/** Forgets a descriptor that is being closed. */
export function forgetDirectory(fd: number): void {
  if (!isLinux) opened.delete(fd);
}

/** A path to `name` in `dir` as a byte string, good for any call of this process. */
export function pathAt(dir: number, name: ByteString): ByteString {
  if (dir === CWD || name.startsWith('/')) return name;
  if (isLinux) return `/proc/self/fd/${dir}/${name}`;
  const path = opened.get(dir);
  if (path === undefined) throw new TypeError(`descriptor ${dir} was not opened by this module`);
  return name === '' ? path : path.endsWith('/') ? path + name : `${path}/${name}`;
}

/** The same as Node's file functions take it. */
export function nodePath(dir: number, name: ByteString): Buffer | string {
  checkName(name);
  const path = pathAt(dir, name);
  return isWindows ? toDisplay(path) : toBytes(path);
}

/** The same for people to read; only for errors, as it asks the kernel where the directory is. */
function displayPath(dir: number, name: ByteString): string {
  if (dir === CWD || name.startsWith('/')) return toDisplay(name);
  let base = `<descriptor ${dir}>`;
  try {
    base = isLinux ? fs.readlinkSync(`/proc/self/fd/${dir}`) : toDisplay(opened.get(dir) ?? base);
  } catch {
    // no /proc, or the descriptor is closed
  }
  return name === '' ? base : `${base === '/' ? '' : base}/${toDisplay(name)}`;
}

/** The error of a call on `name` in `dir` that gave a negative error number. */
export function failureAt(errno: number, syscall: string, dir: number, name: ByteString): SystemError {
  return new SystemError(errno, syscall, displayPath(dir, name));
}

/** The error of a call on two names. */
export function failureBetween(
  errno: number,
  syscall: string,
  fromDir: number,
  from: ByteString,
  toDir: number,
  to: ByteString,
): SystemError {
  return new SystemError(errno, syscall, displayPath(fromDir, from), displayPath(toDir, to));
}

/** The error of a call on an open file. */
export function failureFd(errno: number, syscall: string, fd: number): SystemError {
  return new SystemError(errno, syscall, displayPath(fd, ''));
}
