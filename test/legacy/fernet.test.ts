import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UserError } from '../../src/errors.js';
import { FernetError, openToken, parseFernetKey } from '../../src/legacy/fernet.js';
import { fernetToken } from './generate.js';

// The vector of the Fernet specification (verify.json).
const SPEC_KEY = 'cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=';
const SPEC_TOKEN =
  'gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==';

test('opens the token of the specification', () => {
  expect(openToken(parseFernetKey(SPEC_KEY), Buffer.from(SPEC_TOKEN)).toString()).toBe('hello');
});

test('opens what was sealed, of any length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (plain) => {
      const secret = randomBytes(32);
      const token = fernetToken(secret, Buffer.from(plain));
      expect([...openToken(parseFernetKey(secret.toString('base64url').concat('=')), token)]).toEqual([...plain]);
    }),
    { numRuns: 60 },
  );
});

test('refuses a token with any bit changed, whole or cut', () => {
  const key = parseFernetKey(SPEC_KEY);
  const bytes = Buffer.from(SPEC_TOKEN, 'base64url');
  for (let bit = 0; bit < bytes.length * 8; bit += 7) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3] ^= 1 << (bit & 7);
    const token = Buffer.from(`${changed.toString('base64url')}==`);
    expect(() => openToken(key, token), `bit ${bit}`).toThrow(FernetError);
  }
  for (let length = 0; length < SPEC_TOKEN.length; length++) {
    expect(() => openToken(key, Buffer.from(SPEC_TOKEN.slice(0, length))), `${length}`).toThrow(FernetError);
  }
});

test('says of another key that it is one, and of junk that it is no token', () => {
  const key = parseFernetKey(SPEC_KEY);
  const reason = (token: Buffer) => {
    try {
      openToken(key, token);
    } catch (error) {
      return (error as FernetError).reason;
    }
    return 'opened';
  };
  expect(reason(fernetToken(randomBytes(32), Buffer.from('x')))).toBe('authentication');
  expect(reason(Buffer.from(SPEC_TOKEN.replace('w', '!')))).toBe('form');
  expect(reason(Buffer.from(`hAAA${SPEC_TOKEN.slice(4)}`))).toBe('form');
});

test('a key file that is none is exit 12', () => {
  for (const text of ['', 'short', `${SPEC_KEY}x`]) expect(() => parseFernetKey(text, 'old/key')).toThrow(UserError);
  expect(parseFernetKey(`${SPEC_KEY}\n`).signing).toHaveLength(16);
});
