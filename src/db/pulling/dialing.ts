/** The network as databases and replicas use it. */
import type { MaybePromise } from '../../maybe-promise.ts'
import type { PeerDialer } from '../../sync/index.ts'

export interface Dialing {
  /** Makes a dialer of a peer's address; dials nothing yet. @throws {CoppiceError} `ADDRESS_INVALID`. */
  dialer(address: string): MaybePromise<PeerDialer>
  close(): Promise<void>
}

/** @throws {TypeError} where there are addresses and no network. */
export async function dialersOf(network: Dialing | undefined, addresses: readonly string[]): Promise<PeerDialer[]> {
  if (addresses.length === 0) return []
  if (network === undefined) throw new TypeError('database: expected a network to dial peers on')
  return await Promise.all(addresses.map(async (address) => network.dialer(address)))
}
