/** Every engine that can be measured, in the order of the tables. */
import { atproto } from './atproto.ts'
import { classicLevel } from './classic-level.ts'
import { coppiceLmdb, coppiceMemory } from './coppice.ts'
import type { EngineKind } from './engine.ts'
import { hyperbeeDisk, hyperbeeMemory } from './hyperbee.ts'
import { lmdb } from './lmdb.ts'
import { okraLmdb, okraMemory } from './okra.ts'
import { prollyTrees } from './prolly-trees.ts'

export const ENGINES: readonly EngineKind[] = [
  coppiceMemory,
  okraMemory,
  prollyTrees,
  atproto,
  hyperbeeMemory,
  coppiceLmdb,
  lmdb,
  classicLevel,
  okraLmdb,
  hyperbeeDisk,
]

/** @throws {RangeError} where no engine has that name. */
export function engineNamed(name: string): EngineKind {
  const found = ENGINES.find((engine) => engine.name === name)
  if (found !== undefined) return found
  throw new RangeError(`engine: expected one of ${ENGINES.map((engine) => engine.name).join(', ')}, got ${name}`)
}
