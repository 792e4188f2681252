/** Data in and out of databases, as files and streams. Node only. */
export { exportCar, type ExportCarOptions, importCar, type ImportCarOptions } from './car.ts'
export { exportDocuments, type ExportFormat, type ExportOptions, exportRaw } from './export.ts'
export { importDocuments, type ImportOptions, importRaw, type ImportReport } from './import.ts'
export type { ChangeLimit, EditCounts } from './row-edits.ts'
