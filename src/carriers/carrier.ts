/**
 * A carrier is any means by which the newest signed root of a database is found: peers, a DHT, a file on a web server
 * (record.md, 7). None of them is believed: what a carrier shows is bytes, and who may have signed them is judged by the floor.
 */
import type { Attachments } from './attachments.ts'

/** The database whose newest signed root is looked for. */
export interface PointerName {
  /** 32 bytes: the key that names the database for ever. */
  readonly author: Uint8Array
  readonly name: string
}

/** What a carrier holds: the same signed bytes everywhere, and what others need to judge them or to put them again. */
export interface PointerRecord {
  readonly signedRoot: Uint8Array
  readonly attachments: Attachments
}

/** One record that a carrier showed. Nothing of it is verified, but that it is of the carrier's own form, and envelopes beside it. */
export interface Shown {
  readonly record: PointerRecord
  /** Members of the carrier that showed these very bytes; 1 where it has none. */
  readonly copies: number
}

export interface CarrierAnswer {
  /** Different ones, at most SHOWN_MAX. None: it has nothing under that name. */
  readonly shown: readonly Shown[]
  /** Members that were asked, and that answered. */
  readonly asked: number
  readonly answered: number
}

/** What became of a put. */
export interface CarrierReceipt {
  /** Members that took it. */
  readonly stored: number
  /** Members that said they have a newer one. */
  readonly newer: number
  /** Members that showed these very bytes when asked again. */
  readonly seen: number
  /** What was said by those that did not take it, for people; a few. */
  readonly refusals: readonly string[]
  /** Envelopes that it made with the signer's key, by which others put the record again: to be kept beside it. */
  readonly attachments?: Attachments
}

export interface Carrier {
  /** As reports show it: `peer /ip4/...`, `dht`, `bep44`, `ipns`, a URL. */
  readonly name: string
  /** What counts as one source for a quorum: members that anybody can add to are one together. */
  readonly source: string
  /** How long it keeps what is put, without another put; null: for good. */
  readonly keepsMs: number | null
  /**
   * What it shows now.
   * @throws {CoppiceError} `PEER_UNREACHABLE`, `PEER_TIMEOUT`, `PEER_PROTOCOL`, `PEER_LIED`; the signal's reason.
   */
  get(pointer: PointerName, signal: AbortSignal): Promise<CarrierAnswer>
  /**
   * Puts a record, and asks for it again. Absent: it can only be read. A carrier whose envelope only the author or signer can
   * make takes one from the attachments where it has no key of its own.
   * @throws {CoppiceError} as {@link get}; `USAGE` where it needs an envelope and there is none.
   */
  put?(pointer: PointerName, record: PointerRecord, signal: AbortSignal): Promise<CarrierReceipt>
  close(): Promise<void>
}

/** Records of one answer that are looked at: an honest carrier has one, or two at the moment of an update. */
export const SHOWN_MAX = 8
