import type { ByteString } from '../bytes.js';
import { closeFd, openDirectory } from '../platform/index.js';
import {
  decide,
  descend,
  type Excludes,
  type GlobalRules,
  readIgnoreFile,
  rootExcludes,
  withIgnoreFile,
} from './excludes.js';
import { isBelow, isWithin, nextName, pathOf } from './keys.js';
import type { ScanRoot } from './plan.js';
import type { Rule } from './rules.js';

/** Where a root lies and which rules concern the way to it. */
type Way = Pick<ScanRoot, 'key' | 'testedBelow' | 'rulesFrom'>;

/** What applies in the directory above a root. Ignore files on the way that cannot be read say nothing. */
export function excludesAbove(rules: GlobalRules, root: Way): Excludes {
  let excludes = rootExcludes(rules);
  for (const step of stepsTo(root)) {
    excludes = inDirectory(excludes, step.directory, root);
    if (step.key !== root.key) excludes = descend(excludes, step.name);
  }
  return excludes;
}

/**
 * The rule that keeps a root from being saved, and the path that it matches; undefined when it is to be saved.
 * @param isDirectory whether the root itself is a directory.
 */
export function exclusionOf(
  rules: GlobalRules,
  root: Way,
  isDirectory: boolean,
): { rule: Rule; key: ByteString } | undefined {
  let excludes = rootExcludes(rules);
  for (const { directory, key, name } of stepsTo(root)) {
    excludes = inDirectory(excludes, directory, root);
    if (isBelow(key, root.testedBelow)) {
      const rule = decide(excludes, name, key !== root.key || isDirectory);
      if (rule !== undefined && !rule.negated) return { rule, key };
    }
    excludes = descend(excludes, name);
  }
  return undefined;
}

function* stepsTo(root: Way): Generator<{ directory: ByteString; name: ByteString; key: ByteString }> {
  let directory = '';
  while (directory !== root.key) {
    const name = nextName(root.key, directory);
    const key = directory === '' ? name : `${directory}\0${name}`;
    yield { directory, name, key };
    directory = key;
  }
}

function inDirectory(excludes: Excludes, directory: ByteString, root: Way): Excludes {
  if (!isWithin(directory, root.rulesFrom)) return excludes;
  let fd = -1;
  try {
    fd = openDirectory(pathOf(directory));
    const set = readIgnoreFile(fd, pathOf(directory));
    return set === undefined ? excludes : withIgnoreFile(excludes, set);
  } catch {
    return excludes;
  } finally {
    if (fd >= 0) closeFd(fd);
  }
}
