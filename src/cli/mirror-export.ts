/** `coppice export --static`: the published state as files for a web server. */
import type { MirrorReport } from '../mirror/index.ts'
import { escapeText } from '../escape.ts'
import { assertNone } from './arguments.ts'
import type { Cli } from './cli.ts'
import type { JsonOption } from './command.ts'
import { reading } from './open.ts'
import { renderBytes, renderCounted, renderShare } from './render.ts'

export type MirrorCompression = 'zstd' | 'deflate'
export const MIRROR_COMPRESSIONS: readonly MirrorCompression[] = ['zstd', 'deflate']

export interface MirrorOptions extends JsonOption {
  readonly prune?: true
  readonly compression?: MirrorCompression
}

/** What belongs to files of rows, and what belongs to mirrors. */
const FILE_OPTIONS: readonly string[] = ['collection', 'format', 'types', 'at', 'raw']
const MIRROR_OPTIONS: readonly string[] = ['prune', 'compression']

/** @throws {CoppiceError} `USAGE` for options of the other kind of export. */
export function assertOnlyMirror(options: object, isMirror: boolean): void {
  if (isMirror) assertNone(options, FILE_OPTIONS, 'with --static')
  else assertNone(options, MIRROR_OPTIONS, 'without --static')
}

export async function exportStatic(cli: Cli, dir: string, out: string, options: MirrorOptions): Promise<void> {
  const { exportMirror } = await import('../mirror/index.ts')
  const { prune, compression: coding } = options
  await reading(dir, async ({ db }) => {
    let line = 'reading'
    const progress = cli.progress(() => line)
    const report = await exportMirror(db, out, {
      prune,
      coding,
      signal: cli.signal,
      onProgress: ({ blocks, bytes, bytesTotal }) => {
        const share = renderShare(bytes, bytesTotal)
        line = `exporting: ${renderCounted(blocks, 'new block')}, ${renderBytes(bytes)}, ${share} of all at most`
      },
    }).finally(() => progress.end())
    if (options.json === true) await cli.out.json({ directory: out, ...report })
    else await cli.out.line(describe(out, report))
  })
}

function describe(out: string, report: MirrorReport): string {
  const { root, sequence, changed, blocks, packs, packBytes, bytesWritten, packsRemoved } = report
  const state = `@${sequence} ${root}, ${renderCounted(packs, 'pack')} of ${renderBytes(packBytes)}`
  const removed = packsRemoved === 0 ? '' : `, ${renderCounted(packsRemoved, 'pack')} removed`
  if (!changed) return `${escapeText(out)}: up to date at ${state}${removed}`
  return `${escapeText(out)}: ${state}; ${renderCounted(blocks, 'new block')}, ${renderBytes(bytesWritten)} written${removed}`
}
