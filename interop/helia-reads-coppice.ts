/**
 * Stock Helia reads a database from `coppice serve --http`, block by block through its own verification: from the head block to
 * the tree's root, to every leaf, to a document; and a value of 3 MB as the UnixFS file that it is.
 */
import assert from 'node:assert/strict'
import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { decodeDocument } from '../src/db/index.ts'
import { decodeHeadBlock, headBlock } from '../src/pointer/index.ts'
import { filmBytes, FILM_KEY, type Helia, load, ROWS, startHelia, type UnixFs, whole, withSite } from './lab.ts'

type Row = readonly [key: Uint8Array, value: unknown]

async function* rows(helia: Helia, cid: CID): AsyncGenerator<Row> {
  const [level, keys, items] = dagCbor.decode<[number, Uint8Array[], unknown[]]>(await whole(helia.blockstore.get(cid)))
  for (const [i, item] of items.entries()) {
    if (level > 0) yield* rows(helia, item as CID)
    else yield [keys[i] as Uint8Array, item]
  }
}

await withSite(async ({ db, gateway }) => {
  const signed = await db.published()
  assert.ok(signed)
  const helia = await startHelia([gateway])
  try {
    const head = await whole(helia.blockstore.get(CID.decode(headBlock(signed).link)))
    assert.equal(decodeHeadBlock(head).message, 'for others to read')
    const [root] = dagCbor.decode<[CID, Uint8Array]>(head)
    let count = 0
    let film: CID | undefined
    let town: unknown
    for await (const [key, value] of rows(helia, root)) {
      count++
      if (Buffer.from(key).equals(FILM_KEY)) film = (value as [CID, number])[0]
      else if (count === 1000 && value instanceof Uint8Array) town = decodeDocument(value)
    }
    assert.equal(count, ROWS + 2)
    assert.match(String((town as { name: string }).name), /^town \d+$/)
    assert.ok(film)
    const { unixfs } = await load<{ unixfs: (helia: Helia) => UnixFs }>('@helia/unixfs')
    assert.deepEqual(Buffer.from(await whole(unixfs(helia).cat(film))), Buffer.from(filmBytes()))
    // A gateway that has not what is asked for is no dead end: Helia says so, and does not hang.
    const absent = CID.parse('bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e')
    await assert.rejects(whole(helia.blockstore.get(absent, { signal: AbortSignal.timeout(5000) })))
    console.log(`helia read ${count} rows and a file of ${filmBytes().length} bytes from ${gateway}`)
  } finally {
    await helia.stop()
  }
})
