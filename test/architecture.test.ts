/** Holds what docs/ARCHITECTURE.md promises about the shape of the sources. */

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  findImports,
  PROJECT,
  readSource,
  trackedFiles,
  type ImportSite,
  type SourceFile,
} from './support/source-files.ts'

const LINES_MAX = 400

/** What each part may import besides itself and the leaf modules: only what lies below it. A file may stand for itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  leaf: [],
  store: [],
  unixfs: ['store/interface'],
  prolly: ['store/interface', 'unixfs'],
  pointer: ['store/interface'],
  proof: ['store/interface', 'prolly', 'pointer'],
  sync: ['store', 'unixfs', 'prolly', 'pointer'],
  db: ['store', 'unixfs', 'prolly', 'pointer', 'sync', 'carriers'],
  formats: ['store', 'prolly', 'pointer', 'sync'],
  net: ['store', 'prolly', 'pointer', 'sync', 'carriers'],
  directory: ['store', 'store/lmdb', 'prolly', 'pointer', 'sync'],
  http: ['sync'],
  carriers: ['store', 'prolly', 'pointer', 'sync', 'http'],
  mirror: ['store', 'store/lmdb', 'prolly', 'pointer', 'sync', 'db', 'directory', 'http', 'carriers'],
  car: ['store', 'unixfs', 'prolly', 'pointer', 'sync'],
  gateway: ['store', 'unixfs', 'prolly', 'pointer', 'sync', 'car', 'http', 'mirror', 'carriers'],
  transfer: ['store', 'prolly', 'pointer', 'sync', 'db', 'formats', 'car'],
  index: [
    'store',
    'store/lmdb',
    'prolly',
    'pointer',
    'sync',
    'db',
    'formats',
    'transfer',
    'net',
    'directory',
    'http',
    'mirror',
    'car',
    'gateway',
    'carriers',
  ],
  cli: [
    'store',
    'store/lmdb',
    'prolly',
    'pointer',
    'proof',
    'sync',
    'db',
    'formats',
    'transfer',
    'net',
    'directory',
    'mirror',
    'car',
    'index',
    'carriers',
  ],
  'store/lmdb': ['store'],
  'store/interface': [],
}

/** The files that put the parts together: the only ones beside cli/ that know them all. */
const COMPOSITION = [
  'index.ts',
  'keys.ts',
  'lazy-carriers.ts',
  'lazy-network.ts',
  'local.ts',
  'peer-addresses.ts',
  'resolve-address.ts',
  'serve-http.ts',
  'serve.ts',
  'surroundings.ts',
]

/** Parts that run in browsers: no value is imported from a builtin module there. */
const PORTABLE = [
  'leaf',
  'unixfs',
  'prolly',
  'pointer',
  'proof',
  'sync',
  'db',
  'carriers',
  'car',
  'store',
  'store/interface',
]

/** Packages that only one part may name. */
const PACKAGE_OWNERS: readonly [pattern: RegExp, owner: string][] = [
  [/^(libp2p|@libp2p\/.*|@chainsafe\/.*|@multiformats\/multiaddr.*)$/, 'net'],
  [/^lmdb$/, 'store/lmdb'],
  [/^commander$/, 'cli'],
  [/^csv-/, 'formats'],
  [/^age-encryption$/, 'directory'],
  [/^@ipld\/car/, 'car'],
]

const LAZY_PACKAGES = /\/node_modules\/(libp2p|@libp2p|@chainsafe|lmdb|@lmdb)\//

const tracked = trackedFiles().filter((path) => existsSync(join(PROJECT, path)))
const sources = tracked.filter((path) => /^src\/.*\.ts$/.test(path)).map(readSource)
const imports = sources.flatMap(findImports)

/** The part of the architecture that a file under src/ belongs to. */
function partOf(path: string): string {
  const [, folder = '', file = ''] = path.split('/')
  if (COMPOSITION.includes(folder)) return 'index'
  if (folder.endsWith('.ts')) return 'leaf'
  if (folder === 'store' && file.startsWith('lmdb')) return 'store/lmdb'
  if (folder === 'store' && file === 'interface.ts') return 'store/interface'
  return folder
}

function isAllowed(from: string, to: string): boolean {
  if (from === to || to === 'leaf') return true
  const allowed = MAY_IMPORT[from] ?? []
  return allowed.includes(to) || (to === 'store/interface' && (allowed.includes('store') || from === 'store'))
}

function describe(site: ImportSite): string {
  return `${site.path}:${site.line} imports ${site.target}`
}

function where(files: readonly SourceFile[], pattern: RegExp): string[] {
  return files.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  )
}

const test = suite('architecture')

