/** Why something could not be read. */
export type PortableErrorCode =
  /** There is no store, or none of a version that this reader knows. */
  | 'no-store'
  /** The secret opens nothing, or nothing that may read. */
  | 'wrong-key'
  /** Bytes are not what they should be. */
  | 'damaged'
  /** Something that is needed is not in the store. */
  | 'missing';

/** An error for people to read: what is wrong, and where. It never holds key material. */
export class PortableError extends Error {
  override readonly name = 'PortableError';
  readonly code: PortableErrorCode;

  constructor(code: PortableErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Shorthand for the commonest one. */
export function damaged(message: string): PortableError {
  return new PortableError('damaged', message);
}
