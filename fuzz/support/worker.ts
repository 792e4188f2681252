/**
 * The process in which the cases of one target run: `node worker.ts TARGET_FILE PROGRESS_FILE SEED CASES TIME_MS`.
 *
 * Before each case its seed goes to the progress file, one `pwrite` of 24 bytes: so the runner knows the seed after a death of any
 * kind (out of memory, a segmentation fault in lmdb, process.exit), which nothing inside this process could tell. A case that
 * fails ends the process with its error on standard error and exit code 1.
 */

import { openSync, writeSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { encodeProgress, PROGRESS_BYTES } from './progress.ts'
import { type FuzzTarget } from './target.ts'

const [targetFile = '', progressFile = '', firstSeed, casesMax, timeMs] = process.argv.slice(2)
const target = (await import(pathToFileURL(targetFile).href)) as FuzzTarget
const progressFd = openSync(progressFile, 'w')
const signal = AbortSignal.timeout(Number(timeMs))
const deadline = performance.now() + Number(timeMs)
let cases = 0
let seed = Number(firstSeed)

function writeProgress(done: boolean): void {
  writeSync(progressFd, encodeProgress({ seed, cases, done }), 0, PROGRESS_BYTES, 0)
}

while (cases < Number(casesMax) && performance.now() < deadline) {
  cases++
  writeProgress(false)
  try {
    await target.run(seed, signal)
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error
  }
  seed = (seed + 1) >>> 0
}
writeProgress(true)
