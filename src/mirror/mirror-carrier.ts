/**
 * A static mirror, or any web server with the one small file that names a database's newest signed root, as a carrier (record.md, 7):
 * asked for that file first, and for the mirror's root file where it is not there. It can only be read.
 */
import { equalBytes } from '../bytes.ts'
import {
  type Carrier,
  type CarrierAnswer,
  type PointerName,
  type PointerRecord,
  withValidEnvelopes,
} from '../carriers/index.ts'
import { CoppiceError, isCoppiceError } from '../errors.ts'
import { type HttpClient } from '../http/index.ts'
import { decodeSignedRoot } from '../pointer/index.ts'
import { missingOf } from './pack-source.ts'
import { ROOT_FILE_BYTES_MAX } from './limits.ts'
import { decodeRootFile, knownAttachments, ROOT_FILE, wellKnownPath } from './root-file.ts'

/** Takes over the client, which is for the directory's URL. */
export function mirrorCarrier(client: HttpClient): Carrier {
  return new MirrorCarrier(client)
}

class MirrorCarrier implements Carrier {
  readonly name: string
  readonly source: string
  readonly keepsMs: null = null
  readonly #client: HttpClient

  constructor(client: HttpClient) {
    this.name = client.name
    // Several mirrors of one host are one party's.
    this.source = new URL(client.name).hostname
    this.#client = client
  }

  async get(pointer: PointerName, signal: AbortSignal): Promise<CarrierAnswer> {
    for (const path of [wellKnownPath(pointer), ROOT_FILE]) {
      const record = await this.#read(path, pointer, signal)
      if (record !== undefined) return { shown: [{ record, copies: 1 }], asked: 1, answered: 1 }
    }
    return { shown: [], asked: 1, answered: 1 }
  }

  async close(): Promise<void> {
    this.#client.close()
  }

  /** Undefined where there is none, or one of another database. */
  async #read(path: string, pointer: PointerName, signal: AbortSignal): Promise<PointerRecord | undefined> {
    const response = await this.#client.get(path, { headers: { 'cache-control': 'no-cache' }, signal })
    if (response.status !== 200) {
      await response.discard()
      const missing = missingOf(response.status)
      if (missing === 'absent') return undefined
      throw this.#client.fault(missing ?? 'protocol', `answers ${response.status} for ${path}`)
    }
    const bytes = await response.read(ROOT_FILE_BYTES_MAX)
    try {
      const file = decodeRootFile(bytes)
      const signedRoot = file.roots[0]?.signedRoot
      if (signedRoot === undefined || !isOf(signedRoot, pointer)) return undefined
      return withValidEnvelopes(pointer, { signedRoot, attachments: knownAttachments(file) })
    } catch (error) {
      if (!(error instanceof CoppiceError)) throw error
      throw this.#client.fault(error.code === 'FORMAT_NEWER' ? 'version' : 'protocol', error.message, error)
    }
  }
}

/** What is no signed root is shown as it is: whoever judges it says so. */
function isOf(signedRoot: Uint8Array, { author, name }: PointerName): boolean {
  try {
    const { payload } = decodeSignedRoot(signedRoot)
    return equalBytes(payload.author, author) && payload.name === name
  } catch (error) {
    if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) return true
    throw error
  }
}
