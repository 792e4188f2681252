/** The carriers of a database as databases and replicas use them, and which ones its directory asks for (record.md, 7). */
import { type CarrierSettings, decodeCarrierSettings, encodeCarrierSettings } from '../carriers/settings.ts'
import type { Carrier } from '../carriers/carrier.ts'
import type { Store } from '../store/interface.ts'
import { CARRIERS } from './meta.ts'

export interface Carriers {
  /**
   * Those that are configured now, ready to be asked; nothing is dialled yet. `besidePeers`: without the peers and mirrors among
   * its addresses, which a pull asks by itself.
   */
  list(options?: { readonly besidePeers?: boolean }): Promise<readonly Carrier[]>
  close(): Promise<void>
}

/** @throws {CoppiceError} `STORE_CORRUPT`. */
export async function readCarrierSettings(store: Pick<Store, 'getMeta'>): Promise<CarrierSettings> {
  const bytes = await store.getMeta(CARRIERS)
  return bytes === undefined ? {} : decodeCarrierSettings(bytes)
}

/** @throws {CoppiceError} `USAGE` for what is out of bounds; `STORE_*`. */
export async function writeCarrierSettings(store: Pick<Store, 'write'>, settings: CarrierSettings): Promise<void> {
  await store.write({ meta: new Map([[CARRIERS, encodeCarrierSettings(settings)]]) }, { durable: true })
}
