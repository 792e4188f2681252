/** bench/links: a slow network loses no byte and no end, and is never faster than it says. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Link, type LinkOptions } from '../../bench/links/link.ts'
import { randomAt } from '../../bench/data/entries.ts'

const test = suite('bench: links')

const PLAIN: LinkOptions = { roundTrip: 0, lossRate: 0, isNew: true }

interface Lab {
  readonly link: Link
  dial(): Promise<Socket>
}

/** A server that answers each connection with `serve`, behind a link. */
async function withLink(
  options: LinkOptions,
  serve: (socket: Socket) => void,
  work: (lab: Lab) => Promise<void>,
): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, serve)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const link = new Link((server.address() as AddressInfo).port, options)
  const port = await link.listen()
  const dial = async (): Promise<Socket> => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    await once(socket, 'connect')
    return socket
  }
  try {
    await work({ link, dial })
  } finally {
    await link.close()
    await closed(server)
  }
}

async function closed(server: Server): Promise<void> {
  server.close()
  await once(server, 'close')
}

async function contents(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  socket.end()
  return Buffer.concat(chunks)
}

function echo(socket: Socket): void {
  socket.pipe(socket)
}

test('what is sent arrives whole and in order, and so does the end, lost segments or not', async () => {
  const sent = Buffer.from(Uint32Array.from({ length: 75_000 }, (_, i) => randomAt(i, 5) * 2 ** 32).buffer)
  for (const lossRate of [0, 0.05]) {
    await withLink({ roundTrip: 4, lossRate, isNew: true }, echo, async ({ link, dial }) => {
      const socket = await dial()
      for (let at = 0, i = 0; at < sent.length; i++) {
        const end = at + 1 + Math.floor(randomAt(i, 6) * 9_000)
        socket.write(sent.subarray(at, end))
        at = end
      }
      socket.end()
      assert.ok(sent.equals(await contents(socket)), 'the same bytes')
      assert.equal(link.bytes, { up: sent.length, down: sent.length })
    })
  }
})

test('a first answer takes two round trips, and one more a round trip', async () => {
  const roundTrip = 40
  await withLink({ ...PLAIN, roundTrip }, echo, async ({ dial }) => {
    const start = performance.now()
    const socket = await dial()
    const asked = async (): Promise<number> => {
      socket.write('?')
      await once(socket, 'data')
      return performance.now() - start
    }
    const first = await asked()
    const second = await asked()
    assert.ok(first >= 2 * roundTrip, `${first} ms`)
    assert.ok(second - first >= roundTrip, `${second - first} ms`)
    socket.destroy()
  })
})

test('a new window takes round trips to grow, an open one takes none', async () => {
  const roundTrip = 30
  const bytes = Buffer.alloc(100_000)
  for (const isNew of [true, false]) {
    await withLink(
      { ...PLAIN, roundTrip, isNew },
      (socket) => void socket.resume().end(bytes),
      async ({ dial }) => {
        const start = performance.now()
        assert.is((await contents(await dial())).length, bytes.length)
        const taken = performance.now() - start
        // Half of one until the author knows of the connection, half until its bytes are there: 14.6, then 29.2, then 58.4 KB.
        const trips = isNew ? 3 : 1
        assert.ok(taken >= trips * roundTrip, `${taken} ms for ${trips} round trips`)
      },
    )
  }
})

test('a rate is that of all connections together', async () => {
  const bytes = Buffer.alloc(20_000)
  const options = { ...PLAIN, isNew: false, bytesPerSecond: 200_000 }
  await withLink(
    options,
    (socket) => void socket.resume().end(bytes),
    async ({ dial }) => {
      const start = performance.now()
      const sizes = await Promise.all([1, 2].map(async () => (await contents(await dial())).length))
      assert.equal(sizes, [bytes.length, bytes.length])
      const taken = performance.now() - start
      assert.ok(taken >= 200, `${taken} ms`)
    },
  )
})

test('a connection that is lost on one side is lost on the other', async () => {
  await withLink(
    { ...PLAIN, roundTrip: 10 },
    (socket) => void socket.once('data', () => socket.resetAndDestroy()),
    async ({ dial }) => {
      const socket = await dial()
      socket.write('?')
      const error = await contents(socket).then(
        (bytes) => bytes,
        () => 'lost',
      )
      assert.ok(error === 'lost' || (error as Buffer).length === 0)
      assert.ok(socket.destroyed)
    },
  )
})

test.run()
