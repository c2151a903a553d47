import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeKeyFile, encodeKeyFile } from '../../src/crypto/key-file.js';
import { native } from '../../src/crypto/native.js';
import { decodeRecoveryKey, encodeRecoveryKey } from '../../src/crypto/recovery-key.js';
import { UserError } from '../../src/errors.js';
import { ascii, toHex } from './support.js';

const secrets = fc.uint8Array({ minLength: 32, maxLength: 32 });

describe('key files', () => {
  it('are what Python writes: urlsafe base64 with padding', () => {
    fc.assert(
      fc.property(secrets, (secret) => {
        const text = encodeKeyFile(secret);
        const python = Buffer.from(secret).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
        expect(text).toBe(python);
        for (const variant of [text, `${text}\n`, `${text}\r\n`, ` ${text} `]) {
          expect(toHex(decodeKeyFile(variant))).toBe(toHex(secret));
          expect(toHex(decodeKeyFile(ascii(variant)))).toBe(toHex(secret));
        }
      }),
    );
  });

  it('are refused when they hold anything else', () => {
    const good = encodeKeyFile(new Uint8Array(32).fill(0xfb));
    const bad = [
      '',
      good.slice(1),
      `A${good}`,
      good.replace('=', ''),
      `${good.slice(0, 42)}~=`,
      good.replaceAll('-', '+'),
    ];
    // The last character carries two bits that no byte has: they must be zero.
    bad.push(`${good.slice(0, 42)}t=`);
    for (const text of bad) {
      expect(() => decodeKeyFile(text, '/k'), text).toThrow(UserError);
      expect(() => decodeKeyFile(ascii(text), '/k'), text).toThrow(/\/k/);
    }
    expect(() => decodeKeyFile(new Uint8Array(5_000_000).fill(65))).toThrow(UserError);
  });
});

describe('recovery keys', () => {
  const write = (secret: Uint8Array) => encodeRecoveryKey(native, secret);
  const read = (text: string) => decodeRecoveryKey(native, text);

  it('are four lines of three groups of five', () => {
    expect(write(new Uint8Array(32).fill(255))).toMatch(/^([0-9A-HJKMNP-TV-Z]{5}(-|\n|$)){12}$/);
    expect(write(new Uint8Array(32)).split('\n').length).toBe(4);
  });

  it('are read however they are typed', () => {
    fc.assert(
      fc.property(secrets, (secret) => {
        const text = write(secret);
        const sloppy = [
          text,
          text.toLowerCase(),
          text.replace(/[-\n]/g, ''),
          text.replace(/[-\n]/g, ' – '),
          text.replaceAll('0', 'o').replaceAll('1', 'l'),
          text.replaceAll('0', 'O').replaceAll('1', 'I'),
          `  ${text.replaceAll('\n', '\r\n')}\n`,
        ];
        for (const typed of sloppy) expect(toHex(read(typed))).toBe(toHex(secret));
      }),
    );
  });

  it('name the line of a slip', () => {
    let caught = 0;
    let tried = 0;
    const text = write(native.randomBytes(32)).replace(/[-\n]/g, '');
    for (let at = 0; at < 60; at++) {
      for (const char of '0123456789ABCDEFGHJKMNPQRSTVWXYZ') {
        if (char === text[at]) continue;
        tried++;
        try {
          read(text.slice(0, at) + char + text.slice(at + 1));
        } catch (error) {
          caught++;
          expect((error as UserError).message).toContain(`line ${Math.floor(at / 15) + 1}`);
        }
      }
    }
    // 11 bits of checksum: one slip in 2,048 passes here, and then opens no slot.
    expect(tried - caught).toBeLessThan(10);
  });

  it('notice swapped lines, missing and wrong characters, and never repeat what was typed', () => {
    const text = write(native.randomBytes(32));
    const [a, b, c, d] = text.split('\n');
    for (const typed of [`${b}${a}${c}${d}`, text.slice(1), `${text}0`, text.replace(/^./, 'U'), '']) {
      expect(() => read(typed)).toThrow(UserError);
      try {
        read(typed);
      } catch (error) {
        expect((error as Error).message).not.toContain(c.slice(0, 5));
      }
    }
  });
});
