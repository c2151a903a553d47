// Preloaded to record the code of what a run compiles, in each of its threads: see record-code.mjs.
'use strict';
const { readFileSync, renameSync, writeFileSync } = require('node:fs');
const v8 = require('node:v8');
const vm = require('node:vm');
const { isMainThread, threadId, Worker } = require('node:worker_threads');
const { CODE, withChecksums } = require('../dist/src/bundled/quick-load.cjs');

// V8 takes code under the flags only that it was made under: those that it has when the program begins.
v8.setFlagsFromString = () => {};

const scripts = [];
const { Script } = vm;
vm.Script = class extends Script {
  constructor(source, options) {
    super(source, options);
    if (options.cachedData === undefined) scripts.push({ file: options.filename, script: this });
  }
};

function keep() {
  for (const { file, script } of scripts) {
    writeFileSync(`${file}${CODE}.${threadId}`, withChecksums(script.createCachedData(), readFileSync(file)));
    renameSync(`${file}${CODE}.${threadId}`, file + CODE);
  }
}

// A pool ends its threads without a word: they get the time to keep what they have.
const INTERVAL_MS = 50;
const { terminate } = Worker.prototype;
Worker.prototype.terminate = async function () {
  await new Promise((resolve) => setTimeout(resolve, 6 * INTERVAL_MS));
  return terminate.call(this);
};
if (isMainThread) process.on('exit', keep);
else setInterval(keep, INTERVAL_MS).unref();
