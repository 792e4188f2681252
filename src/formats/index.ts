/** File formats of documents and of byte keys: streaming readers and writers, compression, sorting. Node only. */
export { type Compression, compress, decompress } from './compression.ts'
export { CELL_TYPES, type CellType, type ColumnTypes, parseColumnTypes } from './csv-cell.ts'
export { type CsvReadOptions, readCsv } from './csv-read.ts'
export { collectColumns, type CsvWriteOptions, writeCsv } from './csv-write.ts'
export { compressionOfName, type DocumentFormat, type InputType, requireTypeOfName, typeOfName } from './detect.ts'
export { SORT_MEMORY_BYTES, sortEntries, type SortEntry, type SortOptions } from './external-sort.ts'
export { type RawEntry, readHexLines, stringifyHexLine, writeHexLines } from './hex-lines.ts'
export { type DocumentInput, readDocuments, readFileChunks, readRawEntries } from './input.ts'
export { readJsonArray } from './json-array.ts'
export { parseJsonDocument, parseJsonValue, stringifyJson } from './json-text.ts'
export { readNdjson, writeNdjson } from './ndjson.ts'
export {
  type ByteSource,
  type InputRecord,
  type Place,
  type ReadOptions,
  RECORD_BYTES_MAX,
  withPlace,
} from './place.ts'
