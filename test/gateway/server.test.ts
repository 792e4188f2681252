/** What the gateway serves: signed roots, blocks of what is published and complete, of several databases, and nothing else. */
import { decode } from '@ipld/dag-cbor'
import type { CID } from 'multiformats/cid'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex, hexToBytes } from '../../src/bytes.ts'
import { ATTACHMENT_IDS, openIpnsRecord, signNextRecord } from '../../src/carriers/index.ts'
import { providerOptions } from '../../src/db/index.ts'
import { keepAttachments } from '../../src/db/roots/attachments.ts'
import { CODEC_DAG_CBOR, formatLink, linkTo } from '../../src/link.ts'
import { decodeRootFile } from '../../src/mirror/root-file.ts'
import { formatAuthor, headBlock } from '../../src/pointer/index.ts'
import { blocksOfCar, carOf, publishedFilms, rowsFrom, signedOf, stateKeys } from '../support/car-lab.ts'
import { createDatabase, DatabaseLab, signerOf, utf8 } from '../support/database-lab.ts'
import { GatewayLab } from '../support/gateway-lab.ts'

const test = suite('gateway/server')

const cidOf = (key: string): string => formatLink(hexToBytes(key) as Uint8Array)

test('the signed root is served as a root file without packs, never from a cache, with a tag', async () => {
  const db = await publishedFilms()
  await GatewayLab.serving([db], async (lab) => {
    const path = `/${formatAuthor(db.author)}/cities/root`
    assert.is(`${lab.gateway.url.slice(0, -1)}${path}`, `${lab.gateway.urlOf(db)}root`)
    const { status, headers, body } = await lab.ask(path)
    assert.equal([status, headers['cache-control']], [200, 'no-cache'])
    const file = decodeRootFile(body)
    assert.equal(file.packs, [])
    assert.equal(
      file.roots.map(({ signedRoot }) => Buffer.from(signedRoot)),
      [Buffer.from((await signedOf(db)).bytes)],
    )
    const again = await lab.ask(path, { headers: { 'if-none-match': headers['etag'] ?? '' } })
    assert.equal([again.status, again.body.length], [304, 0])
    await db.put(utf8('new'), utf8('1'))
    assert.is((await lab.ask(path, { headers: { 'if-none-match': headers['etag'] ?? '' } })).status, 304, 'a draft')
    await db.publish()
    const next = await lab.ask(path, { headers: { 'if-none-match': headers['etag'] ?? '' } })
    assert.is(next.status, 200)
    assert.is((await lab.ask(`/${formatAuthor(db.author)}/other/root`)).status, 404)
    assert.is((await lab.ask('/root')).status, 404)
  })
})

test('head blocks: the newest, and those that were announced before; of one that is asked for first, too', async () => {
  const db = await publishedFilms()
  await GatewayLab.serving([db], async (lab) => {
    const first = headBlock(await signedOf(db))
    const ask = async (link: Uint8Array): Promise<number> =>
      (await lab.ask(`/ipfs/${formatLink(link)}?format=raw`)).status
    assert.is(await ask(first.link), 200)
    await db.put(utf8('new'), utf8('1'))
    await db.publish()
    assert.is(await ask(headBlock(await signedOf(db)).link), 200)
    assert.is(await ask(first.link), 200)
  })
})

