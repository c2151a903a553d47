// Makes dist/restore.html: the portable reader and its page in one file that needs nothing else. The same sources give the
// same bytes, so that the recovery sheet can name the page's SHA-256.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const page = (name) => fileURLToPath(new URL(`../src/portable/page/${name}`, import.meta.url));
const out = fileURLToPath(new URL('../dist/restore.html', import.meta.url));

const bundle = await rolldown({
  input: page('main.ts'),
  platform: 'browser',
  tsconfig: false,
  resolve: { extensionAlias: { '.js': ['.ts', '.js'] } },
});
const { output } = await bundle.generate({ format: 'iife', minify: true, comments: { legal: false } });
await bundle.close();
if (output.length !== 1) throw new Error('the page must be one script');

// What would end the script element, or begin a comment in it, cannot stand in it.
const script = `\n${output[0].code.replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--').trim()}\n`;
const hash = createHash('sha256').update(script).digest('base64');
const policy = `default-src 'none'; script-src 'sha256-${hash}'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'`;
const style = readFileSync(page('page.css'), 'utf8');
const html = readFileSync(page('page.html'), 'utf8').replace(
  /\{\{(policy|style|script)\}\}/g,
  (_, name) => ({ policy, style, script })[name],
);

mkdirSync(fileURLToPath(new URL('../dist', import.meta.url)), { recursive: true });
// Others may be reading the page of the build before.
writeFileSync(`${out}.${process.pid}`, html);
renameSync(`${out}.${process.pid}`, out);
console.log(
  `restore.html: ${Math.ceil(html.length / 1024)} KiB, SHA-256 ${createHash('sha256').update(html).digest('hex')}`,
);
