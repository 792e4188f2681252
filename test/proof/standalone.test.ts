/** The checker by itself: small, without builtin modules, and at work where there is nothing but what the web has. */
import { build } from 'esbuild'
import { join } from 'node:path'
import { createContext, runInContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex } from '../../src/bytes.ts'
import { formatAddress } from '../../src/pointer/index.ts'
import { prove } from '../../src/proof/index.ts'
import { AuthorChain } from '../support/author-chain.ts'
import { PROJECT } from '../support/source-files.ts'
import { treeOf, utf8 } from '../support/tree-sets.ts'

const GZIPPED_BYTES_MAX = 25 * 1024

const test = suite('proof/standalone')

/** `coppice/proof` as a page would load it: a module, or one script that sets `proof`. */
async function bundle(format: 'esm' | 'iife'): Promise<{ readonly code: string; readonly imports: readonly string[] }> {
  const built = await build({
    entryPoints: [join(PROJECT, 'src/proof/index.ts')],
    bundle: true,
    minify: true,
    platform: 'browser',
    format,
    globalName: 'proof',
    write: false,
    metafile: true,
    outdir: PROJECT,
    logLevel: 'silent',
  })
  const imports = Object.values(built.metafile.outputs).flatMap((output) => output.imports.map(({ path }) => path))
  return { code: built.outputFiles[0]?.text ?? '', imports }
}

test('the module has at most 25 KiB, compressed, and imports nothing', async () => {
  const { code, imports } = await bundle('esm')
  assert.equal(imports, [])
  assert.not.match(code, /require\(|['"`]node:(?!crypto)/)
  const { length } = gzipSync(code, { level: 9 })
  console.log(`coppice/proof: ${code.length} bytes minified, ${length} gzipped`)
  assert.ok(length <= GZIPPED_BYTES_MAX, `${length} bytes gzipped`)
})

test('it checks a signed proof with no globals but those of the web', async () => {
  const rows = Array.from({ length: 3000 }, (_, i) => ({ key: utf8(`city ${i}`), value: utf8(`value ${i}`) }))
  const sorted = rows.sort((a, b) => Buffer.compare(a.key, b.key))
  const tree = await treeOf(sorted)
  const chain = new AuthorChain()
  const signed = await chain.publish({ tree: tree.ref })
  const question = { type: 'get', keys: [utf8('city 7'), utf8('city 7a')] } as const
  const file = bytesToHex(await prove(tree, question, { signed }))
  const address = formatAddress({ author: chain.signer.publicKey, name: chain.name, peers: [] })
  const page = createContext({ TextEncoder, TextDecoder, URL })
  runInContext((await bundle('iife')).code, page, { timeout: 20_000 })
  const check = (hex: string, by: string): unknown =>
    runInContext(
      `(() => {
        const bytes = new Uint8Array('${hex}'.match(/../g).map((byte) => parseInt(byte, 16)))
        const utf8 = (text) => new Uint8Array([...text].map((letter) => letter.charCodeAt(0)))
        const question = { type: 'get', keys: [utf8('city 7'), utf8('city 7a')] }
        try {
          const { answer, signed } = proof.checkProof(bytes, question, proof.parseAddress('${by}'))
          const rows = answer.rows.map(({ value }) => value && String.fromCharCode(...value))
          return JSON.stringify([rows, signed.payload.sequence])
        } catch (error) {
          return error.code
        }
      })()`,
      page,
      { timeout: 20_000 },
    )
  assert.is(check(file, address), JSON.stringify([['value 7', null], 1]))
  const at = file.length - 20
  const changed = file.slice(0, at) + (file[at] === '0' ? '1' : '0') + file.slice(at + 1)
  assert.is(check(changed, address), 'PROOF_INVALID')
  assert.is(check(file, address.replace(/\/test$/, '/other')), 'PROOF_INVALID')
})

test.run()
