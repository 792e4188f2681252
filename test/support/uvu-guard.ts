/**
 * What the test runner loads before a test file (`node --import`): a `uvu` that keeps the books.
 *
 * uvu forgets in silence: a suite whose `.run()` is missing, a test registered after it, a `.only` left behind. Every import of
 * `uvu` resolves to this module instead, which passes each call on and, when the process ends, writes the tally as JSON to the
 * file that `TEST_TALLY_FILE` names. The runner compares it with uvu's own summary. Without the variable (a process or worker
 * which a test started and which inherited the option) this module only passes calls on.
 */

import { writeFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { inspect } from 'node:util'
import * as uvu from 'uvu'

/** What happened to one suite. `pending` tests were registered and never handed to uvu by `.run()`. */
export interface SuiteTally {
  name: string
  tests: number
  only: number
  pending: number
  skipped: string[]
}

const tally: SuiteTally[] = []

/** uvu's report takes `details` of an error for the text of a diff and breaks on anything else, as our errors have it. */
function reportable<T>(handler: uvu.Callback<T>): uvu.Callback<T> {
  return async (context) => {
    try {
      await handler(context)
    } catch (error) {
      if (!(error instanceof Error) || !('details' in error) || typeof error.details === 'string') throw error
      throw Object.assign(new Error(`${error.name}: ${error.message} ${inspect(error.details)}`), {
        stack: error.stack,
      })
    }
  }
}

function countSuite<T>(real: uvu.Test<T>, entry: () => SuiteTally): uvu.Test<T> {
  const register = (name: string, handler: uvu.Callback<T>): void => {
    entry().tests++
    entry().pending++
    real(name, reportable(handler))
  }
  return Object.assign(register, {
    only(name: string, handler: uvu.Callback<T>): void {
      entry().only++
      entry().pending++
      real.only(name, reportable(handler))
    },
    skip(name?: string): void {
      entry().skipped.push(name ?? '(unnamed)')
      real.skip(name)
    },
    before: real.before,
    after: real.after,
    run(): void {
      entry().pending = 0
      real.run()
    },
  })
}

function addSuite(name: string): SuiteTally {
  const entry: SuiteTally = { name, tests: 0, only: 0, pending: 0, skipped: [] }
  tally.push(entry)
  return entry
}

export function suite<T = uvu.Context>(name: string, context?: T): uvu.Test<T> {
  const entry = addSuite(name)
  return countSuite(uvu.suite(name, context), () => entry)
}

let shared: SuiteTally | undefined
/** uvu's suite without a name: counted as a suite from its first use on. */
export const test: uvu.Test = countSuite(uvu.test, () => (shared ??= addSuite('(shared)')))
export const exec: typeof uvu.exec = uvu.exec

const tallyFile = process.env['TEST_TALLY_FILE']
if (tallyFile !== undefined) {
  delete process.env['TEST_TALLY_FILE']
  registerHooks({
    resolve: (specifier, context, nextResolve) =>
      specifier === 'uvu' && context.parentURL !== import.meta.url
        ? { url: import.meta.url, shortCircuit: true }
        : nextResolve(specifier, context),
  })
  process.on('exit', () => writeFileSync(tallyFile, JSON.stringify(tally)))
}
