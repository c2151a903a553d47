import { execFileSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { extract } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import type { PortableEntry } from '../../src/portable/index.js';
import { writeTar } from '../../src/portable/tar.js';

const entry = (change: Partial<PortableEntry>): PortableEntry => ({
  key: 'k',
  path: '/k',
  type: 'file',
  mode: 0o644,
  uid: 1,
  gid: 2,
  size: 0,
  mtime: 1_700_000_000_000_000_000n,
  ctime: 0n,
  ino: 1,
  content: { chunkClass: 0, depth: 0, ids: new Uint8Array(0) },
  ...change,
});

interface Item {
  name: string;
  entry: PortableEntry;
  content?: Buffer;
  broken?: boolean;
}

async function tarOf(items: Item[]): Promise<{ bytes: Buffer; failed: string[] }> {
  const failed: string[] = [];
  const parts: Uint8Array[] = [];
  const source = async function* () {
    for (const item of items) yield { entry: item.entry, name: Buffer.from(item.name, 'latin1') };
  };
  const content = async function* (wanted: PortableEntry) {
    const item = items.find((one) => one.entry === wanted)!;
    for (let at = 0; at < item.content!.length; at += 1000) {
      if (item.broken && at >= 1000) throw new Error('damaged');
      yield item.content!.subarray(at, at + 1000);
    }
  };
  for await (const part of writeTar(source(), content, (one) => failed.push(one.path))) parts.push(part.slice());
  return { bytes: Buffer.concat(parts), failed };
}

const long = 'd/'.repeat(120);

describe('tar', () => {
  const content = Buffer.alloc(2600, 'abc');
  const items: Item[] = [
    { name: 'dir', entry: entry({ type: 'dir', mode: 0o1777, user: 'ann', group: 'staff' }) },
    { name: 'dir/empty', entry: entry({}) },
    { name: 'dir/file', entry: entry({ size: 2600, mode: 0o4755 }), content },
    { name: `${long}file`, entry: entry({ size: 2600, mtime: 1_700_000_000_123_456_789n }), content },
    { name: 'old', entry: entry({ mtime: -1_500_000_000n }) },
    { name: 'link', entry: entry({ type: 'symlink', target: Buffer.from('dir/file') }) },
    { name: 'longlink', entry: entry({ type: 'symlink', target: Buffer.from(`${long}t`) }) },
    { name: 'socket', entry: entry({ type: 'socket' }) },
    { name: 'big-owner', entry: entry({ uid: 3_000_000_000, gid: 2_097_152 }) },
    { name: 'b\xff', entry: entry({ size: 2600 }), content },
    { name: 'broken', entry: entry({ path: '/broken', size: 2600 }), content, broken: true },
    { name: 'last', entry: entry({ size: 512 }), content: Buffer.alloc(512, 'z') },
  ];

  it('is read by another library', async () => {
    const { bytes, failed } = await tarOf(items);
    expect(failed).toEqual(['/broken']);
    expect(bytes.length % 512).toBe(0);
    const unpack = extract();
    unpack.end(bytes);
    const seen = new Map<string, { header: Record<string, unknown>; body: Buffer }>();
    for await (const part of unpack) {
      const chunks: Buffer[] = [];
      for await (const chunk of part) chunks.push(chunk as Buffer);
      seen.set(part.header.name, { header: part.header as never, body: Buffer.concat(chunks) });
    }
    const header = (name: string) => seen.get(name)!.header;
    expect(header('dir/')).toMatchObject({
      type: 'directory',
      mode: 0o1777,
      uname: 'ann',
      gname: 'staff',
      uid: 1,
      gid: 2,
    });
    expect(header('dir/file')).toMatchObject({ mode: 0o4755, size: 2600, mtime: new Date(1_700_000_000_000) });
    expect(seen.get('dir/file')!.body.equals(content)).toBe(true);
    expect(seen.get(`${long}file`)!.body.equals(content)).toBe(true);
    expect(header(`${long}file`).pax).toMatchObject({ mtime: '1700000000.123456789' });
    expect(header('old').pax).toMatchObject({ mtime: '-1.5' });
    expect(header('link')).toMatchObject({ type: 'symlink', linkname: 'dir/file' });
    expect(header('longlink')).toMatchObject({ linkname: `${long}t` });
    expect(header('big-owner').pax).toMatchObject({ uid: '3000000000', gid: '2097152' });
    expect(seen.has('socket')).toBe(false);
    expect(seen.get('broken')!.body).toEqual(Buffer.concat([content.subarray(0, 1000), Buffer.alloc(1600)]));
    expect(seen.get('last')!.body.toString()).toBe('z'.repeat(512));
  });

  it('is unpacked by tar', async () => {
    const { bytes } = await tarOf(items);
    const target = mkdtempSync(join(tmpdir(), 'tar-'));
    try {
      execFileSync('tar', ['-x', '--no-same-owner', '-f', '-', '-C', target], { input: bytes });
      expect(readFileSync(join(target, long, 'file')).equals(content)).toBe(true);
      expect(lstatSync(join(target, long, 'file'), { bigint: true }).mtimeNs).toBe(1_700_000_000_123_456_789n);
      expect(lstatSync(join(target, 'old'), { bigint: true }).mtimeNs).toBe(-1_500_000_000n);
      expect(readlinkSync(join(target, 'longlink'))).toBe(`${long}t`);
      expect(readFileSync(Buffer.concat([Buffer.from(`${target}/b`), Buffer.from([0xff])])).equals(content)).toBe(true);
    } finally {
      rmSync(target, { recursive: true, force: true });
    }
  });

  it('knows sizes that an octal field does not', async () => {
    const huge = entry({ size: 8 ** 11 });
    const source = async function* () {
      yield { entry: huge, name: Buffer.from('huge') };
    };
    const never = async function* () {
      yield new Uint8Array(0);
      throw new Error('stop');
    };
    const tar = writeTar(source(), never, () => {});
    const first = await tar.next();
    expect(Buffer.from(first.value as Uint8Array).toString('latin1')).toContain(`size=${8 ** 11}\n`);
    await tar.return(undefined);
  });
});
