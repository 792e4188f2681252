/**
 * The whole path on real data: an author publishes two releases of a public dataset, untrusted peers pass them on, a new
 * replica clones the first and pulls what the second changed. Every number it prints is measured in this run.
 *
 *     npm run demo [-- --keep]
 *
 * Exit code 1 where something did not go as it must.
 */
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Processes } from './processes.ts'
import { Scenario } from './scenario.ts'

const { values } = parseArgs({ options: { keep: { type: 'boolean', default: false } } })

const startedAt = performance.now()
const directory = await mkdtemp(join(tmpdir(), 'coppice-demo-'))
const processes = new Processes(directory)

// Whatever ends this process takes its children and its files with it.
process.on('exit', () => {
  processes.kill()
  if (values.keep) console.log(`\nkept: ${directory}`)
  else rmSync(directory, { recursive: true, force: true })
})
for (const [signal, number] of [
  ['SIGINT', 2],
  ['SIGTERM', 15],
  ['SIGHUP', 1],
] as const) {
  process.once(signal, () => process.exit(128 + number))
}

try {
  const { checks } = await new Scenario(directory, processes).run()
  await processes.stop()
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  console.log(
    `\n${checks.count - checks.failures.length} of ${checks.count} checks hold; the whole demo took ${seconds} s`,
  )
  for (const failure of checks.failures) console.error(`demo failed: ${failure}`)
  process.exitCode = checks.failures.length === 0 ? 0 : 1
} catch (error) {
  console.error(`\ndemo failed: ${error instanceof Error ? error.message : String(error)}`)
  process.exit(1)
}
