/**
 * What brings a copy of a database from its author's process to another one, and brings that up to date: this project, and
 * what people use instead. An author and a replica of one courier run in processes of their own and meet over TCP.
 */
import type { Change } from '../data/changes.ts'
import type { Entries } from '../data/entries.ts'

export interface Courier {
  readonly name: string
  /** For the table of couriers: what it is, and how it is used. */
  readonly about: string
  /** What its copy is: who can be asked what of it, and what was checked. */
  readonly copy: string
  /** When the copy counts as there. */
  readonly durable: 'flushed' | 'written' | 'memory'
  /** Packages of bench/package.json. */
  readonly packages: readonly string[]
  /** Programs of the system that it needs. */
  readonly programs: readonly string[]
  /** More rows than this it is not asked for: it would take minutes. */
  readonly rowsMax: number
  /** Loads what it needs, into the process that is measured and into no other. */
  sides(): Promise<CourierSides>
}

export interface CourierSides {
  /** Makes a database of all entries in an empty directory, and serves it on a port of this machine. */
  author(directory: string, entries: Entries): Promise<CourierAuthor>
  /** A copy that has nothing yet, in an empty directory. `isFar`: of an author that is some time away. */
  replica(directory: string, isFar: boolean): Promise<CourierReplica>
}

export interface CourierAuthor {
  /** Where a replica finds it: an address in the courier's own form, with a port of 127.0.0.1. */
  readonly address: string
  readonly port: number
  /** Puts rows, in key order, and makes them what replicas get from now on. */
  publish(changes: Iterable<Change>): Promise<void>
  /** What a change takes at least, as blocks; before it is published. Only where there are blocks. */
  changedBlockBytes?(changes: Iterable<Change>): Promise<number>
  close(): Promise<void>
}

/** What a replica counted of one pull. */
export interface CourierReport {
  /** TCP payload, both directions. */
  readonly bytesReceived: number
  readonly bytesSent: number
  /** Of coppice: what its report says. */
  readonly details?: PullDetails
}

export interface PullDetails {
  /** Whether rows were fetched for nodes to be made of, or the nodes. */
  readonly way: 'patch' | 'blocks'
  /** The longest chain of questions of which each needed the answer before. */
  readonly roundTrips: number
  /** Without what encryption and multiplexing add. */
  readonly messageBytes: number
  readonly entriesTotal: number
  /** Of all blocks of the tree, each at each of its places. */
  readonly blockBytesTotal: number
}

export interface CourierReplica {
  /** Whatever comes before a pull and is nobody's cost: lets go of the last connection. */
  prepare?(): Promise<void>
  /** Over a connection of its own: gets everything the first time, then what is new. */
  pull(address: string): Promise<CourierReport>
  /** Out of the copy. */
  get(key: Uint8Array): Promise<Uint8Array | undefined>
  close(): Promise<void>
}
