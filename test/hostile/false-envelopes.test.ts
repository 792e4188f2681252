/**
 * Threat 24, by those who help: a web server or peer shows the newest root beside envelopes and statements that nobody signed. They are not
 * kept in the place of right ones, and are put nowhere; too many of them are nobody's error but his.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  ATTACHMENT_IDS,
  type Attachments,
  ATTACHMENTS_BYTES_MAX,
  encodeAttachments,
} from '../../src/carriers/attachments.ts'
import { encodeHops, saltOf, signHop } from '../../src/carriers/bep44/hops.ts'
import { signItem } from '../../src/carriers/bep44/item.ts'
import type { PointerRecord } from '../../src/carriers/carrier.ts'
import { encodeIpnsHops } from '../../src/carriers/ipns/hops.ts'
import { signNextRecord } from '../../src/carriers/ipns/next-record.ts'
import { signIpnsRecord } from '../../src/carriers/ipns/record.ts'
import { newerEnvelope } from '../../src/carriers/newer-envelopes.ts'
import { resolve } from '../../src/carriers/resolve.ts'
import { withValidEnvelopes } from '../../src/carriers/valid-envelopes.ts'
import { openHttp } from '../../src/http/index.ts'
import { mirrorCarrier } from '../../src/mirror/mirror-carrier.ts'
import { ATTACHMENT_BYTES_MAX } from '../../src/mirror/limits.ts'
import { encodeRootFile, wellKnownPath } from '../../src/mirror/root-file.ts'
import {
  carrierSequence,
  createFloor,
  signGrant,
  signRotation,
  type SignedRoot,
  type Signer,
} from '../../src/pointer/index.ts'
import { surroundings } from '../../src/surroundings.ts'
import { pointerOf } from '../conformance/carriers.ts'
import { AuthorChain, signerOf } from '../support/author-chain.ts'
import { FileServer } from '../support/file-server.ts'

const test = suite('hostile/false-envelopes')
const { clock } = surroundings
const signer = signerOf('signer')

/** A chain whose author's key is offline, with all envelopes of its root. */
async function granted(): Promise<{ chain: AuthorChain; root: SignedRoot; envelopes: Attachments }> {
  const chain = new AuthorChain('offline')
  const payload = { epoch: 1, signer: signer.publicKey, firstSequence: 1, expires: null }
  const grant = await signGrant(chain.signer, { author: chain.signer.publicKey, name: chain.name, ...payload })
  const root = await chain.publish({ epoch: 1, signer, grant })
  return { chain, root, envelopes: await envelopesOf(chain, root, grant, chain.signer, signer) }
}

async function envelopesOf(
  { name }: AuthorChain,
  root: SignedRoot,
  grant: Uint8Array,
  author: Signer,
  by: Signer,
): Promise<Attachments> {
  const item = await signItem(by, saltOf(name), carrierSequence(root.payload), root.bytes)
  const now = clock.now()
  const lead = await signNextRecord(author, [], { name, entry: grant, now })
  return new Map([
    [ATTACHMENT_IDS.bep44, item.signature],
    [ATTACHMENT_IDS.ipns, await signNextRecord(by, [], { name, entry: root.bytes, now })],
    [ATTACHMENT_IDS.bep44Hops, encodeHops([await signHop(author, name, grant)])],
    [ATTACHMENT_IDS.ipnsHops, encodeIpnsHops([lead]) as Uint8Array],
  ])
}

test('right envelopes stay, and each wrong one goes without the others', async () => {
  const { chain, root, envelopes } = await granted()
  const show = (attachments: Attachments): PointerRecord =>
    withValidEnvelopes(pointerOf(chain), { signedRoot: root.bytes, attachments })
  assert.equal(show(envelopes).attachments, envelopes)
  const grant = root.payload.grant as Uint8Array
  const thief = signerOf('thief')
  const byThief = await envelopesOf(chain, root, grant, thief, thief)
  const next = await chain.publish({ epoch: 1, signer, grant })
  const ofAnother = await envelopesOf(chain, next, grant, chain.signer, signer)
  for (const [id, right] of envelopes) {
    const wrong = [
      byThief.get(id),
      Uint8Array.of(1),
      right.slice(0, -1),
      right.map((byte, i) => (i === 40 ? byte ^ 1 : byte)),
    ]
    // Hops are the same for all roots of one signer.
    if (id === ATTACHMENT_IDS.bep44 || id === ATTACHMENT_IDS.ipns) wrong.push(ofAnother.get(id))
    for (const bytes of wrong) {
      const left = show(new Map([...envelopes, [id, bytes as Uint8Array]])).attachments
      assert.equal(
        [...left.keys()],
        [...envelopes.keys()].filter((each) => each !== id),
        `id ${id}`,
      )
    }
  }
  const garbage = { signedRoot: Uint8Array.of(1), attachments: envelopes }
  assert.is(withValidEnvelopes(pointerOf(chain), garbage).attachments.size, 0)
})

