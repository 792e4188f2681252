/** Every courier that can be measured, in the order of the tables. */
import type { Courier } from './courier.ts'

const NO_LIMIT = Number.POSITIVE_INFINITY

const hyperbee = {
  copy: 'queried, proved, served on; every block of the history verified',
  packages: ['hyperbee', 'hypercore', 'random-access-memory'],
  programs: [],
} as const

export const COURIERS: readonly Courier[] = [
  {
    name: 'coppice',
    about: '`Replica.clone` and `pull` over libp2p (TCP, noise, yamux), into LMDB',
    copy: 'queried, proved, served on; every row verified under one signature',
    durable: 'flushed',
    packages: [],
    programs: [],
    rowsMax: NO_LIMIT,
    sides: async () => (await import('./coppice.ts')).sides,
  },
  {
    name: 'coppice-mirror',
    about:
      '`Replica.clone` and `pull` of a static mirror, from a plain web server over HTTP; the author exports after each change',
    copy: 'as above; the server may be anybody',
    durable: 'flushed',
    packages: [],
    programs: [],
    rowsMax: 1_000_000,
    sides: async () => (await import('./coppice.ts')).mirrorSides,
  },
  {
    ...hyperbee,
    name: 'hyperbee',
    about:
      'hyperbee 2 on hypercore 10, in memory: `replicate` over TCP and its noise stream, `update`, `download` of all blocks, 512 at a time where the author is far',
    durable: 'memory',
    rowsMax: 1_000_000,
    sides: async () => (await import('./hyperbee.ts')).memorySides,
  },
  {
    ...hyperbee,
    name: 'hyperbee-disk',
    about: 'the same in files, on both sides',
    durable: 'written',
    rowsMax: 100_000,
    sides: async () => (await import('./hyperbee.ts')).diskSides,
  },
  {
    name: 'log-replay',
    about: "the author's log in blocks of up to 512 KiB under one signature, over the same libp2p; replayed into lmdb",
    copy: 'queried; every row of the history verified, the state by nobody',
    durable: 'flushed',
    packages: [],
    programs: [],
    rowsMax: NO_LIMIT,
    sides: async () => (await import('./log-replay.ts')).sides,
  },
  {
    name: 'rsync',
    about: 'a flat file of the rows, 80 bytes each, from an rsync daemon over plain TCP, by delta; `--fsync`',
    copy: 'a file; nothing verified but its transfer, nothing encrypted',
    durable: 'flushed',
    packages: [],
    programs: ['rsync'],
    rowsMax: NO_LIMIT,
    sides: async () => (await import('./rsync.ts')).sides,
  },
  {
    name: 'zstd',
    about: '`zstd -3` of the same file over plain TCP; then `--patch-from` the version before, which both have to keep',
    copy: 'a file; nothing verified, nothing encrypted',
    durable: 'flushed',
    packages: [],
    programs: ['zstd'],
    rowsMax: NO_LIMIT,
    sides: async () => (await import('./zstd.ts')).sides,
  },
]

/** @throws {RangeError} where no courier has that name. */
export function courierNamed(name: string): Courier {
  const found = COURIERS.find((courier) => courier.name === name)
  if (found !== undefined) return found
  throw new RangeError(`courier: expected one of ${COURIERS.map((each) => each.name).join(', ')}, got ${name}`)
}