test('the finder sees every kind of import', () => {
  const text = [
    "import one from 'one'",
    "import type { Two } from 'two'",
    "import { type Three } from './three.ts'",
    "export { four } from '../four.ts'",
    'export type {',
    '  Five,',
    "} from 'five'",
    'import {',
    '  six,',
    "} from 'six'",
    "import 'seven'",
    "const { eight } = await import('eight')",
    "let nine: typeof import('nine')",
    "// import 'no'",
    " * import { no } from 'no'",
    'const text = "import \'no\'"',
  ].join('\n')
  const found = findImports({ path: 'src/a/b.ts', text })
  assert.equal(
    found.map(({ line, target, typeOnly }) => `${line} ${target}${typeOnly ? ' type' : ''}`),
    [
      '1 one',
      '2 two type',
      '3 src/a/three.ts',
      '4 src/four.ts',
      '7 five type',
      '10 six',
      '11 seven',
      '12 eight',
      '13 nine type',
    ],
  )
})

if (tracked.length === 0) {
  // A tarball has no list of what belongs to it.
  test.skip('the sources: not a git checkout')
} else {
  test('finds the sources and their imports', () => {
    assert.ok(sources.length > 10)
    assert.ok(imports.length > sources.length)
    for (const { path, target } of imports) {
      if (target.startsWith('src/'))
        assert.ok(existsSync(join(PROJECT, target)), `${path} imports ${target}, which is not there`)
    }
  })

  test('imports only point down', () => {
    const upward = imports.filter(({ path, target }) => {
      if (!target.startsWith('src/')) return /^\.|^\w+\/.*\.ts$/.test(target)
      return !isAllowed(partOf(path), partOf(target))
    })
    assert.equal(upward.map(describe), [])
  })

  test('every folder has its place in the architecture', () => {
    const unknown = sources.map(({ path }) => partOf(path)).filter((part) => MAY_IMPORT[part] === undefined)
    assert.equal([...new Set(unknown)], [])
  })

  test('what runs in browsers imports no builtin module', () => {
    const builtin = imports.filter(
      ({ path, target, typeOnly }) => target.startsWith('node:') && !typeOnly && PORTABLE.includes(partOf(path)),
    )
    assert.equal(builtin.map(describe), [])
  })

  test('packages stay where they belong', () => {
    const foreign = imports.filter(({ path, target }) =>
      PACKAGE_OWNERS.some(([pattern, owner]) => pattern.test(target) && partOf(path) !== owner),
    )
    assert.equal(foreign.map(describe), [])
  })

  test('no file is longer than one idea needs', () => {
    const programs = tracked
      .filter((path) => /^(src|test|fuzz|bench|demo|scripts|bin)\/.*\.[jt]s$/.test(path))
      .map(readSource)
    const long = programs.map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    assert.equal(
      long.filter(({ lines }) => lines > LINES_MAX),
      [],
    )
  })

  test('exports are named, one by one', () => {
    assert.equal(where(sources, /^\s*export\s+(\*|default\b)/), [])
  })

  test('nothing is written in syntax that Node 22 lacks', () => {
    // Types are stripped and nothing is compiled down: `using` is a syntax error there, `Symbol.asyncDispose` is not.
    const programs = tracked.filter((path) => /^(src|test|fuzz|bench|demo|scripts)\/.*\.ts$/.test(path)).map(readSource)
    assert.equal(where(programs, /^\s*(for (await )?\()?(await )?(const )?using \w+ (=|of)/), [])
  })

  test('file names are kebab-case and say what is inside', () => {
    const files = tracked.filter(
      (path) => /^(src|test|fuzz|bench|demo|scripts|bin)\//.test(path) && /\.[jt]s$/.test(path),
    )
    const odd = files.filter((path) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.test|\.d)?\.[jt]s$/.test(basename(path)))
    assert.equal(odd, [])
    assert.equal(
      files.filter((path) => /(^|[/-])(utils?|helpers?|common|misc)([./-]|$)/.test(path)),
      [],
    )
  })

  test('no file names a place on the machine of a developer', () => {
    const texts = tracked.filter((path) => /\.(ts|js|json|md|yml|yaml|sh)$|(^|\/)[^.]+$/.test(path)).map(readSource)
    const place = new RegExp(String.raw`(?<![\w.*/-])/(home|Users|root|work)/[\w.-]|[A-Z]:\\Users\\`)
    assert.equal(where(texts, place), [])
  })
}

for (const entry of [
  'index',
  'prolly/index',
  'store/index',
  'pointer/index',
  'proof/index',
  'sync/index',
  'db/index',
]) {
  const path = `src/${entry}.ts`
  const name = `importing ${path} loads neither libp2p nor lmdb`
  if (!existsSync(join(PROJECT, path))) {
    test.skip(`${name}: it does not exist`)
    continue
  }
  test(name, () => {
    const script = join(PROJECT, 'test/support/loaded-modules.ts')
    const output = execFileSync(process.execPath, [script, path], { cwd: PROJECT, encoding: 'utf8' })
    const loaded = JSON.parse(output) as string[]
    assert.ok(loaded.some((url) => url.endsWith(path)))
    assert.equal(
      loaded.filter((url) => LAZY_PACKAGES.test(url)),
      [],
    )
  })
}

test.run()
