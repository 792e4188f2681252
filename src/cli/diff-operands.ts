/**
 * What the operands of `coppice diff` mean. Each is a directory (its working or complete state), an address (the newest
 * state served there), or a root, which is looked up in a directory: `--dir`, or else the first directory named.
 *
 *     DIR                 the newest published root, or the empty state before the first, against the working state
 *     DIR ROOT            ROOT against the working state of DIR
 *     DIR ROOT ROOT       two roots of DIR; in general DIR A B, where roots are those of DIR
 *     A B                 any two
 */
import { emptySnapshot, type PullOptions, type Snapshot } from '../db/index.ts'
import { CoppiceError } from '../errors.ts'
import { escapeText, quoteText } from '../escape.ts'
import { ADDRESS_SCHEME } from '../pointer/index.ts'
import { type Opened } from './open.ts'
import { findRoot, parseRoot, renderSigned, type RootName, tryParseRoot } from './roots.ts'

export type Operand =
  | { readonly kind: 'root'; readonly text: string; readonly root: RootName }
  | { readonly kind: 'address'; readonly text: string }
  | { readonly kind: 'directory'; readonly text: string }
  /** The newest published root of a directory. */
  | { readonly kind: 'published'; readonly text: string }

export interface DiffPlan {
  readonly from: Operand
  readonly to: Operand
  /** Where roots are looked up. */
  readonly home: string | undefined
}

export function classify(text: string): Operand {
  if (text.startsWith(ADDRESS_SCHEME)) return { kind: 'address', text }
  if (text.startsWith('@') || tryParseRoot(text) !== undefined) return { kind: 'root', text, root: parseRoot(text) }
  return { kind: 'directory', text }
}

/** @throws {CoppiceError} `USAGE`. */
export function planDiff(texts: readonly string[], dir: string | undefined): DiffPlan {
  const operands = texts.map(classify)
  const [first, second, third, fourth] = operands
  const home = dir ?? operands.find(({ kind }) => kind === 'directory')?.text
  const missing = operands.find(({ kind }) => kind === 'root')
  if (missing !== undefined && home === undefined) {
    throw new CoppiceError(
      'USAGE',
      `root ${quoteText(missing.text)}: expected a directory to look it up in; name one first, or with --dir`,
    )
  }
  if (first === undefined) throw new CoppiceError('USAGE', 'diff: expected a directory, a root or an address')
  if (fourth !== undefined) {
    throw new CoppiceError(
      'USAGE',
      `diff: expected two states, or a directory and two states, got ${quoteText(fourth.text)} too; it compares two`,
    )
  }
  if (third !== undefined && second !== undefined) {
    if (first.kind === 'directory') return { from: second, to: third, home: dir ?? first.text }
    throw new CoppiceError('USAGE', `diff: expected a directory before two others, got ${quoteText(first.text)}`)
  }
  if (second !== undefined) {
    const isBackward = first.kind === 'directory' && second.kind === 'root'
    return isBackward ? { from: second, to: first, home } : { from: first, to: second, home }
  }
  if (first.kind === 'directory') return { from: { ...first, kind: 'published' }, to: first, home }
  const working: Operand = { kind: 'directory', text: home ?? '' }
  if (home !== undefined) return { from: first, to: working, home }
  throw new CoppiceError('USAGE', `diff: expected a second operand beside ${quoteText(first.text)}`)
}

/** A state to compare. */
export interface DiffState {
  readonly snapshot: Snapshot
  /** Escaped. */
  readonly label: string
}

/** Opens what operands name, each directory once; closes all of it at the end. */
export class DiffStates {
  readonly #home: string | undefined
  readonly #pull: PullOptions
  readonly #opened = new Map<string, Opened>()
  readonly #closers: (() => Promise<void>)[] = []

  constructor(home: string | undefined, pull: PullOptions) {
    this.#home = home
    this.#pull = pull
  }

  async find(operand: Operand): Promise<DiffState> {
    switch (operand.kind) {
      case 'directory':
        return await this.#shown(operand.text)
      case 'published':
        return await this.#published(operand.text)
      case 'root':
        return await this.#root(operand.root)
      case 'address':
        return await this.#served(operand.text)
    }
  }

  async close(): Promise<void> {
    for (const close of this.#closers.toReversed()) await close()
  }

  async #open(path: string): Promise<Opened> {
    const known = this.#opened.get(path)
    if (known !== undefined) return known
    const { openDirectory } = await import('../index.ts')
    const opened = await openDirectory(path, { access: 'read' })
    this.#opened.set(path, opened)
    this.#closers.push(() => opened.db.close())
    return opened
  }

  async #shown(path: string): Promise<DiffState> {
    const { kind, db } = await this.#open(path)
    const snapshot = await db.snapshot()
    return {
      snapshot,
      label: `${escapeText(path)}  ${kind === 'author' ? 'working state' : 'complete state'} ${snapshot.root}`,
    }
  }

  async #published(path: string): Promise<DiffState> {
    const { db } = await this.#open(path)
    const signed = await db.published()
    if (signed === undefined) {
      return { snapshot: await emptySnapshot(), label: `${escapeText(path)}  nothing published: the empty state` }
    }
    return { snapshot: await db.state.at(signed.payload.root), label: `${escapeText(path)}  ${renderSigned(signed)}` }
  }

  async #root(root: RootName): Promise<DiffState> {
    const home = this.#home ?? ''
    const { snapshot, signed } = await findRoot(await this.#open(home), root)
    return { snapshot, label: `${escapeText(home)}  ${signed === undefined ? snapshot.root : renderSigned(signed)}` }
  }

  async #served(address: string): Promise<DiffState> {
    const { visit } = await import('./visit.ts')
    // What the first database at hand has is not fetched again.
    const [base] =
      this.#opened.size > 0 ? this.#opened.values() : this.#home === undefined ? [] : [await this.#open(this.#home)]
    const visited = await visit(address, base?.db.state.store, this.#pull)
    this.#closers.push(() => visited.close())
    const snapshot = await visited.db.snapshot()
    const signed = await visited.db.published()
    const shown = escapeText(address.split('?')[0] ?? '')
    return { snapshot, label: `${shown}  ${signed === undefined ? snapshot.root : renderSigned(signed)}` }
  }
}
