/**
 * Does every benchmark still run? All questions at sizes that teach nothing of speed, every engine and every shape once.
 * Fails where anything fails.
 *
 *     npm run bench -- smoke
 */
import { askCompression } from './compression.ts'
import { askDatabase } from './database.ts'
import { askGrowth } from './growth.ts'
import { askScale } from './scale.ts'
import { askTree } from './tree.ts'

const SIZE = 1_000

export async function askSmoke(): Promise<void> {
  await askTree(['--quick', '--shapes', 'uniform'])
  await askTree(['--quick', '--engines', 'coppice,coppice-lmdb'])
  await askGrowth(['--max', String(SIZE)])
  await askScale(['--sizes', String(SIZE)])
  await askCompression(['--size', String(SIZE), '--rounds', '1'])
  await askDatabase(['build', 'clone'], SIZE, 1)
}
