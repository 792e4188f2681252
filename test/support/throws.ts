/** What an error must be. uvu's `assert.throws(fn, RangeError)` calls the class as a predicate and accepts any error. */
import * as assert from 'uvu/assert'
import { isCoppiceError, type ErrorCode } from '../../src/errors.ts'

type ErrorClass = abstract new (...args: never[]) => Error

/** `run` throws a CoppiceError of that code; its message matches. */
export function throwsCode(run: () => unknown, code: ErrorCode, message: RegExp = /./): void {
  assert.throws(run, (error: unknown) => isCoppiceError(error, code) && message.test(error.message), code)
}

/** `run` throws an instance of that class. */
export function throwsType(run: () => unknown, type: ErrorClass, label?: string): void {
  assert.throws(run, (error: unknown) => error instanceof type, label ?? type.name)
}

/** As {@link throwsCode}, of what is waited for. */
export async function rejectsCode(action: Promise<unknown>, code: ErrorCode, message: RegExp = /./): Promise<void> {
  const error = await action.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  throwsCode(() => raise(error), code, message)
}

/** As {@link throwsType}, of what is waited for. */
export async function rejectsType(action: Promise<unknown>, type: ErrorClass, label?: string): Promise<void> {
  const error = await action.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  throwsType(() => raise(error), type, label)
}

function raise(error: unknown): void {
  if (error !== undefined) throw error
}
