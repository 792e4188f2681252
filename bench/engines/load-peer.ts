/**
 * Peers are installed under bench/ only when they are measured, so nothing may need them when types are checked. Each
 * engine declares the little of its peer that it uses, and loads it here by name.
 */
import { readFileSync } from 'node:fs'

/** Imports a package (or a part of one) of bench/package.json. */
export async function loadPeer<Module>(name: string): Promise<Module> {
  return (await import(name)) as Module
}

/** The version installed; 'absent' where it is not. */
export function peerVersion(name: string): string {
  try {
    const path = new URL(`../node_modules/${name}/package.json`, import.meta.url)
    return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
  } catch {
    return 'absent'
  }
}
