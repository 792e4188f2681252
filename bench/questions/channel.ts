/** What does a channel between two processes cost? One round prints its own figures. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export async function askChannel(): Promise<void> {
  const script = fileURLToPath(new URL('../rounds/channel.ts', import.meta.url))
  execFileSync(process.execPath, [script], { stdio: 'inherit' })
}
