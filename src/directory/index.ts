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
