import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ContentError, PIECE, readContent } from '../../src/legacy/content.js';
import { type FernetKey, parseFernetKey } from '../../src/legacy/fernet.js';
import { encFile, fernetToken, sealPieces, sha256 } from './generate.js';

const MIB = 1024 * 1024;
const secret = randomBytes(32);
const key: FernetKey = { signing: secret.subarray(0, 16), encryption: secret.subarray(16) };
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'legacy-content-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function put(bytes: Buffer): string {
  const file = join(dir, 'content.enc');
  writeFileSync(file, bytes);
  return file;
}

async function read(file: string, checksum: string, size?: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  const length = await readContent(file, key, checksum, (bytes) => void parts.push(bytes), { size });
  const all = Buffer.concat(parts);
  expect(length).toBe(all.length);
  return all;
}

async function problem(file: string, checksum: string, size?: number): Promise<string> {
  try {
    await read(file, checksum, size);
  } catch (error) {
    if (error instanceof ContentError) return error.problem;
    throw error;
  }
  return 'none';
}

describe('whole contents', () => {
  test.each([0, 1, 999, 1000, 1001, 64_000])('%i bytes in pieces of 1000', async (size) => {
    const content = randomBytes(size);
    expect((await read(put(encFile(secret, content, 1000)), sha256(content))).equals(content)).toBe(true);
  });

  test('several pieces of 16 MiB', async () => {
    const content = Buffer.concat([randomBytes(PIECE), Buffer.alloc(PIECE, 'compressible '), randomBytes(3 * MIB)]);
    expect((await read(put(encFile(secret, content)), sha256(content))).equals(content)).toBe(true);
  });

  test('one gzip stream cut over the pieces, and an outer gzip of several members', async () => {
    const content = Buffer.concat([randomBytes(5000), Buffer.alloc(5000, 'ab')]);
    const packed = gzipSync(content);
    const framed = [packed.subarray(0, 11), packed.subarray(11, 3000), packed.subarray(3000)].map((part) => {
      const token = fernetToken(secret, part);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(token.length);
      return gzipSync(Buffer.concat([length, token]));
    });
    expect((await read(put(Buffer.concat(framed)), sha256(content))).equals(content)).toBe(true);
  });

  test('memory stays that of a piece', async () => {
    // 640 MiB of zeros out of pieces that are small on disk: held whole it would show.
    const piece = sealPieces(secret, Buffer.alloc(PIECE));
    const file = put(Buffer.concat(Array.from({ length: 40 }, () => gzipSync(piece))));
    const hash = createHash('sha256');
    for (let i = 0; i < 40; i++) hash.update(Buffer.alloc(PIECE));
    const checksum = hash.digest('hex');
    const before = process.memoryUsage().rss;
    let most = 0;
    const size = await readContent(file, key, checksum, () => {
      most = Math.max(most, process.memoryUsage.rss());
    });
    expect(size).toBe(40 * PIECE);
    expect((most - before) / MIB).toBeLessThan(200);
  });
});

describe('what the archive lacks', () => {
  const content = randomBytes(9000);
  const name = sha256(content);
  const whole = encFile(secret, content, 1000);

  test('a missing file', async () => {
    expect(await problem(join(dir, 'none.enc'), name)).toBe('missing');
  });

  test('a file cut anywhere', async () => {
    for (let length = 0; length < whole.length; length += 487) {
      const file = put(whole);
      truncateSync(file, length);
      expect(['damaged', 'checksum'], `${length}`).toContain(await problem(file, name));
    }
  });

  test('a file cut between pieces, or inside one, with its outer gzip closed again', async () => {
    const pieces = sealPieces(secret, content, 1000);
    const first = 4 + pieces.readUInt32LE(0);
    expect(await problem(put(gzipSync(pieces.subarray(0, first))), name)).toBe('checksum');
    expect(await problem(put(gzipSync(pieces.subarray(0, first + 2))), name)).toBe('damaged');
    expect(await problem(put(gzipSync(pieces.subarray(0, first - 1))), name)).toBe('damaged');
  });

  test('a bit changed in a token, and in the file', async () => {
    const pieces = sealPieces(secret, content, 1000);
    pieces[700] = pieces[700] === 0x41 ? 0x42 : 0x41;
    expect(await problem(put(gzipSync(pieces)), name)).toBe('authentication');
    const damaged = Buffer.from(whole);
    damaged[damaged.length >> 1] ^= 0x10;
    expect(['damaged', 'authentication']).toContain(await problem(put(damaged), name));
  });

  test('a length that asks for gigabytes', async () => {
    const claim = Buffer.alloc(4, 0xff);
    expect(await problem(put(gzipSync(Buffer.concat([claim, randomBytes(100)]))), name)).toBe('damaged');
  });

  test('another content under the name', async () => {
    expect(await problem(put(encFile(secret, randomBytes(50))), name)).toBe('checksum');
  });

  test('a file that is no gzip, and a folder', async () => {
    expect(await problem(put(Buffer.from('hello')), name)).toBe('damaged');
    expect(await problem(dir, name)).toBe('unreadable');
  });

  test('another key', async () => {
    expect(await problem(put(encFile(randomBytes(32), content)), name)).toBe('authentication');
  });
});

describe("the tool's fault", () => {
  test('is told from other damage, in the first piece and in a later one', async () => {
    for (const content of [
      Buffer.alloc(PIECE + 5, 'well compressible '),
      Buffer.concat([randomBytes(PIECE), Buffer.alloc(PIECE + 1, 'x')]),
    ]) {
      const file = put(encFile(secret, content, PIECE, true));
      expect(await problem(file, sha256(content), content.length)).toBe('cut-off');
      expect(await problem(file, sha256(content))).toBe('cut-off');
    }
  });

  test('is not seen where the archive says that the file was no longer', async () => {
    const content = Buffer.alloc(PIECE, 'x');
    expect(await problem(put(encFile(secret, content)), sha256(randomBytes(9)), PIECE)).toBe('checksum');
  });

  test('is seen in the archive that the tool made, whose other files are whole', async () => {
    const legacy = join(import.meta.dirname, '../fixtures/legacy');
    const legacyKey = parseFernetKey(readFileSync(join(legacy, 'key')));
    const expected = JSON.parse(readFileSync(join(legacy, 'expected.json'), 'utf8')) as {
      backups: { files: Record<string, { sha256: string; size: number }> }[];
    };
    const contents = new Map(
      expected.backups.flatMap(({ files }) => Object.values(files).map((file) => [file.sha256, file.size])),
    );
    const bad: string[] = [];
    for (const [name, size] of contents) {
      const file = join(legacy, 'files', name.slice(0, 2), `${name}.enc`);
      try {
        expect(await readContent(file, legacyKey, name, () => undefined)).toBe(size);
      } catch (error) {
        bad.push(`${name.slice(0, 6)} ${(error as ContentError).message}`);
      }
    }
    expect(bad).toEqual([expect.stringMatching(/^ef6510 .*only its first 16777216 bytes.*16 MiB/)]);
  });
});

test('what the sink throws, and an abort, come out as they are', async () => {
  const content = randomBytes(3 * MIB);
  const file = put(encFile(secret, content));
  const full = Object.assign(new Error('no space'), { code: 'ENOSPC' });
  await expect(readContent(file, key, sha256(content), () => Promise.reject(full))).rejects.toBe(full);
  const abort = new AbortController();
  const reading = readContent(file, key, sha256(content), () => abort.abort(new Error('stop')), {
    signal: abort.signal,
  });
  await expect(reading).rejects.toThrow('stop');
});
