/**
 * Bytes of packs over HTTP (mirror.md, 6): ranges where the server knows them, the whole file where it does not. Says only
 * whether the bytes can be had; what they mean is found out by whoever asked.
 */
import { bytesToHex } from '../bytes.ts'
import type { HttpClient, HttpResponse } from '../http/index.ts'
import { ByteCache } from './byte-cache.ts'
import { PACK_BYTES_MAX, WHOLE_PACK_READS_MAX } from './limits.ts'
import { type PackEntry, packPath } from './root-file.ts'

/** `absent`: the file is not there, or not as it should be. `busy`: the server asks to come back later. */
export type Missing = 'absent' | 'busy'

/** Statuses of what is not there. Object stores say 403 to those who may not list what there is. */
const ABSENT: ReadonlySet<number> = new Set([403, 404, 410])

export function missingOf(status: number): Missing | undefined {
  if (ABSENT.has(status)) return 'absent'
  return status === 429 || status >= 500 ? 'busy' : undefined
}

export class PackSource {
  readonly #client: HttpClient
  readonly #signal: AbortSignal
  /** Files that came whole where a range was asked for. */
  readonly #wholes = new ByteCache<string, Uint8Array>(PACK_BYTES_MAX)
  readonly #wholeReads = new Map<string, number>()
  /** Such files on their way. */
  readonly #coming = new Map<string, Promise<Uint8Array>>()

  constructor(client: HttpClient, signal: AbortSignal) {
    this.#client = client
    this.#signal = signal
  }

  /**
   * Bytes `start` up to `end` of a pack, in pieces as they come: 1 or more. Gives why not before the first of them.
   * @throws {CoppiceError} with `details.fault`; the signal's reason.
   */
  async range(pack: PackEntry, start: number, end: number): Promise<AsyncIterable<Uint8Array> | Missing> {
    const id = bytesToHex(pack.id)
    const known = this.#wholes.get(id) ?? (await this.#coming.get(id))
    if (known !== undefined) return once(known.subarray(start, end))
    const isWhole = start === 0 && end === pack.bytes
    const headers = isWhole ? {} : { range: `bytes=${start}-${end - 1}` }
    const response = await this.#client.get(packPath(pack), { headers, signal: this.#signal })
    const { status } = response
    if (status === 206 && !isWhole) return await this.#part(pack, start, end, response)
    if (status === 200) {
      if ((response.length ?? pack.bytes) !== pack.bytes) return await this.#missing(response, 'absent')
      return isWhole ? this.#exactly(response, pack.bytes) : await this.#fromWhole(pack, start, end, response)
    }
    // The file ends before the range: it is being written, or another one.
    const missing = status === 416 ? 'absent' : missingOf(status)
    if (missing !== undefined) return await this.#missing(response, missing)
    await response.discard()
    throw this.#client.fault('protocol', `answers ${status} for ${packPath(pack)}`)
  }

  async #missing(response: HttpResponse, missing: Missing): Promise<Missing> {
    await response.discard()
    return missing
  }

  async #part(
    pack: PackEntry,
    start: number,
    end: number,
    response: HttpResponse,
  ): Promise<AsyncIterable<Uint8Array> | Missing> {
    const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(response.header('content-range') ?? '')
    const [, first, last, total] = match ?? []
    if (total !== undefined && total !== '*' && Number(total) !== pack.bytes) {
      return await this.#missing(response, 'absent')
    }
    if (Number(first) !== start || Number(last) !== end - 1) {
      await response.discard()
      throw this.#client.fault('protocol', `sends another range of ${packPath(pack)} than was asked for`)
    }
    return this.#exactly(response, end - start)
  }

  /** A server that knows no ranges has sent all: taken as it is, so often and no oftener. */
  async #fromWhole(
    pack: PackEntry,
    start: number,
    end: number,
    response: HttpResponse,
  ): Promise<AsyncIterable<Uint8Array>> {
    const id = bytesToHex(pack.id)
    const reads = (this.#wholeReads.get(id) ?? 0) + 1
    this.#wholeReads.set(id, reads)
    if (reads > WHOLE_PACK_READS_MAX) {
      await response.discard()
      throw this.#client.fault('protocol', `ignores ranges: sends all of ${packPath(pack)} for each part of it`)
    }
    const coming = this.#readWhole(pack, response)
    this.#coming.set(id, coming)
    try {
      const whole = await coming
      this.#wholes.set(id, whole, whole.length)
      return once(whole.subarray(start, end))
    } finally {
      this.#coming.delete(id)
    }
  }

  async #readWhole(pack: PackEntry, response: HttpResponse): Promise<Uint8Array> {
    const whole = new Uint8Array(pack.bytes)
    let at = 0
    for await (const chunk of this.#exactly(response, pack.bytes)) {
      whole.set(chunk, at)
      at += chunk.length
    }
    return whole
  }

  async *#exactly(response: HttpResponse, bytes: number): AsyncGenerator<Uint8Array, void, undefined> {
    let left = bytes
    for await (const chunk of response.chunks(bytes)) {
      left -= chunk.length
      yield chunk
    }
    if (left > 0) throw this.#client.fault('protocol', `sends ${bytes - left} bytes where it announced ${bytes}`)
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}
