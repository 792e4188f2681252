/**
 * A process that works on the database in argv[2], for tests that watch or kill it. Modes (argv[3]):
 *
 * - `collect KEEP`: opens it for writing, prints "open", collects garbage again and again between batches of rows,
 *   until it is killed
 * - `collect-once KEEP`: prints the number of removed blocks, or the code it failed with
 * - `read`: scans the state shown now: prints "reading" after the first row, waits for a line, prints the number of rows
 * - `hold ROOT`: keeps the state of that root, prints "holding", until standard input ends
 */
import process from 'node:process'
import { createInterface } from 'node:readline'
import { openDirectory } from '../../../src/index.ts'
import { isCoppiceError } from '../../../src/errors.ts'
import { parseLink } from '../../../src/link.ts'

const [, , path = '', mode, argument = ''] = process.argv
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const print = (line: string | number): void => void process.stdout.write(`${line}\n`)
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

if (mode === 'collect') {
  const opened = await openDirectory(path)
  if (opened.kind !== 'author') throw new Error('expected an author')
  print('open')
  for (let round = 0; ; round++) {
    await opened.db.batch((tx) =>
      tx.apply(
        Array.from({ length: 400 }, (_, i) => ({
          key: utf8(`key ${1000 + 9 * i + (round % 9)}`),
          value: utf8(`${process.pid} ${round} ${'x'.repeat(200)}`),
        })),
      ),
    )
    if (round % 3 === 2) await opened.db.publish()
    await opened.db.gc({ keep: Number(argument), onProgress: () => print('progress') })
  }
} else if (mode === 'collect-once') {
  try {
    const { db } = await openDirectory(path)
    print((await db.gc({ keep: Number(argument) })).blocksRemoved)
    await db.close()
  } catch (error) {
    print(isCoppiceError(error) ? error.code : String(error))
  }
} else {
  const { db } = await openDirectory(path, { access: 'read' })
  if (mode === 'read') {
    const rows = db.scan()
    await rows.next()
    print('reading')
    await lines.next()
    let count = 1
    while ((await rows.next()).done !== true) count++
    print(count)
  } else {
    const state = await db.state.at(parseLink(argument))
    print('holding')
    await lines.next()
    print(state.root)
  }
  await db.close()
}
process.stdin.destroy()
