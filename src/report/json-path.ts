import { type ByteString, fromBytes, fromDisplay, isUtf8, toBytes, toDisplay } from '../bytes.js';

/** A path in a JSON document: text, and the exact bytes too where the text cannot hold them. */
export interface JsonPath {
  path: string;
  /** Base64 of the bytes; only when they are not UTF-8 (`path` then has U+FFFD in their place). */
  path_base64?: string;
}

/** A path in a list of paths: plain text, or an object with the exact bytes when they are not UTF-8. */
export type PathItem = string | JsonPath;

/** The `path` (and `path_base64`) fields of a document: `{ ...jsonPath(p), size }`. */
export function jsonPath(path: ByteString): JsonPath {
  return isUtf8(path)
    ? { path: toDisplay(path) }
    : { path: toDisplay(path), path_base64: toBytes(path).toString('base64') };
}

/** An item of a list of paths. */
export function pathItem(path: ByteString): PathItem {
  return isUtf8(path) ? toDisplay(path) : jsonPath(path);
}

/** The bytes that `jsonPath` or `pathItem` was given. */
export function pathBytes(item: PathItem): ByteString {
  if (typeof item === 'string') return fromDisplay(item);
  return item.path_base64 === undefined ? fromDisplay(item.path) : fromBytes(Buffer.from(item.path_base64, 'base64'));
}
