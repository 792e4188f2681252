/** Where signed roots are left and found (docs/spec/record.md, 7): carriers, what travels with a root, and asking several at once. */
export {
  ATTACHMENT_IDS,
  type Attachments,
  ATTACHMENTS_BYTES_MAX,
  decodeAttachments,
  encodeAttachments,
  NO_ATTACHMENTS,
  statementsOf,
} from './attachments.ts'
export type { Carrier, CarrierAnswer, CarrierReceipt, PointerName, PointerRecord, Shown } from './carrier.ts'
export { type Resolution, type ResolutionOptions, resolveAndTell } from './resolution.ts'
export {
  type CarrierOutcome,
  type CarrierReport,
  resolve,
  RESOLVE_MS,
  type Resolved,
  type ResolveOptions,
} from './resolve.ts'
export {
  areOfRoot,
  decodeEnvelopes,
  encodeEnvelopes,
  endOfWay,
  ENVELOPE_IDS,
  type EnvelopeKey,
  envelopeLead,
  envelopeRoot,
  type Envelopes,
  ipnsEnd,
  type MadeEnvelopes,
  namesInRecord,
} from './envelopes.ts'
export { TELL_MS, type Told, tellOlder } from './tell.ts'
export {
  CARRIER_KINDS,
  type CarrierKind,
  type CarrierNodes,
  type CarrierSettings,
  decodeCarrierSettings,
  encodeCarrierSettings,
  isCarrierKind,
  isCarrierNode,
} from './settings.ts'
export { bep44Carrier, type Bep44CarrierOptions } from './bep44/bep44-carrier.ts'
export type { DatagramSocket } from './bep44/questions.ts'
export { dhtCarrier } from './dht/dht-carrier.ts'
export { ipnsCarrier, type IpnsCarrierOptions } from './ipns/ipns-carrier.ts'
export { headsBlock, signNextRecord } from './ipns/next-record.ts'
export { openIpnsRecord } from './ipns/record.ts'
export { withValidEnvelopes } from './valid-envelopes.ts'
export type { ValueNetwork } from './value-network.ts'
export { peerCarrier, type PeerNetwork } from './peer/peer-carrier.ts'
