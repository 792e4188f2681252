/** The steps of the demo, in order, and what must have become of each. */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAddress } from '../src/pointer/index.ts'
import { expectAnnouncement } from './announcement.ts'
import { Checks } from './checks.ts'
import { loadRelease } from './dataset.ts'
import type { Process, Processes, Run } from './processes.ts'
import { Story } from './story.ts'
import { count, megabytes, percent, renderTable } from './table.ts'

/** The part of the first release that the author's early root holds. */
const EARLY_AREA = 'css'
/** What is known of the two releases. */
const DOCUMENTS = { old: 280_068, new: 286_346 } as const
const CHANGES = { added: 8434, removed: 2156, changed: 4539 } as const

/** Of `coppice clone --json` and `coppice pull --json`. */
interface Pulled {
  readonly to: { readonly sequence: number; readonly root: string; readonly bytes: number }
  readonly bytesReceived: number
  readonly bytesSent: number
  readonly roundTrips: number
  readonly requests: number
  readonly blocksReceived: number
  readonly peers: readonly PeerFate[]
}

interface PeerFate {
  /** As it was dialled. */
  readonly name: string
  readonly outcome: string
  readonly reason: string | null
  readonly blocks: number
}

/** Of `coppice status --json`. */
interface Status {
  readonly root: string
  readonly sequence: number
  readonly collections: readonly { readonly documents: number }[]
}

/** What a clone or a pull was like, from outside. */
interface Transfer {
  readonly pulled: Pulled
  readonly status: Status
  readonly seconds: number
}

export class Scenario {
  readonly checks: Checks = new Checks()
  readonly #story = new Story()
  readonly #directory: string
  readonly #processes: Processes
  /** Peers by the multiaddr they are dialled at, as they are called here. */
  readonly #peerNames = new Map<string, string>()

  constructor(directory: string, processes: Processes) {
    this.#directory = directory
    this.#processes = processes
  }

  async run(): Promise<this> {
    const story = this.#story
    story.say('Everything below is real: the data, the processes, libp2p over TCP on loopback, the numbers.')

    story.step('An author makes a database and publishes a first, early root')
    await this.#writeRelease('bcd-old', 'early.ndjson', `${EARLY_AREA}.`)
    await this.#coppice('init', 'author', '--name', 'browser-compat')
    await this.#coppice('import', 'author', 'early.ndjson', '--collection', 'support', '--key', 'feature,browser')
    await this.#coppice('publish', 'author', '-m', `early: only ${EARLY_AREA}`)

    story.step('The author serves it; a first peer copies it, serves it on, and never looks again')
    const author = await this.#serve('author')
    story.name('ADDRESS', author.address)
    await this.#coppice('clone', author.address, 'outdated')
    const outdated = await this.#serve('outdated')

    story.step('The author publishes release 8.1.0; a second peer copies it, and lies')
    await this.#writeRelease('bcd-old', 'bcd-8.1.0.ndjson')
    await this.#publishRelease('8.1.0', author)
    const liar = await this.#startLiar(author.address)

    story.step('A new replica clones from all three, trusting none of them')
    story.say('Every block is checked against the hash in its parent, from the root that the author signed down:')
    story.say('wrong bytes are refused, their sender is dropped, and others are asked for what it owed.')
    const peers = ['--peer', liar.multiaddr, '--peer', outdated.multiaddr]
    const clone = await this.#transfer('clone', author.address, 'replica', ...peers, '--json')
    this.#checkClone(clone, liar, outdated)

    story.step('The author publishes release 8.1.9 while it is being served')
    await this.#writeRelease('bcd-new', 'bcd-8.1.9.ndjson')
    await this.#publishRelease('8.1.9', author)

    story.step('The replica pulls what changed')
    story.say('Whatever it already holds it skips, subtree by subtree: it reads only where the two trees differ.')
    const pull = await this.#transfer('pull', 'replica', '--json')
    await this.#checkPull(pull)

    story.step('What is different between the two releases')
    const { stdout } = await this.#coppice('diff', 'replica', '@2', '@3', '--stat')
    for (const [what, expected] of Object.entries(CHANGES)) {
      this.checks.equal(`documents ${what}`, numberBefore(stdout, what), expected)
    }

    this.#printTable(clone, pull)
    return this
  }

