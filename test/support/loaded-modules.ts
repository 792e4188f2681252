/** Run as a program, `node loaded-modules.ts FILE`: imports FILE and prints the URLs of all modules that this loaded, as JSON. */

import { registerHooks } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const loaded: string[] = []
registerHooks({
  load(url, context, nextLoad) {
    loaded.push(url)
    return nextLoad(url, context)
  },
})
await import(pathToFileURL(resolve(process.argv[2] ?? '')).href)
process.stdout.write(JSON.stringify(loaded))
