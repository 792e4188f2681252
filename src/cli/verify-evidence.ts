/** `coppice verify FILE` of evidence: whether an author contradicted itself, which the file shows to anybody. */
import { equalBytes } from '../bytes.ts'
import { CoppiceError, isCoppiceError } from '../errors.ts'
import { escapeText } from '../escape.ts'
import {
  decodeProvenEvidence,
  decodeStatementFile,
  formatAuthor,
  parseAddress,
  parseAuthor,
  type ProvenEvidence,
} from '../pointer/index.ts'
import { type Cli, EXIT_DIFFERENT } from './cli.ts'
import type { JsonOption } from './command.ts'
import { describeEvidence, describeProven, evidenceJson } from './evidence-text.ts'
import type { TrustOptions } from './verify-proof.ts'

/** Exit code 1 where it proves nothing, or something about somebody else. @throws {CoppiceError} `USAGE`, `FORMAT_NEWER`. */
export async function verifyEvidenceFile(
  cli: Cli,
  path: string,
  text: string,
  options: TrustOptions & JsonOption,
): Promise<void> {
  if (options.root !== undefined) {
    throw new CoppiceError('USAGE', '--root: expected --author or --address for evidence, which is about two roots')
  }
  try {
    const proven = decodeProvenEvidence(decodeStatementFile('evidence', text))
    requireAbout(proven, options)
    if (options.json === true) return await cli.out.json({ valid: true, ...evidenceJson(proven) })
    await cli.out.line(describeProven(path, proven))
    for (const line of describeEvidence(proven.evidence)) await cli.out.line(`  ${line}`)
    await cli.out.flush()
    if (options.author === undefined && options.address === undefined) {
      cli.note('coppice: whether that key is your author’s is for you to compare; --author or --address does it')
    }
  } catch (error) {
    if (!isCoppiceError(error, 'SIGNED_ROOT_INVALID') && !isCoppiceError(error, 'INPUT_SYNTAX')) throw error
    cli.exitCode = EXIT_DIFFERENT
    if (options.json === true) await cli.out.json({ valid: false, message: error.message })
    else await cli.out.line(escapeText(`${path}: not proven: ${error.message}`))
  }
}

/** @throws {CoppiceError} `SIGNED_ROOT_INVALID` for evidence about anybody, or any database, but those named. */
function requireAbout({ evidence, authority }: ProvenEvidence, { author, address }: TrustOptions): void {
  const named = address === undefined ? undefined : parseAddress(address)
  const key = author === undefined ? named?.author : parseAuthor(author)
  if (key !== undefined && !equalBytes(key, authority.author)) {
    throw otherThan(formatAuthor(key), formatAuthor(authority.author))
  }
  const name = evidence.kind === 'roots' ? evidence.lower.payload.name : undefined
  if (named !== undefined && name !== undefined && name !== named.name) throw otherThan(named.name, name)
}

function otherThan(expected: string, got: string): CoppiceError {
  return new CoppiceError('SIGNED_ROOT_INVALID', `evidence: expected it about ${expected}, got it about ${got}`)
}
