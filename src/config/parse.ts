import { ExitCode, UserError } from '../errors.js';

/**
 * Parses the text of a config file by the file's ending: YAML for `.yaml` and `.yml`, else JSON with comments and
 * trailing commas.
 * @throws UserError (usage) that names file, line and column
 */
export async function parseConfigText(content: string, file: string): Promise<unknown> {
  const text = content.replace(/^\uFEFF/, '');
  return /\.ya?ml$/i.test(file) ? parseYaml(text, file) : parseJson(text, file);
}

async function parseJson(text: string, file: string): Promise<unknown> {
  try {
    return JSON.parse(text);
  } catch {
    // Not plain JSON; the parser for comments is loaded only for those who use them.
  }
  const { parse, printParseErrorCode } = await import('jsonc-parser');
  const errors: import('jsonc-parser').ParseError[] = [];
  const value: unknown = parse(text, errors, { allowTrailingComma: true });
  if (errors.length > 0) {
    const { error, offset } = errors[0];
    // PropertyNameExpected as `property name expected`
    const what = printParseErrorCode(error)
      .replace(/([a-z])([A-Z])/g, '$1 $2')
      .toLowerCase();
    syntax(file, text, offset, what, 'JSON');
  }
  return value;
}

async function parseYaml(text: string, file: string): Promise<unknown> {
  const { parseDocument } = await import('yaml');
  const document = parseDocument(text, { prettyErrors: false });
  const error = document.errors[0];
  if (error) syntax(file, text, error.pos[0], error.message.split('\n')[0], 'YAML');
  return document.toJS();
}

function syntax(file: string, text: string, offset: number, what: string, language: string): never {
  const before = text.slice(0, offset).split('\n');
  throw new UserError(
    ExitCode.usage,
    `config file ${file}, line ${before.length}, column ${before[before.length - 1].length + 1}: ${what}; correct the ${language}`,
  );
}
