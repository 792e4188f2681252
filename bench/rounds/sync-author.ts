/**
 * A process of the sync benchmark: the author's side of a courier. Prints where it is found, then a line for each command
 * on standard input.
 *
 *     node bench/rounds/sync-author.ts '{"courier":"coppice","size":100000,"directory":"..."}'
 */
import { createInterface } from 'node:readline'
import { courierNamed } from '../couriers/index.ts'
import { changeCount, changesOf, type ChangeShape } from '../data/changes.ts'
import { Entries, ENTRY_BYTES } from '../data/entries.ts'
import { cpuSeconds } from '../process/usage.ts'
import { seconds } from '../report/figure.ts'

export interface AuthorOptions {
  readonly courier: string
  readonly size: number
  /** An empty one. */
  readonly directory: string
}

export interface AuthorReady {
  readonly address: string
  readonly port: number
  readonly seconds: number
}

export type AuthorCommand =
  /** Puts rows of that shape, so many times, and publishes each. */
  | { readonly do: 'publish'; readonly shape: ChangeShape; readonly times: number; readonly hasBounds: boolean }
  /** How much processor time it has taken so far. */
  | { readonly do: 'usage' }

export interface Published {
  readonly rows: number
  readonly rowBytes: number
  /** Only where there are blocks and it was asked for. */
  readonly blockBytes?: number
  readonly seconds: number
  /** Of the last publication: what {@link changesOf} takes. */
  readonly version: number
  readonly appended: number
}

export interface Usage {
  readonly cpuSeconds: number
}

const { courier, size, directory } = JSON.parse(process.argv[2] ?? '{}') as AuthorOptions
const entries = new Entries(size)

const sides = await courierNamed(courier).sides()
const start = performance.now()
const author = await sides.author(directory, entries)
const { address, port } = author
print({ address, port, seconds: (performance.now() - start) / 1000 } satisfies AuthorReady)

let version = 0
let appended = 0
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as AuthorCommand
  print(command.do === 'usage' ? ({ cpuSeconds: cpuSeconds() } satisfies Usage) : await publish(command))
}
await author.close()
process.exit()

async function publish({ shape, times, hasBounds }: AuthorCommand & { do: 'publish' }): Promise<Published> {
  const rows = changeCount(entries, shape)
  const changes = (): ReturnType<typeof changesOf> => changesOf(entries, shape, version, appended)
  let blockBytes: number | undefined
  let before = appended
  const taken = await seconds(async () => {
    for (let time = 0; time < times; time++) {
      version++
      before = appended
      if (hasBounds) blockBytes = await author.changedBlockBytes?.(changes())
      await author.publish(changes())
      if (shape === 'append') appended += rows
    }
  })
  const bounds = blockBytes === undefined ? {} : { blockBytes }
  return { rows, rowBytes: rows * ENTRY_BYTES, ...bounds, seconds: taken, version, appended: before }
}

function print(line: AuthorReady | Published | Usage): void {
  console.log(JSON.stringify(line))
}
