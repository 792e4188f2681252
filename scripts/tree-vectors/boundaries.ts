/** Decisions of the boundary rule (docs/spec/tree.md, 3) where they are close, and where its limits take over. */
import { Random } from '../../test/support/random.ts'
import {
  REFERENCE_FORMAT_1,
  referenceCloses,
  type ReferenceFormat,
  referenceXxh32,
} from '../../test/support/tree-reference.ts'
import { quickHash, u32be, vectorSet } from '../../test/support/vector-sets.ts'

interface Decision {
  readonly format?: ReferenceFormat
  readonly level: number
  readonly key: string
  readonly n: number
  readonly x: number
  readonly e: number
  readonly h: number
  readonly closes: boolean
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function decision(format: ReferenceFormat, level: number, key: Uint8Array, n: number, x: number, e: number): Decision {
  const closes = referenceCloses(format, level, n, x, e, key)
  const made = { level, key: hex(key), n, x, e, h: referenceXxh32(key, level), closes }
  return format === REFERENCE_FORMAT_1 ? made : { format, ...made }
}

/** `x` is searched until the next byte more or less would turn the answer. */
function turningPoints(format: ReferenceFormat, count: number, seed: number): Decision[] {
  const random = new Random(seed)
  const out: Decision[] = []
  for (let i = 0; i < count; i++) {
    const level = random.pick([0, 0, 1, 2, 7, 32])
    const key = random.bytes(random.between(0, 40))
    const e = random.between(1, 1200)
    const n = random.between(1, 40)
    let low = format.chunkBytesMin
    let high = format.chunkBytesMax
    while (low < high) {
      const middle = (low + high) >> 1
      if (referenceCloses(format, level, n, middle, e, key)) high = middle
      else low = middle + 1
    }
    for (const x of [low - 1, low]) out.push(decision(format, level, key, n, x, e))
  }
  return out
}

/** A tie: with x = 2048 both sides are equal where h = e * 2^19. Equal is no boundary; one byte of e more is. */
function tie(): Decision[] {
  let i = 0
  while (quickHash(i) % 2 ** 19 !== 0 || quickHash(i) / 2 ** 19 > 2000 || quickHash(i) === 0) i++
  const key = u32be(i)
  const e = referenceXxh32(key, 0) / 2 ** 19
  return [e, e + 1].map((each) => decision(REFERENCE_FORMAT_1, 0, key, 2, 2048, each))
}

/** Keys whose hash at `level` is as low, or as high, as a thousand tries find. */
function extremes(level: number): [lowest: Uint8Array, highest: Uint8Array] {
  const keys = Array.from({ length: 1000 }, (_, i) => u32be(i))
  const sorted = keys.toSorted((a, b) => referenceXxh32(a, level) - referenceXxh32(b, level))
  return [sorted[0] as Uint8Array, sorted.at(-1) as Uint8Array]
}

/** Around the least and the largest chunk, and the two children that an internal node needs: what no hash may change. */
function limits(format: ReferenceFormat): Decision[] {
  const { chunkBytesMin, chunkBytesMax } = format
  return [0, 1, 32].flatMap((level) =>
    extremes(level).flatMap((key) =>
      [1, 2].flatMap((n) =>
        [chunkBytesMin - 1, chunkBytesMin, chunkBytesMax - 1, chunkBytesMax, chunkBytesMax + 2061].map((x) =>
          decision(format, level, key, n, x, 67),
        ),
      ),
    ),
  )
}

/** All of version 1 first, then those of smaller formats: of one whose 4t is above 34, one below, one that is equal or nearly so. */
export function boundaries(): Decision[] {
  const small = ['deep-300', 'wide-3000'].map((name) => vectorSet(name).format)
  const formats = [...small, { ...REFERENCE_FORMAT_1, targetBits: 9 }]
  return [
    ...turningPoints(REFERENCE_FORMAT_1, 120, 1),
    ...tie(),
    ...limits(REFERENCE_FORMAT_1),
    ...formats.flatMap((format, i) => [...turningPoints(format, 20, 2 + i), ...limits(format)]),
  ]
}