test('the path of an IPNS record leads from the map of heads over a name to the tree, block by block', async () => {
  const db = await publishedFilms()
  await GatewayLab.serving([db], async (lab) => {
    const signed = await signedOf(db)
    const signer = signerOf('author')
    const now = Date.now()
    const elsewhere = await signNextRecord(signer, [], { name: 'elsewhere', entry: signed.bytes, now })
    const known = openIpnsRecord(signer.publicKey, elsewhere)
    assert.ok(known)
    const bytes = await signNextRecord(signer, [known], { name: 'cities', entry: signed.bytes, now })
    const path = openIpnsRecord(signer.publicKey, bytes)?.value ?? ''
    assert.is((await lab.ask(`${path}?format=raw`)).status, 404, 'not before the record is kept')
    const forged = await signNextRecord(signerOf('forger'), [known], { name: 'cities', entry: signed.bytes, now })
    await keepAttachments(db.state, signed, new Map([[ATTACHMENT_IDS.ipns, forged]]))
    assert.is((await lab.ask(`${path}?format=raw`)).status, 404, 'nor by what another key says')
    await keepAttachments(db.state, signed, new Map([[ATTACHMENT_IDS.ipns, bytes]]))
    const map = await lab.ask(`${path}?format=raw`)
    assert.is(map.status, 200)
    const head = formatLink(headBlock(signed).link)
    assert.is(String(decode<{ cities: CID }>(map.body).cities), head)
    const { cids } = await lab.car(`${path}/cities/0?format=car&dag-scope=block`)
    assert.equal(cids, [path.slice('/ipfs/'.length), head, formatLink(signed.payload.root)])
    const whole = await lab.car(`${path}/cities?format=car`)
    assert.is(whole.cids[1], head)
    assert.equal(whole.cids.length, (await stateKeys(db)).length + 2)
    assert.equal((await lab.car(`${path}?format=car&dag-scope=block`)).cids, [path.slice('/ipfs/'.length)])
    for (const lost of [`${path}?format=car`, `${path}/other?format=car`, `${path}/cities/1?format=car`]) {
      assert.is((await lab.ask(lost)).status, 404, lost)
    }
  })
})

test('of a tree outside the window neither head nor root node are here; what is below is, by its record', async () => {
  const db = await publishedFilms()
  const body = async (lab: GatewayLab): Promise<void> => {
    const old = await signedOf(db)
    const ask = async (link: Uint8Array): Promise<number[]> => {
      const statuses: number[] = []
      for (const format of ['raw', 'car']) {
        statuses.push((await lab.ask(`/ipfs/${formatLink(link)}?format=${format}`)).status)
      }
      return statuses
    }
    const before = await stateKeys(db)
    const links = [headBlock(old).link, old.payload.root]
    for (const link of links) assert.equal(await ask(link), [200, 200])
    await db.batch((tx) => tx.apply(rowsFrom(1, 2, 'changed')))
    await db.publish()
    for (const link of links) assert.equal(await ask(link), [404, 404])
    const now = new Set(await stateKeys(db))
    const below = before.slice(1).filter((key) => !now.has(key))
    assert.ok(below.length > 0)
    for (const key of below) assert.equal(await ask(hexToBytes(key) as Uint8Array), [200, 200])
    for (const link of [headBlock(await signedOf(db)).link, (await signedOf(db)).payload.root]) {
      assert.equal(await ask(link), [200, 200])
    }
  }
  await GatewayLab.serving([db], body, { window: { roots: 1 } })
})

test('an old root node that is a part of the newest tree is here: readers of that need it', async () => {
  // Rows are added behind a whole leaf, so that the first tree, that leaf alone, is the first leaf of the second.
  const whole = await publishedFilms()
  const { tree } = await whole.snapshot()
  let node = await tree.nodes.get(tree.ref.root)
  while (node.level > 0) node = await tree.nodes.child(node, 0)
  const rows = rowsFrom(0, node.length)
  await whole.close()
  const db = await createDatabase({ name: 'cities' })
  await db.batch((tx) => tx.apply(rows))
  await db.publish()
  const { root } = (await signedOf(db)).payload
  const body = async (lab: GatewayLab): Promise<void> => {
    await db.batch((tx) => tx.apply(rowsFrom(node.length, 3000)))
    await db.publish()
    assert.ok((await stateKeys(db)).slice(1).includes(bytesToHex(root)), 'the case')
    assert.is((await lab.ask(`/ipfs/${formatLink(root)}?format=raw`)).status, 200)
    await db.batch((tx) => tx.apply(rowsFrom(1, 2, 'changed')))
    await db.publish()
    assert.is((await lab.ask(`/ipfs/${formatLink(root)}?format=raw`)).status, 404)
  }
  await GatewayLab.serving([db], body, { window: { roots: 1 } })
})

test('all blocks of the state, each as it is; an archive of the head block is the one that export writes', async () => {
  const db = await publishedFilms()
  await GatewayLab.serving([db], async (lab) => {
    for (const key of await stateKeys(db)) {
      const reply = await lab.ask(`/ipfs/${cidOf(key)}?format=raw`)
      assert.is(reply.status, 200)
      const link = hexToBytes(key) as Uint8Array
      assert.equal(Buffer.from(linkTo(link[1] as number, reply.body)), Buffer.from(link))
    }
    const head = headBlock(await signedOf(db)).link
    const { body } = await lab.ask(`/ipfs/${formatLink(head)}?format=car`)
    assert.equal(Buffer.from(body), Buffer.from(await carOf(db)))
  })
})

