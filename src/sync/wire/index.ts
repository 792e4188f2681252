/** The sync protocol's messages as values and as frames (protocol.md, 8). */
export { decodeAnswer, decodeHello, decodePacked, decodeRequest, decodeWelcome } from './decode.ts'
export { encodeMessage, encodePacked } from './encode.ts'
export { type DataAnswer, dataBytesOf, foldAnswer } from './fold.ts'
export { packAnswer, unpackAnswer } from './packing.ts'
export type {
  Answer,
  AttachmentsAnswer,
  BlocksAnswer,
  ForeignHello,
  GetAttachments,
  GetBlocks,
  GetHave,
  GetLink,
  GetPatch,
  GetPayloads,
  GetPeers,
  GetRange,
  GetRoot,
  HaveAnswer,
  Hello,
  LinkAnswer,
  Message,
  Packed,
  PatchAnswer,
  PatchValue,
  PayloadName,
  PayloadsAnswer,
  PeersAnswer,
  RangeAnswer,
  Refusal,
  RefusalReason,
  Request,
  RootAnswer,
  RootId,
  Tell,
  Welcome,
  WelcomeStatus,
} from './message.ts'
export { patchBytes, patchRowBytes } from './message.ts'
