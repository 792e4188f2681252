/** What only some users may do, so that tests which need it are skipped by name elsewhere: `const it = CAN_MOUNT ? test : test.skip`. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { inDirectory, scope, type Use } from './temporary-directory.ts'

/** Root may write everywhere, so nothing is without permission for it. */
export const IS_ROOT: boolean = process.getuid?.() === 0

/** Whether this process may mount a small file system, which containers as a rule forbid even to root. */
export const CAN_MOUNT: boolean = IS_ROOT && tryMount()

function tryMount(): boolean {
  const path = mkdtempSync(join(tmpdir(), 'coppice-'))
  try {
    mountSmallDisk(1, path)
    unmount(path)
    return true
  } catch {
    return false
  } finally {
    rmdirSync(path)
  }
}

function mountSmallDisk(megabytes: number, path: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'coppice-test', path], { stdio: 'ignore' })
}

function unmount(path: string): void {
  execFileSync('umount', ['-l', path])
}

/** A file system of that size, mounted at the path handed to `body`. Needs {@link CAN_MOUNT}. */
export async function onSmallDisk(megabytes: number, body: (path: string, use: Use) => Promise<void>): Promise<void> {
  await inDirectory(async (path) => {
    mountSmallDisk(megabytes, path)
    try {
      await scope((use) => body(path, use))
    } finally {
      unmount(path)
    }
  })
}

/** `options` of mount(8), such as `ro` or `size=64m`. */
export function remount(path: string, options: string): void {
  execFileSync('mount', ['-o', `remount,${options}`, path])
}
