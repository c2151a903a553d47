/** Objects and where they lie. */
export { isMissing, StoreError, type StoreErrorCode, spoolFailure } from './errors.js';
export {
  FOLDERS,
  type Folder,
  type ListedObject,
  type Lock,
  type LockMode,
  nameOf,
  type ObjectStore,
  type OpenOptions,
  objectPath,
  PLAIN_FILES,
  type PutOptions,
} from './object-store.js';
export { openStore, storeKind } from './open.js';
