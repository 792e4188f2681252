/** kill -9 of a clone at several points: it goes on where it ended, and what was written is not fetched again. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { providerOptions } from '../../src/db/index.ts'
import { Database, Replica } from '../../src/index.ts'
import { type Link, linkMapKey } from '../../src/link.ts'
import { createNode } from '../../src/net/index.ts'
import { formatAddress } from '../../src/pointer/index.ts'
import { type Channel, ProviderSet, REQUEST_FRAME_BYTES_MAX } from '../../src/sync/index.ts'
import { decodeRequest } from '../../src/sync/wire/index.ts'
import { surroundings } from '../../src/surroundings.ts'
import { failureOf } from '../support/database-lab.ts'
import { blockSet } from '../support/tree-sets.ts'
import { inDirectory } from '../support/temporary-directory.ts'
import { importRelease, startRole } from './processes/role.ts'
import { passing } from '../support/passing-channel.ts'

const test = suite('index/clone-kill')

const ROWS = 100_000
/**
 * Before which answer the line falls silent. Together far fewer than the tree's blocks fill, so that each is reached however
 * much of the earlier ones was written.
 */
const KILLS = [0, 1, 4, 7, 8]

/** What a peer was asked for, and where its answers end: the one at `silentFrom` and all after it are never sent. */
class Watcher {
  readonly asked: Map<string, Link> = new Map()
  /** Blocks that nobody should ask for any more. */
  held: ReadonlySet<string> = new Set()
  askedAgain = 0
  silentFrom = Number.POSITIVE_INFINITY
  fellSilent: () => void = () => {}

  watch(channel: Channel): Channel {
    let answers = 0
    let requests = 0
    return passing(channel, {
      send: async (frame) => {
        if (answers++ >= this.silentFrom) {
          this.fellSilent()
          await new Promise<never>(() => {})
        }
        await channel.send(frame)
      },
      receive: async () => {
        const frame = await channel.receive()
        if (frame !== undefined && requests++ > 0) this.#note(frame)
        return frame
      },
    })
  }

  #note(frame: Uint8Array): void {
    const request = decodeRequest(frame)
    if (request.type !== 'get blocks') return
    for (const link of request.links) {
      const key = linkMapKey(link)
      this.asked.set(key, link)
      if (this.held.has(key)) this.askedAgain++
    }
  }
}

/** Until a clone in another process has written some of what it got; it decides itself when. */
async function heldBlocks(path: string, watcher: Watcher): Promise<void> {
  for (;;) {
    const replica = await Replica.open(path, { access: 'read' })
    const { store } = replica.state
    const some = [...watcher.asked.values()].some((link) => store.has(link) === true)
    await replica.close()
    if (some) return
    await setTimeout(20)
  }
}

test('killed after the welcome, and after some answers: what was written is not asked for again', () =>
  inDirectory(async (directory, use) => {
    const db = use(await Database.create(join(directory, 'author'), { name: 'cities' }))
    await importRelease(db, 1, ROWS)
    await db.publish()
    const watcher = new Watcher()
    const providers = new ProviderSet({ clock: surroundings.clock })
    providers.add(providerOptions(db.state))
    const node = use(await createNode({ peerKey: new Uint8Array(32).fill(3), listen: ['/ip4/127.0.0.1/tcp/0'] }))
    await node.handle((channel) => providers.handle(watcher.watch(channel)), { frameBytesMax: REQUEST_FRAME_BYTES_MAX })
    const address = formatAddress({ author: db.author, name: db.name, peers: node.addresses() })
    const path = join(directory, 'copy')
    for (const at of KILLS) {
      const cloner = use(startRole('cloner', path, address))
      const reached = Promise.withResolvers<void>()
      watcher.silentFrom = at
      watcher.fellSilent = reached.resolve
      await reached.promise
      if (at === KILLS.at(-1)) await heldBlocks(path, watcher)
      await cloner.kill()
      const replica = use(await Replica.open(path, { access: 'read' }))
      assert.is(await replica.isComplete(), false)
      assert.is((await failureOf(replica.count())).code, 'ROOT_NOT_FOUND')
      const { store } = replica.state
      watcher.held = new Set([...watcher.asked].flatMap(([key, link]) => (store.has(link) === true ? [key] : [])))
      await replica.close()
    }
    assert.ok(watcher.held.size > 0, 'something was written before the last kill')
    watcher.silentFrom = Number.POSITIVE_INFINITY
    const cloner = use(startRole('cloner', path, address))
    assert.is(await cloner.line(), `1 ${ROWS + 1}`)
    assert.is(watcher.askedAgain, 0)
    const { blocks } = await use(await Replica.open(path, { access: 'read' })).state.store.usage()
    assert.is(blocks, (await blockSet((await db.snapshot()).tree, true)).size)
    assert.equal((await readdir(path)).toSorted(), ['data.mdb', 'lock.mdb'])
  }))

test.run()