test('a valid envelope that is older, or over, takes the place of no newer one; of two ways the newer hops stay', async () => {
  const { chain, root, envelopes } = await granted()
  const { name } = chain
  const now = clock.now()
  const day = 86_400_000
  const newer = (id: number, kept: Uint8Array, next: Uint8Array): Uint8Array => newerEnvelope(id, root, kept, next, now)
  const record = async (by: Signer, entry: Uint8Array, sequence: number, validUntil = now + day): Promise<Uint8Array> =>
    await signIpnsRecord(by, { value: '/ipfs/x', sequence, validUntil, ttlMs: 1000, entries: new Map([[name, entry]]) })
  // From the worst to the best.
  const ranked = [
    Uint8Array.of(1),
    await record(signer, root.bytes, 9, now - day),
    await record(signer, root.bytes, 3),
    await record(signer, root.bytes, 3, now + 2 * day),
    await record(signer, root.bytes, 4),
  ]
  for (const [i, better] of ranked.entries()) {
    for (const worse of ranked.slice(0, i)) {
      assert.equal(newer(ATTACHMENT_IDS.ipns, better, worse), better)
      assert.equal(newer(ATTACHMENT_IDS.ipns, worse, better), better)
    }
  }

  // The author's key was rotated; both ways lead over the new one to the signer.
  const [second, by] = [signerOf('second'), chain.signer]
  const rotation = await signRotation(by, { author: by.publicKey, epoch: 1, newKey: second.publicKey })
  const grantOf = async (signing: Signer, epoch: number, firstSequence: number): Promise<Uint8Array> =>
    await signGrant(signing, {
      author: by.publicKey,
      name,
      epoch,
      firstSequence,
      expires: null,
      signer: signer.publicKey,
    })
  const [direct, grant, grant2] = [
    root.payload.grant as Uint8Array,
    await grantOf(second, 1, 1),
    await grantOf(second, 1, 2),
  ]
  const way = async (...hops: Promise<Uint8Array>[]): Promise<Uint8Array> =>
    encodeIpnsHops(await Promise.all(hops)) as Uint8Array
  const [first2, first3] = [record(by, rotation, 2), record(by, rotation, 3)]
  const [then5, then6] = [record(second, grant, 5), record(second, grant2, 6)]
  const best = await way(first3, then6)
  const { ipnsHops, bep44Hops } = ATTACHMENT_IDS
  assert.equal(newer(ipnsHops, await way(first3, then5), await way(first2, then6)), best, 'the newer of each')
  assert.equal(newer(ipnsHops, best, await way(first2, then5)), best)
  assert.equal(newer(ipnsHops, await way(first2, then5), best), best)
  assert.equal(newer(ipnsHops, best, await way(record(by, direct, 1))), best, 'an older way')
  const straight = await way(record(by, direct, 9))
  assert.equal(newer(ipnsHops, best, straight), straight, 'a newer way')
  assert.equal(newer(ipnsHops, best, Uint8Array.of(1)), best)
  assert.equal(newer(ipnsHops, Uint8Array.of(1), best), best)

  const items = [encodeHops([await signHop(by, name, rotation), await signHop(second, name, grant)])]
  items.push(encodeHops([await signHop(by, name, rotation), await signHop(second, name, grant2)]))
  const [old, young] = items as [Uint8Array, Uint8Array]
  assert.equal([newer(bep44Hops, young, old), newer(bep44Hops, old, young)], [young, young])
  assert.equal([newer(bep44Hops, young, Uint8Array.of(1)), newer(bep44Hops, Uint8Array.of(1), young)], [young, young])
  const sign = envelopes.get(ATTACHMENT_IDS.bep44) as Uint8Array
  assert.equal(newer(ATTACHMENT_IDS.bep44, sign, sign), sign)
})

test('what a web server puts beside the newest root is neither kept nor told, however much it is', async () => {
  const { chain, root, envelopes } = await granted()
  const directory = await mkdtemp(join(tmpdir(), 'coppice-'))
  const servers = await Promise.all([1, 2].map(async (n) => await FileServer.open(join(directory, String(n)))))
  const write = async (n: number, attachments: readonly { kind: number; bytes: Uint8Array }[]): Promise<void> => {
    const path = join(directory, String(n), wellKnownPath(pointerOf(chain)))
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, encodeRootFile({ roots: [{ signedRoot: root.bytes, packs: [] }], packs: [], attachments }))
  }
  const large = new Uint8Array(ATTACHMENT_BYTES_MAX)
  await write(
    1,
    [1, 2, 3, 4, 5].map((kind) => ({ kind, bytes: large })),
  )
  await write(
    2,
    [...envelopes].map(([kind, bytes]) => ({ kind, bytes })),
  )
  const carriers = servers.map(({ url }) => mirrorCarrier(openHttp(url, { clock })))
  const { author, name } = pointerOf(chain)
  const known = { floor: createFloor(author, name), authority: chain.authority }
  const later = { ...clock, now: () => root.payload.issued * 1000 }
  const { record, carriers: reports } = await resolve({ author, name }, carriers, known, { clock: later })
  assert.equal(
    reports.map(({ outcome }) => outcome),
    ['newest', 'newest'],
  )
  assert.equal(record?.attachments, envelopes, 'those of the second, and no statements')
  const [answer] = await Promise.all(
    carriers.map(async (each) => await each.get({ author, name }, AbortSignal.timeout(60_000))),
  )
  const shown = answer?.shown[0]?.record.attachments ?? new Map<number, Uint8Array>()
  assert.ok(
    encodeAttachments(shown).length <= ATTACHMENTS_BYTES_MAX,
    'an author that asks before it signs can look into it',
  )
  await Promise.all([
    ...carriers.map(async (each) => await each.close()),
    ...servers.map(async (each) => await each[Symbol.asyncDispose]()),
  ])
  await rm(directory, { recursive: true })
})

test.run()
