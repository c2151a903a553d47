/** What Node lacks: the system interface by FFI, with plain Node where that cannot be had. */
export { aesGcm } from './aes-gcm.js';
export {
  linkAt,
  makeDeviceAt,
  makeDirectoryAt,
  makeFifoAt,
  makeSocketAt,
  readLinkAt,
  removeDirectoryAt,
  removeFileAt,
  renameAt,
  symlinkAt,
} from './at.js';
export {
  chmodAt,
  chmodFd,
  chownAt,
  chownFd,
  joinNs,
  pinNodeAt,
  setTimesAt,
  setTimesFd,
  splitNs,
} from './attributes.js';
export { CWD, FileType } from './constants.js';
export {
  Appender,
  alignedMemory,
  allocate,
  BLOCK,
  canWriteDirectly,
  DirectWriter,
  setDirect,
  writeDirectly,
  writeWholeDirectly,
} from './direct.js';
export { SystemError } from './error.js';
export { nativeAvailable, platformNotes } from './ffi.js';
export {
  adviseDontNeed,
  adviseSequential,
  nextData,
  nextHole,
  readFully,
  startWriteback,
  syncDirectory,
  syncFileSystem,
  writeFully,
} from './file.js';
export { letHeapGrow, SMALL_HEAP, startThreadsOf } from './heaps.js';
export { type FileLock, type LockMode, lockFd, openLock, unlockFd } from './lock.js';
export { giveBuffersBack, noteGarbage } from './memory.js';
export { isPseudo, type Mount, mountOf, mountTable, PSEUDO_FILE_SYSTEMS } from './mounts.js';
export {
  closeFd,
  createFileAt,
  FileOpener,
  type OpenDirectoryOptions,
  openDirectory,
  openDirectoryAt,
  openFile,
  openFileAt,
  openForWriteAt,
  openParent,
} from './open.js';
export { groupId, groupName, ownUserName, userId, userName } from './owners.js';
export {
  baseName,
  joinPath,
  longPath,
  type OsKind,
  osKind,
  parentPath,
  restorePath,
  storedComponents,
  toNative,
  toStored,
  windowsSafeName,
} from './paths.js';
export { lowerPriority } from './priority.js';
export { type DirEntry, readDirectory } from './readdir.js';
export { StatBuffer, statAt, statFd, statFollowAt, tryStatAt } from './stat.js';
export {
  getXattrAt,
  getXattrFd,
  listXattrsAt,
  listXattrsFd,
  removeXattrAt,
  removeXattrFd,
  removeXattrPinned,
  setXattrAt,
  setXattrFd,
  setXattrPinned,
} from './xattr.js';
