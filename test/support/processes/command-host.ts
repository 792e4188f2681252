/**
 * A process in which commands of `coppice` run one after the other, as ../command-line.ts asks: what a process of its own would
 * give, without the start of one. A command has its own directory, environment and standard streams here, and it ends, as a
 * process does, when nothing of it is open any more; what it leaves open is told instead of an exit code.
 */
import process from 'node:process'
import { Readable, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { main } from '../../../src/cli/main.ts'
import type { HostedCommand, HostedOutcome } from '../command-line.ts'

const SIGNALS_OF_A_COMMAND = ['SIGINT', 'SIGTERM', 'uncaughtException'] as const
/** A command that waits for something open is over when it is closed; nothing here takes that long. */
const OPEN_MS_MAX = 60_000

class Captured extends Writable {
  readonly #chunks: Buffer[] = []

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk)
    done()
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString('utf8')
  }
}

async function run({ args, cwd, env, input }: HostedCommand): Promise<HostedOutcome> {
  const stdin = Readable.from(input.length === 0 ? [] : [Buffer.from(input)], { objectMode: false })
  const [stdout, stderr] = [new Captured(), new Captured()]
  for (const [name, value] of Object.entries({ stdin, stdout, stderr })) {
    Object.defineProperty(process, name, { value, configurable: true })
  }
  process.chdir(cwd)
  setEnvironment(env)
  const listeners = SIGNALS_OF_A_COMMAND.map((name) => new Set(process.listeners(name as NodeJS.Signals)))
  const before = openThings()
  const status = await main(args)
  const open = await stillOpen(before)
  for (const [index, name] of SIGNALS_OF_A_COMMAND.entries()) {
    for (const listener of process.listeners(name as NodeJS.Signals)) {
      if (!listeners[index]?.has(listener)) process.off(name, listener)
    }
  }
  process.chdir('/')
  if (open !== '') return { status: null, stdout: stdout.text, stderr: `${stderr.text}it ended with ${status} and left open: ${open}\n` } // prettier-ignore
  return { status, stdout: stdout.text, stderr: stderr.text }
}

function setEnvironment(env: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(process.env)) if (!Object.hasOwn(env, name)) delete process.env[name]
  Object.assign(process.env, env)
}

/** What keeps a process alive, by kind and count. */
function openThings(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}

async function stillOpen(before: ReadonlyMap<string, number>): Promise<string> {
  const deadline = performance.now() + OPEN_MS_MAX
  for (;;) {
    const more = [...openThings()].filter(([kind, count]) => count > (before.get(kind) ?? 0))
    if (more.length === 0) return ''
    if (performance.now() > deadline) return more.map(([kind, count]) => `${kind} (${count})`).join(', ')
    await delay(1)
  }
}

let last: Promise<void> = Promise.resolve()
process.on('message', (command: HostedCommand) => {
  last = last.then(async () => {
    process.send?.(await run(command))
  })
})
process.on('disconnect', () => process.exit())
