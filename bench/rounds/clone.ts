/**
 * What does it cost to join, to keep up, and to find out that nothing happened? One round: an author's process serves
 * ENTRIES entries, a replica's process clones them over TCP and noise on loopback into LMDB, and pulls.
 *
 *     node bench/rounds/clone.ts [ENTRIES]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { assert } from '../../src/errors.ts'
import { Child } from '../process/child.ts'
import { ENTRIES, UPDATES } from '../data/entries.ts'
import { type Figure, printFigures } from '../report/figure.ts'
import type { Taken } from './replica.ts'

const TIMEOUT_MS_MIN = 120_000
const TIMEOUT_MS_PER_ROW = 0.02

function figuresOf(what: string, { seconds, bytesMoved, roundTrips }: Taken): Figure[] {
  return [
    { name: what, value: seconds, unit: 's' },
    { name: `${what}, bytes moved`, value: bytesMoved, unit: 'bytes' },
    { name: `${what}, round trips`, value: roundTrips, unit: 'count' },
  ]
}

const size = Number(process.argv[2] ?? ENTRIES)
const timeoutMs = TIMEOUT_MS_MIN + size * TIMEOUT_MS_PER_ROW
const directory = await mkdtemp(join(tmpdir(), 'coppice-'))
try {
  const author = new Child('author.ts', [join(directory, 'author'), String(size)], timeoutMs)
  const address = await author.line()
  const replica = new Child('replica.ts', [address, join(directory, 'replica')], timeoutMs)
  const next = async (): Promise<Taken> => JSON.parse(await replica.line()) as Taken

  const clone = await next()
  const clonePeakBytes = replica.takePeakBytes()
  assert(clone.entries === size, 'a clone has every entry')

  author.tell('update')
  await author.line()
  replica.tell('pull')
  const pull = await next()
  replica.tell('pull')
  const nothing = await next()
  await replica.end()
  await author.end()

  printFigures([
    ...figuresOf('clone', clone),
    { name: 'clone, entries per second', value: size / clone.seconds, unit: 'entries/s' },
    { name: 'clone, peak RssAnon of the replica', value: clonePeakBytes, unit: 'bytes' },
    ...figuresOf(`pull of ${UPDATES} random updates`, pull),
    ...figuresOf('pull of nothing', nothing),
  ])
} finally {
  await rm(directory, { recursive: true })
}
