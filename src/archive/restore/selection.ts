import { type ByteString, fromDisplay } from '../../bytes.js';
import { RuleSet, type Trail } from '../../scan/rules.js';

/** How far the patterns have been matched in one directory. */
export interface Selected {
  /** It, or a directory above it, is included. */
  included: boolean;
  /** It is left out, with all that is below it. */
  excluded: boolean;
  readonly include: Trail;
  readonly exclude: Trail;
}

/** `--include` and `--exclude`: gitignore patterns, matched component by component on the way down. */
export class Selection {
  /** Whether all is selected that is not excluded. */
  readonly takesAll: boolean;
  /** Whether there are any patterns. */
  readonly isTrivial: boolean;
  private readonly include = new RuleSet();
  private readonly exclude = new RuleSet();

  constructor(include: readonly string[], exclude: readonly string[]) {
    for (const [i, pattern] of include.entries()) this.include.add(fromDisplay(pattern), '--include', i + 1);
    for (const [i, pattern] of exclude.entries()) this.exclude.add(fromDisplay(pattern), '--exclude', i + 1);
    this.takesAll = this.include.isEmpty;
    this.isTrivial = this.takesAll && this.exclude.isEmpty;
  }

  /** At the root of the paths. */
  root(): Selected {
    return {
      included: this.takesAll,
      excluded: false,
      include: this.include.start(),
      exclude: this.exclude.start(),
    };
  }

  /** What the patterns say about `name` in a directory. */
  child(above: Selected, name: ByteString, isDirectory: boolean): Selected {
    if (this.isTrivial || above.excluded) return above;
    const excludes = this.exclude.match(above.exclude, name, isDirectory);
    const includes = this.takesAll ? undefined : this.include.match(above.include, name, isDirectory);
    return {
      included: includes === undefined ? above.included : !includes.negated,
      excluded: excludes !== undefined && !excludes.negated,
      include: this.include.descend(above.include, name),
      exclude: this.exclude.descend(above.exclude, name),
    };
  }
}
