import { FormatError } from '../errors.js';

/** An authenticated encryption that does not open: other key, other header, or changed bytes. */
export class SealError extends FormatError {}

/** The bytes opened, but the signature on them is not its signer's. */
export class SignatureError extends FormatError {}
