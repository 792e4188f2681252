/** Signing the next root (docs/spec/record.md, 1 and 5): what it says, what it refuses, what is kept. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex, concatBytes, equalBytes } from '../../src/bytes.ts'
import { isCoppiceError, type ErrorCode } from '../../src/errors.ts'
import {
  adoptPublished,
  decodePublished,
  encodePublished,
  EMPTY_FRONTIER,
  findRival,
  payloadMerged,
  signGrant,
  SIGNED_ROOT_BYTES_MAX,
  signNextRoot,
  type NextRootOptions,
  type Published,
  type SignedRoot,
} from '../../src/pointer/index.ts'
import { AuthorChain, signerOf, START, treeOf } from '../support/author-chain.ts'
import { assertProperty } from '../support/property.ts'
import { throwsCode } from '../support/throws.ts'

const test = suite('pointer/publish')

async function refused(
  promise: Promise<unknown>,
  expected: ErrorCode | typeof RangeError,
  message: RegExp,
): Promise<void> {
  try {
    await promise
  } catch (error) {
    if (typeof expected === 'string') assert.ok(isCoppiceError(error, expected), String(error))
    else assert.instance(error, expected)
    assert.match((error as Error).message, message)
    return
  }
  throw new Error('expected it to be refused')
}

function published(chain: AuthorChain): Published {
  if (chain.published === null) throw new Error('expected a published root')
  return chain.published
}

test('recent: distinct trees unlike the own one, newest first, at most four', async () => {
  const chain = new AuthorChain()
  const trees = [1, 2, 2, 3, 1, 4, 5, 6, 6, 2]
  const recent: number[][] = []
  for (const n of trees) {
    const root = await chain.publish({ tree: treeOf(n) })
    recent.push(root.payload.recent.map(({ sequence }) => sequence))
  }
  // sequence 8 has tree 6; sequence 10 (tree 2) leaves out the tree-2 root of sequence 3, which is no more kept anyway
  assert.equal(recent, [
    [],
    [1],
    [1],
    [3, 1],
    [4, 3],
    [5, 4, 3],
    [6, 5, 4, 3],
    [7, 6, 5, 4],
    [7, 6, 5, 4],
    [9, 7, 6, 5],
  ])
})

test('recent against a model that knows all roots', async () => {
  const property = fc.asyncProperty(fc.array(fc.nat(4), { minLength: 1, maxLength: 14 }), async (trees) => {
    const chain = new AuthorChain()
    for (const n of trees) await chain.publish({ tree: treeOf(n) })
    chain.roots.forEach((root, i) => {
      const links = root.payload.recent.map(({ link }) => bytesToHex(link))
      assert.ok(new Set([...links, bytesToHex(root.link)]).size === links.length + 1)
      const seen = root.payload.recent.map(({ sequence }) => trees[sequence - 1])
      assert.ok(!seen.includes(trees[i]) && new Set(seen).size === seen.length)
      for (const { sequence, link } of root.payload.recent) assert.ok(equalBytes(chain.at(sequence).link, link))
      const before = chain.roots[i - 1]
      if (before !== undefined && trees[i - 1] !== trees[i]) assert.is(root.payload.recent[0]?.sequence, i)
    })
  })
  await assertProperty(property, 40)
})

test('the largest of everything makes room by forgetting the oldest recent roots', async () => {
  const chain = new AuthorChain('author', 'n'.repeat(48))
  await chain.publishMany(6, { now: Number.MAX_SAFE_INTEGER - 5 })
  const signer = signerOf('signer')
  const grant = await signGrant(chain.signer, {
    author: chain.signer.publicKey,
    name: chain.name,
    epoch: 4095,
    signer: signer.publicKey,
    firstSequence: 7,
    expires: Number.MAX_SAFE_INTEGER,
  })
  const root = await chain.publish({
    tree: { root: treeOf(9).root, entries: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER },
    now: Number.MAX_SAFE_INTEGER - 3,
    expires: Number.MAX_SAFE_INTEGER,
    epoch: 4095,
    signer,
    grant,
    message: 'm'.repeat(160),
    resolves: [chain.at(6).link, chain.at(5).link],
  })
  assert.ok(root.bytes.length <= SIGNED_ROOT_BYTES_MAX && root.bytes.length > SIGNED_ROOT_BYTES_MAX - 60)
  assert.equal(
    root.payload.recent.map(({ sequence }) => sequence),
    [6, 5, 4],
  )
  assert.is(published(chain).recentRoots.length, 3)
  // A carrier's record of the next root holds all of it, and the states merged, with fewer recent roots.
  const merged = await chain.publish({
    tree: { root: treeOf(10).root, entries: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER },
    now: Number.MAX_SAFE_INTEGER - 2,
    expires: Number.MAX_SAFE_INTEGER,
    epoch: 4095,
    signer,
    message: 'm'.repeat(160),
    merged: [treeOf(1).root, treeOf(2).root],
  })
  assert.ok(merged.bytes.length <= SIGNED_ROOT_BYTES_MAX && merged.payload.recent.length >= 2)
  assert.equal(payloadMerged(merged.payload), [treeOf(1).root, treeOf(2).root])
})

test('states that were merged: at most two, and whatever has another form is none', async () => {
  const chain = new AuthorChain('author')
  const root = await chain.publish({ merged: [] })
  assert.equal([root.payload.extensions, payloadMerged(root.payload)], [[], []])
  const [one, two, three] = [treeOf(1).root, treeOf(2).root, treeOf(3).root]
  await refused(chain.publish({ merged: [one, two, three] }), RangeError, /at most 2/)
  const raw = Uint8Array.from(one)
  raw[1] = 0x55
  const forms = [new Uint8Array(0), one.subarray(1), concatBytes(one, one.subarray(1)), raw, concatBytes(one, raw)]
  for (const bytes of [...forms, concatBytes(one, two, three)]) {
    assert.equal(payloadMerged({ ...root.payload, extensions: [{ id: 3, bytes }] }), [])
  }
  const both = await chain.publish({ merged: [one, two], message: 'both', tree: treeOf(4) })
  assert.is(both.state, 'known')
  assert.equal([both.message, payloadMerged(both.payload)], ['both', [one, two]])
})

test('signed once, and nothing is signed that is refused', async () => {
  const chain = new AuthorChain()
  let signatures = 0
  const signer = {
    publicKey: chain.signer.publicKey,
    sign: async (bytes: Uint8Array) => {
      signatures++
      return await chain.signer.sign(bytes)
    },
  }
  await chain.publish({ signer })
  assert.is(signatures, 1)
  const later = { epoch: 1, signer: signerOf('stranger') }
  await refused(chain.publish({ signer, message: 'x'.repeat(161) }), RangeError, /message: expected at most 160/)
  await refused(chain.publish({ signer, message: 'ä'.repeat(81) }), RangeError, /got 162/)
  await refused(chain.publish({ signer, message: '\ud800' }), RangeError, /message/)
  await refused(chain.publish({ signer, expires: START + 120 }), RangeError, /expires: expected after/)
  await refused(chain.publish({ signer, epoch: -1 }), RangeError, /epoch: expected 0\.\.4095/)
  await refused(chain.publish({ signer, epoch: 4096 }), RangeError, /epoch/)
  await refused(chain.publish({ signer, now: 1.5 }), RangeError, /now/)
  await refused(chain.publish({ signer, name: 'other' }), 'PUBLISH_REFUSED', /name: expected test/)
  await refused(chain.publish({ signer, name: 'No' }), RangeError, /name/)
  await refused(chain.publish({ signer, tree: { ...treeOf(1), root: new Uint8Array(36) } }), RangeError, /tree/)
  await refused(chain.publish({ signer, tree: { ...treeOf(1), entries: -1 } }), RangeError, /integer/)
  await refused(chain.publish({ signer, resolves: [chain.at(1).link] }), 'PUBLISH_REFUSED', /resolves/)
  await refused(chain.publish({ signer: signerOf('stranger') }), 'PUBLISH_REFUSED', /signer/)
  await refused(chain.publish(later), 'PUBLISH_REFUSED', /signer/)
  assert.is(signatures, 1)
})

test('a signer that gives something else is found out before anybody sees it', async () => {
  const chain = new AuthorChain()
  const wrong = { publicKey: chain.signer.publicKey, sign: () => new Uint8Array(64) }
  await refused(chain.publish({ signer: wrong }), 'PUBLISH_REFUSED', /signature/)
})

test('within an epoch the grant stays, a new one begins without', async () => {
  const chain = new AuthorChain()
  await chain.publish()
  const signer = signerOf('signer')
  const payload = { author: chain.signer.publicKey, name: 'test', signer: signer.publicKey, expires: null }
  const grant = await signGrant(chain.signer, { ...payload, epoch: 1, firstSequence: 2 })
  await chain.publish({ epoch: 1, signer, grant })
  assert.equal((await chain.publish({ signer })).payload.grant, grant)
  await refused(chain.publish(), 'PUBLISH_REFUSED', /signer/)
  await refused(chain.publish({ epoch: 2, signer }), 'PUBLISH_REFUSED', /signer/)
  assert.is((await chain.publish({ epoch: 2 })).payload.grant, null)
  const late = await signGrant(chain.signer, { ...payload, epoch: 3, firstSequence: 99 })
  await refused(chain.publish({ epoch: 3, signer, grant: late }), 'PUBLISH_REFUSED', /grant/)
})

test('what is kept comes back whole and gives the same next root', async () => {
  const chain = new AuthorChain()
  const options = (sequence: number): NextRootOptions => ({
    authority: chain.authority,
    name: 'test',
    tree: treeOf(sequence),
    signer: chain.signer,
    now: START + 60 * sequence,
  })
  let kept: Published | null = null
  for (let sequence = 1; sequence <= 9; sequence++) {
    const { signed } = (await signNextRoot(kept, options(sequence))).published
    assert.equal(signed.bytes, (await chain.publish()).bytes)
    kept = decodePublished(encodePublished(published(chain)))
    assert.equal(encodePublished(kept), encodePublished(published(chain)))
  }
})

test('state that does not belong together signs nothing', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(3)
  const other = new AuthorChain('author', 'other')
  await other.publishMany(3)
  const mixed = { ...published(chain), history: published(other).history }
  const options = { authority: chain.authority, name: 'test', tree: treeOf(1), signer: chain.signer, now: START + 999 }
  await refused(signNextRoot(mixed, options), 'STORE_CORRUPT', /history/)
  await refused(signNextRoot({ ...mixed, history: EMPTY_FRONTIER }, options), 'STORE_CORRUPT', /history/)
  throwsCode(() => decodePublished(encodePublished(mixed)), 'STORE_CORRUPT')
})

test('damage of what is kept is found', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(3)
  const bytes = encodePublished(published(chain))
  // More or fewer elements than there are, said of the same ones.
  for (const head of [0x83, 0x85, 0x96]) {
    throwsCode(() => decodePublished(Uint8Array.of(head, ...bytes.subarray(1))), 'STORE_CORRUPT')
  }
  const property = fc.property(fc.nat(bytes.length - 1), fc.nat(), (length, at) => {
    for (const damaged of [
      bytes.slice(0, length),
      bytes.map((byte, i) => (i === at % bytes.length ? byte ^ 0x41 : byte)),
    ]) {
      try {
        decodePublished(damaged)
      } catch (error) {
        assert.ok(isCoppiceError(error, 'STORE_CORRUPT') || isCoppiceError(error, 'FORMAT_NEWER'), String(error))
      }
    }
  })
  await assertProperty(property, 200)
})

test('an adopted chain goes on, naming only the recent roots it knows', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(5)
  const before = published(chain)
  const adopted = adoptPublished(before.signed, before.history)
  const options = { authority: chain.authority, name: 'test', tree: treeOf(6), signer: chain.signer, now: START + 999 }
  const next = (await signNextRoot(adopted, options)).published.signed
  assert.equal(
    next.payload.recent.map(({ sequence }) => sequence),
    [5],
  )
  throwsCode(() => adoptPublished(chain.at(4), before.history), 'PUBLISH_REFUSED')
})

test('what a carrier shows forbids signing, or not', async () => {
  const chain = new AuthorChain()
  await chain.publishMany(3)
  const twin = chain.fork()
  await chain.publishMany(2)
  await twin.publishMany(3, { tree: treeOf(70) })
  const stranger = new AuthorChain('stranger')
  await stranger.publishMany(9)
  const rival = (own: SignedRoot | null, found: SignedRoot): string | undefined =>
    findRival('test', own, found, chain.authority)
  assert.is(rival(null, chain.at(1)), 'newer')
  assert.is(rival(chain.at(3), chain.at(4)), 'newer')
  assert.is(rival(chain.at(3), chain.at(5)), 'newer')
  assert.is(rival(chain.at(5), chain.at(5)), undefined)
  assert.is(rival(chain.at(5), chain.at(2)), undefined)
  assert.is(rival(chain.at(4), twin.at(4)), 'different')
  assert.is(rival(chain.at(5), twin.at(4)), 'different')
  assert.is(rival(chain.at(4), twin.at(5)), 'different')
  assert.is(rival(chain.at(4), twin.at(6)), 'newer', 'which forbids as well')
  assert.is(rival(chain.at(1), stranger.at(9)), undefined)
  assert.is(findRival('other', null, chain.at(1), chain.authority), undefined)
  const resolved = await chain.publish({ epoch: 1, resolves: [chain.at(5).link, twin.at(6).link] })
  assert.is(rival(resolved, twin.at(6)), undefined)
})

test.run()
