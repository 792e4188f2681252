/** The peers that a replica remembers: who gets in, who stays, who goes; and that nothing of it displaces what the user named. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  afterPull,
  KNOWN_FAILURES_MAX,
  KNOWN_PEERS_MAX,
  KNOWN_PEERS_PER_HOST_MAX,
  type KnownPeer,
  notePeers,
  readKnownPeers,
} from '../../src/db/finding/address-book.ts'
import { encodeText, KNOWN_PEERS, PEERS } from '../../src/db/meta.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import type { PeerOutcome, PeerReport } from '../../src/sync/index.ts'
import { assertProperty } from '../support/property.ts'

const test = suite('db/address-book')

function address(n: number, host: number = n): string {
  return `/ip4/8.8.${host >> 8}.${host & 255}/tcp/4001/p2p/12D3KooW${n}`
}

function report(name: string, outcome: PeerOutcome): PeerReport {
  return { peer: undefined, name, outcome, reason: undefined, blocks: 0, rows: 0, bytesReceived: 0, bytesSent: 0 }
}

function after(before: readonly KnownPeer[], outcomes: Record<string, PeerOutcome>, users: string[] = []): KnownPeer[] {
  const reports = Object.entries(outcomes).map(([name, outcome]) => report(name, outcome))
  return afterPull(before, reports, users, 100)
}

test('who was of use gets in; to be there is not enough', () => {
  const outcomes: Record<string, PeerOutcome> = { [address(1)]: 'used' }
  for (const [n, outcome] of (['unused', 'outdated', 'empty', 'busy', 'slow', 'liar'] as const).entries()) {
    outcomes[address(n + 2)] = outcome
  }
  assert.equal(after([], outcomes), [{ address: address(1), usedAt: 100, failures: 0 }])
})

test('what the user named, URLs and addresses without a peer id are not noted', () => {
  const outcomes: Record<string, PeerOutcome> = {
    [address(1)]: 'used',
    'https://example.org/db': 'used',
    '/ip4/8.8.8.8/tcp/1': 'used',
    'a label': 'used',
  }
  assert.equal(after([], outcomes, [address(1)]), [])
  const known = [{ address: address(1), usedAt: 1, failures: 0 }]
  assert.equal(after(known, {}, [address(1)]), [], 'once the user names it, it is his')
})

test('failures count until it is of use again, and some end it at once', () => {
  const known = [{ address: address(1), usedAt: 50, failures: 1 }]
  assert.equal(after(known, { [address(1)]: 'unreachable' }), [{ address: address(1), usedAt: 50, failures: 2 }])
  assert.equal(after(known, { [address(1)]: 'unused' }), [{ address: address(1), usedAt: 100, failures: 0 }])
  assert.equal(after(known, { [address(1)]: 'busy' }), known)
  for (const outcome of ['liar', 'protocol', 'unknown', 'version'] as const) {
    assert.equal(after(known, { [address(1)]: outcome }), [])
  }
  let book: KnownPeer[] = [{ address: address(1), usedAt: 50, failures: 0 }]
  for (let i = 0; i < KNOWN_FAILURES_MAX; i++) book = after(book, { [address(1)]: 'silent' })
  assert.equal(book, [])
})

test('the most promising first; a host has few places, and the book has a bound', () => {
  const book = [
    { address: address(1), usedAt: 10, failures: 2 },
    { address: address(2), usedAt: 20, failures: 0 },
    { address: address(3), usedAt: 30, failures: 0 },
  ]
  assert.equal(
    after(book, {}).map((known) => known.address),
    [address(3), address(2), address(1)],
  )
  const sybils = Array.from({ length: 200 }, (_, i) => [address(1_000 + i, 9), 'used'] as const)
  const crowded = after(book, Object.fromEntries(sybils))
  assert.is(crowded.length, 3 + KNOWN_PEERS_PER_HOST_MAX)
  const many = Array.from({ length: 200 }, (_, i) => [address(1_000 + i), 'used'] as const)
  assert.is(after(book, Object.fromEntries(many)).length, KNOWN_PEERS_MAX)
})

test('it is kept in the store, and what cannot be read is an empty book', async () => {
  const store = new MemoryStore()
  await store.write({ meta: new Map([[PEERS, encodeText(address(1))]]) })
  await notePeers(store, [report(address(1), 'used'), report(address(2), 'used')], 100_000)
  assert.equal(await readKnownPeers(store), [{ address: address(2), usedAt: 100, failures: 0 }])
  let writes = 0
  const watched = { getMeta: store.getMeta.bind(store), write: () => Promise.resolve(void writes++) }
  await notePeers(watched, [report(address(1), 'used'), report(address(3), 'outdated')], 100_000)
  assert.is(writes, 0, 'nothing has changed')
  for (const damage of ['', 'x', '1 2', `1 1000 ${address(1)}`, '\0\n\n', `1 1 ${address(1)} x`]) {
    await store.write({ meta: new Map([[KNOWN_PEERS, encodeText(damage)]]) })
    assert.equal(await readKnownPeers(store), [], damage)
  }
})

test('whatever peers do, the book keeps its bounds and reads back as it was written', async () => {
  const outcomes: PeerOutcome[] = ['used', 'unused', 'unreachable', 'silent', 'slow', 'liar', 'incomplete', 'busy']
  const pull = fc.array(fc.tuple(fc.nat(60), fc.nat(20), fc.constantFrom(...outcomes)), { maxLength: 40 })
  await assertProperty(
    fc.asyncProperty(fc.array(pull, { maxLength: 8 }), async (pulls) => {
      const store = new MemoryStore()
      await store.write({ meta: new Map([[PEERS, encodeText([address(1, 1), address(2, 2)].join('\n'))]]) })
      for (const [i, reports] of pulls.entries()) {
        const named = reports.map(([n, host, outcome]) => report(address(n, host), outcome))
        await notePeers(store, named, i * 1000)
      }
      const book = await readKnownPeers(store)
      assert.ok(book.length <= KNOWN_PEERS_MAX)
      assert.equal(book, afterPull(book, [], [], 0))
      assert.ok(!book.some((known) => known.address === address(1, 1) || known.address === address(2, 2)))
    }),
    50,
  )
})

test.run()
