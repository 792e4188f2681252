/** Vectors that stand beside the checkout on some machines. Tests of them are skipped, visibly, where they are absent. */
import { existsSync, readFileSync } from 'node:fs'

const DIRECTORY = new URL('../../../shared/vectors/', import.meta.url)

export function hasSharedVectors(name: string): boolean {
  return existsSync(new URL(name, DIRECTORY))
}

/** The parsed file. The caller names the shape that it has. */
export function readSharedVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(name, DIRECTORY), 'utf8')) as T
}
