/** rsync of a flat file from a daemon, over plain TCP: neither encrypted nor verified, and kinder to it for that. */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer, type AddressInfo, connect } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Change } from '../data/changes.ts'
import type { Entries } from '../data/entries.ts'
import type { CourierAuthor, CourierReplica, CourierReport, CourierSides } from './courier.ts'
import { FlatFile } from './flat-file.ts'
import { runProgram } from './programs.ts'

const FILE = 'rows'
const TRIES_MAX = 100
const TRY_INTERVAL_MS = 50

/** The daemon runs below this process, as rsync's own documentation sets one up. */
async function author(directory: string, entries: Entries): Promise<CourierAuthor> {
  const file = new FlatFile(join(directory, FILE))
  file.write(entries)
  const port = await freePort()
  const settings = join(directory, 'rsyncd.conf')
  const lines = [
    'use chroot = no',
    'reverse lookup = no',
    'forward lookup = no',
    '[bench]',
    `path = ${directory}`,
    'read only = yes',
  ]
  if (process.getuid?.() === 0) lines.push('uid = root', 'gid = root')
  writeFileSync(settings, `${lines.join('\n')}\n`)
  const args = ['--daemon', '--no-detach', '--address=127.0.0.1', `--port=${port}`, `--config=${settings}`]
  const daemon = spawn('rsync', args, { stdio: 'ignore' })
  process.once('exit', () => daemon.kill('SIGKILL'))
  await answering(port)
  return {
    address: String(port),
    port,
    publish: async (changes: Iterable<Change>) => file.put(changes),
    close: async () => {
      daemon.kill()
      await once(daemon, 'close')
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function answering(port: number): Promise<void> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const socket = connect(port, '127.0.0.1')
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (isOpen) return
    await sleep(TRY_INTERVAL_MS)
  }
  throw new Error('rsync: its daemon does not answer')
}

class RsyncReplica implements CourierReplica {
  readonly #directory: string
  readonly #file: FlatFile

  constructor(directory: string) {
    this.#directory = directory
    this.#file = new FlatFile(join(directory, `copy-of-${FILE}`))
  }

  async pull(port: string): Promise<CourierReport> {
    // To the nanosecond: a change keeps the size and may come within the second.
    const args = ['--fsync', '--times', '--modify-window=-1', '--stats', '--no-motd']
    const printed = await runProgram('rsync', [...args, `rsync://127.0.0.1:${port}/bench/${FILE}`, this.#file.path], {
      cwd: this.#directory,
    })
    return { bytesReceived: statOf(printed, 'received'), bytesSent: statOf(printed, 'sent') }
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#file.get(key)
  }

  async close(): Promise<void> {}
}

/** Of rsync's statistics. */
function statOf(printed: string, direction: 'received' | 'sent'): number {
  const text = new RegExp(`^Total bytes ${direction}: ([\\d,.]+)`, 'm').exec(printed)?.[1]
  if (text === undefined) throw new Error(`rsync: expected statistics, got ${printed.trim()}`)
  return Number(text.replaceAll(/[,.]/g, ''))
}

export const sides: CourierSides = {
  author,
  replica: async (directory) => new RsyncReplica(directory),
}
