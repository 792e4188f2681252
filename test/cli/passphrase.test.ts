/** Passphrases: where they come from, and that they are shown nowhere. */
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { PassThrough } from 'node:stream'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PASSPHRASE_VARIABLE, readPassphrase, type Terminal } from '../../src/cli/passphrase.ts'
import { isCoppiceError } from '../../src/errors.ts'
import { inDirectory } from '../support/temporary-directory.ts'
import { rejectsCode } from '../support/throws.ts'

const test = suite('cli/passphrase')

const never = new AbortController().signal

/** Types a line at each prompt; `shown` is all that the terminal shows. */
function terminalOf(...lines: string[]): { terminal: Terminal; shown: () => string } {
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => input })
  const output = new PassThrough()
  let shown = ''
  output.on('data', (chunk: Uint8Array) => {
    const prompts = shown.split(': ').length
    shown += new TextDecoder().decode(chunk)
    const line = shown.split(': ').length > prompts ? lines.shift() : undefined
    if (line !== undefined) setImmediate(() => input.write(`${line}\r`))
  })
  return { terminal: { input, output }, shown: () => shown }
}

test('typed once, or twice where it is chosen; never shown', async () => {
  const once = terminalOf('open sesame')
  assert.is(await readPassphrase({}, false, never, once.terminal), 'open sesame')
  const twice = terminalOf('open sesame', 'open sesame')
  assert.is(await readPassphrase({}, true, never, twice.terminal), 'open sesame')
  assert.is(twice.shown(), 'Passphrase: \nThe same again: \n')
  const other = terminalOf('open sesame', 'open sesam')
  await rejectsCode(readPassphrase({}, true, never, other.terminal), 'USAGE', /the same twice/)
  const empty = terminalOf('')
  await rejectsCode(readPassphrase({}, true, never, empty.terminal), 'USAGE', /an empty one/)
  for (const { shown } of [once, twice, other]) assert.not.match(shown(), 'sesam')
})

test('an abort ends the question', async () => {
  const stop = new AbortController()
  const { terminal } = terminalOf()
  const asking = readPassphrase({}, false, stop.signal, terminal).catch((error: unknown) => error)
  setImmediate(() => stop.abort(new Error('enough')))
  assert.is(((await asking) as Error).message, 'enough')
})

test('from the environment, which does not hand it on', async () => {
  process.env[PASSPHRASE_VARIABLE] = 'from outside'
  assert.is(await readPassphrase({}, true, never, terminalOf().terminal), 'from outside')
  assert.is(process.env[PASSPHRASE_VARIABLE], undefined)
  const { input, output } = terminalOf().terminal
  const pipe = { input: Object.assign(input, { isTTY: false }), output }
  await rejectsCode(readPassphrase({}, true, never, pipe), 'USAGE', /COPPICE_PASSPHRASE or a terminal/)
})

test('from a descriptor: its first line', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'passphrase')
    const read = async (content: string | Uint8Array): Promise<string> => {
      writeFileSync(path, content)
      const fd = openSync(path, 'r')
      try {
        return await readPassphrase({ passphraseFd: fd }, true, never)
      } finally {
        closeSync(fd)
      }
    }
    assert.is(await read('one\ntwo\n'), 'one')
    assert.is(await read(' spaces \r\n'), ' spaces ')
    assert.is(await read('no newline ü'), 'no newline ü')
    assert.is(await read('x'.repeat(1024)), 'x'.repeat(1024))
    await rejectsCode(read(''), 'USAGE', /an empty one/)
    await rejectsCode(read('\nlater'), 'USAGE', /an empty one/)
    await rejectsCode(read('x'.repeat(1025)), 'USAGE', /at most 1024/)
    await rejectsCode(read(Uint8Array.of(0xff, 0x0a)), 'USAGE', /UTF-8/)
    const error: unknown = await readPassphrase({ passphraseFd: 999 }, true, never).catch((caught: unknown) => caught)
    assert.ok(isCoppiceError(error, 'USAGE') && error.message.includes('EBADF'), String(error))
  }))

test.run()
