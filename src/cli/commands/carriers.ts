/** `coppice carriers`: what a database's newest signed root is left on and looked for, beside its peers and mirrors. */
import type { Command } from 'commander'
import { escapeText } from '../../escape.ts'
import { CARRIER_KINDS, type CarrierKind, type CarrierSettings } from '../../carriers/settings.ts'
import { parseChoice, parseCount, usageError } from '../arguments.ts'
import { type Cli, EXIT_DIFFERENT } from '../cli.ts'
import { addCommandGroup, JSON_OPTION, type JsonOption } from '../command.ts'
import { closing, type Opened, reading } from '../open.ts'
import { renderCounted } from '../render.ts'

/** Peers and mirrors stand among the addresses of the database, not among its DHTs. */
const KINDS = [...CARRIER_KINDS, 'peer'] as const
type Kind = (typeof KINDS)[number]

const parseKind = parseChoice('KIND', KINDS)

export function addCarriers(program: Command, cli: Cli): void {
  addCommandGroup(
    program,
    {
      name: 'carriers',
      summary: 'list or change where the newest signed root is left and looked for',
      notes: `
KIND is dht (coppice's own DHT), ipns (a DHT that keeps IPNS records) or bep44 (BitTorrent's DHT), and NODE where it begins:
a multiaddr with a peer id, of bep44 host:port. KIND peer is a server or mirror by its own address, a multiaddr or a URL:
a replica has those it was cloned from, an author names its own, which publish and recover ask, too. What each carrier is for, what it
tells others and what it costs: docs/guides/carriers.md.`,
      examples: [
        'carriers copy',
        'carriers add copy bep44 router.bittorrent.com:6881',
        'carriers add cities dht /ip4/192.0.2.7/tcp/4001/p2p/12D3Koo...',
        'carriers add cities peer https://data.example.org/cities',
        'carriers remove copy bep44',
        'carriers quorum copy 2',
      ],
    },
    (group) => {
      group
        .command('list', { isDefault: true })
        .summary('list them')
        .argument('<DIR>', 'the database')
        .option(...JSON_OPTION)
        .action((dir: string, options: JsonOption) => list(cli, dir, options))
      group
        .command('add')
        .summary('use one from now on, beginning with these nodes and those it has')
        .argument('<DIR>', 'the database')
        .argument('<KIND>', KINDS.join(', '), parseKind)
        .argument('<NODE...>', 'where it begins')
        .action((dir: string, kind: Kind, nodes: string[]) => add(cli, dir, kind, nodes))
      group
        .command('remove')
        .summary('use one no more; exits with 1 where it was not used')
        .argument('<DIR>', 'the database')
        .argument('<KIND>', KINDS.join(', '), parseKind)
        .action((dir: string, kind: Kind) => remove(cli, dir, kind))
      group
        .command('quorum')
        .summary('take a newer root only where N independent sources show it')
        .argument('<DIR>', 'the replica')
        .argument('<N>', 'sources; 1 to take it from any', parseCount('N'))
        .action((dir: string, sources: number) => setQuorum(cli, dir, sources))
    },
  )
}

async function list(cli: Cli, dir: string, { json }: JsonOption): Promise<void> {
  await reading(dir, async ({ db }) => {
    const settings = await db.carrierSettings()
    const peers = await db.peers()
    if (json === true) return await cli.out.json({ ...settingsJson(settings), peers })
    for (const each of CARRIER_KINDS) {
      for (const node of settings[each]?.bootstrap ?? []) await cli.out.line(`${each}  ${escapeText(node)}`)
    }
    for (const peer of peers) await cli.out.line(`${/^https?:/.test(peer) ? 'url' : 'peer'}  ${escapeText(peer)}`)
    if (settings.quorum !== undefined) await cli.out.line(`quorum  ${settings.quorum}`)
  })
}

