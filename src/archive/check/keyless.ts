import { createHash } from 'node:crypto';
import { native } from '../../crypto/native.js';
import { isIntact } from '../../format/config-json.js';
import { FOLDERS, isMissing, objectPath } from '../../store/index.js';
import type { Context } from '../context.js';
import { openOwnStore } from '../open-store.js';
import { isDamage } from '../small-objects.js';
import type { CheckResult } from '../types.js';
import { problem } from './findings.js';

/** Without a key: every object must have the checksum that its name tells, and config.json the signature it carries. */
export async function checkObjects(context: Context): Promise<CheckResult> {
  const { report } = context;
  const store = await openOwnStore(context, { command: 'check', withoutConfig: true });
  const result: CheckResult = { ok: true, packs: 0, blobs: 0, read: 0, problems: [] };
  try {
    report.start('check');
    for (const folder of FOLDERS) {
      for (const { name } of await store.list(folder)) {
        context.signal.throwIfAborted();
        const path = objectPath(folder, name);
        try {
          const bytes = await store.read(path);
          result.read += bytes.length;
          if (createHash('sha256').update(bytes).digest('hex') !== name)
            result.problems.push(problem('damaged', path, 'its bytes do not have the checksum that its name tells'));
        } catch (error) {
          if (!isDamage(error)) throw error;
          result.problems.push(problem('damaged', path, (error as Error).message));
        }
        if (folder === 'packs') result.packs++;
        report.progress({ files: result.packs, bytes: result.read });
      }
    }
    try {
      const text = Buffer.from(await store.read('config.json')).toString();
      if (!isIntact(native, text))
        result.problems.push(problem('damaged', 'config.json', 'its signature is not that of what it says'));
    } catch (error) {
      if (!isMissing(error)) throw error;
      result.problems.push(problem('missing', 'config.json', 'is not in the store'));
    }
    if ((await store.list('keys')).length === 0)
      result.problems.push(problem('missing', 'keys', 'is empty: no key opens the store'));
  } finally {
    report.done();
    await store.close();
  }
  result.ok = result.problems.length === 0;
  return result;
}
