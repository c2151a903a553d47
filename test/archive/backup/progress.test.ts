import { expect, test } from 'vitest';
import { progressOf } from '../../../src/archive/backup/progress.js';

const figures = { files: 30, filesToCome: 5, bytesRead: 100, bytesToRead: 150, isScanned: false };

test.each([
  ['a first run has no total before its scan has ended', figures, undefined, undefined, undefined],
  ['then it has', { ...figures, isScanned: true }, undefined, 35, 150],
  ['a full run expects what the one before had', figures, { files: 80, bytes: 900 }, 80, 900],
  ['unless it has found more', figures, { files: 20, bytes: 120 }, 35, 150],
  ['a soft run expects the files, but not to read them', figures, { files: 80, bytes: undefined }, 80, undefined],
  ['the scan knows better', { ...figures, isScanned: true }, { files: 80, bytes: 900 }, 35, 150],
  ['what grew is no more than all', { ...figures, isScanned: true, bytesRead: 170 }, undefined, 35, 170],
] as const)('%s', (_, now, expected, totalFiles, totalBytes) => {
  expect(progressOf(now, expected)).toEqual({
    files: 30,
    bytes: now.bytesRead,
    ...(totalFiles !== undefined && { totalFiles }),
    ...(totalBytes !== undefined && { totalBytes }),
  });
});
