/**
 * Threat 26, over the whole stack: the author signs a tree that breaks a rule. The author is to blame, no peer; the
 * replica stays at its last complete state, remembers the verdict, and takes the next good root. New and old replicas
 * agree, however much of the forgery the old one holds.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Replica } from '../../src/db/index.ts'
import { CoppiceError } from '../../src/errors.ts'
import { CODEC_DAG_CBOR, type Link, linkTo } from '../../src/link.ts'
import { checkTree, FORMAT_1, type TreeRef } from '../../src/prolly/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { surroundings } from '../../src/surroundings.ts'
import { CID } from 'multiformats/cid'
import { DatabaseLab, failureOf, text, utf8 } from '../support/database-lab.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { RogueAuthor } from '../support/rogue-author.ts'
import { Forge, FORGERIES, forgeTree } from '../support/tree-forge.ts'
import { applyEdits, randomEdits, randomRows } from '../support/tree-sets.ts'

const test = suite('hostile/blamed-peers')

const GOOD = [{ key: utf8('n'), value: utf8('good') }]

/** What a pull came to: the sequence it is at, or the error's code and rule. */
async function verdictOf(
  pull: Promise<{ readonly to: { readonly payload: { readonly sequence: number } } }>,
): Promise<string> {
  try {
    await pull
    return 'accepted'
  } catch (error) {
    if (!(error instanceof CoppiceError)) throw error
    return `${error.code} ${String(error.details['rule'])}`
  }
}

test('a malformed tree: nobody is banned, the state stays, the verdict is durable, the next root is taken', async () => {
  const lab = new DatabaseLab()
  const author = new RogueAuthor(surroundings.clock)
  for (const name of ['alice', 'bob'])
    lab.handle(
      name,
      author.showing(() => author.published?.signed),
    )
  await author.publish(GOOD)
  const store = new MemoryStore()
  const replica = await lab.replica(author, ['alice', 'bob'], store)
  await replica.pull()
  const { root, entries, bytes } = (await replica.snapshot()).tree.ref
  const bad = await author.sign({ root, entries, bytes: bytes + 1 })
  const error = await failureOf(replica.pull())
  assert.is(error.code, 'TREE_MALFORMED')
  assert.is(error.details['rule'], 8)
  assert.equal(error.details['signedRoot'], bad.bytes, 'the evidence: what the author signed')
  assert.not.match(error.message, /alice|bob/)
  for (const opened of [replica, await lab.openReplica(store)]) {
    assert.is(text(await opened.get(utf8('n'))), 'good')
    const { current, newest, invalid } = await opened.standing()
    assert.equal([current?.payload.sequence, newest?.payload.sequence], [1, 2])
    assert.match(invalid?.message ?? '', 'rule 8')
    const again = await failureOf(opened.pull())
    assert.is(again.code, 'TREE_MALFORMED')
    const { rule, cid, path, signedRoot } = again.details
    const found = error.details
    assert.equal(
      { rule, cid, path, signedRoot },
      { rule: 8, cid: found['cid'], path: found['path'], signedRoot: bad.bytes },
    )
  }
  await author.publish([{ key: utf8('n'), value: utf8('better') }])
  const { to, report } = await replica.pull()
  assert.is(to.payload.sequence, 3)
  assert.ok(report.peers.every(({ outcome }) => outcome === 'used' || outcome === 'unused'))
  assert.equal([text(await replica.get(utf8('n'))), (await replica.standing()).invalid], ['better', undefined])
})

test('forgeries of every kind: fresh and warm replicas reach the same verdict', async () => {
  let refused = 0
  for (const seed of seeds(6)) {
    // Turned bytes may be those of a link to what nobody has, which is no verdict.
    for (const kind of FORGERIES.filter((name) => name !== 'flipBytes')) {
      const random = new Random(seed)
      const made = forge(kind, random)
      if (made === undefined) continue
      const { author, blocks, honest, forged } = made
      await author.hold(blocks)
      const lab = new DatabaseLab()
      lab.handle(
        'alice',
        author.showing(() => author.published?.signed),
      )
      const warm = await lab.replica(author, ['alice'])
      for (const ref of honest) {
        await author.sign(ref)
        await warm.pull()
      }
      const { root } = await warm.snapshot()
      await author.sign(forged)
      const fresh: Replica = await lab.replica(author, ['alice'])
      const verdicts = [await verdictOf(fresh.pull()), await verdictOf(warm.pull())]
      // A forgery may break rules at several places; which of them comes first depends on what is fetched first.
      const broken = await brokenRules(author, forged)
      assert.ok(broken.length > 1 || verdicts[0] === verdicts[1], `seed ${seed}, ${kind}: ${verdicts.join(', ')}`)
      assert.is(verdicts[0] === 'accepted', verdicts[1] === 'accepted', `seed ${seed}, ${kind}`)
      if (verdicts[0] === 'accepted') continue
      refused++
      for (const verdict of verdicts) {
        const rule = /^TREE_MALFORMED ([2-9])/.exec(verdict)?.[1]
        assert.ok(broken.includes(Number(rule)), `seed ${seed}, ${kind}: ${verdict} of ${broken.join()}`)
      }
      assert.is((await warm.snapshot()).root, root)
      assert.is(await fresh.isComplete(), false)
    }
  }
  assert.ok(refused > 20, `${refused} refused`)
})

/** The rules that a full walk over everything finds broken. */
async function brokenRules(author: RogueAuthor, forged: TreeRef): Promise<number[]> {
  const { problems } = await checkTree(author.store, forged)
  return [...new Set(problems.flatMap(({ rule }) => (rule === undefined ? [] : [rule])))]
}

interface Forgery {
  readonly author: RogueAuthor
  readonly blocks: readonly { readonly link: Link; readonly bytes: Uint8Array }[]
  readonly honest: readonly TreeRef[]
  readonly forged: TreeRef
}

/** Two honest releases, and a forgery made of the parts of both, all served by the author. */
function forge(kind: string, random: Random): Forgery | undefined {
  const forge = new Forge()
  const rows = randomRows(random, 900, FORMAT_1)
  const roots = [rows, applyEdits(rows, randomEdits(random, rows, 30, FORMAT_1))].map((some) =>
    forge.addTree(some, FORMAT_1),
  )
  const donors = roots.flatMap((root) => forge.places(root))
  const forged = forgeTree(kind, random, forge, roots[1] as CID, donors)
  if (forged === undefined) return undefined
  const author = new RogueAuthor(surroundings.clock)
  const blocks = [...forge.blocks].map(([cid, bytes]) => ({ link: CID.parse(cid).bytes, bytes }))
  return { author, blocks, honest: roots.map((root) => forge.ref(root)), forged }
}

test('a root whose block nobody has is no verdict over the author', async () => {
  const lab = new DatabaseLab()
  const author = new RogueAuthor(surroundings.clock)
  lab.handle(
    'alice',
    author.showing(() => author.published?.signed),
  )
  await author.sign({ root: linkTo(CODEC_DAG_CBOR, utf8('nowhere')), entries: 1, bytes: 10 })
  const replica = await lab.replica(author, ['alice'])
  assert.is((await failureOf(replica.pull())).code, 'NO_PEER_LEFT')
  assert.is((await replica.standing()).invalid, undefined)
})

test.run()
