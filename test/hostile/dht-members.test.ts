/**
 * Members of BitTorrent's DHT that replay, forge, flood, keep silent, lead astray and lie about puts, beside ten honest nodes of another
 * implementation, which keep running.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { concatBytes } from '../../src/bytes.ts'
import { ascii } from '../../src/carriers/bep44/bencode.ts'
import { bep44Carrier } from '../../src/carriers/bep44/bep44-carrier.ts'
import { Bep44Client } from '../../src/carriers/bep44/client.ts'
import { saltOf } from '../../src/carriers/bep44/hops.ts'
import { type MutableItem, signItem } from '../../src/carriers/bep44/item.ts'
import type { DhtAddress, DhtNode } from '../../src/carriers/bep44/messages.ts'
import { decodeSignedRoot } from '../../src/pointer/index.ts'
import { surroundings } from '../../src/surroundings.ts'
import { UdpSocket } from '../../src/net/udp.ts'
import { pointerOf, recordOf } from '../conformance/carriers.ts'
import { AuthorChain, signerOf } from '../support/author-chain.ts'
import { Bep44Swarm, clientOptions, openCarrier } from '../support/bep44-swarm.ts'
import {
  type Answering,
  compactNodes,
  DhtMember,
  errorAnswer,
  type Fields,
  honest,
  itemFields,
  response,
} from '../support/dht-member.ts'
import { malformedCases } from '../support/malformed-datagrams.ts'
import { MemorySocket } from '../support/memory-socket.ts'
import { Random } from '../support/random.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const signal = new AbortController().signal
const test = suite('hostile/dht members')
let swarm: Bep44Swarm
test.before(async () => {
  swarm = await Bep44Swarm.start(10)
})
test.after(async () => {
  assert.ok(swarm.isRunning, 'nothing of this ended the other nodes')
  await swarm.stop()
})

/** The newest sequence of an author's root as a reader finds it that begins at the members, and at honest nodes. */
async function readWith(members: readonly DhtMember[], chain: AuthorChain): Promise<number[]> {
  const carrier = openCarrier([...members.map(({ address }) => address), ...swarm.addresses.slice(0, 3)])
  try {
    const { shown } = await carrier.get(pointerOf(chain), signal)
    return shown.map(({ record }) => decodeSignedRoot(record.signedRoot).payload.sequence)
  } finally {
    await carrier.close()
  }
}

async function publish(chain: AuthorChain): Promise<void> {
  const carrier = openCarrier(swarm.addresses.slice(0, 3), chain.signer)
  const receipt = await carrier.put?.(pointerOf(chain), recordOf(await chain.publish()), signal)
  await carrier.close()
  assert.ok((receipt?.seen ?? 0) >= 1, JSON.stringify(receipt))
}

async function withMembers(
  answering: readonly Answering[],
  body: (members: DhtMember[]) => Promise<void>,
): Promise<void> {
  const members = await Promise.all(
    answering.map(async (each, i) => await DhtMember.start(each, new Uint8Array(20).fill(i))),
  )
  try {
    await body(members)
  } finally {
    await Promise.all(members.map(async (member) => await member.stop()))
  }
}

async function itemOf(chain: AuthorChain, sequence: number, of = chain.signer): Promise<MutableItem> {
  return await signItem(of, saltOf(chain.name), BigInt(sequence), chain.at(sequence).bytes)
}

test('replayed old records stand behind the newest, however many show them', async () => {
  const chain = new AuthorChain('replayed')
  for (let i = 0; i < 3; i++) await publish(chain)
  const old = await Promise.all([1, 2].map(async (sequence) => itemFields(await itemOf(chain, sequence))))
  const replaying = old.flatMap((fields) =>
    Array.from({ length: 6 }, (): Answering => (asked, member) => [honest(asked, member, fields)]),
  )
  await withMembers(replaying, async (members) => assert.equal(await readWith(members, chain), [3, 2, 1]))
})

test('forged ones are not shown', async () => {
  const chain = new AuthorChain('forged')
  await publish(chain)
  const stranger = signerOf('stranger')
  await chain.publish()
  const good = await itemOf(chain, 2)
  const forged: readonly Fields[] = [
    itemFields(await itemOf(chain, 2, stranger)),
    itemFields({ ...(await itemOf(chain, 2, stranger)), key: chain.signer.publicKey }),
    itemFields({ ...good, sequence: 2n ** 50n }),
    itemFields({ ...good, encodedValue: (await itemOf(chain, 1)).encodedValue }),
    itemFields(await signItem(chain.signer, saltOf('another'), 2n, chain.at(2).bytes)),
    // Of the author, and under a number that is not its root's.
    itemFields(await signItem(chain.signer, saltOf(chain.name), 99n, chain.at(2).bytes)),
  ]
  const forging = forged.map((fields): Answering => (asked, member) => [honest(asked, member, fields)])
  await withMembers(forging, async (members) => assert.equal(await readWith(members, chain), [1]))
})

