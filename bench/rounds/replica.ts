/**
 * A process of ./clone.ts: clones the address given into the directory given, into LMDB; then pulls once for each line
 * on standard input. Prints what each took as a line of JSON.
 */
import { createInterface } from 'node:readline'
import { Replica } from '../../src/index.ts'
import type { PullReport } from '../../src/sync/index.ts'
import { seconds } from '../report/figure.ts'

/** What a clone or a pull took. */
export interface Taken {
  readonly seconds: number
  readonly bytesMoved: number
  readonly roundTrips: number
  readonly entries: number
}

function print(taken: number, { bytesReceived, bytesSent, roundTrips, entriesTotal }: PullReport): void {
  const line: Taken = { seconds: taken, bytesMoved: bytesReceived + bytesSent, roundTrips, entries: entriesTotal }
  console.log(JSON.stringify(line))
}

const [address = '', path = ''] = process.argv.slice(2)
let replica: Replica | undefined
let report: PullReport | undefined
const cloned = await seconds(async () => {
  replica = await Replica.clone(address, path, { onPulled: (result) => (report = result.report) })
})
if (replica === undefined || report === undefined) throw new TypeError('clone: expected a report')
print(cloned, report)

const opened = replica
for await (const _ of createInterface({ input: process.stdin })) {
  const pulled = await seconds(async () => {
    ;({ report } = await opened.pull())
  })
  print(pulled, report)
}
await opened.close()
