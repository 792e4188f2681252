/** The runnable snippets of a Markdown file: fences marked `sh` or `ts`. */

export interface Snippet {
  readonly language: 'sh' | 'ts'
  /** 1-based line of the opening fence. */
  readonly line: number
  readonly code: string
  /** A `ts` snippet that goes on where the one before it ended: the two are one program. */
  readonly continues: boolean
  /** Why it is not run; undefined when it is. */
  readonly noRun: string | undefined
}

/** Malformed fences: `message` names file and line. */
export class SnippetError extends Error {}

/**
 * Finds the snippets in the order of the file. An info string is the language alone, or `no-run` with a reason after it, or (ts)
 * `continues`. Other languages, and indented code, are for reading only.
 */
export function findSnippets(path: string, markdown: string): Snippet[] {
  const snippets: Snippet[] = []
  const lines = markdown.split('\n')
  for (let index = 0; index < lines.length; index++) {
    const [, fence, info = ''] = /^(`{3,})(.*)$/.exec(lines[index] ?? '') ?? []
    if (fence === undefined) continue
    const open = index
    do index++
    while (index < lines.length && lines[index] !== fence)
    if (index === lines.length) throw new SnippetError(`${path}:${open + 1}: this fence is never closed`)
    const [language = '', mode, ...reason] = info.trim().split(/\s+/)
    if (language !== 'sh' && language !== 'ts') continue
    const isKnown = mode === undefined || mode === 'no-run' || (mode === 'continues' && language === 'ts')
    if (!isKnown)
      throw new SnippetError(`${path}:${open + 1}: expected no-run or continues, got ${JSON.stringify(mode)}`)
    if (mode === 'no-run' && reason.length === 0) throw new SnippetError(`${path}:${open + 1}: no-run needs a reason`)
    snippets.push({
      language,
      line: open + 1,
      code: lines.slice(open + 1, index).join('\n'),
      continues: mode === 'continues',
      noRun: mode === 'no-run' ? reason.join(' ') : undefined,
    })
  }
  return snippets
}

/**
 * Joins each `ts` snippet that continues with the one it continues, filled with empty lines, so that line n of the program is line
 * n of the document. Only another `ts` snippet may be continued, with nothing that is run between the two.
 */
export function joinPrograms(path: string, snippets: readonly Snippet[]): Snippet[] {
  const programs: Snippet[] = []
  for (const snippet of snippets) {
    const code = '\n'.repeat(snippet.line) + snippet.code
    if (!snippet.continues) {
      programs.push({ ...snippet, code })
      continue
    }
    const before = programs.pop()
    if (before?.language !== 'ts' || before.noRun !== undefined) {
      throw new SnippetError(`${path}:${snippet.line}: there is no ts snippet before it to continue`)
    }
    programs.push({ ...before, code: before.code + code.slice(before.code.split('\n').length - 1) })
  }
  return programs
}
