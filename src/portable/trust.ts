import { hex } from './bytes.js';
import { decodeMap, type Fields } from './cbor.js';
import { checkHeader, HEADER, type Keys, Kind, openSigned } from './crypto.js';
import { damaged } from './errors.js';

/** FORMAT.md, section Whose word counts. Keys and names are hex digits. */
interface Cert {
  signer: string;
  isFull: boolean;
  sources: string[] | '*';
}

/** A record: something that a key says about the store. */
export interface Fact {
  name: string;
  signer: string;
  type: string;
  time: bigint;
  fields: Fields;
}

/** Reads a certificate. */
export function openCert(keys: Keys, bytes: Uint8Array): Cert {
  checkHeader(bytes, Kind.cert);
  const { signer, body } = openSigned(keys, bytes.subarray(0, HEADER), bytes.subarray(HEADER));
  if (signer !== hex(keys.rootPublic)) throw damaged('a certificate that the root key did not sign');
  const fields = decodeMap(body, 'a certificate');
  const sources = fields.values.sources === '*' ? '*' : fields.texts('sources');
  return { signer: fields.hex('signer', 32), isFull: fields.text('role') === 'full', sources };
}

/** Reads a record. */
export function openFact(keys: Keys, name: string, bytes: Uint8Array): Fact {
  checkHeader(bytes, Kind.record);
  const { signer, body } = openSigned(keys, bytes.subarray(0, HEADER), bytes.subarray(HEADER));
  const fields = decodeMap(body, 'a record');
  return { name, signer, type: fields.text('type'), time: fields.time('time'), fields };
}

/** Who may say what. */
export class Trust {
  private readonly root: string;
  private readonly certs = new Map<string, Cert[]>();
  private readonly revocations = new Map<string, { fact: Fact; accept: Set<string> }>();

  constructor(root: string, certs: readonly Cert[], facts: readonly Fact[]) {
    this.root = root;
    for (const cert of certs) this.certs.set(cert.signer, [...(this.certs.get(cert.signer) ?? []), cert]);
    for (const fact of facts) {
      if (fact.type !== 'revoke' || !this.holdsMaster(fact.signer)) continue;
      const signer = fact.fields.hex('signer', 32);
      const known = this.revocations.get(signer)?.fact;
      const isNewer = !known || fact.time > known.time || (fact.time === known.time && fact.name > known.name);
      if (signer !== root && isNewer)
        this.revocations.set(signer, { fact, accept: new Set(fact.fields.hexList('accept', 32)) });
    }
  }

  /** Whether the signer of the object with this name is somebody here. */
  isKnown(signer: string, name: string): boolean {
    const revocation = this.revocations.get(signer);
    if (revocation !== undefined && !revocation.accept.has(name)) return false;
    return signer === this.root || this.certs.has(signer);
  }

  /** Whether the object counts as one by a full key. */
  isFull(signer: string, name: string): boolean {
    return this.isKnown(signer, name) && this.holdsMaster(signer);
  }

  /** Whether the signer of the object with this name may write that source. */
  mayWrite(signer: string, source: string, name: string): boolean {
    if (!this.isKnown(signer, name)) return false;
    const certs = this.certs.get(signer) ?? [];
    return signer === this.root || certs.some(({ sources }) => sources === '*' || sources.includes(source));
  }

  private holdsMaster(signer: string): boolean {
    return signer === this.root || (this.certs.get(signer) ?? []).some(({ isFull }) => isFull);
  }
}
