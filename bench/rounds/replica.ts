/**
 * A process of ./clone.ts and of the sync benchmark: clones the address given into the directory given, into LMDB; then pulls once for each line
 * on standard input. Prints what each took as a line of JSON.
 */
import { createInterface } from 'node:readline'
import { Replica } from '../../src/index.ts'
import type { PullReport } from '../../src/sync/index.ts'
import { SocketMeter } from '../couriers/socket-meter.ts'
import { seconds } from '../report/figure.ts'

/** What a clone or a pull took. */
export interface Taken {
  readonly seconds: number
  /** Messages with their frame headers. */
  readonly bytesMoved: number
  /** TCP payload, both directions. */
  readonly wireBytes: number
  readonly roundTrips: number
  readonly entries: number
  /** Of all blocks of the tree, each at each of its places. */
  readonly blockBytes: number
}

const meter = new SocketMeter()

function print(taken: number, report: PullReport): void {
  const { bytesReceived, bytesSent, roundTrips, entriesTotal: entries, bytesTotal: blockBytes } = report
  const wire = meter.take()
  const line: Taken = {
    seconds: taken,
    bytesMoved: bytesReceived + bytesSent,
    wireBytes: wire.bytesReceived + wire.bytesSent,
    roundTrips,
    entries,
    blockBytes,
  }
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
