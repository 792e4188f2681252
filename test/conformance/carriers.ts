/**
 * What every carrier of signed roots does, whatever it is made of (record.md, 7). The network that it runs on is set up once; each
 * test has an author of its own on it. Nothing here measures time: what has to settle promptly settles with the reason of its
 * signal, and not with that of a deadline.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ATTACHMENT_IDS, NO_ATTACHMENTS } from '../../src/carriers/attachments.ts'
import {
  type Carrier,
  type CarrierAnswer,
  type PointerName,
  type PointerRecord,
  SHOWN_MAX,
} from '../../src/carriers/carrier.ts'
import { isCoppiceError } from '../../src/errors.ts'
import {
  addRotation,
  comparePositions,
  decodeRotation,
  decodeSignedRoot,
  encodePayload,
  encodeRotations,
  encodeSignedRoot,
  type Position,
  SIGNED_ROOT_BYTES_MAX,
  type Signer,
  signRotation,
} from '../../src/pointer/index.ts'
import { AuthorChain, signerOf } from '../support/author-chain.ts'
import { Random } from '../support/random.ts'

export interface CarrierUnderTest {
  /** A client of its own, which shares nothing with the others but the network; the suite closes it. Writers have the author's signer. */
  open(signer?: Signer): Promise<Carrier>
  /** A client of a network that answers nobody, for whom deadlines are soon over. */
  openSilent(signer?: Signer): Promise<Carrier>
  /**
   * From now on whoever holds records shows these bytes under that name where a signed root would stand; signed as the carrier wants it
   * where it wants that, since the author may be the one who lies.
   */
  show(pointer: PointerName, bytes: Uint8Array, author: Signer): Promise<void>
  /** How a record gets there where the carrier can only be read. */
  write?(pointer: PointerName, record: PointerRecord): Promise<void>
  /** The attachments that it carries, of those that do not come from itself. */
  readonly carries: readonly number[]
  remove(): Promise<void>
}

