// How fast the chunker cuts noise, per class, without and with what a backup does to the chunks. Runs on dist/.
import { createHmac, randomBytes, randomFillSync } from 'node:crypto';
import { createChunker, cutStream, DEFAULT_CHUNKERS, GEAR_BYTES } from '../../dist/src/chunk/index.js';

const SIZE = 8 * 1024 * 1024;
const ROUNDS = 40;
const chunker = createChunker(randomBytes(GEAR_BYTES), SIZE);
randomFillSync(chunker.buffer);

for (const [chunkClass, params] of DEFAULT_CHUNKERS.entries()) {
  const stretch = { start: 0, end: SIZE, scanned: 0, eof: true };
  let chunks = 0;
  report(`class ${chunkClass}, cutting`, () => {
    chunks = chunker.cutAll(params, stretch).length;
  });
  console.log(`  ${chunks} chunks, ${Math.round(SIZE / chunks / 1024)} KiB on average`);

  const key = randomBytes(32);
  report(`class ${chunkClass}, cutting and naming a stream`, () => {
    let left = SIZE;
    cutStream(
      chunker,
      params,
      (into) => {
        const got = Math.min(left, into.length); // what lies in the buffer passes for what was read
        left -= got;
        return got;
      },
      (chunk) => createHmac('sha256', key).update(chunk).digest(),
    );
  });
}

function report(what, run) {
  for (let i = 0; i < 5; i++) run();
  const times = Array.from({ length: ROUNDS }, () => {
    const begin = performance.now();
    run();
    return performance.now() - begin;
  }).sort((a, b) => a - b);
  const speed = (milliseconds) => (SIZE / 1e6 / milliseconds).toFixed(2);
  console.log(`${what}: ${speed(times[ROUNDS / 2])} GB/s (median), ${speed(times[0])} GB/s (best)`);
}
