/** `coppice evidence`: the proof that an author contradicted itself, as a file for anybody. */
import type { Command } from 'commander'
import { parseCount } from '../arguments.ts'
import { EXIT_DIFFERENT, type Cli } from '../cli.ts'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import { reading } from '../open.ts'

interface EvidenceCommandOptions extends JsonOption {
  readonly epoch?: number
}

export function addEvidence(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'evidence',
    summary:
      'write the proof that the author of a database signed two histories, for coppice verify; exit 1 where none is known',
    notes: `
A replica keeps it when it finds out by itself, or hears of it from a peer; a database of one's own when a reader
tells. Whoever gets the file needs nothing else: coppice verify FILE says whose it is, and what was signed. It is
about one epoch, and goes on to be shown after a higher epoch has ended the fork.`,
    examples: ['evidence copy fork.evidence', 'evidence copy - --epoch 0', 'verify fork.evidence --author k51...'],
  })
    .argument('<DIR>', 'the replica, or a database of one’s own')
    .argument('<FILE>', 'where to write it; - is standard output')
    .option('--epoch <N>', 'of this epoch (default: the highest)', parseCount('--epoch'))
    .option(...JSON_OPTION)
    .action((dir: string, file: string, options: EvidenceCommandOptions) => evidence(cli, dir, file, options))
}

async function evidence(cli: Cli, dir: string, file: string, options: EvidenceCommandOptions): Promise<void> {
  const { tellerBeside, writeStatement } = await import('../statement-files.ts')
  const { describeEvidence, describeProven, evidenceJson } = await import('../evidence-text.ts')
  const { encodeProvenEvidence } = await import('../../pointer/index.ts')
  const { readKnown } = await import('../../db/roots/statements.ts')
  const teller = tellerBeside(cli, file, options.json === true)
  await reading(dir, async ({ db }) => {
    const { floor, authority } = await readKnown(db.state)
    const found = floor.evidence.find(({ epoch }) => options.epoch === undefined || epoch === options.epoch)
    if (found === undefined) {
      cli.exitCode = EXIT_DIFFERENT
      if (options.json === true) return await cli.out.json({ file: null })
      const where = options.epoch === undefined ? '' : ` in epoch ${options.epoch}`
      return cli.note(`coppice: no fork of ${db.name}${where} is known here`)
    }
    const proven = { evidence: found, authority }
    await writeStatement(cli, file, 'evidence', encodeProvenEvidence(proven))
    if (options.json === true) return await cli.out.json({ file, ...evidenceJson(proven) })
    await teller.line(describeProven(file, proven))
    for (const line of describeEvidence(found)) await teller.line(`  ${line}`)
  })
}
