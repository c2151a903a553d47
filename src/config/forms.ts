const schemes = ['s3', 'sftp', 'webdav', 'webdavs', 'rclone'];

/** What a store may be, in words that follow "expected". */
export const storeForms = `a path, or a URL that begins with ${schemes.map((s) => `${s}:`).join(', ')}`;

/** Whether a text is a path, or a URL of a kind of store that there is. */
export function isStore(text: string): boolean {
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(text)?.[1];
  return scheme === undefined || schemes.includes(scheme.toLowerCase());
}

/** The name of a source or target: it appears in arguments and messages, so no white space around it, no controls. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these are refused
export const nameForm = /^(?!\s)[^\u0000-\u001f\u007f]+(?<!\s)$/;
