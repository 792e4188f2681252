/** Static mirrors: a published state as plain files, written for any web server, and read from one as from any peer. */
export { mirrorCarrier } from './mirror-carrier.ts'
export { exportMirror, type ExportMirrorOptions, type MirrorProgress, type MirrorReport } from './export-mirror.ts'
export { MirrorSession, openMirror } from './mirror-session.ts'
export type { PackCoding } from './root-file.ts'
