/**
 * The benchmarks, one question each. Bars are printed beside, not enforced: they are for the machine they were set on.
 *
 *     npm run bench                       coppice alone, in about a minute
 *     npm run bench -- QUESTION  one question of QUESTIONS; docs/BENCHMARKS.md says what each answers
 */
import { askChannel } from './questions/channel.ts'
import { askCompression } from './questions/compression.ts'
import { askDatabase } from './questions/database.ts'
import { askGrowth } from './questions/growth.ts'
import { UsageError } from './questions/options.ts'
import { askOverview } from './questions/overview.ts'
import { askReport } from './questions/report.ts'
import { askScale } from './questions/scale.ts'
import { askSmoke } from './questions/smoke.ts'
import { askSync } from './questions/sync.ts'
import { askTree } from './questions/tree.ts'

const QUESTIONS: Readonly<Record<string, (args: string[]) => Promise<void>>> = {
  overview: askOverview,
  tree: askTree,
  growth: askGrowth,
  scale: askScale,
  sync: async (args) => void (await askSync(args)),
  compression: askCompression,
  build: () => askDatabase(['build']),
  clone: () => askDatabase(['clone']),
  channel: askChannel,
  report: askReport,
  smoke: askSmoke,
}

const [question = 'overview', ...args] = process.argv.slice(2)
const ask = QUESTIONS[question]
try {
  if (ask === undefined) {
    throw new UsageError(`question: expected one of ${Object.keys(QUESTIONS).join(', ')}, got ${question}`)
  }
  await ask(args)
} catch (error) {
  const isUsage =
    error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS') === true
  console.error(`bench: ${(error as Error).message}`)
  process.exitCode = isUsage ? 2 : 1
}
