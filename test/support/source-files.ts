/** The project's own files and what they import, for the tests that hold its structure. */

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, normalize, resolve } from 'node:path'

export const PROJECT: string = resolve(import.meta.dirname, '../..')

export interface SourceFile {
  /** Relative to the project, with forward slashes. */
  readonly path: string
  readonly text: string
}

export interface ImportSite {
  readonly path: string
  /** 1-based. */
  readonly line: number
  /** A package or builtin as written, a relative import as the project path of the file it names. */
  readonly target: string
  /** Gone once types are stripped: `import type`, or a type position. */
  readonly typeOnly: boolean
}

/** What git tracks or would add; empty outside of a git checkout. */
export function trackedFiles(): string[] {
  try {
    const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
      cwd: PROJECT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return listed.split('\0').filter((path) => path !== '')
  } catch {
    return []
  }
}

export function readSource(path: string): SourceFile {
  return { path, text: readFileSync(join(PROJECT, path), 'utf8') }
}

const STATEMENT = /^\s*(?:import|export)\b([^'"`;]*?\bfrom\s*|\s+)['"]([^'"]+)['"]/
const CONTINUED = /^\s*\}\s*from\s*['"]([^'"]+)['"]/
const EXPRESSION = /\bimport\(\s*['"]([^'"]+)['"]/g

/** Found line by line, which prettier's layout allows: a statement's specifier stands on its first line or after its `}`. */
export function findImports(file: SourceFile): ImportSite[] {
  const sites: ImportSite[] = []
  let openTypeImport = false
  for (const [index, line] of file.text.split('\n').entries()) {
    const add = (specifier: string, typeOnly: boolean): void => {
      const target = specifier.startsWith('.') ? normalize(join(file.path, '..', specifier)) : specifier
      sites.push({ path: file.path, line: index + 1, target, typeOnly })
    }
    if (/^\s*(?:\*|\/\/|\/\*)/.test(line)) continue
    if (/^\s*(?:import|export)\b.*\{$/.test(line)) openTypeImport = /^\s*(?:import|export)\s+type\b/.test(line)
    const statement = STATEMENT.exec(line)
    if (statement?.[2] !== undefined) add(statement[2], /^\s*(?:import|export)\s+type\b/.test(line))
    const continued = CONTINUED.exec(line)
    if (continued?.[1] !== undefined) add(continued[1], openTypeImport)
    for (const expression of line.matchAll(EXPRESSION)) {
      // `typeof import('x')`, `import('x').Name` as a type: erased. A loading import is awaited, returned or called upon.
      const isType = /typeof\s+$/.test(line.slice(0, expression.index))
      if (expression[1] !== undefined) add(expression[1], isType)
    }
  }
  return sites
}
