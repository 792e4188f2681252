/** The newest signed root of a mirror for whoever only looks for that: which file it is read of, and what stands beside it. */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { saltOf } from '../../src/carriers/bep44/hops.ts'
import { signItem } from '../../src/carriers/bep44/item.ts'
import { ATTACHMENT_IDS } from '../../src/carriers/index.ts'
import { keepAttachments } from '../../src/db/roots/attachments.ts'
import { openHttp } from '../../src/http/index.ts'
import { exportMirror, mirrorCarrier } from '../../src/mirror/index.ts'
import { ATTACHMENT_BYTES_MAX } from '../../src/mirror/limits.ts'
import { attachmentsOf, decodeRootFile, encodeRootFile, wellKnownPath } from '../../src/mirror/root-file.ts'
import { carrierSequence, type SignedRoot } from '../../src/pointer/index.ts'
import type { CarrierAnswer, PointerName } from '../../src/carriers/index.ts'
import { surroundings } from '../../src/surroundings.ts'
import { signerOf } from '../support/author-chain.ts'
import { FileServer } from '../support/file-server.ts'
import { openSession, publishedRows } from '../support/mirror-lab.ts'
import { inDirectory } from '../support/temporary-directory.ts'
import { rejectsCode } from '../support/throws.ts'

async function ask(server: FileServer, pointer: PointerName): Promise<CarrierAnswer> {
  const carrier = mirrorCarrier(openHttp(server.url, { clock: surroundings.clock }))
  try {
    return await carrier.get(pointer, new AbortController().signal)
  } finally {
    await carrier.close()
  }
}

const test = suite('mirror/carrier')

test('one small file is asked for; the root file where it is not there; neither of another database', async () => {
  await inDirectory(async (directory, use) => {
    const db = await publishedRows(300)
    await exportMirror(db, directory)
    const { bytes } = (await db.published()) as SignedRoot
    const server = use(await FileServer.open(directory))
    const small = wellKnownPath(db)
    assert.equal((await ask(server, db)).shown[0]?.record.signedRoot, bytes)
    assert.equal(
      server.requests.map(({ path }) => path),
      [small],
    )
    assert.ok((await readFile(join(directory, small))).length < bytes.length + 64)

    await rm(join(directory, small))
    assert.equal((await ask(server, db)).shown[0]?.record.signedRoot, bytes)
    assert.equal(
      server.requests.map(({ path }) => path),
      [small, small, 'root'],
    )
    assert.not.ok((await exportMirror(db, directory)).blocks > 0)
    assert.equal(decodeRootFile(await readFile(join(directory, small))).roots[0]?.signedRoot, bytes)

    const other = { author: signerOf('another').publicKey, name: db.name }
    assert.equal((await ask(server, other)).shown, [])
    server.behaviour = (_request, response) => {
      response.writeHead(503).end()
      return true
    }
    await rejectsCode(ask(server, db), 'PEER_UNREACHABLE', /503/)
  })
})

test('what is kept beside the root is exported, shown, and said to those who pull', async () => {
  await inDirectory(async (directory, use) => {
    const db = await publishedRows(20)
    const root = (await db.published()) as SignedRoot
    const item = await signItem(signerOf('author'), saltOf(db.name), carrierSequence(root.payload), root.bytes)
    const envelopes = new Map([[ATTACHMENT_IDS.bep44, item.signature]])
    await keepAttachments(db.state, root, envelopes)
    await exportMirror(db, directory)
    assert.is((await exportMirror(db, directory)).changed, false)
    const server = use(await FileServer.open(directory))
    assert.equal((await ask(server, db)).shown[0]?.record.attachments, envelopes)

    const file = decodeRootFile(await readFile(join(directory, 'root')))
    const silent = await openSession(db, server.url)
    assert.is(silent.statements, undefined)
    await silent.close()
    // Unverified, as all of it: whoever hears it judges it. Unknown kinds and empty ones are passed over.
    const kinds = [ATTACHMENT_IDS.rotations, 200, ATTACHMENT_IDS.evidence].map((kind, i) => {
      return { kind, bytes: new Uint8Array(i === 2 ? 0 : 3) }
    })
    await writeFile(join(directory, 'root'), encodeRootFile({ ...file, attachments: kinds }))
    const session = await openSession(db, server.url)
    assert.equal(session.statements, Uint8Array.of(0x81, 0x82, 1, 0x43, 0, 0, 0))
    await session.close()
  })
})

test('what has no room is left out', () => {
  const large = new Uint8Array(ATTACHMENT_BYTES_MAX)
  const small = new Uint8Array(9)
  assert.equal(
    attachmentsOf(
      new Map([
        [3, small],
        [1, large],
      ]),
    ),
    [{ kind: 1, bytes: large }],
  )
  assert.equal(
    attachmentsOf(
      new Map([
        [2, small],
        [1, new Uint8Array(large.length + 1)],
      ]),
    ),
    [{ kind: 2, bytes: small }],
  )
})

test.run()
