/**
 * What nodes of a DHT hold IPNS records to (record.md, 7): signed by the key they are found by, not past their validity, and the
 * higher sequence wins; of equal ones the one that is valid for longer, as the IPNS specification has it, and then the held one.
 */
import type { ValueRules } from '../value-network.ts'
import { IPNS_RECORD_BYTES_MAX, parseIpnsKey, readIpnsRecord } from './record.ts'

export interface IpnsFloor {
  readonly sequence: number
  readonly validUntil: number
}

export const IPNS_RULES: ValueRules<IpnsFloor> = {
  namespace: 'ipns',
  bytesMax: IPNS_RECORD_BYTES_MAX,
  read: (dhtKey, value) => {
    const key = parseIpnsKey(dhtKey)
    const claim = key && readIpnsRecord(key, value)
    if (claim === undefined) return undefined
    const { sequence, validUntil } = claim.record
    return { floor: { sequence, validUntil }, expiresAt: validUntil, signatures: 1, verify: () => claim.verify() }
  },
  replaces: (held, next) => (next.sequence - held.sequence || next.validUntil - held.validUntil) > 0,
}
