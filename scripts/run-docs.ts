/**
 * Runs the snippets of README.md and docs/guides/*.md: `node scripts/run-docs.ts [FILE...]`, `npm run docs`.
 *
 * Each document gets an empty directory, in which its snippets run in order: `sh` by bash, stopping at the first command that fails,
 * `ts` by this Node, after all of the document's were type-checked. `coppice` on the PATH is bin/coppice.js and `import 'coppice'`
 * the built package, so `npm run build` comes first. Commands left in the background live until the end of their document.
 * Exit 1 names file and line of what failed.
 */

import { spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, delimiter, dirname, join, resolve } from 'node:path'
import { findSnippets, joinPrograms, SnippetError, type Snippet } from './doc-snippets.ts'

const PROJECT: string = resolve(import.meta.dirname, '..')
const TIME_LIMIT_MS = 120_000
/** Names the line of the document in which a command failed: scripts are filled up so that their lines are the document's. */
const SHELL_HEADER = 'set -euo pipefail; trap \'echo "$0: line $LINENO: exit $?: $BASH_COMMAND" >&2\' ERR'

class DocumentError extends Error {}

function defaultDocuments(): string[] {
  const guides = join(PROJECT, 'docs/guides')
  const names = existsSync(guides) ? readdirSync(guides).filter((name) => name.endsWith('.md')) : []
  return ['README.md', ...names.sort().map((name) => `docs/guides/${name}`)]
}

/** What the guides use beside coppice. */
const PACKAGES = ['@types', '@ipld/car', '@ipld/dag-cbor', '@ipld/schema', 'ipfs-unixfs-exporter', 'multiformats']

/** Everything that a reader of the document is assumed to have. */
function prepareDirectory(): { home: string; work: string; env: NodeJS.ProcessEnv } {
  const home = mkdtempSync(join(tmpdir(), 'coppice-docs-'))
  const work = join(home, 'work')
  const bin = join(home, 'bin')
  const modules = join(work, 'node_modules')
  for (const directory of [join(modules, '@ipld'), bin]) mkdirSync(directory, { recursive: true })
  symlinkSync(PROJECT, join(modules, 'coppice'))
  for (const name of PACKAGES) symlinkSync(join(PROJECT, 'node_modules', name), join(modules, name))
  symlinkSync(join(PROJECT, 'bin/coppice.js'), join(bin, 'coppice'))
  writeFileSync(join(work, 'package.json'), '{ "private": true, "type": "module" }\n')
  const path = [bin, dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter)
  return { home, work, env: { ...process.env, HOME: home, PATH: path, NO_COLOR: '1' } }
}

function checkTypes(document: string, files: readonly string[], work: string): void {
  if (files.length === 0) return
  const base = join(PROJECT, 'tsconfig.json')
  const compilerOptions = { isolatedDeclarations: false, declaration: false, noEmit: true }
  writeFileSync(join(work, 'tsconfig.json'), JSON.stringify({ extends: base, compilerOptions, files, include: [] }))
  const tsc = join(PROJECT, 'node_modules/.bin/tsc')
  const { status, stdout } = spawnSync(tsc, ['-p', '.', '--pretty', 'false'], { cwd: work, encoding: 'utf8' })
  if (status !== 0) throw new DocumentError(`${document}: the types of its snippets do not hold\n${stdout}`)
}

/** Runs one snippet as leader of its own process group, whose id goes to `groups`: what it leaves behind is ended with it later. */
async function runSnippet(
  snippet: Snippet,
  file: string,
  work: string,
  env: NodeJS.ProcessEnv,
  groups: number[],
): Promise<string> {
  const [command, ...args] = snippet.language === 'sh' ? ['bash', file] : [process.execPath, file]
  const logFile = `${join(work, '..', basename(file))}.log`
  const log = openSync(logFile, 'w')
  const child = spawn(command, args, { cwd: work, env, stdio: ['ignore', log, log], detached: true })
  if (child.pid !== undefined) groups.push(child.pid)
  const timer = setTimeout(() => child.kill('SIGKILL'), TIME_LIMIT_MS)
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((done, reject) => {
    child.once('error', reject)
    child.once('exit', (...ending) => done(ending))
  })
  clearTimeout(timer)
  const output = readFileSync(logFile, 'utf8')
  if (code !== 0) throw new DocumentError(`the ${snippet.language} snippet ended with ${code ?? signal}\n${output}`)
  return output
}

async function runDocument(document: string, verbose: boolean): Promise<void> {
  const snippets = joinPrograms(document, findSnippets(document, readFileSync(resolve(PROJECT, document), 'utf8')))
  const { home, work, env } = prepareDirectory()
  const groups: number[] = []
  try {
    const fileOf = (snippet: Snippet): string => `${basename(document)}.${snippet.line}.${snippet.language}`
    const runnable = snippets.filter((snippet) => snippet.noRun === undefined)
    for (const snippet of runnable) {
      const code = snippet.language === 'sh' ? SHELL_HEADER + snippet.code : snippet.code
      writeFileSync(join(work, fileOf(snippet)), `${code}\n`)
    }
    checkTypes(document, runnable.filter(({ language }) => language === 'ts').map(fileOf), work)
    for (const snippet of runnable) {
      try {
        const output = await runSnippet(snippet, fileOf(snippet), work, env, groups)
        if (verbose) console.log(output.trimEnd().replaceAll(/^/gm, '     | '))
        console.log(`ok   ${document}:${snippet.line} (${snippet.language})`)
      } catch (error) {
        if (error instanceof DocumentError) throw new DocumentError(`${document}:${snippet.line}: ${error.message}`)
        throw error
      }
    }
    for (const { line, noRun } of snippets)
      if (noRun !== undefined) console.log(`not run: ${document}:${line}: ${noRun}`)
  } finally {
    for (const group of groups) endGroup(group)
    rmSync(home, { recursive: true, force: true })
  }
}

function endGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL')
  } catch {
    // It ended by itself.
  }
}

const args = process.argv.slice(2)
const named = args.filter((arg) => arg !== '--verbose')
try {
  for (const document of named.length > 0 ? named : defaultDocuments())
    await runDocument(document, args.includes('--verbose'))
} catch (error) {
  if (!(error instanceof DocumentError || error instanceof SnippetError)) throw error
  console.error(`FAIL ${error.message}`)
  process.exitCode = 1
}
