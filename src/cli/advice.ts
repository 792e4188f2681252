/**
 * What to do about an error, in the words of the command line: the library's messages know nothing of options. The same code means
 * different things to different commands, so each piece of advice says when it holds.
 */
import type { CoppiceError, ErrorCode } from '../errors.ts'

/** Undefined where there is nothing to add. `command` is '' before one is known. */
type Advise = (error: CoppiceError, command: string) => string | undefined

const WRITING: ReadonlySet<string> = new Set(['import', 'put', 'del'])
/** Commands for one's own database only. */
const AUTHORING: ReadonlySet<string> = new Set(['import', 'put', 'del', 'merge', 'publish', 'recover'])
const PULLING: ReadonlySet<string> = new Set(['clone', 'pull', 'follow'])
/** Their blocks go to the store before the change they belong to. */
const STAGING: ReadonlySet<string> = new Set(['import', 'put', 'del', 'merge'])
const RESUMED: ReadonlySet<string> = new Set(['clone', 'pull', 'fork', 'gc', 'recover'])

const always =
  (text: string): Advise =>
  () =>
    text

/** For what reads rows into the database: none of them is there after an error. */
const whereWritten =
  (text: string): Advise =>
  (_error, command) =>
    WRITING.has(command) ? `nothing was written; ${text}` : undefined

/** For one damaged block; a damaged store has its advice in the message. */
const adviseRepair: Advise = ({ details }, command) => {
  if (!('cid' in details)) return undefined
  const repair = 'coppice verify DIR --repair fetches it from peers again'
  return AUTHORING.has(command) ? `${repair}; or coppice restore DIR @SEQUENCE goes back to a sound state` : repair
}

const ADVICE: Partial<Readonly<Record<ErrorCode, Advise>>> = {
  ADDRESS_INVALID: ({ details }) =>
    'offset' in details
      ? 'coppice serve prints addresses: coppice:k51.../NAME?peer=/ip4/.../tcp/.../p2p/...; a URL is a peer, for --peer or ?peer='
      : undefined,
  BLOCK_MISSING: (error, command) =>
    command === 'inspect'
      ? 'either it is no block of this database, or it was lost, which coppice verify DIR tells'
      : adviseRepair(error, command),
  CAR_INVALID: always('nothing of it is shown; what was sound is kept, so get the file again, or pull from a peer'),
  COLLECTION_UNKNOWN: (_error, command) =>
    command === 'import' || command === 'put'
      ? 'a new collection needs --key FIELD,...; coppice status lists those that exist'
      : 'coppice status lists the collections',
  DATABASE_KIND: adviseKind,
  DOCUMENT_INVALID: adviseDocument,
  INPUT_DUPLICATE_KEY: whereWritten('keep one of the two, or choose another --key'),
  INPUT_NOT_FOUND: always('check the path; - reads standard input'),
  INPUT_SYNTAX: adviseSyntax,
  INPUT_TYPE_UNKNOWN: (_error, command) =>
    command === 'export' ? 'or name it with --format ndjson or csv' : 'with --format ndjson, json or csv',
  KEY_FILE_INVALID: ({ details }, command) =>
    command === 'publish' && details['reason'] !== 'permissions'
      ? 'or prepare the root for the machine that has the key: coppice publish DIR --unsigned FILE'
      : undefined,
  KEY_INVALID: adviseKey,
  KEY_TOO_LONG: whereWritten('choose shorter keys'),
  NO_COMMON_BASE: always('name one with --base ROOT, or take every row there as new with --base empty'),
  NO_PEER_LEFT: adviseNoPeer,
  PEER_UNREACHABLE: always('check the address and that coppice serve runs there'),
  PROOF_TOO_LARGE: always('prove pages, with --limit and --start, or leave values out with --no-values'),
  PUBLISH_REFUSED: ({ details }) => REFUSALS[String(details['reason'])],
  QUORUM_MISSED: always('coppice carriers add names more sources, --quorum and coppice carriers quorum ask for fewer'),
  ROOT_NOT_FOUND: (_error, command) =>
    command === 'resolve' ? 'check the author and the name; perhaps nothing is published yet' : undefined,
  SCHEMA_MISMATCH: ({ details }) =>
    'types' in details
      ? 'nothing was written'
      : 'a key never changes: leave --key and --types out, or import into another collection',
  STORE_CORRUPT: adviseRepair,
  STORE_LOCKED: (_error, command) =>
    PULLING.has(command)
      ? 'it may be a running coppice follow, which pulls by itself; reading and coppice serve go on meanwhile'
      : command === 'export'
        ? undefined
        : 'it may be a coppice import, or coppice follow of a replica; reading and coppice serve go on meanwhile',
  TOO_MANY_CHANGES: always('check the input; if it is right, raise --max-changes or leave it out'),
  TREE_MALFORMED: always('its author published a broken tree: tell the author; the last complete state stays'),
  EQUIVOCATION: (_error, command) =>
    PULLING.has(command)
      ? 'coppice evidence DIR FILE writes the proof, for the author and others; --on-fork highest goes on'
      : command === 'resolve'
        ? 'a replica that knows of it has the proof: coppice evidence DIR FILE'
        : undefined,
  USAGE: ({ details }) => suspectSeparator(details['fields']),
  VALUE_TOO_LARGE: (error, command) =>
    command === 'export'
      ? 'coppice get DIR --raw KEY --bytes > FILE writes one value of any length'
      : whereWritten('split the value')(error, command),
}

