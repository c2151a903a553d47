import { type ByteString, toDisplay } from '../../bytes.js';
import { ExitCode, UserError } from '../../errors.js';
import { type OsKind, osKind, windowsSafeName } from '../../platform/index.js';
import { keyOf, pathOf } from '../past.js';

/** Where things land: below the target by their path, or where `--map` says. */
export class Mapping {
  readonly target: ByteString;
  private readonly mapped: Map<ByteString, ByteString>;
  private readonly used = new Set<ByteString>();
  private readonly platform: OsKind;

  /**
   * @param map FROM and TO, absolute paths; the nearest FROM above a path wins
   * @throws UserError (usage) when a FROM is there twice
   */
  constructor(target: ByteString, map: readonly { from: ByteString; to: ByteString }[], platform: OsKind = osKind) {
    this.target = target;
    this.platform = platform;
    this.mapped = new Map(map.map(({ from, to }) => [keyOf(from), to]));
    const twice = map.find(({ from, to }) => this.mapped.get(keyOf(from)) !== to);
    if (twice !== undefined)
      throw new UserError(ExitCode.usage, `--map: ${toDisplay(twice.from)} is mapped to two places; choose one`);
  }

  /** The path at which exactly this key is to land, if it was mapped. */
  exact(key: ByteString): ByteString | undefined {
    const to = this.mapped.get(key);
    if (to !== undefined) this.used.add(key);
    return to;
  }

  /** The FROMs at which nothing was met. */
  unused(): ByteString[] {
    return [...this.mapped.keys()].filter((key) => !this.used.has(key)).map(pathOf);
  }

  /**
   * The name under which a component of a key is restored; undefined for what is no name of one file: a store written
   * by someone else may hold anything.
   * @param isFirst whether it is the key's first component: a drive's `C:` becomes `C_`
   */
  nameFor(component: ByteString, isFirst: boolean): ByteString | undefined {
    if (component === '' || component === '.' || component === '..' || component.includes('/')) return undefined;
    if (isFirst && /^[A-Za-z]:$/.test(component)) return `${component[0]}_`;
    return this.platform === 'windows' ? windowsSafeName(component) : component;
  }
}
