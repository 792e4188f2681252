/** Values beyond 1 MiB as UnixFS files: layout, writing, reading. Knows blocks, and nothing of trees. */
export {
  blockLength,
  childCount,
  childPlace,
  decodeFileNode,
  FILE_FORMAT_1,
  FILE_NODE_BYTES_MAX,
  type FilePlace,
  LayoutFailure,
  rootPlace,
} from './layout.ts'
export { type ByteRange, type FileBlock, heldLinks, placeId, readFile, resolveRange, walkFile } from './read-file.ts'
export { type FileRef, writeFile } from './write-file.ts'
