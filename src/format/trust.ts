import type { Cert } from './cert.js';
import type { StoreRecord } from './record.js';

/** A record from the store, as `openRecord` gave it, with the name of its object. */
export interface NamedRecord {
  name: string;
  record: StoreRecord;
  signer: string;
}

/** Who made a snapshot, for records that speak of one. */
export interface SnapshotOrigin {
  source: string;
  signer: string;
}

interface Standing {
  full: boolean;
  everySource: boolean;
  sources: Set<string>;
}

/**
 * Whose word counts. Built from all certificates of a store and its records; names and keys are hex digits.
 *
 * An object is *foreign* when its signer has no certificate for what it says, or was revoked and the revocation does
 * not accept the object by name (a time or a sequence would not do: a stolen key can write any).
 */
export class Trust {
  readonly #root: string;
  readonly #standings = new Map<string, Standing>();
  readonly #revocations = new Map<string, { time: bigint; name: string; accept: Set<string> }>();

  /**
   * @param root the store's root signing key, which is full without a certificate
   * @param certs as `openCert` gave them: checked to be signed by the root
   */
  constructor(root: string, certs: Iterable<Cert>, records: Iterable<NamedRecord> = []) {
    this.#root = root;
    for (const cert of certs) this.#add(cert);
    for (const { name, record, signer } of records) this.addRecord(name, record, signer);
  }

  /** Takes a record into account; only revocations by a full key change anything. */
  addRecord(name: string, record: StoreRecord, signer: string): void {
    // The revoker's own revocation is not looked at, so that the order of records does not matter: whoever has a full
    // key has the master, and could certify itself anew.
    if (record.type !== 'revoke' || record.signer === this.#root || !this.#isFull(signer)) return;
    const known = this.#revocations.get(record.signer);
    if (known && (known.time > record.time || (known.time === record.time && known.name > name))) return;
    this.#revocations.set(record.signer, { time: record.time, name, accept: new Set(record.accept) });
  }

  /** What the signer of the object `name` may, or undefined when the object is foreign whatever it says. */
  roleOf(signer: string, name: string): 'full' | 'backup' | undefined {
    const revocation = this.#revocations.get(signer);
    if (revocation && !revocation.accept.has(name)) return undefined;
    if (this.#isFull(signer)) return 'full';
    return this.#standings.has(signer) ? 'backup' : undefined;
  }

  /** Whether the signer is the root or has a certificate, revoked or not. */
  isCertified(signer: string): boolean {
    return signer === this.#root || this.#standings.has(signer);
  }

  /** The sources that the certificates of a signer name, sorted; it may write all others, too, if one says so. */
  sourcesOf(signer: string): string[] {
    return [...(this.#standings.get(signer)?.sources ?? [])].sort();
  }

  /** Whether the signer of the snapshot `name` may write that source; if not, the snapshot is foreign. */
  mayWrite(signer: string, source: string, name: string): boolean {
    if (this.roleOf(signer, name) === undefined) return false;
    if (signer === this.#root) return true;
    const standing = this.#standings.get(signer)!;
    return standing.everySource || standing.sources.has(source);
  }

  /**
   * Whether the record `name` counts. Forgetting, replacing, damage, revocation and receipt times take a full key.
   * A backup key may say that its own snapshot is complete, and add tags to snapshots of sources it may write; it may
   * not take tags away, for that would unpin what a full key pinned.
   * @param origin finds a snapshot of the store, foreign ones excluded
   */
  counts(
    name: string,
    record: StoreRecord,
    signer: string,
    origin: (snapshot: string) => SnapshotOrigin | undefined,
  ): boolean {
    const role = this.roleOf(signer, name);
    if (role === undefined || record.type === 'unknown') return false;
    if (role === 'full') return true;
    if (record.type === 'complete') return origin(record.snapshot)?.signer === signer;
    if (record.type !== 'tag' || record.remove.length > 0) return false;
    const snapshot = origin(record.snapshot);
    return snapshot !== undefined && this.mayWrite(signer, snapshot.source, name);
  }

  /** Whether tombstones, a snapshot's `replaces` and an index row's `opened` count: only by a full key. */
  countsAsFull(signer: string, name: string): boolean {
    return this.roleOf(signer, name) === 'full';
  }

  #isFull(signer: string): boolean {
    return signer === this.#root || this.#standings.get(signer)?.full === true;
  }

  #add(cert: Cert): void {
    const standing = this.#standings.get(cert.signer) ?? { full: false, everySource: false, sources: new Set() };
    if (cert.role === 'full') standing.full = true;
    if (cert.sources === '*') standing.everySource = true;
    else for (const source of cert.sources) standing.sources.add(source);
    this.#standings.set(cert.signer, standing);
  }
}