test('silent ones and floods of garbage cost a moment', async () => {
  const chain = new AuthorChain('flooded')
  await publish(chain)
  const random = new Random(7)
  const table = await malformedCases(chain.signer, signerOf('stranger'), saltOf(chain.name))
  const flooding: Answering = () => Array.from({ length: 200 }, () => random.bytes(random.between(1, 1400)))
  const tabling: Answering = (asked) => table.map(({ datagram }) => datagram(asked.transaction))
  const silent: Answering = () => []
  await withMembers([flooding, tabling, silent, silent, silent], async (members) => {
    assert.equal(await readWith(members, chain), [1])
  })
})

test('who was not asked is not heard, and who was not more often than a few times', async () => {
  const received: DhtAddress[] = []
  const { clock } = surroundings
  const socket = new UdpSocket({ clock, isTrustedHost: () => false })
  socket.receive((_bytes, from) => received.push(from))
  let reader: DhtAddress | undefined
  const flooding: Answering = (asked, member) => {
    reader = asked.from
    return Array.from({ length: 100 }, () => honest(asked, member))
  }
  await withMembers([flooding, flooding], async ([asked, other]) => {
    if (asked === undefined || other === undefined) throw new Error('two members')
    const client = new Bep44Client({ ...clientOptions([asked.address]), socket })
    await client.get(signerOf('anybody').publicKey, ascii('x'), signal)
    for (let i = 0; i < 100; i++) other.send(ascii(`unasked ${i}`), reader as DhtAddress)
    // Behind all of these on the way, and heard.
    await client.get(signerOf('anybody').publicKey, ascii('y'), signal)
    assert.ok(received.every(({ port }) => port === asked.address.port))
    assert.ok(
      received.length <= 8 * ((asked.asked.get('get') ?? 0) + (asked.asked.get('find_node') ?? 0)),
      `${received.length}`,
    )
  })
  await socket.close()
})

/** A lookup over a network in memory, which begins at one node and fails where nobody answers. */
async function lookUpIn(socket: MemorySocket, begin: DhtAddress): Promise<number> {
  const clock = new VirtualClock()
  const options = { ...clientOptions([begin]), socket, clock }
  const { asked } = await clock.run(new Bep44Client(options).get(signerOf('anybody').publicKey, ascii('x'), signal))
  return asked
}

test('of a host that strangers name a few nodes are asked, and of private networks and services none', async () => {
  const random = new Random(3)
  const named = (host: string, ports: readonly number[]): DhtNode[] =>
    ports.map((port) => ({ id: random.bytes(20), host, port }))
  const ports = Array.from({ length: 12 }, (_, i) => 2000 + i)
  const nodes = [
    ...named('9.9.9.9', ports),
    ...named('8.8.4.4', [53, 123, 443]),
    ...['127.0.0.1', '10.1.2.3', '192.168.0.1', '169.254.169.254', '0.0.0.0'].flatMap((host) => named(host, [6881])),
  ]
  // One machine has all addresses of its /64.
  const neighbours = Array.from({ length: 12 }, () =>
    concatBytes(random.bytes(20), Uint8Array.of(0x26, 0, 0, 1, 0, 2, 0, 3), random.bytes(8), Uint8Array.of(0x1a, 0xe1)),
  )
  const socket = new MemorySocket(({ transaction, kind }, { host }) =>
    host === '8.8.8.8'
      ? response(transaction, [
          ['id', random.bytes(20)],
          ['nodes', compactNodes(nodes)],
          ['nodes6', concatBytes(...neighbours)],
          ['x', ascii(kind)],
        ])
      : undefined,
  )
  await lookUpIn(socket, { host: '8.8.8.8', port: 6881 })
  const sentTo = socket.sentTo.map(({ host }) => host.split(':').slice(0, 4).join(':'))
  assert.equal([...new Set(sentTo)].toSorted(), ['2600:1:2:3', '8.8.8.8', '9.9.9.9'])
  assert.is(sentTo.filter((host) => host === '2600:1:2:3').length, 4)
  assert.is(socket.sentTo.filter(({ host }) => host === '9.9.9.9').length, 4)
})

