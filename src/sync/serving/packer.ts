/**
 * Which answers of a channel are packed (protocol.md, 15). What does not get shorter is sent as it is, and costs a try now and then: the
 * further apart, the more tries have failed in a row.
 */
import type { Packing } from '../../packings.ts'
import { type Answer, type DataAnswer, dataBytesOf, encodeMessage, packAnswer } from '../wire/index.ts'
import { PACK_BYTES_MIN, PACK_GAIN_MIN, PACK_SKIPS_MAX } from '../limits.ts'

/** A frame, and the bytes of data that were worked on for it. */
export interface PackedFrame {
  readonly frame: Uint8Array
  readonly dataBytes: number
}

export class Packer {
  readonly #packing: Packing | undefined
  /** Answers to be sent as they are before the next try, and how many after the next try that fails. */
  #skips = 0
  #skipsNext = 1

  /** `ours` in the order of preference; `theirs`: what the puller can undo. */
  constructor(ours: readonly Packing[], theirs: readonly number[]) {
    this.#packing = ours.find(({ id, pack }) => pack !== undefined && theirs.includes(id))
  }

  frameOf(answer: Answer): PackedFrame {
    const dataBytes = isDataAnswer(answer) ? dataBytesOf(answer) : 0
    const packed = isDataAnswer(answer) ? this.#tryPacking(answer, dataBytes) : undefined
    return { frame: packed ?? encodeMessage(answer), dataBytes }
  }

  #tryPacking(answer: DataAnswer, dataBytes: number): Uint8Array | undefined {
    const { id: packing, pack } = this.#packing ?? {}
    if (packing === undefined || pack === undefined || dataBytes < PACK_BYTES_MIN) return undefined
    if (this.#skips > 0) {
      this.#skips--
      return undefined
    }
    const bytesMax = Math.floor(dataBytes * (1 - PACK_GAIN_MIN))
    const frame = packAnswer(answer, pack, { packing, dataBytes, bytesMax })
    if (frame === undefined) {
      this.#skips = this.#skipsNext
      this.#skipsNext = Math.min(2 * this.#skipsNext, PACK_SKIPS_MAX)
    } else {
      this.#skipsNext = 1
    }
    return frame
  }
}

function isDataAnswer(answer: Answer): answer is DataAnswer {
  return answer.type === 'blocks' || answer.type === 'range' || answer.type === 'patch'
}
