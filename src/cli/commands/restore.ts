/** `coppice restore`: back to a state that is held, whatever became of the working state. */
import type { Command } from 'commander'
import { escapeText } from '../../escape.ts'
import type { Cli } from '../cli.ts'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import { writing } from '../open.ts'
import { renderCounted } from '../render.ts'
import { findRoot, parseRoot, type RootName } from '../roots.ts'

export function addRestore(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'restore',
    summary: 'make an earlier state the working state again',
    notes: `
The working state before is left behind, and is not read: so this is the way out of a damaged one, too. Its CID
is printed: until coppice gc it can be restored in turn, or pinned. A merge that was not published is dropped with
it, and can be done again. What is published stays so: coppice publish signs the restored state as the newest.`,
    examples: ['restore cities @3', 'restore cities bafyreidgarpbbrk6tztplxsmaanx2fjxjpnkpbu4q36kxqkwlyywh54sta'],
  })
    .argument('<DIR>', "one's own database")
    .argument('<ROOT>', '@SEQUENCE or CID of a root that is held', parseRoot)
    .option(...JSON_OPTION)
    .action((dir: string, root: RootName, options: JsonOption) => restore(cli, dir, root, options))
}

async function restore(cli: Cli, dir: string, name: RootName, { json }: JsonOption): Promise<void> {
  await writing(dir, async (db) => {
    const { snapshot } = await findRoot({ kind: 'author', db }, name)
    const { to, left, isLeftPublished } = await db.restore(snapshot, { signal: cli.signal })
    const { root } = to
    const { entries } = to.tree.ref
    if (json === true) return await cli.out.json({ root, entries, left: left ?? null, isLeftPublished })
    if (left === root) return await cli.out.line(`nothing to restore: the working state is ${root}`)
    const text = 'sequence' in name ? `@${name.sequence} ${root}` : root
    await cli.out.line(`restored ${text}: ${renderCounted(entries, 'row')}; coppice diff shows what differs`)
    if (left === undefined) return
    const again = `coppice restore ${escapeText(dir)} ${left} brings it back`
    await cli.out.line(`left ${left}, ${isLeftPublished ? 'which is published' : `not published: until gc, ${again}`}`)
  })
}
