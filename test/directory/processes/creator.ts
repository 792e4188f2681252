/** A process that creates a database with two key files in argv[2]: prints "begin" before and "end" after. `stay`: after the first key it waits. */
import { randomBytes } from 'node:crypto'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { createDatabaseDirectory } from '../../../src/directory/directory.ts'
import { ensureKeyFile, type KeyCodec } from '../../../src/directory/key-files.ts'

/** A line of 64 hex digits. */
export const HEX_KEY: KeyCodec<string> = {
  encode: (key) => `${key}\n`,
  decode: (text) => (/^[0-9a-f]{64}\n$/.test(text) ? text.trim() : undefined),
}

export const newKey = (): string => randomBytes(32).toString('hex')

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , path = '', stay] = process.argv
  process.stdout.write('begin\n')
  const directory = await createDatabaseDirectory(path, {
    kind: 'author',
    prepare: async (paths) => {
      await ensureKeyFile(paths.authorKey, HEX_KEY, newKey)
      if (stay !== undefined) await new Promise((resolve) => setTimeout(resolve, 1e9))
      await ensureKeyFile(paths.peerKey, HEX_KEY, newKey)
      return new Map([['name', new TextEncoder().encode('test')]])
    },
  })
  process.stdout.write('end\n')
  await directory.close()
}
