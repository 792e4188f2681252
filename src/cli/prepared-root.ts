/** `coppice publish --unsigned`: a root on its way to the machine that has its key. */
import { escapeText, quoteText } from '../escape.ts'
import type { UnsignedRoot } from '../pointer/index.ts'
import type { Cli } from './cli.ts'
import { describeUnsigned, unsignedRootJson } from './root-review.ts'
import { tellerBeside, writeStatement } from './statement-files.ts'

/** Writes what is to be signed, by now kept in the database, to `file`. */
export async function tellPrepared(cli: Cli, unsigned: UnsignedRoot, file: string, isJson: boolean): Promise<void> {
  const teller = tellerBeside(cli, file, isJson)
  await writeStatement(cli, file, 'unsigned-root', unsigned.bytes)
  if (isJson) return await cli.out.json({ ...unsignedRootJson(unsigned), file })
  await teller.line(`prepared @${unsigned.next.payload.sequence}, not signed; nobody sees it`)
  for (const line of describeUnsigned(unsigned)) await teller.line(`  ${line}`)
  const path = file === '-' ? 'FILE' : quoteArgument(file)
  await teller.line(`where the key is:  coppice key sign KEY ${path} SIGNED`)
  await teller.line('then here:         coppice publish DIR --signed SIGNED')
}

/** As a shell takes it, where that is the same as it is. */
function quoteArgument(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : quoteText(escapeText(text))
}
