import type { ForgetResult, LostVersion } from '../archive/types.js';
import { counted, humanBytes } from '../report/human.js';
import type { PathItem } from '../report/json-path.js';
import { escapeControls, type Output } from './output.js';
import { columns, shownTime } from './print.js';

/** How many lost versions a question shows; `--dry-run` shows all. */
const shownInPreview = 20;

/** What a forgetting command did, or with `dryRun` would do. */
export function printForget(result: ForgetResult, out: Output, dryRun: boolean): void {
  if (result.lost && result.lost.length > 0) {
    out.line('gone for ever:');
    for (const line of lostLines(result.lost, (path) => out.path(path))) out.line(line);
    out.line();
  }
  for (const line of figures(result, dryRun ? 'would be ' : '')) out.line(line);
}

/** What would be lost, before a question is asked. */
export function printPreview(result: ForgetResult, write: (line: string) => void): void {
  const lost = result.lost ?? [];
  if (lost.length > 0) {
    write('gone for ever:');
    for (const line of lostLines(lost.slice(0, shownInPreview), terminalPath)) write(line);
    const more = lost.length - shownInPreview;
    if (more > 0) write(`  … and ${counted(more, 'more version')}; --dry-run names them all`);
  }
  for (const line of figures(result, 'would be ')) write(line);
}

function lostLines(lost: readonly LostVersion[], path: (item: PathItem) => string): string[] {
  return columns(
    lost.map((v) => [`  ${shownTime(v.from)}`, shownTime(v.to), humanBytes(v.size), path(v)]),
    [2],
  );
}

function figures(result: ForgetResult, would: string): string[] {
  return [
    `${counted(result.snapshots_removed, 'snapshot')} and ${counted(result.versions_removed, 'version')} ${would}removed; ${counted(result.kept, 'snapshot')} kept`,
    `${humanBytes(result.bytes_freed)} ${would}freed; ${counted(result.packs_deleted, 'pack')} ${would}deleted, ${counted(result.packs_rewritten, 'pack')} ${would}rewritten`,
  ];
}

function terminalPath(item: PathItem): string {
  return escapeControls(typeof item === 'string' ? item : item.path);
}
