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
