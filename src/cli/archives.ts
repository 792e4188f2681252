/** `coppice export --car`, `import --car` and `clone --car`: published states as archives that carry their signed root. */
import type { CarSource } from '../car/index.ts'
import { CoppiceError } from '../errors.ts'
import { escapeText } from '../escape.ts'
import { equalBytes } from '../bytes.ts'
import { formatLink } from '../link.ts'
import type { SignedRoot } from '../pointer/index.ts'
import { assertNone, usageError } from './arguments.ts'
import type { Cli } from './cli.ts'
import type { JsonOption } from './command.ts'
import { closing, type Opened, reading } from './open.ts'
import { renderBytes, renderCounted } from './render.ts'
import { findRoot, renderSigned, type RootName, snapshotAt } from './roots.ts'

export interface CarExportOptions extends JsonOption {
  readonly at?: RootName
  readonly since?: RootName
}

/** @throws {CoppiceError} `USAGE` for options that archives have no use for. */
export function assertOnlyCar(options: object, names: readonly string[], file: string | undefined): void {
  if (file !== undefined) throw usageError('FILE', 'none with --car', file)
  assertNone(options, names, 'with --car')
}

export async function exportCarTo(cli: Cli, dir: string, file: string, options: CarExportOptions): Promise<void> {
  const { exportCar } = await import('../transfer/index.ts')
  if (file === '-' && cli.out.isTerminal) throw usageError('--car -', 'a pipe or a file', 'a terminal')
  await reading(dir, async (opened) => {
    const signed = await signedAt(opened, options.at)
    const since = options.since === undefined ? undefined : await snapshotAt(opened, options.since)
    const chunks = exportCar(opened.db, signed, { since, signal: cli.signal })
    if (file === '-') {
      for await (const chunk of chunks) await cli.out.write(chunk)
      return
    }
    const { writeFileWhole } = await import('./output-file.ts')
    let written = 0
    const total = signed.payload.bytes
    const progress = cli.progress(() => `exporting: ${renderBytes(written)} of ${renderBytes(total)} at most`)
    const onBytes = (bytes: number): void => void (written = bytes)
    const bytes = await writeFileWhole(file, chunks, onBytes).finally(() => progress.end())
    const { sequence, root } = signed.payload
    if (options.json === true) {
      await cli.out.json({ file, bytes, sequence, root: formatLink(root), since: since?.root ?? null })
      return
    }
    const what = since === undefined ? '' : `, what ${since.root} lacks of it`
    await cli.out.line(`${escapeText(file)}: ${renderBytes(bytes)} of ${renderSigned(signed)}${what}`)
  })
}

/** The newest published root, or the newest in the log that signs the state named. @throws {CoppiceError} `ROOT_NOT_FOUND`. */
async function signedAt(opened: Opened, at: RootName | undefined): Promise<SignedRoot> {
  const { db } = opened
  if (at === undefined) {
    const published = await db.published()
    if (published !== undefined) return published
    throw new CoppiceError('ROOT_NOT_FOUND', 'archive: expected a published state, got none yet; publish or pull first')
  }
  const { snapshot, signed } = await findRoot(opened, at)
  if (signed !== undefined) return signed
  for await (const { signedRoot } of db.log()) {
    if (equalBytes(signedRoot.payload.root, snapshot.tree.ref.root)) return signedRoot
  }
  throw new CoppiceError(
    'ROOT_NOT_FOUND',
    `archive: expected a published state, got ${snapshot.root}, which is not signed`,
  )
}

/** A file, or standard input where it is `-`. */
export async function carSource(cli: Cli, file: string): Promise<CarSource> {
  const { readFileChunks } = await import('../formats/index.ts')
  return file === '-'
    ? { name: 'standard input', chunks: cli.input(true) }
    : { name: file, chunks: readFileChunks(file, cli.signal) }
}

export async function importCarInto(cli: Cli, dir: string, file: string, options: JsonOption): Promise<void> {
  const { Replica } = await import('../index.ts')
  const { importCar } = await import('../transfer/index.ts')
  const { describePulled, pullJson } = await import('./pull-report.ts')
  const replica = await Replica.open(dir)
  await closing(replica, async () => {
    const source = await carSource(cli, file)
    let counts = { bytes: 0, written: 0, known: 0, foreign: 0 }
    const progress = cli.progress(
      () => `reading: ${renderBytes(counts.bytes)}, ${renderCounted(counts.written, 'new block')}`,
    )
    const onOpen = (each: typeof counts): void => void (counts = each)
    const result = await importCar(replica, source, { signal: cli.signal, onOpen }).finally(() => progress.end())
    if (options.json === true) await cli.out.json({ ...pullJson(result), archive: { file, ...counts } })
    else for (const line of describePulled('imported', result)) await cli.out.line(line)
  })
}
