/**
 * All carriers over their real networks at once (a DHT of real nodes, BitTorrent's as the stock package has it, a web server, a peer),
 * one after the other outdated, lying and dead: the reader ends with the newest honest root reachable, or says why not.
 */
import process from 'node:process'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Carrier } from '../../src/carriers/carrier.ts'
import { dhtCarrier, ipnsCarrier, type Resolution, resolveAndTell } from '../../src/carriers/index.ts'
import { peerCarrier } from '../../src/carriers/peer/peer-carrier.ts'
import { Replica } from '../../src/db/index.ts'
import { openHttp } from '../../src/http/index.ts'
import { exportMirror, mirrorCarrier } from '../../src/mirror/index.ts'
import { createAuthority, createFloor, type SignedRoot } from '../../src/pointer/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { surroundings } from '../../src/surroundings.ts'
import { openCarrier, Bep44Swarm } from '../support/bep44-swarm.ts'
import { createDatabase, DatabaseLab, failureOf, signerOf, text, utf8 } from '../support/database-lab.ts'
import { DhtLab, PATIENT } from '../support/dht-lab.ts'
import { FileServer } from '../support/file-server.ts'
import { carriersOf } from '../support/scripted-carrier.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('carriers/networks')

/** However busy the machine is, what answers is waited for. */
const deadlineMs = 60_000

test('one after the other outdated, lying, dead', () =>
  inDirectory(async (directory) => {
    const { clock } = surroundings
    const lab = new DatabaseLab()
    const [nodes, swarm, server] = await Promise.all([DhtLab.start(4), Bep44Swarm.start(5), FileServer.open(directory)])
    const values = await nodes.values()
    const signer = signerOf('author')
    const db = await createDatabase()
    const { author, name } = db
    // A client of its own for each of the author and the readers.
    const open = async (
      key?: typeof signer,
    ): Promise<Record<'dht' | 'ipns' | 'bep44' | 'mirror' | 'peer', Carrier>> => ({
      peer: peerCarrier('peer', lab.network, clock),
      dht: dhtCarrier(key === undefined ? await nodes.values() : values, PATIENT),
      ipns: ipnsCarrier(values, { ...PATIENT, signers: key && [key] }),
      bep44: openCarrier(swarm.addresses.slice(0, 2), key),
      mirror: mirrorCarrier(openHttp(server.url, { clock })),
    })
    const own = await open(signer)
    const publish = async (value: string, ...to: readonly Carrier[]): Promise<SignedRoot> => {
      await db.put(utf8('k'), utf8(value))
      const { signedRoot } = await db.publish()
      const record = { signedRoot: signedRoot.bytes, attachments: new Map<number, Uint8Array>() }
      for (const carrier of to) await carrier.put?.({ author, name }, record, new AbortController().signal)
      return signedRoot
    }
    let known = { floor: createFloor(author, name), authority: createAuthority(author) }
    const readers = await open()
    const ask = async (carriers: readonly Carrier[], isFresh = false): Promise<Resolution> => {
      const standing = isFresh ? { floor: createFloor(author, name), authority: createAuthority(author) } : known
      return await resolveAndTell(db, carriers, standing, {
        clock,
        deadlineMs,
        keep: async ({ floor, authority }) => void (known = { floor, authority }),
      })
    }
    const all = Object.values(readers)
    const kindOf = (carrier: string): string =>
      Object.entries(readers).find(([, each]) => each.name === carrier)?.[0] ?? 'nobody'
    const said = ({ carriers }: Pick<Resolution, 'carriers'>): Record<string, string> =>
      Object.fromEntries(
        carriers.map(({ name: of, outcome, sequence = 0 }): [string, string] => [kindOf(of), `${outcome} ${sequence}`]),
      )

    // All of them have the first root.
    await publish('1', own.dht, own.ipns, own.bep44)
    await exportMirror(db, directory)
    lab.serve('peer', db)
    const first = await ask(all)
    assert.equal(said(first), {
      peer: 'newest 1',
      dht: 'newest 1',
      ipns: 'newest 1',
      bep44: 'newest 1',
      mirror: 'newest 1',
    })
    assert.is(first.sources, 5)
    process.stdout.write(`resolve: ${first.carriers.map(({ name: of, ms }) => `${of} ${ms} ms`).join(', ')}\n`)

    // The peer goes away; one carrier has the next root, and the others are told of it where they can be.
    lab.stop('peer')
    await publish('2', own.bep44)
    const second = await ask(all)
    assert.equal(said(second), {
      peer: 'failed 0',
      dht: 'older 1',
      ipns: 'older 1',
      bep44: 'newest 2',
      mirror: 'older 1',
    })
    assert.equal(
      second.told.map(({ name: of, receipt }) => [of, (receipt?.stored ?? 0) > 0]),
      [
        ['dht', true],
        ['ipns', false],
        [readers.mirror.name, false],
      ],
    )

    // That one dies: who was told has it.
    await swarm.stop()
    assert.equal(said(await ask(all)), {
      peer: 'failed 0',
      dht: 'newest 2',
      ipns: 'older 1',
      bep44: 'failed 0',
      mirror: 'older 1',
    })

    // A replica whose peers show the first root gets the second one's blocks from them.
    lab.serve('blocks', db)
    const store = new MemoryStore()
    await store.write({ meta: Replica.initialMeta(author, name, ['blocks']) })
    const { random } = surroundings
    const options = {
      clock,
      random,
      isWritable: true,
      network: lab.network,
      carriers: carriersOf(readers.dht, readers.ipns),
    }
    const replica = await Replica.load(store, options)
    assert.is((await replica.pull()).to.payload.sequence, 2)
    assert.is(text(await replica.get(utf8('k'))), '2')

    // The web server lies, and then nobody but it is left.
    server.behaviour = (_request, response) => {
      response.end('not a root file')
      return true
    }
    const third = await ask(all)
    assert.equal([said(third)['mirror'], said(third)['dht']], ['failed 0', 'newest 2'])
    await nodes.stop()
    server.behaviour = () => false
    const fourth = await ask([readers.peer, readers.bep44, readers.mirror])
    assert.equal([fourth.root.payload.sequence, fourth.sources, said(fourth)['mirror']], [2, 0, 'older 1'])
    // Who has never seen the second one cannot know better.
    assert.is((await ask([readers.bep44, readers.mirror], true)).root.payload.sequence, 1)
    await server[Symbol.asyncDispose]()
    assert.is((await failureOf(ask([readers.peer, readers.bep44, readers.mirror]))).code, 'PEER_UNREACHABLE')
    await Promise.all([...all, ...Object.values(own)].map((carrier) => carrier.close()))
    await replica.close()
    await db.close()
  }))

test.run()
