import fs from 'node:fs';
import os from 'node:os';
import { fromDisplay, toDisplay } from '../bytes.js';
import { isWindows } from './constants.js';
import { cString, libc, type Memory, memory } from './ffi.js';

/**
 * Names of users and groups, by libc, which also asks directory services; without it from /etc/passwd and /etc/group.
 * Each answer is kept for the life of the thread.
 */
const P = 'uintptr_t';
const getpwuid = libc('getpwuid_r', 'int', ['uint32', P, P, 'size_t', P]);
const getgrgid = libc('getgrgid_r', 'int', ['uint32', P, P, 'size_t', P]);
const getpwnam = libc('getpwnam_r', 'int', [P, P, P, 'size_t', P]);
const getgrnam = libc('getgrnam_r', 'int', [P, P, P, 'size_t', P]);

// struct passwd and struct group both begin with the name, the password and the number (on Linux and macOS).
const NAME = 0;
const NUMBER = 16;
const TEXT = 512;
const RESULT = 504;
const ERANGE = 34;
const LARGEST = 16 * 1024 * 1024; // a group can have very many members

const names = { user: new Map<number, string | null>(), group: new Map<number, string | null>() };
const numbers = { user: new Map<string, number | null>(), group: new Map<string, number | null>() };
type Kind = 'user' | 'group';

/** Name of a user, or null when nobody has this number. */
export function userName(uid: number): string | null {
  return nameOf('user', uid);
}

/** Name of the user whom this process runs as; the number where nobody has that, as in many containers. */
export function ownUserName(): string {
  try {
    return os.userInfo().username;
  } catch {
    return String(process.geteuid?.());
  }
}

/** Name of a group, or null when none has this number. */
export function groupName(gid: number): string | null {
  return nameOf('group', gid);
}

/** Number of a user on this machine, or null when nobody has this name. */
export function userId(name: string): number | null {
  return numberOf('user', name);
}

/** Number of a group on this machine, or null when none has this name. */
export function groupId(name: string): number | null {
  return numberOf('group', name);
}

function nameOf(kind: Kind, number: number): string | null {
  let name = names[kind].get(number);
  if (name === undefined) {
    const call = (kind === 'user' ? getpwuid : getgrgid)();
    name = call
      ? (ask((record, text, size, result) => call(number, record, text, size, result))?.name ?? null)
      : (table(kind).find((entry) => entry.number === number)?.name ?? null);
    names[kind].set(number, name);
  }
  return name;
}

function numberOf(kind: Kind, name: string): number | null {
  let number = numbers[kind].get(name);
  if (number === undefined) {
    const call = (kind === 'user' ? getpwnam : getgrnam)();
    const bytes = fromDisplay(name);
    if (bytes.includes('\0') || bytes.length > 1000) number = null;
    else if (call) {
      number = ask((record, text, size, result) => call(cString(bytes), record, text, size, result))?.number ?? null;
    } else number = table(kind).find((entry) => entry.name === name)?.number ?? null;
    numbers[kind].set(name, number);
  }
  return number;
}

interface Owner {
  name: string;
  number: number;
}

type Ask = (record: number, text: number, size: number, result: number) => number;

let block: Memory | undefined;

// One block: the record, the pointer that tells whether there is one, then the strings that the record points to.
function ask(call: Ask): Owner | null {
  for (let size = 16 * 1024; size <= LARGEST; size *= 4) {
    if (block === undefined || block.bytes.length < size) block = memory(size);
    const { address, bytes } = block;
    bytes.fill(0, 0, TEXT);
    const error = call(address, address + TEXT, bytes.length - TEXT, address + RESULT);
    if (error === ERANGE) continue;
    if (error !== 0 || bytes.readBigUInt64LE(RESULT) === 0n) return null;
    const at = Number(bytes.readBigUInt64LE(NAME)) - address;
    if (at < TEXT || at >= bytes.length) return null;
    return { name: toDisplay(bytes.toString('latin1', at, bytes.indexOf(0, at))), number: bytes.readUInt32LE(NUMBER) };
  }
  return null;
}

const tables = new Map<Kind, Owner[]>();

function table(kind: Kind): Owner[] {
  let owners = tables.get(kind);
  if (owners === undefined) {
    owners = isWindows ? [] : parse(kind === 'user' ? '/etc/passwd' : '/etc/group');
    tables.set(kind, owners);
  }
  return owners;
}

// name:password:number:…
function parse(file: string): Owner[] {
  let text = '';
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  const owners: Owner[] = [];
  for (const line of text.split('\n')) {
    const [name, , number] = line.split(':');
    if (name && number !== undefined && /^\d+$/.test(number)) owners.push({ name, number: Number(number) });
  }
  return owners;
}
