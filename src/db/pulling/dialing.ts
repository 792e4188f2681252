/** The network as databases and replicas use it. */
import type { MaybePromise } from '../../maybe-promise.ts'
import type { PeerDialer } from '../../sync/index.ts'

export interface Dialing {
  /** Makes a dialer of a peer's address; dials nothing yet. @throws {CoppiceError} `ADDRESS_INVALID`. */
  dialer(address: string): MaybePromise<PeerDialer>
  /** Finds further peers; absent where only those that are named are asked. */
  readonly finding?: Finding | undefined
  close(): Promise<void>
}

/** How a network finds peers of a database. Nothing found is trusted. */
export interface Finding {
  /** Whether peers are looked for where nobody is known, on the network of this machine or in a DHT. */
  readonly isDiscovering: boolean
  /** Addresses of peers that may have the database, each once, as they are found; until the signal aborts. Never rejects. */
  find(database: DatabaseNamed, signal: AbortSignal): AsyncIterable<string>
  /** At which addresses this process serves the database itself; none where it does not. */
  servedAt(database: DatabaseNamed): readonly string[]
  /** Of addresses that a connected peer named, those that may be dialled. Never rejects. */
  judge(teller: string, addresses: readonly string[], signal: AbortSignal): Promise<readonly string[]>
}

interface DatabaseNamed {
  /** 32 bytes. */
  readonly author: Uint8Array
  readonly name: string
}

/** @throws {TypeError} where there are addresses and no network. */
export async function dialersOf(network: Dialing | undefined, addresses: readonly string[]): Promise<PeerDialer[]> {
  if (addresses.length === 0) return []
  if (network === undefined) throw new TypeError('database: expected a network to dial peers on')
  return await Promise.all(addresses.map(async (address) => network.dialer(address)))
}