/** By reason. */
const REFUSALS: Readonly<Record<string, string>> = {
  'grant-expired':
    'ask the authority for another with coppice key grant, or let it sign: coppice publish DIR --unsigned FILE --new-epoch',
  'grant-signature':
    'the authority grants; after a rotation that is the new key: coppice publish DIR --rotations FILE --grant FILE',
  history: 'with --peer PEER; with --base @SEQUENCE; or with --end-fork, which takes the key that may begin an epoch',
  prepared: 'coppice publish DIR --signed FILE completes it, --replace-prepared makes another',
  older: 'a restored backup asks for it, or a second machine',
  contradiction:
    'a restored backup asks for it, or a second machine; where what was signed is lost, prepare with --new-epoch',
}

export function adviceFor(error: CoppiceError, command: string): string | undefined {
  return ADVICE[error.code]?.(error, command)
}

/** What was begun may have left blocks, which gc frees, or which the same command builds on when it is run again. */
export function adviceWhenInterrupted(command: string, args: readonly string[]): string | undefined {
  const goesOn = RESUMED.has(command) || (command === 'verify' && args.includes('--repair'))
  if (goesOn) return 'run it again to go on'
  return STAGING.has(command) ? 'coppice gc frees what was written' : undefined
}

/** `rawKey`: where such bytes stand. */
function adviseDocument(error: CoppiceError, command: string): string | undefined {
  const { rawKey } = error.details
  if (typeof rawKey === 'string') return `coppice del DIR --raw ${rawKey} removes them`
  return whereWritten('correct the document')(error, command)
}

/** A fork is pulled into by whoever is used to other tools: here it merges a replica of its origin. */
function adviseKind({ details }: CoppiceError): string {
  const { forkedFrom } = details
  return typeof forkedFrom === 'string'
    ? `a fork merges what its origin publishes: coppice clone "${forkedFrom}" COPY, and then coppice merge FORK COPY`
    : 'change the database itself, and publish it there; a replica follows with coppice pull'
}

function adviseNoPeer({ details }: CoppiceError, command: string): string | undefined {
  if (command === 'follow') return undefined
  const peers = Array.isArray(details['peers']) ? (details['peers'] as readonly { readonly outcome?: unknown }[]) : []
  if (peers.length === 0 && command === 'recover')
    return 'whoever serves that root, a replica for instance, is a --peer'
  if (peers.length === 0) return 'or with --peer; where --lan or --dht was given, nobody was found'
  const isIncomplete = peers.some(({ outcome }) => outcome === 'incomplete')
  return isIncomplete
    ? 'what came of it stays, and another peer completes it; an archive of --since ROOT is for replicas that have ROOT'
    : 'check that a peer serves it and can be reached; what is here already stays'
}

/** The format is in doubt only where not even the beginning of a file could be read. */
function adviseSyntax({ details }: CoppiceError, command: string): string | undefined {
  if (command === 'put') return 'nothing was written'
  if (command !== 'import') return undefined
  const isAtStart = details['line'] === undefined || (details['line'] === 1 && details['column'] === 1)
  return `nothing was written; correct the input${isAtStart ? ', or name its format with --format' : ''}`
}

function adviseKey({ details }: CoppiceError, command: string): string | undefined {
  if (!WRITING.has(command)) return undefined
  const shown = 'coppice status shows the key of each collection'
  const known = command === 'import' ? `${shown}; a new one needs --collection NAME --key FIELD,...` : shown
  return `nothing was written; ${suspectSeparator(details['fields']) ?? known}`
}

/** `fields`: those a record has. One field whose name holds the separators of other tables was meant to be several. */
function suspectSeparator(fields: unknown): string | undefined {
  const [only, ...others] = Array.isArray(fields) ? (fields as unknown[]) : []
  if (typeof only !== 'string' || others.length > 0 || !/[;\t]/.test(only)) return undefined
  return `its cells seem to be separated by ${only.includes(';') ? 'semicolons' : 'tabs'}, where CSV has commas`
}