test('drafts, and blocks that were never published, are not here', async () => {
  const db = await publishedFilms()
  await GatewayLab.serving([db], async (lab) => {
    const published = new Set(await stateKeys(db))
    await db.batch((tx) => tx.apply(rowsFrom(100, 400, 'secret')))
    const drafts = (await stateKeys(db)).filter((key) => !published.has(key))
    assert.ok(drafts.length >= 3)
    for (const key of drafts) {
      for (const format of ['raw', 'car']) {
        assert.is((await lab.ask(`/ipfs/${cidOf(key)}?format=${format}`)).status, 404)
      }
    }
    await db.publish()
    for (const key of drafts) assert.is((await lab.ask(`/ipfs/${cidOf(key)}?format=raw`)).status, 200)
  })
})

test('a replica in the middle of a pull serves complete subtrees, and no root that it does not have', async () => {
  const network = new DatabaseLab()
  const db = await publishedFilms()
  network.serve('alice', db)
  const replica = await network.replica(db, ['alice'])
  await GatewayLab.serving([replica], async (lab) => {
    const path = `/${formatAuthor(db.author)}/cities/root`
    const root = formatLink((await signedOf(db)).payload.root)
    assert.is((await lab.ask(path)).status, 404)
    assert.is((await lab.ask(`/ipfs/${root}?format=raw`)).status, 404)
    await replica.pull()
    assert.is((await lab.ask(path)).status, 200)
    assert.is((await lab.ask(`/ipfs/${root}?format=raw`)).status, 200)
  })
  await db.close()
})

test('several databases: each by itself below its path, all of them at the top', async () => {
  const one = await publishedFilms('one')
  const two = await createDatabase({ name: 'two' })
  await two.put(utf8('a'), utf8('of two'))
  await two.publish()
  await GatewayLab.serving([one, two], async (lab) => {
    const cid = formatLink((await signedOf(two)).payload.root)
    const below = (name: string): string => `/${formatAuthor(one.author)}/${name}/ipfs/${cid}?format=raw`
    assert.is((await lab.ask(`/ipfs/${cid}?format=raw`)).status, 200)
    assert.is((await lab.ask(below('two'))).status, 200)
    assert.is((await lab.ask(below('one'))).status, 404)
    assert.is((await lab.ask(below('none'))).status, 404)
    assert.throws(
      () => lab.gateway.add({ ...providerOptions(two.state), published: () => undefined }),
      /served already/,
    )
  })
})

test('a block that rotted is not here, and an archive that meets one is cut off', async () => {
  const db = await publishedFilms()
  await GatewayLab.serving([db], async (lab) => {
    const keys = await stateKeys(db)
    const rotten = hexToBytes(keys[20] as string) as Uint8Array
    await db.state.store.write({ blocks: [{ link: rotten, bytes: utf8('rotten') }] })
    for (const format of ['raw', 'car']) {
      assert.is((await lab.ask(`/ipfs/${formatLink(rotten)}?format=${format}`)).status, 404)
    }
    const root = formatLink((await signedOf(db)).payload.root)
    const error: unknown = await lab.ask(`/ipfs/${root}?format=car`).catch((thrown: unknown) => thrown)
    assert.ok(error instanceof Error, 'the end of the stream is no end')
  })
})

test('the empty database is a tree like any other', async () => {
  const db = await createDatabase()
  await db.publish()
  await GatewayLab.serving([db], async (lab) => {
    const head = headBlock(await signedOf(db))
    const { body } = await lab.ask(`/ipfs/${formatLink(head.link)}?format=car`)
    const { blocks } = await blocksOfCar(body)
    assert.equal(
      blocks.map(({ link }) => formatLink(link)),
      [formatLink(head.link), formatLink(linkTo(CODEC_DAG_CBOR, Uint8Array.of(0x83, 0, 0x80, 0x80)))],
    )
  })
})

test.run()
