import { describe, expect, it } from 'vitest';
import { createFullKeyring, importKeyring, keyringForRole } from '../../src/crypto/keyring.js';
import { native } from '../../src/crypto/native.js';
import { noble } from '../../src/crypto/noble.js';
import { ExitCode, FormatError } from '../../src/errors.js';
import { makeConfig, parseConfig, verifyConfig } from '../../src/format/config-json.js';
import { fixedKeyring, fixedRandom, toHex } from '../crypto/support.js';

const full = fixedKeyring();
const backup = keyringForRole(full, 'backup');
const text = makeConfig(full, { mode: 'exclusive', created: '2026-01-02T03:04:05Z' });

type Json = Record<string, unknown>;
const change = (edit: (json: Json) => void): string => {
  const json = JSON.parse(text) as Json;
  edit(json);
  return JSON.stringify(json);
};

describe('config.json', () => {
  it('says what the store is, and is believed by every key of the store', () => {
    const expected = {
      storeId: full.storeId,
      mode: 'exclusive',
      created: '2026-01-02T03:04:05Z',
      chunkers: [
        { min: 16_384, avg: 65_536, max: 262_144 },
        { min: 262_144, avg: 1_048_576, max: 4_194_304 },
      ],
      sealPublic: toHex(full.shared.sealPublic),
      rootPublic: toHex(full.shared.rootPublic),
    };
    expect(parseConfig(text)).toEqual(expected);
    for (const keyring of [full, backup, keyringForRole(full, 'restore'), importKeyring(noble, backup.toData())]) {
      expect(verifyConfig(keyring, text)).toEqual(expected);
    }
  });

  it('is readable text that holds no secret', () => {
    expect(text).toMatch(/^\{\n {2}"format": "backup-ninja store",\n/);
    const secrets = [full.master(), full.sealSecret(), full.shared.index, full.shared.pepper, full.shared.chunker];
    for (const secret of secrets) expect(text).not.toContain(toHex(secret));
  });

  it('may be written otherwise, as long as it says the same', () => {
    const reversed = JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(text)).reverse()));
    expect(verifyConfig(full, reversed)).toEqual(parseConfig(text));
  });

  it('takes the full key to make', () => {
    expect(() => makeConfig(backup, { mode: 'shared', created: '' })).toThrow(
      expect.objectContaining({ exit: ExitCode.wrongKey }),
    );
  });

  const edits: Record<string, (json: Json) => void> = {
    'another mode': (json) => Object.assign(json, { mode: 'shared' }),
    'another date': (json) => Object.assign(json, { created: '2027-01-02T03:04:05Z' }),
    'other chunk sizes': (json) => Object.assign((json.chunkers as Json[])[1], { max: 8_388_608 }),
    'a field of its own': (json) => Object.assign(json, { more: 1 }),
    'a field that no encoding has': (json) => Object.assign(json, { more: 1.5 }),
    'another sealing key': (json) => Object.assign(json, { sealPublic: '11'.repeat(32) }),
    'another root key': (json) => Object.assign(json, { rootPublic: '11'.repeat(32) }),
    'no signature': (json) => Object.assign(json, { signature: undefined }),
    'a turned signature': (json) => Object.assign(json, { signature: '00'.repeat(64) }),
    'a short signature': (json) => Object.assign(json, { signature: '00' }),
  };
  for (const [what, edit] of Object.entries(edits)) {
    it(`is refused with ${what}`, () => expect(() => verifyConfig(full, change(edit))).toThrow(FormatError));
  }

  it('is refused when it is whole but another root signed it for its own keys', () => {
    // What a hostile store would do to have packs sealed to itself.
    const hostile = createFullKeyring(native, { storeId: full.storeId, random: fixedRandom('hostile') });
    const swapped = makeConfig(hostile, { mode: 'exclusive', created: '2026-01-02T03:04:05Z' });
    expect(() => verifyConfig(full, swapped)).toThrow(FormatError);
  });

  it('of another store is a wrong key', () => {
    const other = createFullKeyring(native, { random: fixedRandom('other') });
    expect(() => verifyConfig(other, text)).toThrow(expect.objectContaining({ exit: ExitCode.wrongKey }));
  });

  const unreadable: Record<string, string> = {
    'no JSON': text.slice(0, -3),
    'a list': '[]',
    'another format': change((json) => Object.assign(json, { format: 'restic' })),
    'an id that is none': change((json) => Object.assign(json, { storeId: 'xyz' })),
    'an unknown mode': change((json) => Object.assign(json, { mode: 'open' })),
    'one class of chunks': change((json) => (json.chunkers as Json[]).pop()),
    'sizes out of order': change((json) => Object.assign((json.chunkers as Json[])[0], { min: 70_000 })),
    'a size that is no integer': change((json) => Object.assign((json.chunkers as Json[])[0], { min: 70.5 })),
  };
  for (const [what, bad] of Object.entries(unreadable)) {
    it(`is not read with ${what}`, () => expect(() => parseConfig(bad)).toThrow(FormatError));
  }

  it('of a later version says so', () => {
    expect(() => parseConfig(change((json) => Object.assign(json, { version: 2 })))).toThrow(/update/);
  });
});
