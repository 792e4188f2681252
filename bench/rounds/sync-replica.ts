/**
 * A process of the sync benchmark: the copy's side of a courier. Pulls for each line on standard input, checks what it has
 * then, and prints what the pull took.
 *
 *     node bench/rounds/sync-replica.ts '{"courier":"coppice","size":100000,"directory":"...","address":"..."}'
 */
import { createInterface } from 'node:readline'
import { bytesToHex, equalBytes } from '../../src/bytes.ts'
import { courierNamed } from '../couriers/index.ts'
import type { CourierReport } from '../couriers/courier.ts'
import { changeCount, changesOf, type ChangeShape } from '../data/changes.ts'
import { Entries } from '../data/entries.ts'
import { cpuSeconds } from '../process/usage.ts'

export interface ReplicaOptions {
  readonly courier: string
  readonly size: number
  /** An empty one. */
  readonly directory: string
  readonly address: string
  /** Whether it is far from the author, in time. */
  readonly isFar: boolean
}

/** What the author published last, which the copy must have afterwards; version 0 for the database as it began. */
export interface PullCommand {
  readonly shape: ChangeShape
  readonly version: number
  readonly appended: number
}

export interface Pulled extends CourierReport {
  readonly seconds: number
  readonly cpuSeconds: number
}

interface Row {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** Rows that are looked up after a pull. */
const CHECKED_ROWS = 100

const { courier, size, directory, address, isFar } = JSON.parse(process.argv[2] ?? '{}') as ReplicaOptions
const entries = new Entries(size)
const sides = await courierNamed(courier).sides()
const replica = await sides.replica(directory, isFar)
for await (const line of createInterface({ input: process.stdin })) {
  const pulled = await pull()
  await check(JSON.parse(line) as PullCommand)
  console.log(JSON.stringify(pulled))
}
await replica.close()
process.exit()

async function pull(): Promise<Pulled> {
  await replica.prepare?.()
  globalThis.gc?.()
  const cpuBefore = cpuSeconds()
  const start = performance.now()
  const report = await replica.pull(address)
  return { ...report, seconds: (performance.now() - start) / 1000, cpuSeconds: cpuSeconds() - cpuBefore }
}

/** @throws {Error} where a row is not as it was published. */
async function check(command: PullCommand): Promise<void> {
  for (const { key, value } of samples(command)) {
    const found = await replica.get(key)
    if (found === undefined || !equalBytes(found, value)) {
      const after = command.version === 0 ? 'the first copy' : `the change "${command.shape}"`
      throw new Error(`wrong result: after ${after} the row ${bytesToHex(key)} is absent or another`)
    }
  }
}

/** Some rows of the whole, or of the last change. */
function* samples({ shape, version, appended }: PullCommand): Generator<Row, void, undefined> {
  const isFirst = version === 0
  const every = Math.max(1, Math.floor((isFirst ? size : changeCount(entries, shape)) / CHECKED_ROWS))
  if (isFirst) {
    for (let i = 0; i < size; i += every) yield entries.at(i)
    return
  }
  let i = 0
  for (const change of changesOf(entries, shape, version, appended)) if (i++ % every === 0) yield change
}