/** Registers and runs the suite `label`. */
export function carrierConformance(label: string, setup: () => Promise<CarrierUnderTest>): void {
  const test = suite(label)
  let tested: CarrierUnderTest
  test.before(async () => {
    tested = await setup()
  })
  test.after(async () => await tested.remove())

  const each = (title: string, body: (lab: Lab) => Promise<void>): void => {
    test(title, async () => {
      const lab = new Lab(tested, `${label}: ${title}`)
      try {
        await body(lab)
      } finally {
        await lab.close()
      }
    })
  }

  each('has a name, a source, and nothing under a name that nobody has put', async (lab) => {
    const carrier = await lab.open()
    assert.ok(carrier.name.length > 0 && carrier.source.length > 0)
    assert.ok(carrier.keepsMs === null || carrier.keepsMs > 0)
    const answer = await carrier.get(lab.pointer, lab.signal)
    assert.equal(answer.shown, [])
    assertCounts(answer)
  })

  each('shows the same bytes to a client that has nothing in common with the writer', async (lab) => {
    const record = recordOf(await lab.chain.publish())
    await lab.write(record)
    const [shown] = (await lab.read()).shown
    assert.equal(shown?.record.signedRoot, record.signedRoot)
    assert.ok((shown?.copies ?? 0) >= 1)
  })

  each('shows the attachments that it carries as they were', async (lab) => {
    const { signedRoot } = recordOf(await lab.chain.publish())
    const given = new Map([[ATTACHMENT_IDS.rotations, await lab.rotations()]])
    await lab.write({ signedRoot, attachments: given })
    const [shown] = (await lab.read()).shown
    assert.equal(shown?.record.signedRoot, signedRoot)
    for (const [id, bytes] of given) {
      if (tested.carries.includes(id)) assert.equal(shown?.record.attachments.get(id), bytes, `attachment ${id}`)
    }
  })

  each('carries the largest signed root', async (lab) => {
    const record = recordOf({ bytes: await lab.largest() })
    assert.is(record.signedRoot.length, SIGNED_ROOT_BYTES_MAX)
    await lab.write(record)
    assert.equal((await lab.read()).shown[0]?.record.signedRoot, record.signedRoot)
  })

  each('shows nothing of it under another name or another author', async (lab) => {
    await lab.write(recordOf(await lab.chain.publish()))
    const others = [
      { author: lab.chain.signer.publicKey, name: 'another' },
      { author: signerOf('somebody else').publicKey, name: lab.chain.name },
    ]
    for (const other of others) assert.is(newestOf(await lab.read(other)), undefined)
  })

  each('shows a newer one once that was put', async (lab) => {
    for (const root of await lab.chain.publishMany(3)) await lab.write(recordOf(root))
    assert.is(newestOf(await lab.read())?.sequence, 3)
  })

  each('an author has several databases', async (lab) => {
    const other = new AuthorChain(lab.label, 'other')
    await lab.write(recordOf(await lab.chain.publish()))
    await other.publish()
    await lab.write(recordOf(await other.publish()), pointerOf(other))
    assert.is(newestOf(await lab.read())?.sequence, 1)
    assert.is(newestOf(await lab.read(pointerOf(other)))?.sequence, 2)
  })

  each('readers at once all see it', async (lab) => {
    await lab.write(recordOf(await lab.chain.publish()))
    const answers = await Promise.all(Array.from({ length: 5 }, () => lab.read()))
    for (const answer of answers) assert.is(newestOf(answer)?.sequence, 1)
  })

  each('whatever is shown in place of a record, the reader gets nothing of it but a coded error', async (lab) => {
    const { signedRoot } = recordOf(await lab.chain.publish())
    for (const bytes of garbageOf(signedRoot)) {
      await tested.show(lab.pointer, bytes, lab.chain.signer)
      const answer = await lab.read().catch((error: unknown) => {
        if (!isCoppiceError(error)) throw error
        return undefined
      })
      if (answer !== undefined) assertCounts(answer)
    }
  })

  each('an abort before or during a question is what it ends with', async (lab) => {
    const carrier = await lab.openSilent()
    const reason = new Error('enough')
    await assertRejects(carrier.get(lab.pointer, AbortSignal.abort(reason)), reason)
    const controller = new AbortController()
    const asking = carrier.get(lab.pointer, controller.signal)
    controller.abort(reason)
    await assertRejects(asking, reason)
  })

  each('a network that answers nobody is a coded error', async (lab) => {
    const carrier = await lab.openSilent()
    const error = await rejection(carrier.get(lab.pointer, lab.signal))
    assert.ok(isCoppiceError(error, 'PEER_UNREACHABLE') || isCoppiceError(error, 'PEER_TIMEOUT'), String(error))
  })

  each('is closed as often as one likes', async (lab) => {
    const carrier = await lab.open()
    await Promise.all([carrier.close(), carrier.close()])
    await carrier.close()
  })

  const writable = (title: string, body: (lab: Lab) => Promise<void>): void => {
    each(title, async (lab) => {
      if (tested.write === undefined) await body(lab)
    })
  }

  writable('an older one put later replaces nothing', async (lab) => {
    const [older, newer] = (await lab.chain.publishMany(2)).map(recordOf) as [PointerRecord, PointerRecord]
    await lab.write(newer)
    await lab.write(older)
    assert.is(newestOf(await lab.read())?.sequence, 2)
    // Nor does it where the writer has only what a reader is shown.
    const before = await lab.read()
    await lab.write(older).catch(assertCoded)
    assert.is(newestOf(before)?.sequence, newestOf(await lab.read())?.sequence)
  })

  writable('counts who took it, and who shows it when asked again', async (lab) => {
    const carrier = await lab.open(lab.chain.signer)
    const record = recordOf(await lab.chain.publish())
    const receipt = await put(carrier, lab.pointer, record, lab.signal)
    assert.ok(receipt.stored >= 1 && receipt.seen >= 1, JSON.stringify(receipt))
    const answer = await lab.read()
    assertCounts(answer)
    assert.ok(answer.answered >= 1)
    const again = await put(carrier, lab.pointer, record, lab.signal)
    assert.ok(again.seen >= 1, JSON.stringify(again))
  })

  writable('anybody who was shown it puts it again without a key', async (lab) => {
    await lab.write(recordOf(await lab.chain.publish()))
    const [shown] = (await lab.read()).shown
    assert.ok(shown)
    const helper = await lab.open()
    const receipt = await put(helper, lab.pointer, shown.record, lab.signal)
    assert.ok(receipt.seen >= 1, JSON.stringify(receipt))
    assert.is(newestOf(await lab.read())?.sequence, 1)
  })

  writable('writers at once leave the newest', async (lab) => {
    const roots = await lab.chain.publishMany(4)
    await Promise.all(roots.map(async (root) => await lab.write(recordOf(root))))
    await lab.write(recordOf(lab.chain.at(4)))
    assert.is(newestOf(await lab.read())?.sequence, 4)
  })

  writable('an abort ends a put with its reason; nobody to put at is a coded error', async (lab) => {
    const carrier = await lab.openSilent(lab.chain.signer)
    const record = recordOf(await lab.chain.publish())
    const reason = new Error('enough')
    await assertRejects(put(carrier, lab.pointer, record, AbortSignal.abort(reason)), reason)
    const controller = new AbortController()
    const putting = put(carrier, lab.pointer, record, controller.signal)
    controller.abort(reason)
    await assertRejects(putting, reason)
    assertCoded(await rejection(put(carrier, lab.pointer, record, lab.signal)))
  })

  test.run()
}

