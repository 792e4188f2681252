/** Peer exchange: who is remembered, for how long, and what is given of it; and small talk on channels through a relay. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type Channel,
  createMemoryDialer,
  openSessions,
  PeerExchange,
  ProviderSet,
  type Session,
  type VouchedAddress,
} from '../../src/sync/index.ts'
import {
  EXCHANGE_ADDRESSES_PER_PEER_MAX,
  EXCHANGE_MS_MAX,
  EXCHANGE_PEERS_MAX,
  EXCHANGE_PEERS_PER_HOST_MAX,
} from '../../src/sync/serving/peers.ts'
import { ADDRESSES_GIVEN_MAX } from '../../src/sync/limits.ts'
import { Random } from '../support/random.ts'
import { seeds } from '../support/property.ts'
import { AUTHOR, Lab, NAME, type Published, publish } from '../support/sync-lab.ts'
import { utf8 } from '../support/tree-sets.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { passing } from '../support/passing-channel.ts'

const test = suite('sync/peers')

const [seed = 0] = seeds(1)

/** Addresses as the tests write them: `host/peer`. The network vouches for those of the peer itself. */
function vouch(peer: string, addresses: readonly string[]): VouchedAddress[] {
  return addresses.flatMap((address) => {
    const [host, named = ''] = address.split('/')
    return named.startsWith(peer) ? [{ address, host: host === 'here' ? undefined : host }] : []
  })
}

function exchange(clock: VirtualClock = new VirtualClock()): PeerExchange {
  const random = new Random(seed)
  return new PeerExchange({ vouch, clock, random: () => random.below(1 << 20) / (1 << 20) })
}

test('whoever says where it serves is named to the next, and not to itself', () => {
  const peers = exchange()
  assert.equal(peers.answer('a', ['h1/a']), [])
  assert.equal(peers.answer('b', ['h2/b']), ['h1/a'])
  assert.equal(peers.answer('a', ['h1/a']), ['h2/b'])
  assert.equal(peers.answer('c', []).sort(), ['h1/a', 'h2/b'], 'who does not serve may ask')
  assert.is(peers.size, 2)
  peers.answer('a', [])
  assert.equal(peers.answer('c', []), ['h2/b'], 'who ends serving is named no more')
})

test('an address counts only where the network vouches for it, and few of one peer', () => {
  const peers = exchange()
  peers.answer('a', ['h9/victim', 'h1/a-1', 'h1/a-2', 'h1/a-3'])
  const given = peers.answer('b', [])
  assert.is(given.length, EXCHANGE_ADDRESSES_PER_PEER_MAX)
  assert.ok(given.every((address) => address.startsWith('h1/a')))
})

test('what was said long ago is forgotten', () => {
  let now = 0
  const clock = { now: () => now, sleep: () => Promise.resolve() }
  const peers = new PeerExchange({ vouch, clock, random: () => 0 })
  peers.answer('a', ['h1/a'])
  now = EXCHANGE_MS_MAX
  assert.equal(peers.answer('b', ['h2/b']), ['h1/a'])
  now = EXCHANGE_MS_MAX + 1
  assert.equal(peers.answer('c', []), ['h2/b'])
})

test('a sample has a bound, and brings everybody in the end', () => {
  const peers = exchange()
  for (let i = 0; i < 100; i++) peers.answer(`p${i}x`, [`h${i}/p${i}x`])
  const seen = new Set<string>()
  for (let i = 0; i < 40; i++) {
    const given = peers.answer('asks', [])
    assert.is(given.length, ADDRESSES_GIVEN_MAX)
    assert.is(new Set(given).size, given.length)
    for (const address of given) seen.add(address)
  }
  assert.is(seen.size, 100)
})

test('one host cannot fill the list, many can only replace each other', () => {
  const peers = exchange()
  for (let i = 0; i < 20; i++) peers.answer(`honest${i}x`, [`home${i}/honest${i}x`])
  for (let i = 0; i < 5_000; i++) peers.answer(`sybil${i}x`, [`hostile/sybil${i}x`])
  assert.is(peers.size, 20 + EXCHANGE_PEERS_PER_HOST_MAX)
  for (let i = 0; i < 5_000; i++) peers.answer(`many${i}x`, [`host${i % 100}/many${i}x`])
  assert.is(peers.size, EXCHANGE_PEERS_MAX)
  const seen = new Set<string>()
  for (let i = 0; i < 100; i++) for (const address of peers.answer('asks', [])) seen.add(address)
  const honest = [...seen].filter((address) => address.startsWith('home'))
  assert.is(honest.length, 20, 'hosts with many give way first')
})

test('on this machine hosts are not counted', () => {
  const peers = exchange()
  for (let i = 0; i < 50; i++) peers.answer(`p${i}x`, [`here/p${i}x`])
  assert.is(peers.size, 50)
})

/** Sessions of pullers by these names with one provider. */
async function sessionsWith(
  lab: Lab,
  published: Published,
  names: readonly string[],
  asChannel: (channel: Channel) => Channel = (channel) => channel,
): Promise<Session[]> {
  const { clock } = lab
  const set = new ProviderSet({ clock, exchange: { vouch, random: () => 0.5 } })
  const { store, newest } = published
  set.add({ author: AUTHOR, name: NAME, store, newest: () => newest, changed: (signal) => clock.sleep(1e12, signal) })
  const open = async (name: string): Promise<Session[]> => {
    const dialer = createMemoryDialer('author', (channel) => set.handle(asChannel(channel)), { from: name })
    return [...(await openSessions([dialer], { author: AUTHOR, name: NAME, have: null }, { clock })).sessions]
  }
  return (await Promise.all(names.map(open))).flat()
}

test('over the wire', async () => {
  const lab = new Lab()
  const published = await publish([{ key: utf8('k'), value: utf8('v') }])
  await lab.clock.run(
    (async () => {
      const [a, b] = await sessionsWith(lab, published, ['a', 'b'])
      assert.equal(await a?.getPeers?.(['h1/a']), [])
      assert.equal(await b?.getPeers?.([]), ['h1/a'])
      await Promise.all([a?.close(), b?.close()])
    })(),
  )
})

/** As the provider sees a channel that leads through a relay. */
function limited(channel: Channel): Channel {
  return passing(channel, {
    isLimited: true,
  })
}

test('a channel through a relay brings roots and peers, and no data', async () => {
  const lab = new Lab()
  const published = await publish([{ key: utf8('k'), value: utf8('v') }])
  const { root } = published.target
  await lab.clock.run(
    (async () => {
      const [session] = await sessionsWith(lab, published, ['a'], limited)
      if (session === undefined) return assert.unreachable('there is a session')
      assert.equal(session.announced, published.newest.signedRoot)
      assert.equal(await session.getRoot(null, 0), published.newest.signedRoot)
      assert.equal(await session.getPeers?.([]), [])
      assert.is(await session.getBlocks(root, [root]), 'gone')
      assert.is(await session.getRange?.({ root, base: null, links: [root], bytesMax: 1024 }), 'gone')
      assert.is(await session.getHave?.(root, [root]), 'gone')
      const patch = { from: root, to: root, after: null, until: null, bytesMax: 1024 }
      assert.is(await session.getPatch?.(patch), 'gone')
      assert.is(session.isOpen, true)
      await session.close()
    })(),
  )
})

test.run()
