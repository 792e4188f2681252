/** What every store must do. Each factory call gives a fresh, empty store and what removes it. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compareBytes } from '../../src/bytes.ts'
import { isCoppiceError } from '../../src/errors.ts'
import { CODEC_DAG_CBOR, CODEC_DAG_PB, CODEC_RAW, linkTo, type Block } from '../../src/link.ts'
import type { CompleteRecord, Store } from '../../src/store/interface.ts'

export interface StoreUnderTest {
  readonly store: Store
  remove(): Promise<void>
}

export function blockOf(text: string, codec: number = CODEC_RAW): Block {
  const bytes = new TextEncoder().encode(text)
  return { link: linkTo(codec, bytes), bytes }
}

export function recordOf(block: Block, over: Partial<CompleteRecord> = {}): CompleteRecord {
  const firstKey = new TextEncoder().encode('key/0001')
  const lastKey = new TextEncoder().encode('key/0999')
  return { link: block.link, level: 1, entries: 12, bytes: 3456, firstKey, lastKey, spineClosed: true, ...over }
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Registers and runs the suite `name`. */
export function storeConformance(name: string, create: () => Promise<StoreUnderTest>): void {
  const test = suite(name)

  const each = (title: string, body: (store: Store) => Promise<void>): void => {
    test(title, async () => {
      const tested = await create()
      const { store } = tested
      try {
        await body(store)
      } finally {
        await store.close()
        await tested.remove()
      }
    })
  }

  each('absence is a value', async (store) => {
    const { link } = blockOf('absent')
    assert.is(await store.get(link), undefined)
    assert.is(await store.has(link), false)
    assert.is(await store.getComplete(link), undefined)
    assert.is(await store.getMeta('root'), undefined)
    assert.equal(await store.getMany([link, link]), [undefined, undefined])
    assert.equal(await store.getMany([]), [])
  })

  each('blocks of all codecs and sizes come back as plain bytes of their own', async (store) => {
    const blocks = [0, 1, 36, 4080, 4081, 4096, 20480, 65536, 1024 * 1024].map((length, i) => {
      const bytes = new Uint8Array(length).map((_, at) => (at * 31 + i) & 0xff)
      return { link: linkTo([CODEC_RAW, CODEC_DAG_CBOR, CODEC_DAG_PB][i % 3] as number, bytes), bytes }
    })
    await store.write({ blocks })
    const many = await store.getMany(blocks.map(({ link }) => link))
    for (const [i, { link, bytes }] of blocks.entries()) {
      const got = await store.get(link)
      assert.is(got?.constructor, Uint8Array)
      assert.equal(got, bytes)
      assert.equal(many[i], bytes)
      assert.is(await store.has(link), true)
    }
    assert.is((await store.usage()).blocks, blocks.length)
  })

  each('bytes stay what they were through later reads and writes', async (store) => {
    const blocks = Array.from({ length: 50 }, (_, i) => blockOf(`block ${i} `.repeat(200)))
    await store.write({ blocks })
    const got = await store.getMany(blocks.map(({ link }) => link))
    await store.write({ blocks: Array.from({ length: 50 }, (_, i) => blockOf(`other ${i} `.repeat(300))) })
    for (const { link } of blocks) await store.get(link)
    for (const [i, { bytes }] of blocks.entries()) assert.equal(got[i], bytes)
  })

  each('a link names its codec: equal digests are different blocks', async (store) => {
    const node = blockOf('same bytes', CODEC_DAG_CBOR)
    const value = blockOf('same bytes', CODEC_RAW)
    await store.write({ blocks: [value], complete: [recordOf(value, { level: -1 })] })
    assert.is(await store.has(node.link), false)
    assert.is(await store.getComplete(node.link), undefined)
  })

  each('a block says nothing about completeness, and a record nothing about a block', async (store) => {
    const [a, b] = [blockOf('a'), blockOf('b')]
    await store.write({ blocks: [a], complete: [recordOf(b)] })
    assert.is(await store.getComplete(a.link), undefined)
    assert.is(await store.get(b.link), undefined)
    const { blocks, complete } = await store.usage()
    assert.equal({ blocks, complete }, { blocks: 1, complete: 1 })
  })

  each('records come back field by field, and are replaced', async (store) => {
    const block = blockOf('record')
    const full = recordOf(block, { level: 32, entries: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER })
    const value = recordOf(block, { level: -1, entries: 0, firstKey: utf8(''), lastKey: utf8(''), spineClosed: false })
    const longest = recordOf(block, { firstKey: new Uint8Array(1024).fill(7), lastKey: new Uint8Array(1024).fill(8) })
    for (const record of [full, value, longest]) {
      await store.write({ complete: [record] })
      assert.equal(await store.getComplete(block.link), record)
    }
    assert.is((await store.usage()).complete, 1)
  })

  each('meta values are put, replaced and deleted', async (store) => {
    await store.write({
      meta: new Map([
        ['root', utf8('1')],
        ['floor', utf8('')],
      ]),
    })
    assert.equal(await store.getMeta('root'), utf8('1'))
    assert.equal(await store.getMeta('floor'), utf8(''))
    await store.write({
      meta: new Map<string, Uint8Array | null>([
        ['root', utf8('2')],
        ['floor', null],
        ['absent', null],
      ]),
    })
    assert.equal(await store.getMeta('root'), utf8('2'))
    assert.is(await store.getMeta('floor'), undefined)
  })

  each('names of meta values are checked', async (store) => {
    for (const name of ['', '.writer', 'a b', 'ä', 'x'.repeat(129), 'line\n']) {
      const error = await failure(async () => await store.getMeta(name))
      assert.instance(error, TypeError, JSON.stringify(name))
      assert.instance(await failure(() => store.write({ meta: new Map([[name, utf8('')]]) })), TypeError)
    }
  })

  each('a batch that is refused leaves nothing behind', async (store) => {
    const good = blockOf('good')
    const batches = [
      { blocks: [good, { link: new Uint8Array(35), bytes: good.bytes }] },
      { blocks: [good], complete: [recordOf(good, { level: 33 })] },
      { blocks: [good], complete: [recordOf(good), recordOf(good, { entries: -1 })] },
      {
        blocks: [good],
        complete: [recordOf(good)],
        meta: new Map([
          ['root', utf8('1')],
          ['no good', utf8('2')],
        ]),
      },
    ]
    for (const batch of batches) {
      const error = await failure(() => store.write(batch))
      assert.ok(error instanceof TypeError || error instanceof RangeError, String(error))
      assert.is(await store.has(good.link), false)
      assert.is(await store.getComplete(good.link), undefined)
      assert.is(await store.getMeta('root'), undefined)
    }
    await store.write({ blocks: [good] }, { durable: true })
    assert.is(await store.has(good.link), true)
  })

  each('blocks and records are removed, and what is put in the same batch stays', async (store) => {
    const [a, b, absent] = [blockOf('a'), blockOf('b'), blockOf('absent')]
    await store.write({ blocks: [a, b], complete: [recordOf(a), recordOf(b)] })
    await store.write({ removeBlocks: [a.link, absent.link], removeComplete: [b.link, absent.link] })
    assert.is(await store.has(a.link), false)
    assert.is(await store.get(a.link), undefined)
    assert.equal(await store.getComplete(a.link), recordOf(a))
    assert.equal(await store.get(b.link), b.bytes)
    assert.is(await store.getComplete(b.link), undefined)
    const both = { removeBlocks: [a.link, b.link], removeComplete: [a.link, b.link] }
    await store.write({ ...both, blocks: [b], complete: [recordOf(b)] })
    const { blocks, complete } = await store.usage()
    assert.equal({ blocks, complete }, { blocks: 1, complete: 1 })
    assert.equal(await store.getComplete(b.link), recordOf(b))
  })

  each('a refused removal removes nothing', async (store) => {
    const block = blockOf('stays')
    await store.write({ blocks: [block], complete: [recordOf(block)] })
    const bad = new Uint8Array(36)
    for (const batch of [
      { removeBlocks: [block.link, bad] },
      { removeComplete: [block.link, bad] },
      { removeBlocks: [block.link], removeComplete: [block.link], meta: new Map([['no good', null]]) },
    ]) {
      assert.instance(await failure(() => store.write(batch)), TypeError)
      assert.is(await store.has(block.link), true)
      assert.equal(await store.getComplete(block.link), recordOf(block))
    }
  })

  each('blocks and records are listed page by page in the order of links, while some are removed', async (store) => {
    assert.equal(await store.listBlocks(undefined, 5), [])
    const blocks = Array.from({ length: 23 }, (_, i) =>
      blockOf(`listed ${i}`, [CODEC_RAW, CODEC_DAG_CBOR, CODEC_DAG_PB][i % 3] as number),
    )
    const ordered = blocks.map(({ link }) => link).sort(compareBytes)
    await store.write({ blocks, complete: blocks.slice(0, 5).map((block) => recordOf(block)) })
    const recorded = blocks.slice(0, 5).map(({ link }) => link)
    assert.equal(await store.listComplete(undefined, 100), recorded.sort(compareBytes))
    assert.equal(await store.listComplete(recorded[1], 2), recorded.slice(2, 4))
    const listed: Uint8Array[] = []
    for (;;) {
      const page = await store.listBlocks(listed.at(-1), 4)
      listed.push(...page)
      if (page.length < 4) break
      await store.write({ removeBlocks: page.slice(1) })
    }
    assert.equal(listed, ordered)
    assert.ok(listed.every((link) => link.constructor === Uint8Array && link.byteLength === link.buffer.byteLength))
    assert.equal(
      await store.listBlocks(undefined, 100),
      ordered.filter((_, i) => i % 4 === 0 || i >= 20),
    )
    for (const limit of [0, -1, 0.5, Number.NaN]) {
      assert.instance(await failure(async () => await store.listBlocks(undefined, limit)), RangeError)
    }
  })

  each('writes begun together all arrive, in order', async (store) => {
    const blocks = Array.from({ length: 40 }, (_, i) => blockOf(`together ${i}`))
    await Promise.all(
      blocks.map((block, i) =>
        store.write({ blocks: [block], meta: new Map([['last', utf8(String(i))]]) }, { durable: i % 7 === 0 }),
      ),
    )
    for (const { link } of blocks) assert.is(await store.has(link), true)
    assert.equal(await store.getMeta('last'), utf8('39'))
  })

  each('an empty batch and equal blocks again are fine', async (store) => {
    await store.write({})
    await store.write({}, { durable: true })
    const block = blockOf('again')
    await store.write({ blocks: [block, block] })
    await store.write({ blocks: [block] })
    assert.is((await store.usage()).blocks, 1)
  })

  each('one writer at a time', async (store) => {
    const first = await store.lockWriter()
    const error = await failure(() => store.lockWriter())
    assert.ok(isCoppiceError(error, 'STORE_LOCKED'), String(error))
    await first.release()
    await first.release()
    const second = await store.lockWriter()
    assert.ok(isCoppiceError(await failure(() => store.lockWriter()), 'STORE_LOCKED'))
    await first.release()
    assert.ok(
      isCoppiceError(await failure(() => store.lockWriter()), 'STORE_LOCKED'),
      'an old lock released again frees nothing',
    )
    await second[Symbol.asyncDispose]()
    await (await store.lockWriter()).release()
  })

  each('a lease keeps its root until it is released, and what is removed cannot be leased', async (store) => {
    const [kept, gone, absent] = [blockOf('kept'), blockOf('gone'), blockOf('absent')]
    await store.write({ blocks: [kept, gone], complete: [recordOf(kept), recordOf(gone)] })
    assert.is(await store.lease(absent.link), undefined)
    const [first, second] = [await store.lease(kept.link), await store.lease(kept.link)]
    assert.equal(
      (await store.leased()).map(({ root }) => root),
      [kept.link, kept.link],
    )
    assert.equal(await store.removeUnleased([gone.link, kept.link, absent.link]), [kept.link])
    assert.is(await store.has(gone.link), false)
    assert.is(await store.getComplete(gone.link), undefined)
    assert.is(await store.lease(gone.link), undefined)
    await first?.release()
    await first?.release()
    assert.equal(await store.removeUnleased([kept.link]), [kept.link])
    assert.equal(await store.getComplete(kept.link), recordOf(kept))
    await second?.[Symbol.asyncDispose]()
    assert.equal(await store.leased(), [])
    assert.equal(await store.removeUnleased([kept.link]), [])
    assert.is(await store.has(kept.link), false)
  })

  each('close is idempotent and ends every use', async (store) => {
    const block = blockOf('before close')
    const writing = store.write({ blocks: [block] })
    const closing = [store.close(), store.close()]
    await writing
    await Promise.all(closing)
    const uses: (() => unknown)[] = [
      () => store.get(block.link),
      () => store.getMany([block.link]),
      () => store.has(block.link),
      () => store.getComplete(block.link),
      () => store.listBlocks(undefined, 1),
      () => store.listComplete(undefined, 1),
      () => store.getMeta('root'),
      () => store.write({ blocks: [block] }),
      () => store.lockWriter(),
      () => store.lease(block.link),
      () => store.leased(),
      () => store.removeUnleased([block.link]),
      () => store.usage(),
    ]
    for (const use of uses) assert.instance(await failure(async () => await use()), TypeError, use.toString())
  })

  test.run()
}

/** What `action` fails with. */
export async function failure(action: () => Promise<unknown>): Promise<unknown> {
  try {
    await action()
  } catch (error) {
    return error
  }
  return assert.unreachable('expected a failure')
}