/** One author on the network under test, and the clients that a test has opened. */
class Lab {
  readonly label: string
  readonly chain: AuthorChain
  readonly signal: AbortSignal = new AbortController().signal
  readonly #tested: CarrierUnderTest
  readonly #opened: Carrier[] = []

  constructor(tested: CarrierUnderTest, label: string) {
    this.#tested = tested
    this.label = label
    this.chain = new AuthorChain(label)
  }

  get pointer(): PointerName {
    return pointerOf(this.chain)
  }

  async open(signer?: Signer): Promise<Carrier> {
    return this.#kept(await this.#tested.open(signer))
  }

  async openSilent(signer?: Signer): Promise<Carrier> {
    return this.#kept(await this.#tested.openSilent(signer))
  }

  async write(record: PointerRecord, pointer: PointerName = this.pointer): Promise<void> {
    if (this.#tested.write !== undefined) return await this.#tested.write(pointer, record)
    await put(await this.open(this.chain.signer), pointer, record, this.signal)
  }

  /** By a client that has seen nothing before. */
  async read(pointer: PointerName = this.pointer): Promise<CarrierAnswer> {
    return await (await this.open()).get(pointer, this.signal)
  }

  /** Of a later epoch, so that they change nothing about who signs now. */
  async rotations(): Promise<Uint8Array> {
    const { signer, authority } = this.chain
    const newKey = signerOf(`${this.label}, after`).publicKey
    const rotation = decodeRotation(await signRotation(signer, { author: signer.publicKey, epoch: 9, newKey }))
    const added = addRotation(authority, rotation)
    if (added.outcome !== 'added') throw new Error(added.outcome)
    return encodeRotations(added.authority)
  }

  /** A valid one to the last byte of what is allowed: an extension that readers pass over fills it. */
  async largest(): Promise<Uint8Array> {
    const { payload, bytes } = await this.chain.publish()
    const { signer } = this.chain
    for (let room = SIGNED_ROOT_BYTES_MAX - bytes.length; ; room--) {
      const filled = encodePayload({ ...payload, extensions: [{ id: 101, bytes: new Uint8Array(room) }] })
      const signedRoot = encodeSignedRoot(filled, [{ key: signer.publicKey, signature: await signer.sign(filled) }])
      if (signedRoot.length <= SIGNED_ROOT_BYTES_MAX) return signedRoot
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#opened.map(async (carrier) => await carrier.close()))
  }

  #kept(carrier: Carrier): Carrier {
    this.#opened.push(carrier)
    return carrier
  }
}

export function pointerOf(chain: AuthorChain): PointerName {
  return { author: chain.authority.author, name: chain.name }
}

export function recordOf({ bytes }: { readonly bytes: Uint8Array }): PointerRecord {
  return { signedRoot: bytes, attachments: NO_ATTACHMENTS }
}

async function put(
  carrier: Carrier,
  pointer: PointerName,
  record: PointerRecord,
  signal: AbortSignal,
): ReturnType<NonNullable<Carrier['put']>> {
  assert.ok(carrier.put, 'it can be put to')
  return await carrier.put(pointer, record, signal)
}

/** The highest position of those that were shown. */
function newestOf({ shown }: CarrierAnswer): Position | undefined {
  const positions = shown.map(({ record }) => decodeSignedRoot(record.signedRoot).payload)
  return positions.toSorted((a, b) => comparePositions(b, a))[0]
}

function assertCounts({ shown, asked, answered }: CarrierAnswer): void {
  assert.ok(shown.length <= SHOWN_MAX, `${shown.length} shown`)
  assert.ok(answered <= asked, `${answered} of ${asked} answered`)
  for (const { record, copies } of shown) {
    assert.ok(copies >= 1 && copies <= answered, `${copies} copies by ${answered}`)
    assert.ok(record.signedRoot.length <= SIGNED_ROOT_BYTES_MAX, `${record.signedRoot.length} bytes`)
  }
}

/** Cut, damaged, too large, and noise: the sizes at which buffers and datagrams end are among them. */
function garbageOf(signedRoot: Uint8Array): Uint8Array[] {
  const random = new Random(20_261_120)
  const changed = signedRoot.slice()
  changed[40] = (changed[40] as number) ^ 1
  const sizes = [0, 1, 500, 997, 1000, 1001, 1400, 10_240, 65_536]
  return [signedRoot.subarray(0, -1), changed, ...sizes.map((size) => random.bytes(size))]
}

async function assertRejects(work: Promise<unknown>, reason: Error): Promise<void> {
  assert.is(await rejection(work), reason)
}

async function rejection(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    (value) => assert.unreachable(`expected a rejection, got ${JSON.stringify(value)}`),
    (error: unknown) => error,
  )
}

function assertCoded(error: unknown): void {
  assert.ok(isCoppiceError(error), String(error))
}