async function add(cli: Cli, dir: string, kind: Kind, nodes: readonly string[]): Promise<void> {
  if (kind === 'peer') return await addPeers(cli, dir, nodes)
  const { carrierSettings } = await import('../../resolve-address.ts')
  await changing(cli, dir, async (settings) => {
    const bootstrap = [...new Set([...(settings[kind]?.bootstrap ?? []), ...nodes])]
    await carrierSettings({ [kind]: bootstrap })
    return { ...settings, [kind]: { bootstrap } }
  })
}

async function addPeers(cli: Cli, dir: string, texts: readonly string[]): Promise<void> {
  const [{ openDirectory }, { parsePeers }] = await Promise.all([import('../../index.ts'), import('../peers.ts')])
  const { db } = await openDirectory(dir)
  await closing(db, async () => {
    const peers = await parsePeers(db, texts)
    await db.setPeers([...new Set([...(await db.peers()), ...peers])], { signal: cli.signal })
  })
}

async function removePeers(cli: Cli, dir: string): Promise<void> {
  const { openDirectory } = await import('../../index.ts')
  const { db } = await openDirectory(dir)
  await closing(db, async () => {
    const isUsed = (await db.peers()).length > 0
    await db.setPeers([], { signal: cli.signal })
    if (!isUsed) await tellUnused(cli, 'peer')
  })
}

async function tellUnused(cli: Cli, kind: Kind): Promise<void> {
  cli.exitCode = EXIT_DIFFERENT
  await cli.out.line(`was not used: ${kind}`)
}

async function remove(cli: Cli, dir: string, kind: Kind): Promise<void> {
  if (kind === 'peer') return await removePeers(cli, dir)
  let isUsed = false
  await changing(cli, dir, (settings) => {
    isUsed = settings[kind] !== undefined
    return { ...settings, [kind]: undefined }
  })
  if (!isUsed) await tellUnused(cli, kind)
}

async function setQuorum(cli: Cli, dir: string, sources: number): Promise<void> {
  if (sources === 0) throw usageError('N', '1 source or more', '0')
  await changing(cli, dir, (settings) => ({ ...settings, quorum: sources === 1 ? undefined : sources }))
  if (sources > 1) await reading(dir, (opened) => tellReach(cli, opened, sources))
}

/** Says where a quorum is not what its user may take it for: of an author, or of more sources than there are. */
async function tellReach(cli: Cli, { kind, db }: Opened, quorum: number): Promise<void> {
  if (kind === 'author') {
    cli.note('coppice: of your own database it counts for coppice resolve alone: publish and recover heed any carrier')
  }
  const sources = new Set(((await db.carriers?.list()) ?? []).map(({ source }) => source)).size
  if (sources >= quorum) return
  const lack = `${renderCounted(sources, 'independent source')} configured, and the quorum is ${quorum}`
  const meaning =
    kind === 'author'
      ? 'coppice resolve finds nothing'
      : sources < quorum - 1
        ? 'no newer root is taken'
        : 'no newer root is taken unless peers that are found, one source together, show it, too'
  cli.note(`coppice: warning: ${lack}: ${meaning}; coppice carriers add names more`)
}

async function changing(
  cli: Cli,
  dir: string,
  change: (settings: CarrierSettings) => CarrierSettings | Promise<CarrierSettings>,
): Promise<void> {
  const { openDirectory } = await import('../../index.ts')
  const { db } = await openDirectory(dir)
  await closing(db, async () => {
    await db.setCarrierSettings(await change(await db.carrierSettings()), { signal: cli.signal })
  })
}

function settingsJson({ dht, ipns, bep44, quorum }: CarrierSettings): {
  [field: string]: number | null | readonly string[]
} {
  const nodes = (each: CarrierSettings[CarrierKind]): readonly string[] => each?.bootstrap ?? []
  return { dht: nodes(dht), ipns: nodes(ipns), bep44: nodes(bep44), quorum: quorum ?? 1 }
}
