/** A database's directory on disk. Node only. */
export {
  createDatabaseDirectory,
  DATABASE_FORMAT,
  directoryPaths,
  kindMeta,
  openDatabaseDirectory,
  removeDatabaseDirectory,
  type CreateOptions,
  type DatabaseDirectory,
  type DatabaseKind,
  type DirectoryPaths,
} from './directory.ts'
export { createKeyFile, ensureKeyFile, readKeyFile, type KeyCodec } from './key-files.ts'
export { exportKeyFile, importKeyFile } from './key-export.ts'
export { damagedRecord, readKeyRecord, writeKeyRecord } from './key-record.ts'
export { readSignedRecord, signFile, type SignOptions } from './key-signing.ts'
export { createNewFile } from './new-file.ts'
export { createSignerFile, keyCodec, newKey, readSignerFile, type StoredKey } from './signer-files.ts'