test('ever closer nodes that are silent hold up nobody longer than he waits, whoever names them', async () => {
  const chain = new AuthorChain('stalled')
  await chain.publish()
  const item = itemFields(await itemOf(chain, 1))
  const near = (target: Uint8Array, at: number, n: number): Uint8Array =>
    target.map((byte, i) => (i === at ? byte ^ (n & 255) : i === at - 1 ? byte ^ (n >> 8) : byte))
  const honestPart = Array.from({ length: 12 }, (_, i) => `5.5.5.${i + 1}`)
  let named = 0
  for (const stallers of [1, 5]) {
    const socket = new MemorySocket(({ transaction, arguments: of }, { host, port }) => {
      const target = of.get('target') as Uint8Array
      const answer = (nodes: readonly DhtNode[], fields: Fields = []): Uint8Array =>
        response(transaction, [['id', near(target, 3, port & 255)], ['nodes', compactNodes(nodes)], ...fields])
      const [kind, , , last] = host.split('.')
      if (host === '8.8.8.8') {
        const good = honestPart.map((each, i) => ({ id: near(target, 3, i + 1), host: each, port: 6881 }))
        const bad = Array.from({ length: 4 * stallers }, (_, i) => {
          return { id: near(target, 10, i + 1), host: `6.6.6.${1 + (i >> 2)}`, port: 7000 + i }
        })
        return answer([...good, ...bad].slice(0, 32))
      }
      if (kind === '5') return answer([], [...item, ['id', near(target, 3, Number(last))]])
      if (kind !== '6') return undefined
      const silent = Array.from({ length: 32 }, () => {
        named++
        return { id: near(target, 15, named), host: `7.7.${named >> 8}.${named & 255}`, port: 6881 }
      })
      return answer(silent)
    })
    const clock = new VirtualClock()
    const begin = clock.now()
    const carrier = bep44Carrier({ ...clientOptions([{ host: '8.8.8.8', port: 6881 }]), socket, clock })
    const { shown } = await clock.run(carrier.get(pointerOf(chain), signal))
    assert.is(shown.length, 1)
    assert.ok(clock.now() - begin <= (stallers === 1 ? 3_000 : 4_000), `${clock.now() - begin} ms`)
  }
})

test('endless ever closer nodes end the lookup after a number of questions', async () => {
  let last = 0
  const endless = new MemorySocket((asked) => {
    const target = asked.arguments.get('target') as Uint8Array
    const nodes = Array.from({ length: 8 }, () => {
      last++
      const id = target.slice()
      const distance = 0xffff - last
      id[18] = (id[18] as number) ^ (distance >> 8)
      id[19] = (id[19] as number) ^ (distance & 255)
      return { id, host: `9.9.${last >> 8}.${last & 255}`, port: 6881 }
    })
    return response(asked.transaction, [
      ['id', new Uint8Array(20)],
      ['nodes', compactNodes(nodes)],
    ])
  })
  assert.is(await lookUpIn(endless, { host: '8.8.8.8', port: 6881 }), 96)
  assert.is(endless.sentTo.length, 96)
})

test('members that lie about puts are counted by what they say, and not seen', async () => {
  const chain = new AuthorChain('lied to')
  const record = recordOf(await chain.publish())
  const answers: readonly Answering[] = [
    (asked, member) => [
      asked.kind === 'put' ? errorAnswer(asked.transaction, 203, 'bad token') : honest(asked, member),
    ],
    (asked, member) => [asked.kind === 'put' ? errorAnswer(asked.transaction, 302, 'newer') : honest(asked, member)],
    (asked, member) => [asked.kind === 'put' ? errorAnswer(asked.transaction, 301, 'cas') : honest(asked, member)],
    (asked, member) => (asked.kind === 'put' ? [] : [honest(asked, member)]),
    // Takes it, and has nothing later.
    (asked, member) => [honest(asked, member)],
    // Gives no token that can be used.
    (asked, member) => [honest(asked, member, [['token', 1n]])],
  ]
  await withMembers(answers, async (members) => {
    const bootstrap = members.map(({ address }) => address)
    const carrier = openCarrier(bootstrap, chain.signer)
    const receipt = await carrier.put?.(pointerOf(chain), record, signal)
    assert.is(receipt?.stored, 1)
    assert.is(receipt?.newer, 1)
    assert.is(receipt?.seen, 0)
    const said = ['another was put meanwhile', 'error 203: bad token', 'no answer']
    assert.equal(receipt?.refusals.toSorted(), said)
    await carrier.close()
  })
})

test.run()
