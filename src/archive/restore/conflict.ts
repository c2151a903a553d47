/** Something has the place of what is to be restored that may not, or must not, be replaced. */
export class Conflict extends Error {
  override readonly name = 'Conflict';
}