  /** Writes a release, or the features whose name begins with `prefix`, as NDJSON. */
  async #writeRelease(alias: 'bcd-old' | 'bcd-new', file: string, prefix: string = ''): Promise<void> {
    const release = await loadRelease(alias)
    const start = `{"feature":"${prefix}`
    const output = await open(join(this.#directory, file), 'w')
    let documents = 0
    let bytes = 0
    try {
      for (const text of batches(release.lines().filter((line) => line.startsWith(start) && ++documents > 0))) {
        bytes += (await output.write(text)).bytesWritten
      }
    } finally {
      await output.close()
    }
    const what = prefix === '' ? 'all' : `the ${prefix}* features`
    this.#story.say(`${file}: ${what} of @mdn/browser-compat-data ${release.version},`)
    this.#story.say(`one document per feature and browser: ${count(documents)} of them, ${megabytes(bytes)}`)
  }

  /** Runs a command, shows it and what it prints. */
  async #coppice(...args: readonly string[]): Promise<Run> {
    this.#story.command(args)
    // diff says with 1 that there is a difference.
    const run = await this.#processes.coppice(args, args[0] === 'diff' ? 1 : 0)
    if (!args.includes('--json')) this.#story.output(run.stdout)
    return run
  }

  async #serve(directory: string): Promise<Peer> {
    const args = ['serve', directory]
    this.#story.command(args, true)
    const process = await this.#processes.startCoppice(args)
    const address = /coppice:\S+/.exec(process.stdout)?.[0] ?? ''
    return this.#peer(directory, process, address, parseAddress(address).peers[0] ?? '')
  }

  async #startLiar(address: string): Promise<Peer> {
    this.#story.say('(no command of coppice does this: demo/liar.ts, a replica that flips a bit in every answer)')
    const process = await this.#processes.startScript('liar.ts', [address, 'liar'])
    return this.#peer('liar', process, address, process.stdout.split('\n')[0] ?? '')
  }

  #peer(name: string, process: Process, address: string, multiaddr: string): Peer {
    this.#peerNames.set(multiaddr, name)
    this.#story.name(name.toUpperCase(), multiaddr)
    return { process, address, multiaddr }
  }

  /** Imports and publishes beside the running `serve`, and measures when a waiting peer hears of it. */
  async #publishRelease(version: string, { address }: Peer): Promise<void> {
    await this.#coppice('import', 'author', `bcd-${version}.ndjson`, '--collection', 'support', '--replace')
    const announcement = await expectAnnouncement(address)
    const { outputAt } = await this.#coppice('publish', 'author', '-m', `release ${version}`)
    const { sequence, at } = await announcement.next
    const seconds = Math.max(0, at - outputAt) / 1000
    this.#story.say(`serve told a waiting peer of @${sequence} ${seconds.toFixed(2)} s after publish said so`)
  }

  async #transfer(...args: readonly string[]): Promise<Transfer> {
    const { stdout, seconds } = await this.#coppice(...args)
    const pulled = JSON.parse(stdout) as Pulled
    const { to, blocksReceived, peers } = pulled
    this.#story.output(`now at @${to.sequence} ${to.root}`)
    this.#story.output(`${count(blocksReceived)} blocks, ${megabytes(moved(pulled))}, ${seconds.toFixed(1)} s`)
    for (const { name, outcome, reason } of peers) {
      const why = reason === null ? '' : ` (${reason.replace(`peer ${name}: `, '')})`
      this.#story.output(`${this.#peerNames.get(name) ?? name}: ${outcome}${why}`)
    }
    return { pulled, status: await this.#status('replica'), seconds }
  }

  async #status(directory: string): Promise<Status> {
    const { stdout } = await this.#processes.coppice(['status', directory, '--json'])
    return JSON.parse(stdout) as Status
  }

  #checkClone({ pulled, status }: Transfer, liar: Peer, outdated: Peer): void {
    const { checks } = this
    checks.equal('documents after the clone', status.collections[0]?.documents, DOCUMENTS.old)
    checks.equal('sequence after the clone', status.sequence, 2)
    checks.equal('the lying peer', fateOf(pulled, liar)?.outcome, 'liar')
    checks.equal('the outdated peer', fateOf(pulled, outdated)?.outcome, 'outdated')
    const lies = liar.process.stdout.split('\n').filter((line) => line.startsWith('sent ')).length
    checks.atLeast('answers in which the liar sent wrong bytes', lies, 1)
    this.#story.say(`the liar says it sent ${lies} ${lies === 1 ? 'answer' : 'answers'} with wrong bytes`)
  }

  async #checkPull({ pulled, status }: Transfer): Promise<void> {
    const { checks } = this
    const author = await this.#status('author')
    checks.equal("the replica's root is the author's", status.root, author.root)
    checks.equal('documents after the pull', status.collections[0]?.documents, DOCUMENTS.new)
    checks.equal('sequence after the pull', status.sequence, 3)
    checks.below('bytes moved by the pull, of the state', moved(pulled), pulled.to.bytes)
  }

  #printTable(clone: Transfer, pull: Transfer): void {
    const row = (what: string, cell: (transfer: Transfer) => string): [string, string, string] => {
      return [what, cell(clone), cell(pull)]
    }
    const peerRows = [...this.#peerNames].map(([multiaddr, name]) =>
      row(`peer "${name}"`, ({ pulled }) => {
        const fate = pulled.peers.find((peer) => peer.name === multiaddr)
        if (fate === undefined) return 'not asked'
        return fate.blocks === 0 ? fate.outcome : `${fate.outcome}, ${count(fate.blocks)} blocks`
      }),
    )
    const rows = renderTable([
      ['', 'clone of 8.1.0', 'pull of 8.1.9'],
      [''],
      row('documents', ({ status }) => count(status.collections[0]?.documents ?? 0)),
      row('bytes of state', ({ pulled }) => count(pulled.to.bytes)),
      row('bytes moved', ({ pulled }) => count(moved(pulled))),
      row('share of the state', ({ pulled }) => percent(moved(pulled), pulled.to.bytes)),
      row('blocks fetched', ({ pulled }) => count(pulled.blocksReceived)),
      row('requests', ({ pulled }) => count(pulled.requests)),
      row('round trips', ({ pulled }) => count(pulled.roundTrips)),
      row('seconds, the whole process', ({ seconds }) => seconds.toFixed(2)),
      ...peerRows,
    ])
    console.log(`\n${rows.join('\n')}`)
  }
}

/** A process that serves. */
interface Peer {
  readonly process: Process
  /** Of the database. */
  readonly address: string
  /** Where the process is dialled. */
  readonly multiaddr: string
}

function fateOf({ peers }: Pulled, { multiaddr }: Peer): PeerFate | undefined {
  return peers.find(({ name }) => name === multiaddr)
}

/** In both directions, with frame headers. */
function moved({ bytesReceived, bytesSent }: Pulled): number {
  return bytesReceived + bytesSent
}

/** `8434` of "8,434 added". */
function numberBefore(text: string, word: string): number | undefined {
  const digits = new RegExp(`([\\d,]+) ${word}`).exec(text)?.[1]
  return digits === undefined ? undefined : Number(digits.replaceAll(',', ''))
}

/** Lines joined into texts of about 64 KiB. */
function* batches(lines: Iterable<string>): Generator<string> {
  let text = ''
  for (const line of lines) {
    text += line
    if (text.length < 65_536) continue
    yield text
    text = ''
  }
  yield text
}
